"""The table of goals: only what they need is measured, and each part is kept as soon as it is done.

A later call may measure some parts anew: it replaces theirs and leaves the others in the table, which says for each
row how it was measured.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from . import report, startup
from .report import GOALS_HEADER, table
from .runner import Timing, compare, environment, workplace
from .workloads import GOALS, ROOT, WORKLOADS, of_goals

#: What the goals are measured in: the small first, so that what is cut short lacks a large one.
LOCAL, EMULATOR = "local", "emulator"
PARTS = (LOCAL, EMULATOR, "w8", "w8q", "w9", "w10", "w11", "w12", "w3", "w5", "w2", "w7", "w1", "w4", "w6")

#: The emulator's part needs Chalice, which this environment has not.
_PYTHON = ROOT / ".venv/bin/python"
#: Small runs for each round: they take little time, and differ more.
_SMALL = 3

#: Lists of seconds by what was measured.
Seconds = Mapping[str, Sequence[float]]
#: By part: what was measured, and how.
Measured = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Small:
    """A goal in seconds: the median of `runs`, or by how much it is above that of `base` for each step more."""

    title: str
    part: str
    most: float
    runs: str
    base: str = ""
    steps: int = 1

    def seconds(self, of: Seconds) -> float:
        return (median(of[self.runs]) - (median(of[self.base]) if self.base else 0.0)) / self.steps


SMALL = [
    Small("a step more, tiny data, local", LOCAL, 0.030, "five steps", "one step", 4),
    Small("a step more, tiny data, emulator, warm", EMULATOR, 0.3, "1 KB, three steps", "1 KB, one step", 2),
    Small("PUT to `_SUCCESS`, 1 MB, emulator, warm", EMULATOR, 0.2, "1 MB, warm"),
    Small("PUT to `_SUCCESS`, 1 MB, emulator, cold", EMULATOR, 1.5, "1 MB, cold"),
    Small("local start on 1 KB", LOCAL, startup.AIM_RUN, "start"),
]


def measure_part(part: str, data: Path, scratch: Path, scale: float, rounds: int) -> dict[str, Any]:
    """One of PARTS: its `seconds`, or the `times` of its programs, or what is `missing`; and how it was measured."""
    machine = report.machine()
    how = {"machine": machine, "scale": scale, "rounds": rounds}
    began = time.monotonic()
    if part == LOCAL:
        found: dict[str, Any] = {"seconds": _local(scratch, rounds)}
    elif part == EMULATOR:
        found = _emulator(scratch, rounds)
    else:
        try:
            found = _workload(part, data, scratch, scale, rounds)
        except SystemExit as error:  # no answer to check with: the other parts have theirs
            found = {"missing": str(error), "times": {}}
    took = time.monotonic() - began
    print(f"{part}: measured in {took:.0f} s", flush=True)
    return how | found | {"took": took}


def _local(scratch: Path, rounds: int) -> Seconds:
    """Whole processes over 1 KB, in turn."""
    jobs = {"start": "wordcount"} | {
        f"{count} step{'s' * (count != 'one')}": str(ROOT / f"benchmarks/jobs/steps_{count}.yml")
        for count in ("one", "five")
    }
    found: dict[str, list[float]] = {what: [] for what in jobs}
    for turn in range(1 + _SMALL * rounds):
        for what, job in jobs.items():
            seconds = startup.tiny_run(scratch, job).wall
            found[what] += [seconds] if turn else []
    return found


def _emulator(scratch: Path, rounds: int) -> dict[str, Any]:
    if not (_PYTHON.exists() and (ROOT / ".venv-cloud/bin/ministack").exists()):
        return {"missing": "no emulator here: `make setup`"}
    with workplace(scratch) as folder:
        kept = folder / "seconds.json"
        command = [_PYTHON, "-m", "benchmarks.emulated", "--rounds", str(rounds), "--json", kept]
        done = subprocess.run(command, cwd=ROOT, env=environment(folder), check=False)
        if done.returncode:
            return {"missing": f"benchmarks.emulated failed with code {done.returncode}"}
        return {"seconds": json.loads(kept.read_text())}


def _workload(name: str, data: Path, scratch: Path, scale: float, rounds: int) -> dict[str, Any]:
    (workload,) = [one for one in WORKLOADS if one.name == name]
    programs = of_goals(name)
    missing = [f"{program.title}: {program.missing}" for program in programs if program.missing]
    able = [program for program in programs if not program.missing]
    timings = compare(workload, able, workload.files(data, scale), rounds, scratch)
    missing += [f"{program}: {timing.problem}" for program, timing in timings.items() if timing.problem]
    times = {program: timing.to_json() for program, timing in timings.items()}
    return {"times": times, "missing": "; ".join(missing)}


def kept(machine: Mapping[str, Any]) -> Measured:
    """What was measured before on this day and machine."""
    path = report.results_path("goals", machine)
    measured: Measured = json.loads(path.read_text())["measured"] if path.exists() else {}
    return measured


def goals_text(measured: Measured) -> str:
    """The table of goals, and what it lacks."""
    machines = [of["machine"] for of in measured.values()]
    loads = sorted(machine["load"] for machine in machines)
    commits = sorted({machine["commit"] for machine in machines})
    described = report.describe(machines[-1] | {"commit": ", ".join(commits), "load": loads[0]})
    absent = [part.upper() for part in PARTS if part not in measured]
    lacking = [f"* not measured: {', '.join(absent)}"] if absent else []
    lacking += [f"* {part.upper()}: {of['missing']}" for part, of in measured.items() if of.get("missing")]
    text = (
        f"{described} to {loads[-1]:.1f}. Medians of as many rounds as the last column says; `by` is what is compared:"
        " the time of whole processes, or processor seconds of all of them."
    )
    header = [*GOALS_HEADER, "rounds"]
    return "\n\n".join([text, table(header, list(_rows(measured))), "\n".join(lacking)]).strip()


def _rows(measured: Measured) -> Iterator[Sequence[str]]:
    for goal in GOALS:
        for name in goal.workloads.split():
            of = measured.get(name, {"times": {}})
            timings = {program: Timing.from_json(kept) for program, kept in of["times"].items()}
            for title, *cells in report.goal_row(goal, name, timings):
                size = "" if of["scale"] == 1 else f", {of['scale']:g} of the data"
                yield [title + size, *cells, str(of["rounds"])]
    for small in SMALL:
        of = measured.get(small.part, {})
        if "seconds" in of:
            found = small.seconds(of["seconds"])
            met = "yes" if found <= small.most else "no"
            counted = str(len(of["seconds"][small.runs]))
            yield [small.title, f"{small.most:g} s", f"{found:.3f} s", met, "", "", "time", counted]
