"""Whether a run that is being planned may come to have two levels of shuffle. Light: each coordinator imports it."""

from __future__ import annotations

from functools import partial

from ...core.ports import Runtime
from ...core.spec import JobSpec
from ...mapreduce.exchange import grid
from ...run.plan_step import MayExchange


def may_exchange(runtime: Runtime, spec: JobSpec) -> MayExchange:
    """For a plan: whether so many map tasks and partitions may come to have a second level."""
    return partial(_may, spec, waits=runtime.seats is not None)


def _may(spec: JobSpec, tasks: int, partitions: int, *, waits: bool) -> bool:
    if spec.shuffle.levels == "auto" and (not waits or tasks * partitions <= grid.FEW):
        return False  # the arithmetic is not even imported
    from ...run.estimate import levels
    from ...run.estimate.figures import FIGURES

    return levels.possible(spec, tasks, partitions, FIGURES)
