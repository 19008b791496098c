"""Whether a gigabyte costs the same in a small input and in a large one: word count."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from . import generate
from .measure import Usage, measure
from .report import MIB, table
from .runner import LIMIT, environment, last_line, workplace
from .workloads import PROGRAMS

GIB = 1 << 30
#: How much dearer a gigabyte of the larger input may be.
_AIM = 1.15


def grow(
    root: Path, scratch: Path, sizes: Sequence[float], ways: Sequence[str], rounds: int
) -> dict[str, Any]:
    """Seconds per GiB by way to write the job and input size in GiB, in turns."""
    parts = max(16, round(max(sizes)))
    files = generate.text_files(root, max(sizes) * GIB / parts / (64 * MIB), parts)
    runs: dict[tuple[str, float], list[Usage]] = {(way, size): [] for way in ways for size in sizes}
    for _ in range(rounds):
        for way, size in runs:
            chosen = files[: max(1, round(parts * size / max(sizes)))]
            usage = _count(way, chosen, scratch)
            runs[way, size].append(usage)
            print(f"{way:8s} {size:6g} GiB {usage.wall:8.2f} s  {usage.largest / MIB:6.0f} MiB", flush=True)
    return {
        "source": generate.source_of(files),
        "rows": [
            {
                "way": way,
                "size": size,
                "seconds": median(run.wall for run in of),
                "largest": max(run.largest for run in of),
            }
            for (way, size), of in runs.items()
        ],
    }


def _count(way: str, files: Sequence[Path], scratch: Path) -> Usage:
    program = next(program for program in PROGRAMS if program.name == f"sluice-{way}")
    with workplace(scratch) as folder:
        command = program.command("w1", folder / "out", files)
        usage = measure(command, environment(folder), folder, LIMIT)
        if not usage.ok:
            raise SystemExit(f"{program.title}: failed with code {usage.code}: {last_line(folder)}")
        return usage


def growth_text(grown: dict[str, Any], described: str) -> str:
    """A table: seconds and memory by size, and each gigabyte's price beside the smallest size's."""
    rows = []
    for row in grown["rows"]:
        price = row["seconds"] / row["size"]
        base = min((r for r in grown["rows"] if r["way"] == row["way"]), key=lambda r: r["size"])
        ratio = price / (base["seconds"] / base["size"])
        rows.append(
            [
                f"per {row['way']}",
                f"{row['size']:g}",
                f"{row['seconds']:.1f}",
                f"{price:.2f}",
                f"{ratio:.2f}",
                f"{row['largest'] / MIB:.0f}",
            ]
        )
    header = ["word count", "GiB", "seconds", "seconds/GiB", f"ratio (aim: {_AIM})", "largest process, MiB"]
    return f"{described}. {grown['source']}.\n\n{table(header, rows)}"
