"""Which objects that are there already are run over. Nothing is started here, and nothing is ever copied."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from chalicelib.config.load import LoadedJob
from chalicelib.core.errors import NotFound, UserError
from chalicelib.core.keys import SUCCESS, TotalsKeys
from chalicelib.core.ports import Loc, ObjectInfo, Store
from chalicelib.core.spec import InputSpec, JobSpec
from chalicelib.functions.run_inputs import is_read, starts
from chalicelib.run import totals_pointer

_S3 = "s3://"


@dataclass(frozen=True)
class Selection:
    """What is run over: objects that each start a run of their own, or one run over what `lines` name."""

    #: (object, its etag) of each run.
    starting: tuple[tuple[Loc, str], ...] = ()
    #: URLs of a manifest, one a line; prefixes end in `/`.
    lines: tuple[str, ...] = ()
    #: How many objects are read, and their bytes.
    objects: int = 0
    bytes: int = 0


def is_url(text: str) -> bool:
    """Whether an argument names what is there already, and no file to upload."""
    return text.startswith(_S3)


def watched(spec: JobSpec) -> list[Loc]:
    """All places that the job watches."""
    return [given.loc for given in spec.inputs]


def named(urls: Sequence[str], spec: JobSpec) -> list[Loc]:
    """The objects and prefixes (which end in `/`) that are named. Raises UserError for one that is no input."""
    places = []
    for url in urls:
        bucket, _, key = url.removeprefix(_S3).partition("/")
        place = Loc(bucket, key)
        if _input_of(spec, place) is None:
            listed = ", ".join(there.url for there in watched(spec))
            raise UserError(
                f"{url}: is outside of the job's input ({listed}): its functions may read nothing else"
            )
        places.append(place)
    return places


def choose(store: Store, job: LoadedJob, places: Sequence[Loc], *, most: int) -> Selection:
    """What a run over `places` reads or, by the job's trigger, what several runs do, at most `most` of them.

    `each`: every object is a run of its own. `success`: every `_SUCCESS` is. `marker`: one run reads them all.
    Raises UserError where there is nothing, and for what cannot be run over.
    """
    if job.spec.accumulate:
        _refuse_totals(store, job)
    if job.spec.trigger == "marker" or job.spec.period:
        return _together(store, places)
    found = list(_starting(store, job.spec, places))
    if len(found) > most:
        raise UserError(
            f"{job.path.name}: trigger: {job.spec.trigger}: this is {len(found):,} runs, one for each object, and"
            f" {most:,} are allowed: name fewer, or say --most {len(found)}"
        )
    return Selection(
        starting=tuple((Loc(bucket, info.key), info.etag) for bucket, info in found),
        objects=len(found),
        bytes=sum(info.size for _, info in found),
    )


def _together(store: Store, places: Sequence[Loc]) -> Selection:
    """All objects as one run. Prefixes are named as such: the coordinator looks up folders faster than names."""
    seen: dict[Loc, int] = {}
    for place in places:
        found = list(_below(store, place)) if _is_prefix(place) else [_head(store, place)]
        if not found:
            raise UserError(f"{place.url}: nothing there to read: expected at least one object")
        seen.update((Loc(place.bucket, info.key), info.size) for info in found)
    return Selection(
        lines=lines(dict.fromkeys(places).keys()),
        objects=len(seen),
        bytes=sum(seen.values()),
    )


def lines(places: Collection[Loc]) -> tuple[str, ...]:
    """The lines of a manifest. Raises UserError for a name that cannot be one."""
    for place in places:
        if place.url.splitlines() != [place.url.strip()]:
            raise UserError(
                f"{place.url!r}: a manifest cannot list a name that holds line breaks or ends in spaces: name the"
                " folder that it is in"
            )
    return tuple(place.url for place in places)


def _starting(store: Store, spec: JobSpec, places: Sequence[Loc]) -> Iterator[tuple[str, ObjectInfo]]:
    """The objects of `places` that would start a run if they were put now, each once."""
    seen: set[Loc] = set()
    for place in places:
        there = False
        for info in store.list(place) if _is_prefix(place) else [_head(store, place)]:
            loc = Loc(place.bucket, info.key)
            if _starts(loc, spec):
                there = True
                if loc not in seen:
                    seen.add(loc)
                    yield place.bucket, info
        if not there:
            wanted = "a _SUCCESS" if spec.trigger == "success" else "an object"
            raise UserError(f"{place.url}: nothing there starts a run: expected {wanted}")


def _starts(loc: Loc, spec: JobSpec) -> bool:
    """Of a `success` job `_SUCCESS` alone: a marker or manifest that lies there was for another time."""
    return starts(loc, spec) and (spec.trigger == "each" or loc.key.rpartition("/")[2] == SUCCESS)


def _refuse_totals(store: Store, job: LoadedJob) -> None:
    keys = TotalsKeys(job.spec.work_loc, job.name)
    if job.spec.period:
        raise UserError(
            f"{job.path.name}: accumulate: the clock takes all that is there, so whatever is read besides would be"
            " counted twice"
        )
    if totals_pointer.read(store, keys).etag or next(store.list(keys.all_waiting), None):
        raise UserError(
            f"{job.path.name}: accumulate: {keys.root.url} has totals already, and an object that is in them would be"
            " counted twice: drop what is missing, or give the job another name for totals from the beginning"
        )


def _is_prefix(place: Loc) -> bool:
    return not place.key or place.key.endswith("/")


def _below(store: Store, place: Loc) -> Iterator[ObjectInfo]:
    return (info for info in store.list(place) if is_read(place, info.key))


def _head(store: Store, loc: Loc) -> ObjectInfo:
    try:
        return store.head(loc)
    except NotFound as error:
        raise UserError(f"{loc.url}: there is no such object; all below a prefix: end it in /") from error


def _input_of(spec: JobSpec, place: Loc) -> InputSpec | None:
    holders = (given for given in spec.inputs if given.loc.bucket == place.bucket)
    return next((given for given in holders if place.key.startswith(given.loc.key)), None)
