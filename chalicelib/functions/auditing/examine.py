"""Compares what starts runs of a job with the runs there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from ...core.errors import CorruptData, NotFound, StoreError, UserError
from ...core.keys import SUCCESS, OutputKeys, RunKeys, TotalsKeys, results_place
from ...core.messages import decode
from ...core.outcome import Manifest
from ...core.plan import Plan
from ...core.plan_file import read_head, read_tasks
from ...core.ports import Loc, Store
from ...core.spec import JobSpec
from ...run import totals_pointer
from ...run.periods.keys import PeriodKeys, is_period
from ...run.status.collect import collect
from ...run.status.runs import list_finished, runs_since
from ..run_inputs import READY, Found, FoundObjects, is_read, starts
from .judge import AMISS, Damaged, Finding, Known, Starter, is_since, judge


def examine(
    store: Store,
    job: str,
    spec: JobSpec,
    now: float,
    grace: float,
    since: float = 0.0,
    tell: Callable[[Damaged], None] = lambda _: None,
) -> Iterator[Finding]:
    """What became of each object that starts runs, in the order of their keys; of those alone put after `since`.

    They are listed before the runs: what begins meanwhile is found, and not missed. `tell` is called for each run that
    cannot be read. It may be done, so what it may have read is never said to be lost.
    """
    found = FoundObjects(_starters(store, job, spec, since))
    known, damaged = _known(store, job, spec, now, since)
    runs: dict[str, list[Known]] = defaultdict(list)
    for run in known:
        runs[run.status.source].append(run)
    for each in damaged:
        tell(each)
    of_unknown = any(not each.source for each in damaged)
    unreadable = {each.source for each in damaged}
    for bucket, info in found:
        loc = Loc(bucket, info.key)
        final = bool(spec.period) and is_period(spec.work_loc, loc)
        finding = judge(Starter(loc, info.etag, info.modified, final), runs[loc.url], now, grace)
        finding = finding if spec.trigger == "each" else _with_others(store, finding, known)
        if finding.state in AMISS and (of_unknown or loc.url in unreadable):
            finding = replace(finding, state="unclear")
        yield finding


def _starters(store: Store, job: str, spec: JobSpec, since: float) -> Iterator[Found]:
    places = [given.loc for given in spec.inputs]
    if spec.period:
        places.append(PeriodKeys(spec.work_loc, job).all_given)
    for place in places:
        for info in store.list(place):
            if info.modified >= since and starts(Loc(place.bucket, info.key), spec):
                yield place.bucket, info


def _known(
    store: Store, job: str, spec: JobSpec, now: float, since: float
) -> tuple[list[Known], list[Damaged]]:
    """All runs of the job that began after `since`, as they stand, newest last, and those that cannot be read."""
    begin = datetime.fromtimestamp(since, UTC).strftime("%Y%m%dT%H%M%S") if since else ""
    seen = {
        *runs_since(store, spec.work_loc, job, begin),
        *list_finished(store, spec.output_loc, spec.work_loc, job, begin),
    }

    def look(keys: RunKeys) -> Known | Damaged | None:
        try:
            return _look(store, spec, keys, now)
        except UserError:  # deleted since it was listed
            return None
        except CorruptData as error:
            return Damaged(keys, _source(store, keys), str(error))

    with ThreadPoolExecutor(max(1, store.parallel_reads)) as pool:
        found = list(pool.map(look, sorted(seen, key=lambda keys: keys.run)))
    return [run for run in found if isinstance(run, Known)], [
        run for run in found if isinstance(run, Damaged)
    ]


def _look(store: Store, spec: JobSpec, keys: RunKeys, now: float) -> Known:
    output = results_place(spec.output_loc, keys.run)
    status = collect(store, keys, now=now, output=output)
    failed = status.phase == "failed"
    return Known(
        keys,
        status,
        stopped=failed and _is_stopped(store, output),
        counted=failed and spec.accumulate and is_counted(store, keys),
    )


def _source(store: Store, keys: RunKeys) -> str:
    """What started a run that cannot be read, by its plan; "" if that cannot be read either."""
    with suppress(CorruptData, StoreError):
        return read_head(store, keys).source
    return ""


def _is_stopped(store: Store, output: Loc) -> bool:
    loc = OutputKeys(output).manifest
    try:
        return decode(Manifest, store.get(loc), loc.url).stopped is not None
    except NotFound:
        return False


def _with_others(store: Store, finding: Finding, known: Sequence[Known]) -> Finding:
    """The same, but done if runs that others began since have read all that a marker stands for."""
    if finding.state not in ("lost", "failed"):
        return finding
    wanted = _wanted(store, finding)
    for other in known:
        if wanted and other.status.phase == "succeeded" and is_since(other, finding.starter):
            wanted = wanted - _read(store, other.keys)
            if not wanted:
                return replace(finding, state="done")
    return finding


def _wanted(store: Store, finding: Finding) -> set[Loc]:
    """The objects that a run would have read; none if that cannot be known."""
    loc = finding.starter.loc
    folder, _, base = loc.key.rpartition("/")
    if base in (READY, SUCCESS):
        place = Loc(loc.bucket, f"{folder}/" if folder else "")
        return {Loc(loc.bucket, info.key) for info in store.list(place) if is_read(place, info.key)}
    return set().union(*(_read(store, run.keys) for run in finding.runs))


def _read(store: Store, keys: RunKeys) -> set[Loc]:
    """The objects that a run read; none if its plan is gone, or damaged."""
    try:
        return {loc for loc, _ in objects_of(store, keys, read_head(store, keys))}
    except (NotFound, CorruptData):
        return set()


def objects_of(store: Store, keys: RunKeys, plan: Plan) -> Iterator[tuple[Loc, str]]:
    """(object, etag) of each split of the plan, in input order."""
    for first in range(0, plan.tasks, plan.page):
        for task in read_tasks(store, keys, plan, first, min(first + plan.page, plan.tasks)):
            yield from ((split.loc, split.etag) for split in task)


def is_counted(store: Store, keys: RunKeys) -> bool:
    """Whether what a run read is in the totals of its job, if it has any, or waits to be."""
    places = TotalsKeys(keys.work, keys.job)
    totals = totals_pointer.read(store, places)
    waits = next(iter(store.list(places.waiting(keys.run))), None)
    return waits is not None or bool(totals.etag and totals.generation_of(keys.run) is not None)
