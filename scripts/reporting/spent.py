"""What a run cost, by part."""

from __future__ import annotations

from typing import NamedTuple

from chalicelib.core.messages import Stats
from chalicelib.core.plan import Plan
from chalicelib.run.status.attempts import History
from chalicelib.run.status.fields import RunStatus
from chalicelib.run.status.prices import Usage, cost


class Part(NamedTuple):
    """US dollars for something."""

    what: str
    dollars: float


def by_part(status: RunStatus, history: History) -> list[Part]:
    """What the run's price is made of; nothing if nobody knows its price. The parts add up to it.

    The last one is what no marker tells: coordinator, supervisors and their requests, by estimate.
    """
    if status.cost is None or not history.steps:
        return []
    plan = history.steps[-1].plan
    done = {phase: Stats() for phase in ("map", "reduce")}
    for one in history.attempts:
        if one.outcome == "done":
            done[one.phase] += one.stats
    both = done["map"] + done["reduce"]
    parts = [
        Part("map tasks, the time of functions", _time(plan, done["map"], plan.spec.memory.mapper)),
        Part("reduce tasks, the time of functions", _time(plan, done["reduce"], plan.spec.memory.reducer)),
        Part("tasks, requests of S3", cost(Usage(puts=both.puts, gets=both.gets, lists=both.lists))),
        Part("attempts that do not count", status.cost_wasted or 0.0),
    ]
    rest = status.cost - sum(part.dollars for part in parts)
    return [*parts, Part("coordinator, supervisors and other requests, estimated", max(0.0, rest))]


def _time(plan: Plan, stats: Stats, memory: int) -> float:
    gb_seconds = stats.seconds * memory / 1024
    return cost(Usage(gb_seconds=gb_seconds, architecture=plan.spec.architecture))
