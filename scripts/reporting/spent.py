"""What a run cost, by part."""

from __future__ import annotations

from typing import NamedTuple

from chalicelib.run.status.fields import RunStatus


class Part(NamedTuple):
    """US dollars for something."""

    what: str
    dollars: float


def by_part(status: RunStatus) -> list[Part]:
    """What the run's price is made of; nothing if nobody knows its price. The parts add up to it."""
    parts = status.cost_parts
    if parts is None:
        return []
    return [
        Part("map tasks, the time of functions", parts.map),
        *([Part("exchange tasks, the time of functions", parts.exchange)] if status.exchange else []),
        Part("reduce tasks, the time of functions", parts.reduce),
        Part("coordinator and supervisors, estimated", parts.supervision),
        Part("invocations and requests of S3", parts.requests),
        Part("attempts that do not count", parts.wasted),
    ]
