"""Whether W8 to W12 cost as much with other data: other seeds, and twice as much of it.

What is compared are processor seconds beside plain Python's, whose ratio should stay. Of the largest data there is one
run more under a memory budget that is small for it, which does not count for the times.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import generate
from .report import MIB, table
from .runner import Timing, compare
from .workloads import PROGRAMS, WORKLOADS, Program, Workload

#: A ratio may be so many times that of the published data: lower it may be, where the start is a smaller part. And a
#: worker's memory so many times its budget.
_RATIO, _ABOVE = 1.15, 1.25
#: MiB for the records of a task, of whatever data.
BUDGET = 128
OURS, PLAIN = "sluice-record", "plain"

#: A row of the table, as JSON.
Row = dict[str, Any]


@dataclass(frozen=True)
class Data:
    seed: int
    #: Of the published size, times `--scale`.
    size: float = 1.0
    #: Whether it is run under BUDGET, too.
    strained: bool = False

    @property
    def title(self) -> str:
        return f"seed {self.seed}" + ("" if self.size == 1 else f", {self.size:g} times the size")


#: The first is the published one, which the others are compared with.
DATA = (Data(42), Data(43), Data(44), Data(42, size=2.0, strained=True))


def seeded() -> list[Workload]:
    """The workloads whose data can be made with other seeds."""
    return [workload for workload in WORKLOADS if workload.name in generate.SEEDED]


def make(data: Path, scale: float) -> None:
    """Make all data, so that nothing of that is left for the measurement."""
    for workload in seeded():
        for one in DATA:
            generate.SEEDED[workload.name](data, scale * one.size, one.seed)


def vary(workload: Workload, data: Path, scratch: Path, scale: float, rounds: int) -> Iterator[Row]:
    """A row for each of DATA; no run warms up, because the plain program has read the data before."""
    programs = [program for program in PROGRAMS if program.name in (OURS, PLAIN)]
    base = None
    for one in DATA:
        print(f"{workload.name} {one.title} ...", flush=True)
        files = generate.SEEDED[workload.name](data, scale * one.size, one.seed)
        timings = compare(workload, programs, files, rounds, scratch, warm_up=False)
        row = _row(workload, one, timings[OURS], timings[PLAIN], base)
        base = base or row["ratio"]
        if one.strained and not row["problem"]:
            row |= _strained(workload, programs, files, scratch)
        yield row


def _row(workload: Workload, data: Data, ours: Timing, plain: Timing, base: float | None) -> Row:
    row: Row = {"workload": workload.name, "title": workload.title, "data": data.title, "base": base}
    if not (ours.processor and plain.processor):
        return row | {"problem": ours.problem or plain.problem, "ratio": None}
    return row | {
        "problem": "",
        "processor": ours.processor,
        "plain": plain.processor,
        "ratio": ours.processor / plain.processor,
        "largest": max(run.largest for run in ours.runs),
    }


def _strained(workload: Workload, programs: Sequence[Program], files: Sequence[Path], scratch: Path) -> Row:
    (ours,) = [program for program in programs if program.name == OURS]

    def command(name: str, out: Path, files: Sequence[Path]) -> list[str]:
        return [*ours.command(name, out, files), "--set", f"memory_budget={BUDGET}MiB"]

    timing = compare(workload, [replace(ours, command=command)], files, 1, scratch, warm_up=False)[OURS]
    return {"problem": timing.problem, "worker": max(run.worker for run in timing.runs)}


def seeds_text(rows: Sequence[Row], scale: float, rounds: int, described: str) -> str:
    """A table of all rows."""
    header = ["work", "data", "processor seconds", "plain", "ratio", "to the first", f"at most {_RATIO}"]
    header += ["largest process, MiB", f"worker, of a budget of {BUDGET} MiB"]
    size = "" if scale == 1 else f" Data of {scale:g} times the sizes named."
    return f"{described}.{size} Medians of {rounds}.\n\n{table(header, [_cells(row) for row in rows])}"


def _cells(row: Row) -> list[str]:
    name = [f"{row['workload'].upper()} {row['title']}", row["data"]]
    if row["problem"]:
        return [*name, *[""] * 6, row["problem"].partition(":")[0]]
    seconds = [f"{row[of]:.2f}" for of in ("processor", "plain", "ratio")]
    to_first = row["ratio"] / row["base"] if row["base"] else None
    within = "" if to_first is None else "yes" if to_first <= _RATIO else "no"
    worker = f"{row['worker'] / MIB:.0f} ({row['worker'] / MIB / BUDGET:.2f})" if "worker" in row else ""
    return [
        *name,
        *seconds,
        f"{to_first:.2f}" if to_first else "",
        within,
        f"{row['largest'] / MIB:.0f}",
        worker,
    ]


def missed(rows: Sequence[Row]) -> list[str]:
    """What a ratio or a worker's memory missed, in words; and what went wrong."""
    found = []
    for row in rows:
        name = f"{row['workload']} {row['data']}"
        if row["problem"]:
            found.append(f"{name}: {row['problem']}")
        elif row["base"] and row["ratio"] > _RATIO * row["base"]:
            found.append(f"{name}: ratio {row['ratio']:.2f}, of the published data {row['base']:.2f}")
        if row.get("worker", 0) > _ABOVE * BUDGET * MIB:
            found.append(f"{name}: a worker took {row['worker'] / MIB:.0f} MiB of a budget of {BUDGET}")
    return found
