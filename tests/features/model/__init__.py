"""The programming model: what a job may be and use, on engines that die, repeat and run out of time."""

from __future__ import annotations

from typing import Any

from chalicelib import Job
from chalicelib.core.keys import parse_continuation
from chalicelib.core.ports import Loc
from tests.worlds.simulation import Simulation


def slowed(job: type[Job], place: list[Simulation], seconds: float) -> type[Job]:
    """The same job, but virtual time passes with each record (or chunk) and each group."""

    def slow(name: str) -> Any:
        fast = getattr(job, name)

        def method(self: Job, *arguments: Any) -> Any:
            place[0].time += seconds
            return fast(self, *arguments)

        return method

    methods = [name for name in ("mapper", "mapper_chunk") if getattr(job, name) is not getattr(Job, name)]
    methods += ["reducer"] if callable(job.reducer) else []
    return type(job.__name__, (job,), {name: slow(name) for name in methods})


def pieces(world: Simulation) -> int:
    """How often time ran out and a fresh invocation went on."""
    return sum(parse_continuation(info.key) is not None for info in world.memory.list(Loc("work", "")))
