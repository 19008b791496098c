"""A history of costs for people, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import msgspec

from chalicelib.run.status.price_list import Prices, whose
from scripts.console.terminal import Line, count, human_dollars

from .advice import Advice
from .history import History, Sum
from .told import Told

if TYPE_CHECKING:
    from .reconcile import Compared

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


def advice_lines(told: Told | None, found: Sequence[Advice]) -> list[Line]:
    """Each piece of advice with what it saves, and below it how that was worked out."""
    if told is None:
        return [[("advice: no run has succeeded in that time whose settings are known", "dim")]]
    runs = count(told.runs, "run")
    if not told.mapped.starts:
        return [[(f"advice: the newest {runs} did not tell what memory and time went into", "dim")]]
    if not found:
        return [[(f"advice: by the newest {runs}, nothing that would pay", "dim")]]
    shown: list[Line] = [
        [(f"advice, by the newest {runs} with the settings of the last; each by itself:", "bold")]
    ]
    for one in found:
        shown.append([(f"  {one.setting}: {one.value}", "green"), (f", and not {one.now}: {_pays(one)}", "")])
        shown.append([(f"    {one.why}", "dim")])
    return shown


def _pays(one: Advice) -> str:
    if abs(one.share) < 0.005:
        return "for the same money"
    verb = "saves" if one.saving > 0 else "costs"
    dollars = abs(one.saving)
    return (
        f"{verb} {'about ' if dollars >= 0.000_1 else ''}{human_dollars(dollars)} a run, {abs(one.share):.0%}"
    )


def reconcile_lines(found: Sequence[Compared]) -> list[Line]:
    """A row for each, and what is compared."""
    head: Line = [("Lambda's own time, by its REPORT lines, beside what is worked out here:", "bold")]
    rows: list[Line] = [[(_compared(one), "")] for one in found]
    return [head, *rows, [("requests of S3 and of Lambda are in no REPORT line", "dim")]]


def _compared(one: Compared) -> str:
    told = f"  {one.what:<23}  {one.invocations:>7,} invocations  {one.seconds:>10,.1f} s"
    told += f"  billed {human_dollars(one.billed)}, here {human_dollars(one.ours)}"
    return told if one.difference is None else f"{told}: {one.difference:+.1%}"


def as_json(
    history: History,
    prices: Prices,
    since: float,
    told: Told | None,
    found: Sequence[Advice],
    compared: Sequence[Compared],
) -> str:
    """Stable names. Dollars are not rounded; `dollars_per_gb` is null where it is unknown.

    Advice is given for one job: `saving` is in dollars a run, `share` that of what a run costs.
    """
    document: dict[str, Any] = {
        "since": since,
        "region": prices.asked,
        "cost_region": prices.region,
        "days": [{"day": day, "job": job, **_sum(one)} for (day, job), one in sorted(history.days.items())],
        "jobs": [{"job": job, **_sum(one)} for job, one in sorted(history.jobs.items())],
        "total": _sum(history.total),
        "advice_runs": told.runs if told else 0,
        "advice": [asdict(one) for one in found],
        "reconciled": [{**asdict(one), "difference": one.difference} for one in compared],
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
