"""Looks at what starts runs of a job and at its runs, says what is amiss, and mends it if that is asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import msgspec

from chalicelib.config.load import LoadedJob
from chalicelib.core.errors import NotFound, UserError
from chalicelib.core.keys import SUCCESS, OutputKeys, RunKeys, results_place
from chalicelib.core.messages import decode
from chalicelib.core.outcome import Manifest
from chalicelib.core.plan_file import read_head
from chalicelib.core.ports import Invoker, Loc, Store
from chalicelib.functions.run_inputs import READY, is_read, starts
from chalicelib.run.events import put_again
from chalicelib.run.status.collect import collect
from scripts.console.terminal import Line, count, typed
from scripts.runs.places import find_runs, place_of
from scripts.submitting.again import is_counted, objects_of
from scripts.submitting.resume import pick_up, resumable

from .judge import AMISS, Finding, Known, Starter, State, is_since, judge
from .world import World

_STYLES: dict[State, str] = {
    "lost": "bold red",
    "failed": "bold red",
    "half done": "yellow",
    "twice": "yellow",
}
#: States of which each object is told; of the others only how many there are.
_TOLD: tuple[State, ...] = (*AMISS, "stopped", "twice")


def audit(name: str, world: World, *, mend: bool, grace: float, json: bool) -> int:
    """Tell what became of each object that starts runs; the exit code, 1 if something is amiss and was not mended.

    `grace`: seconds for which an object without a run is not missed yet.
    """
    job = resumable(name, world.root, world.environ)
    store = world.open_store(job.spec.work_loc, ())
    findings = examine(store, job, world.clock.now(), grace)
    amiss = [finding for finding in findings if finding.state in AMISS]
    if json:
        world.screen.write(msgspec.json.encode([_as_json(finding) for finding in findings]).decode())
    else:
        world.screen.print(*_lines(findings))
    if mend:
        mended = list(_mend(store, job, world, amiss))
        if not json:
            world.screen.print(*mended)
    elif amiss and not json:
        world.screen.print(
            [(typed(f"scripts/audit.py {job.name} --mend starts or resumes what is amiss"), "dim")]
        )
    return int(bool(amiss) and not mend)


def examine(store: Store, job: LoadedJob, now: float, grace: float) -> list[Finding]:
    """What became of each object that starts runs, in the order of their keys.

    They are listed before the runs: what begins meanwhile is found, and not missed.
    """
    found, known = list(_starters(store, job)), _known(store, job, now)
    runs: dict[str, list[Known]] = defaultdict(list)
    for run in known:
        runs[run.status.source].append(run)
    findings = [judge(starter, runs[starter.loc.url], now, grace) for starter in found]
    if job.spec.trigger == "each":
        return findings
    return [_with_others(store, finding, known) for finding in findings]


def _starters(store: Store, job: LoadedJob) -> Iterator[Starter]:
    for given in job.spec.inputs:
        for info in store.list(given.loc):
            loc = Loc(given.loc.bucket, info.key)
            if starts(loc, job.spec):
                yield Starter(loc, info.etag, info.modified)


def _known(store: Store, job: LoadedJob, now: float) -> list[Known]:
    """All runs of the job, as they stand."""
    place = place_of(job)
    seen = find_runs(store, place)

    def look(keys: RunKeys) -> Known | None:
        output = results_place(job.spec.output_loc, keys.run)
        try:
            status = collect(store, keys, now=now, output=output)
        except UserError:  # deleted since it was listed
            return None
        failed = status.phase == "failed"
        return Known(
            keys,
            status,
            stopped=failed and _is_stopped(store, output),
            counted=failed and job.spec.accumulate and is_counted(store, keys),
        )

    with ThreadPoolExecutor(max(1, store.parallel_reads)) as pool:
        return [run for run in pool.map(look, seen) if run is not None]


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
    """The objects that a run read; none if its plan is gone."""
    try:
        return {loc for loc, _ in objects_of(store, keys, read_head(store, keys))}
    except NotFound:
        return set()


def _mend(store: Store, job: LoadedJob, world: World, amiss: Sequence[Finding]) -> Iterator[Line]:
    """Start or resume what is amiss; safe to do again, and at once by several."""
    invoker = world.invoker(job.name)
    for finding in amiss:
        starter = finding.starter
        if finding.state == "half done":
            yield from _resume(store, finding, invoker)
            continue
        if job.spec.trigger != "each" and any(run.status.expired for run in finding.runs):
            text = f"{starter.loc.url}: not started: the plan of its run is gone, so others may have read the same"
            yield [(text, "yellow")]
            continue
        #: Made of the object and of how many runs have failed, so that two audits start the same run.
        again = f"audit-{len(finding.runs)}"
        invoker.invoke("coordinator", put_again(starter.loc, starter.etag, starter.modified, again))
        yield [(f"started a run of {starter.loc.url}", "")]


def _resume(store: Store, finding: Finding, invoker: Invoker) -> Iterator[Line]:
    for run in finding.runs:
        if not run.stands:
            continue
        try:
            for text in pick_up(store, run.keys, invoker):
                yield [(text, "")]
        except UserError as error:  # what can be done for the others is done
            yield [(str(error), "yellow")]


def _lines(findings: Sequence[Finding]) -> list[Line]:
    lines: list[Line] = []
    states: dict[State, int] = defaultdict(int)
    for finding in findings:
        states[finding.state] += 1
        if finding.state in _TOLD:
            runs = ", ".join(run.keys.run for run in finding.runs)
            lines.append(
                [
                    (f"{finding.state:<9}  ", _STYLES.get(finding.state, "")),
                    (finding.starter.loc.url, ""),
                    (f"  {runs}", "dim"),
                ]
            )
    told = ", ".join(f"{number:,} {state}" for state, number in states.items()) or "nothing"
    return [
        *lines,
        [(f"{count(len(findings), 'object that starts a run', 'objects that start runs')}: {told}", "")],
    ]


def _as_json(finding: Finding) -> dict[str, object]:
    return {
        "object": finding.starter.loc.url,
        "state": finding.state,
        "runs": [run.keys.run for run in finding.runs],
    }
