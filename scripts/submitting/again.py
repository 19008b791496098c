"""A run done again over the same objects: which they are, and whether they are still what they were."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from chalicelib.config.load import LoadedJob
from chalicelib.core.errors import NotFound, UserError
from chalicelib.core.keys import OutputKeys, RunKeys, results_place
from chalicelib.core.messages import decode
from chalicelib.core.outcome import Manifest
from chalicelib.core.plan import Plan
from chalicelib.core.plan_file import read_head
from chalicelib.core.ports import Loc, ObjectInfo, Store
from chalicelib.core.spec import MANIFEST_SUFFIX
from chalicelib.functions.auditing.examine import is_counted, objects_of
from chalicelib.functions.run_inputs import READY
from chalicelib.run.periods.given import read_period
from chalicelib.run.periods.keys import is_period
from scripts.console.terminal import Line, count

from .existing import Selection, lines

#: Objects whose names are told where they have changed.
_SHOWN = 3


def same_objects(store: Store, job: LoadedJob, keys: RunKeys) -> tuple[Selection, list[Line]]:
    """What the run `keys` read, to be read again, and what is to be told of it. Raises UserError."""
    plan, trigger = _plan(store, keys), job.spec.trigger
    _refuse_counted(store, keys)
    source = plan.source if plan else _told_source(store, job, keys)
    if is_period(keys.work, _loc(source)):
        return _same_period(store, _loc(source)), []
    objects = dict(objects_of(store, keys, plan)) if plan else {}
    by_itself = _starts_by_itself(source) and trigger != "marker"
    if by_itself and (trigger == "success" or len(objects) < 2):
        objects = {_loc(source): objects.get(_loc(source), "")}
    if not objects:
        raise UserError(f"{keys.run} read no bytes: there is nothing to do again")
    found = _still_there(store, list(objects), keys)
    changed = _told([loc for loc, etag in objects.items() if etag and found[loc].etag != etag])
    size = sum(info.size for info in found.values())
    if trigger == "each" or by_itself:
        starting = tuple((loc, found[loc].etag) for loc in objects)
        return Selection(starting=starting, objects=len(objects), bytes=size), changed
    return Selection(lines=lines(objects.keys()), objects=len(objects), bytes=size), changed


def _same_period(store: Store, loc: Loc) -> Selection:
    """The period that a run was given. The new run leaves out what was overwritten since: a later one has that."""
    period = read_period(store, loc)
    return Selection(starting=((loc, ""),), objects=period.count, bytes=period.bytes)


def _told(changed: list[Loc]) -> list[Line]:
    if not changed:
        return []
    names = ", ".join(loc.url for loc in changed[:_SHOWN])
    more = f" and {len(changed) - _SHOWN:,} more" if len(changed) > _SHOWN else ""
    text = f"changed since that run, and read as they are now: {count(len(changed), 'object')}: {names}{more}"
    return [[(text, "yellow")]]


def _plan(store: Store, keys: RunKeys) -> Plan | None:
    try:
        return read_head(store, keys)
    except NotFound:
        return None


def _told_source(store: Store, job: LoadedJob, keys: RunKeys) -> str:
    """What started a run whose plan is not there, if that alone is what it reads. Raises UserError."""
    place = OutputKeys(results_place(job.spec.output_loc, keys.run)).manifest
    try:
        source = decode(Manifest, store.get(place), place.url).source
    except NotFound:
        source = ""
    by_itself = _starts_by_itself(source) and job.spec.trigger != "marker"
    if by_itself or is_period(keys.work, _loc(source)):
        return source
    raise UserError(
        f"{keys.plan.url}: there is no plan, so nobody knows what this run read: name it,"
        f" scripts/submit.py {keys.job} s3://BUCKET/PREFIX/"
    )


def _starts_by_itself(source: str) -> bool:
    """Whether what started a run does so again by an event of its own: no marker or manifest of another time."""
    base = source.rpartition("/")[2]
    return bool(base) and base != READY and not base.endswith(MANIFEST_SUFFIX)


def _loc(url: str) -> Loc:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return Loc(bucket, key)


def _still_there(store: Store, objects: list[Loc], keys: RunKeys) -> dict[Loc, ObjectInfo]:
    """The objects as they are now. Raises UserError if one is gone."""

    def look(loc: Loc) -> ObjectInfo | None:
        try:
            return store.head(loc)
        except NotFound:
            return None

    with ThreadPoolExecutor(max_workers=max(1, store.parallel_reads)) as pool:
        found = dict(zip(objects, pool.map(look, objects), strict=True))
    gone = [loc.url for loc, info in found.items() if info is None]
    if gone:
        more = f" and {len(gone) - _SHOWN:,} more" if len(gone) > _SHOWN else ""
        raise UserError(
            f"{keys.run} read what is gone, and cannot be done again: {', '.join(gone[:_SHOWN])}{more}"
        )
    return {loc: info for loc, info in found.items() if info is not None}


def _refuse_counted(store: Store, keys: RunKeys) -> None:
    """A run whose files are in the totals of its job would count them twice."""
    if is_counted(store, keys):
        raise UserError(
            f"{keys.run}: its files are in the totals of {keys.job} (accumulate), or about to be: done again, it would"
            " count them twice"
        )
