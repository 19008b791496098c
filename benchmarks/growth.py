"""Whether a gigabyte costs the same in a small input and in a large one: word count, or AMPLab's aggregation.

The price is processor seconds, of all processes: that is what is paid for, and other programs of the machine hardly
change it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from . import generate
from .measure import Usage, measure
from .report import MIB, table
from .runner import environment, last_line, workplace
from .workloads import PROGRAMS

GIB = 1 << 30
#: How much dearer a gigabyte of the larger input may be.
_AIM = 1.15
#: Seconds after which a run is ended.
_LIMIT = 2 * 3600


def _texts(root: Path, gib: float) -> list[Path]:
    parts = max(16, round(gib))
    return generate.text_files(root, gib * GIB / parts / (64 * MIB), parts)


def _visits(root: Path, gib: float) -> list[Path]:
    return generate.visits_files(root, gib)[1:]


_TITLES = {"w1": "word count", "w4": "AMPLab aggregation"}
#: Data of about so many GiB, in files of one size.
_FILES = {"w1": _texts, "w4": _visits}


def grow(
    workload: str,
    root: Path,
    scratch: Path,
    sizes: Sequence[float],
    ways: Sequence[str],
    rounds: int,
    once: float | None = None,
) -> dict[str, Any]:
    """What runs took, by way to write the job and input size in GiB, in turns.

    `once`: so many GiB are made, and a larger input is the same files under many names.
    """
    made = min(max(sizes), once or max(sizes))
    files = _FILES[workload](root, made)
    each = sum(path.stat().st_size for path in files) / len(files)
    counts = {size: max(1, round(size * GIB / each)) for size in sizes}
    runs: dict[tuple[str, float], list[Usage]] = {(way, size): [] for way in ways for size in sizes}
    for _ in range(rounds):
        for way, size in runs:
            usage = _measured(workload, way, files, counts[size], scratch)
            runs[way, size].append(usage)
            print(
                f"{way:8s} {size:6g} GiB {usage.wall:8.2f} s  {_processor(usage):8.2f} s of processors"
                f"  {usage.largest / MIB:6.0f} MiB",
                flush=True,
            )
    return {
        "workload": workload,
        "source": generate.source_of(files)
        + (f", {made:g} GiB under many names" if made < max(sizes) else ""),
        "rows": [
            {
                "way": way,
                "size": counts[size] * each / GIB,
                "seconds": median(run.wall for run in of),
                "processor": median(_processor(run) for run in of),
                "largest": max(run.largest for run in of),
            }
            for (way, size), of in runs.items()
        ],
    }


def _measured(workload: str, way: str, files: Sequence[Path], count: int, scratch: Path) -> Usage:
    """One run over `count` files, the same ones again where there are fewer."""
    program = next(program for program in PROGRAMS if program.name == f"sluice-{way}")
    with workplace(scratch) as folder:
        command = program.command(workload, folder / "out", _named(files, count, folder / "in"))
        usage = measure(command, environment(folder), folder, _LIMIT)
        if not usage.ok:
            raise SystemExit(f"{program.title}: failed with code {usage.code}: {last_line(folder)}")
        return usage


def _named(files: Sequence[Path], count: int, folder: Path) -> list[Path]:
    """Hard links take no room; their folder stands for many of them on the command line."""
    if count <= len(files):
        return list(files[:count])
    folder.mkdir()
    for number in range(count):
        (folder / f"part-{number:05d}.txt").hardlink_to(files[number % len(files)])
    return [folder]


def _processor(usage: Usage) -> float:
    return usage.user + usage.system


def growth_text(grown: dict[str, Any], described: str) -> str:
    """A table: seconds and memory by size, and each gigabyte's price beside the smallest size's."""
    rows = []
    for row in grown["rows"]:
        price = row["processor"] / row["size"]
        base = min((r for r in grown["rows"] if r["way"] == row["way"]), key=lambda r: r["size"])
        ratio = price / (base["processor"] / base["size"])
        rows.append(
            [
                f"per {row['way']}",
                f"{row['size']:.3g}",
                f"{row['seconds']:.1f}",
                f"{row['processor']:.1f}",
                f"{price:.2f}",
                f"{ratio:.2f}",
                f"{row['largest'] / MIB:.0f}",
            ]
        )
    header = [
        _TITLES[grown["workload"]],
        "GiB",
        "seconds",
        "of processors",
        "the same a GiB",
        f"ratio (aim: {_AIM})",
        "largest process, MiB",
    ]
    return f"{described}. {grown['source']}.\n\n{table(header, rows)}"
