"""Measure Sluice.

python -m benchmarks run [--scale 0.1] [--workloads w1,w4] [--programs sluice-record,hand-record]
python -m benchmarks goals [--scale 0.1] [--parts local,w8]
python -m benchmarks seeds [--scale 0.1] [--rounds 3]
python -m benchmarks formats [--scale 0.1] [--rounds 3]
python -m benchmarks memory | growth | startup | size | data | list
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from . import formats, goals, growth, memory, report, seeds, size, startup
from .report import MIB
from .runner import Timing, compare
from .workloads import PROGRAMS, ROOT, WORKLOADS, Program, Workload

#: A machine busier than this before the start gives figures that mean little.
_BUSY = 0.7

Command = Callable[[argparse.Namespace], int]
Named = TypeVar("Named", Program, Workload, memory.Case)


def main() -> int:
    options = _parse()
    code: int = options.act(options)
    return code


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Sluice.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(
        name: str, act: Command, words: str, *parents: argparse.ArgumentParser
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(name, parents=parents, help=words, description=words)
        added.set_defaults(act=act)
        return added

    data, scale, rounds, record = _shared_options()
    run = command("run", _run, "Sluice and other programs, on the same work", data, scale, rounds, record)
    run.add_argument("--workloads", metavar="W,W", default="", help="default: all")
    run.add_argument("--programs", metavar="P,P", default="", help="default: all that are installed")
    aim = command("goals", _goals, "the table of goals, and only what it needs", data, scale, record)
    aim.add_argument("--rounds", metavar="N", type=int, default=5, help="runs that count (default 5)")
    aim.add_argument("--parts", metavar="P,P", default=",".join(goals.PARTS), help="default: %(default)s")
    vary = command(
        "seeds", _seeds, "W8 to W12 with other seeds, and twice the size", data, scale, rounds, record
    )
    vary.add_argument("--workloads", metavar="W,W", default="", help="default: w8 to w12")
    vary.add_argument("--only-data", action="store_true", help="make the data and end")
    command("formats", _formats, "what formats cost over text", data, scale, rounds, record)
    strain = command(
        "memory", _memory, "peak memory where input is larger than the budget", data, scale, record
    )
    strain.add_argument("--cases", metavar="C,C", default="", help="default: all")
    strain.add_argument("--budget", metavar="MIB", type=int, default=256, help="memory budget (default 256)")
    grow = command(
        "growth", _growth, "seconds per gigabyte in a small and a large input", data, rounds, record
    )
    grow.add_argument("--gib", metavar="N", type=float, nargs="+", default=[1, 4], help="sizes (default 1 4)")
    grow.add_argument(
        "--once", metavar="GIB", type=float, help="make so much text; a larger input is the same files again"
    )
    grow.add_argument(
        "--workload", choices=("w1", "w4"), default="w1", help="default %(default)s: word count"
    )
    grow.add_argument("--ways", metavar="W,W", default="record,chunk", help="default: record,chunk")
    command("startup", _startup, "what a start costs", data, rounds, record)
    command("size", _size, "runs of many tasks, in the functions that see all of them", data, record)
    command("data", _data, "make the data of `run`", data, scale)
    command("list", _list, "what there is to measure")
    return parser.parse_args()


def _shared_options() -> list[argparse.ArgumentParser]:
    data, scale, rounds, record = (argparse.ArgumentParser(add_help=False) for _ in range(4))
    data.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        default=Path(os.environ.get("SLUICE_BENCH_DATA") or ROOT / "benchmarks/data"),
        help="where data is kept (default: $SLUICE_BENCH_DATA, or benchmarks/data)",
    )
    scale.add_argument(
        "--scale", metavar="X", type=float, default=1.0, help="size of the data, 1 as published"
    )
    rounds.add_argument("--rounds", metavar="N", type=int, default=3, help="runs that count (default 3)")
    record.add_argument("--record", action="store_true", help="keep the figures, also in docs/performance.md")
    return [data, scale, rounds, record]


def _run(options: argparse.Namespace) -> int:
    workloads = _chosen(options.workloads, WORKLOADS)
    programs = _chosen(options.programs, PROGRAMS)
    for program in programs:
        if program.missing:
            print(f"left out: {program.title}: {program.missing}")
    machine = _machine()
    timings: dict[str, dict[str, Timing]] = {}
    for workload in workloads:
        able = [p for p in programs if workload.name in p.workloads and not p.missing]
        files = workload.files(options.data, options.scale)
        timings[workload.name] = compare(workload, able, files, options.rounds, _scratch(options))
    text = report.times_text(timings, options.scale, report.describe(machine), options.rounds)
    print("\n" + text)
    if options.record:
        figures = {
            workload: {name: timing.to_json() for name, timing in of.items()}
            for workload, of in timings.items()
        }
        _keep("times", {"machine": machine, "scale": options.scale, "times": figures}, text)
    problems = [
        f"{workload} {name}: {timing.problem}"
        for workload, of in timings.items()
        for name, timing in of.items()
        if timing.problem
    ]
    print("\n".join(["", *problems]) if problems else "")
    return 1 if problems else 0


def _goals(options: argparse.Namespace) -> int:
    parts = options.parts.split(",")
    if unknown := set(parts) - set(goals.PARTS):
        raise SystemExit(f"{', '.join(sorted(unknown))}: unknown; expected some of {', '.join(goals.PARTS)}")
    measured = goals.kept(_machine()) if options.record else {}
    for part in parts:
        measured[part] = goals.measure_part(
            part, options.data, _scratch(options), options.scale, options.rounds
        )
        text = goals.goals_text(measured)
        if options.record:
            _keep("goals", {"machine": measured[part]["machine"], "measured": measured}, text)
    print("\n" + text)
    return 1 if any(of.get("missing") for of in measured.values()) else 0


def _seeds(options: argparse.Namespace) -> int:
    seeds.make(options.data, options.scale)
    if options.only_data:
        return 0
    machine = _machine()
    rows: list[seeds.Row] = []
    for workload in _chosen(options.workloads, seeds.seeded()):
        rows += seeds.vary(workload, options.data, _scratch(options), options.scale, options.rounds)
        text = seeds.seeds_text(rows, options.scale, options.rounds, report.describe(machine))
        if options.record:
            _keep("seeds", {"machine": machine, "scale": options.scale, "seeds": rows}, text)
    print("\n" + text)
    found = seeds.missed(rows)
    print("\n".join(["", *found]) if found else "")
    return 1 if found else 0


def _formats(options: argparse.Namespace) -> int:
    machine = _machine()
    sizes = options.data, options.scale, options.rounds, _scratch(options)
    read, written = list(formats.inputs(*sizes)), list(formats.outputs(*sizes))
    text = formats.formats_text(read, written, options.scale, options.rounds, report.describe(machine))
    print("\n" + text)
    if options.record:
        content = {"machine": machine, "scale": options.scale, "inputs": read, "outputs": written}
        _keep("formats", content, text)
    problems = [f"{row['form']} {row['way']}: {row['problem']}" for row in read + written if row["problem"]]
    print("\n".join(["", *problems]) if problems else "")
    return 1 if problems else 0


def _memory(options: argparse.Namespace) -> int:
    machine = _machine()
    rows = []
    for case in _chosen(options.cases, memory.CASES):
        print(f"{case.title} ...", flush=True)
        rows.append(memory.strain(case, options.scale, options.budget * MIB, _scratch(options)))
    text = memory.memory_text(rows, options.scale, report.describe(machine))
    print("\n" + text)
    if options.record:
        _keep("memory", {"machine": machine, "scale": options.scale, "memory": rows}, text)
    return 1 if any(row["problem"] for row in rows) else 0


def _growth(options: argparse.Namespace) -> int:
    machine = _machine()
    ways = options.ways.split(",")
    grown = growth.grow(
        options.workload, options.data, _scratch(options), options.gib, ways, options.rounds, options.once
    )
    text = growth.growth_text(grown, report.describe(machine))
    print("\n" + text)
    if options.record:
        mark = "growth" if options.workload == "w1" else f"growth {options.workload}"
        _keep(mark, {"machine": machine, "growth": grown}, text)
    return 0


def _startup(options: argparse.Namespace) -> int:
    machine = _machine()
    started = startup.start(_scratch(options), 3 * options.rounds)
    text = startup.startup_text(started, report.describe(machine))
    print("\n" + text)
    if options.record:
        _keep("startup", {"machine": machine, "startup": started}, text)
    return 0


def _size(options: argparse.Namespace) -> int:
    machine = _machine()
    rows = size.size(_scratch(options))
    text = size.size_text(rows, report.describe(machine))
    print("\n" + text)
    if options.record:
        _keep("size", {"machine": machine, "size": rows}, text)
    return 0


def _data(options: argparse.Namespace) -> int:
    for workload in WORKLOADS:
        files = workload.files(options.data, options.scale)
        size = sum(path.stat().st_size for path in files)
        print(
            f"{workload.name} {workload.title}: {size / 1e6:.0f} MB in {len(files)} file(s), {files[0].parent}"
        )
    return 0


def _list(_: argparse.Namespace) -> int:
    for workload in WORKLOADS:
        print(f"{workload.name:14s} {workload.title}")
    for program in PROGRAMS:
        does = " ".join(sorted(program.workloads)) or "nothing yet"
        print(f"{program.name:14s} {program.title}: {does}{program.missing and f'; {program.missing}'}")
    for case in memory.CASES:
        print(f"{case.name:14s} memory: {case.title}")
    return 0


def _chosen(names: str, known: Sequence[Named]) -> list[Named]:
    if not names:
        return list(known)
    by_name = {one.name: one for one in known}
    unknown = [name for name in names.split(",") if name not in by_name]
    if unknown:
        raise SystemExit(f"{', '.join(unknown)}: unknown; expected some of {', '.join(by_name)}")
    return [by_name[name] for name in names.split(",")]


def _machine() -> dict:
    machine = report.machine()
    if machine["load"] > _BUSY:
        print(
            f"this machine is busy (load {machine['load']:.1f}): figures will be high and unsteady",
            flush=True,
        )
    return machine


def _scratch(options: argparse.Namespace) -> Path:
    return options.data.absolute() / "scratch"


def _keep(mark: str, content: dict, text: str) -> None:
    path = report.save(mark, content)
    report.publish(mark, text)
    print(f"\nkept in {path.relative_to(ROOT)} and {report.PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    sys.exit(main())
