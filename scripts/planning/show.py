"""An estimate for people, and as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from chalicelib.run.estimate.advice import Advice
from chalicelib.run.estimate.estimate import Estimate
from chalicelib.run.estimate.likeness import Likeness
from chalicelib.run.estimate.work import InputWork, Work
from chalicelib.run.status.price_list import Prices, whose
from scripts.console.terminal import Line, count, human_bytes

_HONEST = (
    "Arithmetic over list prices and speeds measured elsewhere, nothing of it on AWS: docs/scale.md says how."
)


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What is shown: a job over an input, as its settings are and as they had better be."""

    job: str
    work: Work
    like: Likeness
    found: Estimate
    advice: Advice | None
    prices: Prices


def as_json(planned: Planned) -> str:
    """Stable names. Seconds from the PUT to `_SUCCESS`; `ends` is false where a limit is met before that."""
    work, found, shape = planned.work, planned.found, planned.found.shape
    document: dict[str, Any] = {
        "job": planned.job,
        "input": {"bytes": work.bytes, "objects": work.objects},
        "inputs": [_input(one) for one in work.inputs],
        "concurrency": work.concurrency,
        "like": {"kind": work.kind, "way": work.way},
        "steps": planned.like.steps,
        "most_steps": planned.like.most_steps,
        "ends": found.ends,
        "seconds": _seconds(found),
        "dollars": round(found.total, 6),
        "region": planned.prices.region,
        "binding": found.binding.name,
        "requests": found.requests.total,
        "tasks": shape.tasks,
        "exchange_tasks": shape.exchange.tasks if shape.exchange else 0,
        "reducers": shape.reducers,
        "partitions": shape.partitions,
        "dollars_by_part": {name: round(dollars, 6) for name, dollars in found.dollars.items()},
        "requests_by_kind": {
            "get": found.requests.gets,
            "put": found.requests.puts,
            "list": found.requests.lists,
        },
        "invocations": found.requests.invocations,
        "phases": [{"name": one.name, "seconds": round(one.median, 3)} for one in found.times.phases],
        "limits": [
            {"name": one.name, "text": one.text, "lift": one.lift, "fatal": one.fatal}
            for one in found.fatal or (found.binding,)
        ],
        "advice": _advice(planned.advice),
    }
    return json.dumps(document)


def _input(one: InputWork) -> dict[str, Any]:
    """Of several inputs: `shuffled` are the bytes of run files that its records become."""
    shuffled = round(one.bytes * one.pace.shuffled)
    return {"tag": one.tag, "bytes": one.bytes, "objects": one.objects, "shuffled": shuffled}


def _advice(advice: Advice | None) -> dict[str, Any] | None:
    if advice is None:
        return None
    return {
        "settings": {change.setting: change.value for change in advice.changes},
        "ends": advice.estimate.ends,
        "seconds": _seconds(advice.estimate),
        "dollars": round(advice.estimate.total, 6),
        "binding": advice.estimate.binding.name,
    }


def _seconds(found: Estimate) -> dict[str, float]:
    return {"median": round(found.times.median, 3), "p95": round(found.times.p95, 3)}


def lines(planned: Planned) -> list[Line]:
    """The same for people."""
    work, found, shape = planned.work, planned.found, planned.found.shape
    head = (
        f"{planned.job} over {human_bytes(work.bytes)} in {count(work.objects, 'object')}, with at most"
        f" {work.concurrency:,} functions at once; taken for work of the kind {work.kind!r}, per {work.way}"
    )
    between = f", {shape.exchange.tasks:,} exchange" if shape.exchange else ""
    tasks = f"{shape.tasks:,} map{between} and {shape.reducers:,} reduce"
    rows = [
        *(("input", _told(one)) for one in work.inputs),
        ("tasks", f"{tasks}, {count(shape.partitions, 'partition')}"),
        ("requests", f"{found.requests.total:,} of S3, {sum(found.requests.invocations.values()):,} invocations"),
        ("seconds", f"{found.times.median:,.1f}; one run in twenty more than {found.times.p95:,.1f}"),
        ("", ", ".join(f"{one.name} {one.median:,.1f}" for one in found.times.phases if one.median >= 0.05)),
        ("dollars", f"{found.total:,.4f}"),
        ("", ", ".join(f"{name} {part:,.4f}" for name, part in found.dollars.items() if part >= 0.00005)),
        ("", whose(planned.prices.asked, planned.prices.region)),
    ]  # fmt: skip
    shown: list[Line] = [[(head, "bold")], *(_row(name, text) for name, text in rows)]
    for limit in found.fatal:
        shown += [
            _row("cannot end", f"{limit.name}: {limit.text}", "red"),
            _row("", f"what lifts it: {limit.lift}"),
        ]
    if found.ends:
        shown += [_row("binding", found.binding.text), _row("", f"what lifts it: {found.binding.lift}")]
    shown += _advised(planned.advice)
    if planned.like.steps > 1:
        like = planned.like
        rounds = (
            f", and comes to {like.most_steps} in all of its rounds" if like.most_steps > like.steps else ""
        )
        shown.append(_row("steps", f"the job has {like.steps}{rounds}; this is about the first alone"))
    return [*shown, [(_HONEST, "dim")]]


def _told(one: InputWork) -> str:
    size, shuffled = human_bytes(one.bytes), human_bytes(round(one.bytes * one.pace.shuffled))
    return f"{one.tag}: {size} in {count(one.objects, 'object')}, of which {shuffled} go to the shuffle"


def _advised(advice: Advice | None) -> list[Line]:
    if advice is None:
        return []
    settings = " ".join(f"--set {change.setting}={change.value}" for change in advice.changes)
    there = advice.estimate
    took = f"{there.times.median:,.1f} s and {there.total:,.4f} dollars"
    return [_row("better", f"{settings}: {took}{'' if there.ends else ', and still it cannot end'}", "green")]


def _row(name: str, text: str, style: str = "") -> Line:
    return [(f"  {name:<11}", "dim"), (text, style)]
