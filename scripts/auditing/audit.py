"""Looks at what starts runs of a job and at its runs, says what is amiss, and mends it if that is asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from chalicelib.functions.auditing.clocks import failed_ticks
from chalicelib.functions.auditing.examine import examine
from chalicelib.functions.auditing.judge import AMISS, Damaged, Finding, State
from chalicelib.functions.auditing.mend import mend as mend_one
from scripts.console.terminal import Line, count, typed
from scripts.submitting.resume import resumable

from .world import World

_STYLES: dict[State, str] = {
    "lost": "bold red",
    "failed": "bold red",
    "half done": "yellow",
    "unclear": "bold red",
    "twice": "yellow",
}
#: States of which each object is told; of the others only how many there are.
_TOLD: tuple[State, ...] = (*AMISS, "unclear", "stopped", "twice")


def audit(name: str, world: World, *, mend: bool, grace: float, json: bool) -> int:
    """Tell what became of each object that starts runs; the exit code, 1 if something is amiss and was not mended.

    So it is if a clock of the job's does not go, or a run cannot be read.

    `grace`: seconds for which an object without a run is not missed yet.
    """
    job = resumable(name, world.root, world.environ)
    store = world.open_store(job.spec.work_loc, ())
    damaged: list[Damaged] = []
    findings = list(examine(store, job.name, job.spec, world.clock.now(), grace, tell=damaged.append))
    stopped = list(failed_ticks(store, job.name, job.spec, world.clock.now()))
    amiss = [finding for finding in findings if finding.state in AMISS]
    if json:
        world.screen.write(msgspec.json.encode([_as_json(finding) for finding in findings]).decode())
    else:
        world.screen.print(
            *_lines(findings), *map(_damaged, damaged), *([(text, "bold red")] for text in stopped)
        )
    if mend:
        invoker = world.invoker(job.name)
        mended = [line for finding in amiss for line in mend_one(store, job.spec, invoker, finding)]
        if not json:
            world.screen.print(*([(line.text, "" if line.done else "yellow")] for line in mended))
    elif amiss and not json:
        world.screen.print(
            [(typed(f"scripts/audit.py {job.name} --mend starts or resumes what is amiss"), "dim")]
        )
    return int(bool(stopped) or bool(damaged) or (bool(amiss) and not mend))


def _damaged(run: Damaged) -> Line:
    of = f", of {run.source}" if run.source else ", and nobody can tell what started it"
    return [(f"{run.keys.run} cannot be read{of}: {run.why}", "bold red")]


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
