"""Figures as JSON, as Markdown tables, and into docs/performance.md."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from .runner import Timing
from .workloads import GOALS, PROGRAMS, ROOT, WORKLOADS, Goal, Program

PAGE = ROOT / "docs/performance.md"
RESULTS = ROOT / "benchmarks/results"
MIB = 1 << 20

#: By workload, then by program.
Timings = Mapping[str, Mapping[str, Timing]]


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpu": _field("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "commit": _commit(),
        "load": os.getloadavg()[0],
        "versions": {name: metadata.version(name) for name in ("msgspec", "duckdb", "polars", "orjson")},
    }


def describe(machine: Mapping[str, Any]) -> str:
    """One line on the machine."""
    gib = machine["memory"] / (1 << 30)
    commit = f", commit {machine['commit']}" if machine["commit"] else ""
    return (
        f"{machine['date']}{commit}: {machine['cpu']}, {machine['cores']} cores, {gib:.0f} GiB,"
        f" {machine['kernel']}, Python {machine['python']}, load before {machine['load']:.1f}"
    )


def _field(path: str, name: str) -> str:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip()


def save(kind: str, content: Mapping[str, Any]) -> Path:
    """Keep a measurement as JSON; one of the same day, machine and kind is replaced."""
    path = results_path(kind, content["machine"])
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path


def results_path(kind: str, machine: Mapping[str, Any]) -> Path:
    """Where a measurement of that day and machine is kept."""
    return RESULTS / f"{machine['date']}-{machine_slug(machine)}-{kind.replace(' ', '-')}.json"


def machine_slug(machine: Mapping[str, Any]) -> str:
    cpu = re.sub(r"[^a-z0-9]+", "-", str(machine["cpu"]).lower()).strip("-")
    return f"{cpu}-{machine['cores']}-cores"


def publish(mark: str, text: str) -> None:
    """Put `text` between the page's `<!-- figures: MARK -->` and the next `<!-- end -->`."""
    page = PAGE.read_text()
    pattern = re.compile(rf"(<!-- figures: {mark} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not pattern.search(page):
        raise SystemExit(f"{PAGE}: expected the marks <!-- figures: {mark} --> and <!-- end -->")
    PAGE.write_text(pattern.sub(lambda match: f"{match[1]}\n{text.strip()}\n\n{match[2]}", page))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column to the left, all others to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first, *others = [
            cell.ljust(width) if number == 0 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "| " + " | ".join([first, *others]) + " |"

    rule = (
        "|" + "|".join("-" * (width + 1) + ("-" if i == 0 else ":") for i, width in enumerate(widths)) + "|"
    )
    return "\n".join([line(header), rule, *map(line, rows)])


# The tables of a comparison


def times_text(timings: Timings, scale: float, described: str, rounds: int) -> str:
    """All three tables and what they were measured on."""
    data = "" if scale == 1 else f" Data of {scale:g} times the published sizes."
    parts = [
        f"{described}.{data} Medians of {rounds}.",
        "Seconds, whole process:",
        _grid(timings, _seconds),
        "Times as long as by hand, per block; Sluice per record: as by hand, per record, where there is that:",
        _grid(timings, _ratio),
        "Peak memory in MiB, largest process / all together:",
        _grid(timings, _memory),
    ]
    goals = goals_table(timings)
    if goals:
        parts += ["What is aimed at:", goals]
    return "\n\n".join(parts)


def goals_table(timings: Timings) -> str:
    rows = [
        row
        for goal in GOALS
        for name in goal.workloads.split()
        for row in goal_row(goal, name, timings.get(name, {}))
    ]
    return table(GOALS_HEADER, rows) if rows else ""


#: The columns of `goal_row`.
GOALS_HEADER = ["goal", "at most", "measured", "met", "seconds", "of", "by"]


def goal_row(goal: Goal, workload: str, of: Mapping[str, Timing]) -> Iterator[list[str]]:
    """The row of a goal's workload, if both programs were measured."""
    mine, other = (_spent(of.get(name), goal.by) for name in (goal.program, goal.against))
    if mine and other:
        title = f"{workload.upper()} {title_of(goal.program)} / {title_of(goal.against)}"
        met = "yes" if mine / other <= goal.ratio else "no"
        yield [title, f"{goal.ratio:g}", f"{mine / other:.2f}", met, f"{mine:.2f}", f"{other:.2f}", goal.by]


def _spent(timing: Timing | None, by: str) -> float | None:
    if timing is None:
        return None
    return timing.processor if by == "processor" else timing.wall


def _grid(timings: Timings, cell: Any) -> str:
    chosen = [workload for workload in WORKLOADS if workload.name in timings]
    programs = [p for p in PROGRAMS if any(p.name in timings[w.name] for w in chosen)]
    header = ["", *(f"{workload.name.upper()} {workload.title}" for workload in chosen)]
    rows = [[p.title, *(cell(timings[w.name], p) for w in chosen)] for p in programs]
    return table(header, [row for row in rows if any(row[1:])])


def _seconds(of: Mapping[str, Timing], program: Program) -> str:
    timing = of.get(program.name)
    if timing is None:
        return ""
    return "failed" if timing.wall is None else f"{timing.wall:.2f}"


def _ratio(of: Mapping[str, Timing], program: Program) -> str:
    likely = ["hand-block", "hand-record"]
    if program.name == "sluice-record":
        likely.reverse()
    against = next((of[name] for name in likely if name in of), None)
    timing = of.get(program.name)
    if timing is None or against is None or timing.wall is None or against.wall is None:
        return ""
    return f"{timing.wall / against.wall:.2f}"


def _memory(of: Mapping[str, Timing], program: Program) -> str:
    timing = of.get(program.name)
    if timing is None or timing.wall is None:
        return ""
    largest = max(run.largest for run in timing.runs) / MIB
    together = max(run.together for run in timing.runs) / MIB
    return f"{largest:.0f} / {max(together, largest):.0f}"


def title_of(name: str) -> str:
    return next(program.title for program in PROGRAMS if program.name == name)
