"""What runs of many tasks cost the functions that see all of them: the real code over a made-up store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.worlds.at_size import measured

from .report import table
from .runner import workplace


@dataclass(frozen=True)
class Case:
    title: str
    #: One of `tests.worlds.at_size.ACTS`, and its figures.
    act: str
    figures: tuple[int, ...]
    #: MiB of its function, by default.
    function: int


#: A case that reads what another one wrote comes behind it.
CASES = [
    Case("shuffle of 16 000 map tasks and 4 096 partitions", "shuffle", (16_000, 4096), 256),
    Case("one of its reducers, of one partition", "reducer", (16_000, 4096, 1), 2048),
    Case("the same with all partitions", "reducer", (16_000, 4096, 4096), 2048),
    Case("shuffle of 100 000 map tasks and 64 partitions", "shuffle", (100_000, 64), 256),
    Case("one of its reducers, of one partition", "reducer", (100_000, 64, 1), 2048),
    Case("a plan over 1 000 000 objects", "plan", (1_000_000, 1000), 512),
    Case("a look at 1 500 000 map tasks", "count", (1_500_000,), 256),
]


def size(scratch: Path) -> list[dict[str, Any]]:
    """Each case's peak memory, processor seconds and counts."""
    found = []
    with workplace(scratch) as folder:
        for case in CASES:
            print(f"{case.title} ...", flush=True)
            usage = measured(case.act, folder, *case.figures)
            found.append({"title": case.title, "function": case.function, **usage})
    return found


def size_text(rows: Sequence[dict[str, Any]], described: str) -> str:
    header = ["what", "the function has, MiB", "peak, MiB", "processor seconds", "counted"]
    cells = [
        [
            row["title"],
            str(row["function"]),
            str(row["MiB"]),
            f"{row['seconds']:.1f}",
            _counted(row["counted"]),
        ]
        for row in rows
    ]
    return f"{described}.\n\n{table(header, cells)}"


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
