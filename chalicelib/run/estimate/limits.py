"""What a run meets: limits at which it cannot end, and the one that most of its time goes to."""

from __future__ import annotations

from collections.abc import Iterator

from ...core.spec import MIB, JobSpec
from ..status.prices import foreseen
from . import supervision
from .figures import Figures
from .shape import Shape
from .supervision import Limit, over
from .timeline import Timeline
from .work import Work

#: What makes a phase of the timeline shorter.
LIFTS = {
    "S3's event": "nothing in the settings",
    "starts of functions": "nothing in the settings; runs that follow each other find functions started",
    "planning": "fewer and larger objects, or more memory.coordinator",
    "the tree of calls": "fewer tasks: a larger split_size or reduce_size",
    "the ramp": "fewer tasks: a larger split_size; Lambda starts so many functions and no more",
    "concurrency": "a higher limit of concurrent functions, or a faster job (mapper_chunk, SQL)",
    "pauses of Lambda's queue": "a higher limit of concurrent functions, or fewer and longer tasks",
    "the map tasks": "a smaller split_size, or a faster job (mapper_chunk, SQL)",
    "the supervisor's next look": "nothing in the settings",
    "the shuffle's index": "more memory.supervisor, or a larger split_size: fewer markers",
    "the exchange tasks": "more memory.reducer, or a larger split_size: fewer run files to read",
    "the exchange's index": "more memory.supervisor, or a larger reduce_size: fewer exchange tasks",
    "the reduce tasks": "a smaller reduce_size, or a larger split_size: fewer run files to read",
    "reads of one prefix": "a larger split_size or reduce_size: reads are map tasks times reduce tasks",
    "the end": "a larger reduce_size: fewer parts",
}


def fatal(spec: JobSpec, work: Work, shape: Shape, times: Timeline, figures: Figures) -> list[Limit]:
    """Limits at which the run cannot end, the surest first; and the job's own brakes, at which it would not begin."""
    planned = (
        figures.process + figures.planning + max(work.objects, shape.tasks * shape.splits) * figures.planned
    )
    spilled = shape.task_bytes * work.pace.shuffled
    spills = shape.task_bytes * figures.record_overhead * min(1.0, work.pace.shuffled * 4) > spec.budget(
        "mapper"
    )
    disk = (spec.lambda_.ephemeral_storage or figures.disk / MIB) * MIB
    found = [
        *supervision.limits(spec, shape.tasks, shape.partitions, figures),
        over("memory.coordinator", "the plan takes", planned / MIB, spec.memory.coordinator, "MiB",
             f"memory.coordinator: {supervision.memory_for(planned)}, or fewer objects"),
        over("timeout.coordinator", "planning takes", times.coordinator, spec.timeout.coordinator, "s",
             "more memory.coordinator, timeout.coordinator up to 900, or fewer objects"),
        over("local disk", "a map task spills", spilled / MIB if spills else 0, disk / MIB, "MiB",
             "a smaller split_size, or lambda.ephemeral_storage up to 10240"),
        over("local disk", "a reduce task spills", _reduce_spill(spec, shape) / MIB, disk / MIB, "MiB",
             "more partitions, a smaller reduce_size, or lambda.ephemeral_storage up to 10240"),
        *_brakes(spec, work, shape),
    ]  # fmt: skip
    return [limit for limit in found if limit]


def _brakes(spec: JobSpec, work: Work, shape: Shape) -> Iterator[Limit | None]:
    """What `functions.limits` refuses before the run begins."""
    brakes, lift = spec.limits, "raise it, or drop fewer files at once"
    if brakes.input_bytes is not None:
        yield over("limits.input_bytes", "the input has", work.bytes, brakes.input_bytes, "bytes", lift)
    if brakes.tasks is not None:
        yield over("limits.tasks", "the input makes", shape.tasks, brakes.tasks, "map tasks",
                   "raise it, or split_size")  # fmt: skip
    if brakes.dollars is not None:
        dollars = foreseen(spec, work.bytes, shape.tasks)
        yield over("limits.dollars", "the run is taken to cost", dollars, brakes.dollars, "dollars", lift)


def _reduce_spill(spec: JobSpec, shape: Shape) -> float:
    """A partition that is larger than the budget is spilled."""
    partition = shape.shuffled / shape.partitions
    return partition if partition > spec.budget("reducer") else 0.0


def slowest(times: Timeline) -> Limit:
    """The limit that most of the time goes to."""
    by_name: dict[str, float] = {}
    for phase in times.phases:
        by_name[phase.name] = by_name.get(phase.name, 0.0) + phase.median
    name = max(by_name, key=lambda name: by_name[name])
    seconds, share = by_name[name], by_name[name] / (times.median or 1.0)
    text = f"{seconds:,.1f} of {times.median:,.1f} s go to {name}"
    return Limit(name=name, text=text, lift=LIFTS[name], seconds=seconds, share=share)
