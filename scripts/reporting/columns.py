"""The attempts of a run as columns, which is a fifth of what a row of names and values each would take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from chalicelib.core.keys import PHASES
from chalicelib.core.messages import Stats
from chalicelib.run.status.attempts import Attempt, History, Outcome, StepHistory

#: By number, as the columns have them.
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
#: Seconds that a run may last for tenths of a millisecond to matter.
_SHORT = 120.0


def columns(history: History, begun: float, ended: float) -> dict[str, Any]:
    """`{"groups": names, "n": attempts, a column each}`. Times are milliseconds since `begun`, -1 if unknown.

    An attempt of which nobody knows when it worked lasts from when it could have begun until something else was heard
    of its task, or the run ended. A column of which all values are the same is that value.
    """
    groups = [
        (step.number, phase)
        for step in history.steps
        for phase in PHASES
        if phase != "exchange" or step.exchange_plan
    ]
    rows = list(history.attempts)
    shown = [groups.index((one.step, one.phase)) for one in rows]
    unit = 1 if ended - begun < _SHORT else 0

    def at(time: float | None) -> float:
        return -1 if time is None else _number((time - begun) * 1000, unit)

    spans = [_span(rows, place, ended) for place in range(len(rows))]
    found: dict[str, list[Any]] = {
        "group": shown,
        "task": [one.task for one in rows],
        "attempt": [one.attempt for one in rows],
        "outcome": [OUTCOMES.index(one.outcome) for one in rows],
        "ready": [at(one.ready) for one in rows],
        "start": [at(start) for start, _ in spans],
        "end": [at(end) for _, end in spans],
        **_used([one.stats for one in rows], unit),
        "bad": [one.bad for one in rows],
        "slow": [int(one.slow) for one in rows],
    }
    names = [label(history.steps, step, phase) for step, phase in groups]
    return {"n": len(rows), "groups": names, **{name: _packed(values) for name, values in found.items()}}


def _used(stats: Sequence[Stats], unit: int) -> dict[str, list[Any]]:
    """What attempts say of themselves; seconds as milliseconds with so many digits."""
    return {
        "cold": [-1 if not one.starts else int(one.cold > 0) for one in stats],
        "init": [_number(one.init * 1000, unit) for one in stats],
        "starts": [one.starts for one in stats],
        "starting": [_number(one.starting * 1000, unit) for one in stats],
        "reading": [_number(one.reading * 1000, unit) for one in stats],
        "code": [_number(one.code * 1000, unit) for one in stats],
        "memory": [one.memory for one in stats],
        "peak": [one.peak for one in stats],
        "bytes_in": [one.bytes_in for one in stats],
        "bytes_out": [one.bytes_out for one in stats],
        "records_in": [one.records_in for one in stats],
        "records_out": [one.records_out for one in stats],
        "spilled": [one.spilled for one in stats],
    }


def label(steps: Sequence[StepHistory], step: int, phase: str) -> str:
    """`map`, or `step 2 map` where there are several steps."""
    return f"step {step + 1} {phase}" if len(steps) > 1 else phase


def _span(rows: Sequence[Attempt], place: int, ended: float) -> tuple[float | None, float | None]:
    one = rows[place]
    if one.started is not None:
        return one.started, ended if one.finished is None else one.finished
    if one.finished is not None or one.ready is None:
        return one.ready if one.ready is not None else one.finished, one.finished
    following = rows[place + 1] if place + 1 < len(rows) else None
    if following and (following.task, following.phase, following.step) == (one.task, one.phase, one.step):
        return one.ready, following.started or ended
    return one.ready, ended


def _number(value: float, digits: int) -> float:
    rounded = round(value, digits)
    return int(rounded) if rounded == int(rounded) else rounded


def _packed(values: list[Any]) -> Any:
    return values[0] if values and all(value == values[0] for value in values) else values
