"""The table of what was injected and what came out, as `docs/reliability.md` keeps it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def render(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; numbers stand right."""
    body = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in [head, *body]) for column in range(len(head))]
    number = [all(isinstance(row[column], int | float) for row in rows) for column in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(cells, widths, number, strict=True)
        ]
        return "| " + " | ".join(padded) + " |"

    rule = ["-" * (width - 1) + (":" if right else "-") for width, right in zip(widths, number, strict=True)]
    return "\n".join([line(head), line(rule), *map(line, body)])


def faults(counts: Counter[str]) -> str:
    return render(["injected", "times"], sorted(counts.items()))
