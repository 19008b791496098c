"""A history of costs for people, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from chalicelib.run.status.price_list import Prices, whose
from scripts.console.terminal import Line, count, human_dollars

from .history import History, Sum

_HEAD = ("day", "job", "runs", "failed", "GB", "dollars", "a GB")
_RIGHT = 2


def lines(history: History, prices: Prices, since: str) -> list[Line]:
    """A row for each day and job, then totals, what they are made of, and what is left out."""
    if not history.total.runs:
        return [[(f"no runs in the last {since}", "")], *_problems(history)]
    rows = [(day or "unknown", job, *_figures(found)) for (day, job), found in sorted(history.days.items())]
    jobs = sorted(history.jobs.items()) if len(history.jobs) > 1 else []
    totals = [("all days", job, *_figures(found)) for job, found in jobs]
    totals.append(("total", "", *_figures(history.total)))
    table = _table([_HEAD, *rows, *totals])
    table[0] = [(table[0][0][0], "dim")]
    last = len(totals)
    bold: list[Line] = [[(text, "bold")] for ((text, _),) in table[-last:]]
    return [
        *table[:-last],
        *bold,
        *([(text, "dim")] for text in _notes(history.total, prices)),
        *_problems(history),
    ]


def _figures(found: Sum) -> tuple[str, ...]:
    per_gb = found.dollars_per_gb
    return (
        f"{found.runs:,}",
        f"{found.failed:,}",
        f"{found.gb:,.3f}",
        f"{found.dollars.total:,.4f}",
        "" if per_gb is None else f"{per_gb:,.4f}",
    )


def _notes(total: Sum, prices: Prices) -> Iterator[str]:
    parts = msgspec.structs.asdict(total.dollars)
    yield (
        "dollars: "
        + ", ".join(f"{name} {part:,.4f}" for name, part in parts.items() if part >= 0.000_05)
        + f"; {whose(prices.asked, prices.region)}"
    )
    if total.lost:
        yield f"at most {human_dollars(total.lost)} more for attempts that left no word"
    if total.under_way:
        yield f"{count(total.under_way, 'run is', 'runs are')} under way, and counted with the cost so far"
    if total.unknown:
        yield f"of {count(total.unknown, 'run')} too little is left to say what it cost: counted as nothing"


def _table(rows: Sequence[Sequence[str]]) -> list[Line]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        [("  ".join(_cell(text, widths[at], at) for at, text in enumerate(row)).rstrip(), "")] for row in rows
    ]


def _cell(text: str, width: int, column: int) -> str:
    return text.ljust(width) if column < _RIGHT else text.rjust(width)


def _problems(history: History) -> list[Line]:
    return [[(text, "yellow")] for text in history.problems]


def as_json(history: History, prices: Prices, since: float) -> str:
    """Stable names. Dollars are not rounded; `dollars_per_gb` is null where it is unknown."""
    document: dict[str, Any] = {
        "since": since,
        "region": prices.asked,
        "cost_region": prices.region,
        "days": [{"day": day, "job": job, **_sum(one)} for (day, job), one in sorted(history.days.items())],
        "jobs": [{"job": job, **_sum(one)} for job, one in sorted(history.jobs.items())],
        "total": _sum(history.total),
        "errors": history.problems,
    }
    return json.dumps(document, indent=2)


def _sum(found: Sum) -> dict[str, Any]:
    return {
        "runs": found.runs,
        "failed": found.failed,
        "under_way": found.under_way,
        "unknown": found.unknown,
        "input_bytes": found.input_bytes,
        "dollars": found.dollars.total,
        "dollars_by_part": msgspec.structs.asdict(found.dollars),
        "dollars_lost": found.lost,
        "dollars_per_gb": found.dollars_per_gb,
    }
