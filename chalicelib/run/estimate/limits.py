"""What a run meets: limits at which it cannot end, and the one that most of its time goes to."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.spec import MIB, JobSpec
from .figures import Figures
from .shape import Shape
from .timeline import Timeline
from .work import Work


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A limit by name, in one sentence what it means for the run, and what lifts it."""

    name: str
    text: str
    lift: str
    #: The run cannot end.
    fatal: bool = False
    #: Seconds that go to it, and of all what share.
    seconds: float = 0.0
    share: float = 0.0


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
    "the shuffle's index": "more memory.supervisor, or a larger split_size: fewer markers and offsets",
    "the reduce tasks": "a smaller reduce_size, or a larger split_size: fewer run files to read",
    "reads of one prefix": "a larger split_size or reduce_size: reads are map tasks times reduce tasks",
    "the end": "a larger reduce_size: fewer parts",
}


def supervisor_memory(shape: Shape, figures: Figures) -> float:
    """Bytes that the shuffle's index takes."""
    offsets = shape.tasks * shape.partitions * figures.offset
    return figures.process + offsets + shape.tasks * shape.reducers * figures.slice


def fatal(spec: JobSpec, work: Work, shape: Shape, times: Timeline, figures: Figures) -> list[Limit]:
    """Limits at which the run cannot end, the surest first."""
    needed = supervisor_memory(shape, figures)
    planned = figures.process + max(work.objects, shape.tasks * shape.splits) * figures.planned
    spilled = shape.task_bytes * work.pace.shuffled
    spills = shape.task_bytes * figures.record_overhead * min(1.0, work.pace.shuffled * 4) > spec.budget(
        "mapper"
    )
    found = [
        _over("memory.supervisor", "the shuffle's index takes", needed / MIB, spec.memory.supervisor, "MiB",
              f"memory.supervisor: {_memory(needed)}, or a larger split_size"),
        _over("timeout.supervisor", "the shuffle's index, which is made in one piece, takes", times.shuffle,
              spec.timeout.supervisor, "s", "more memory.supervisor (its processor grows with it), timeout.supervisor"
              " up to 900, or a larger split_size"),
        _over("memory.coordinator", "the plan takes", planned / MIB, spec.memory.coordinator, "MiB",
              f"memory.coordinator: {_memory(planned)}, or fewer objects"),
        _over("timeout.coordinator", "planning takes", times.coordinator, spec.timeout.coordinator, "s",
              "more memory.coordinator, timeout.coordinator up to 900, or fewer objects"),
        _over("tasks", "the input makes", shape.tasks, figures.most_tasks, "tasks", "a larger split_size"),
        _over("local disk", "a map task spills", spilled / MIB if spills else 0, figures.disk / MIB, "MiB",
              "a smaller split_size"),
        _over("local disk", "a reduce task spills", _reduce_spill(spec, shape) / MIB, figures.disk / MIB, "MiB",
              "more partitions, or a smaller reduce_size"),
    ]  # fmt: skip
    return [limit for limit in found if limit]


def _reduce_spill(spec: JobSpec, shape: Shape) -> float:
    """A partition that is larger than the budget is spilled."""
    partition = shape.shuffled / shape.partitions
    return partition if partition > spec.budget("reducer") else 0.0


def _over(name: str, what: str, value: float, most: float, unit: str, lift: str) -> Limit | None:
    if value <= most:
        return None
    text = f"{what} {value:,.0f} {unit}, and there are {most:,.0f}: the run cannot end"
    return Limit(name=name, text=text, lift=lift, fatal=True)


def _memory(needed: float) -> str:
    """A memory size in MB that holds so many bytes, or a word that there is none."""
    wanted = int(needed * 1.25 / MIB) + 1
    return str(max(wanted, 256)) if wanted <= 10_240 else "more than Lambda has"


def slowest(times: Timeline) -> Limit:
    """The limit that most of the time goes to."""
    by_name: dict[str, float] = {}
    for phase in times.phases:
        by_name[phase.name] = by_name.get(phase.name, 0.0) + phase.median
    name = max(by_name, key=lambda name: by_name[name])
    seconds, share = by_name[name], by_name[name] / (times.median or 1.0)
    text = f"{seconds:,.1f} of {times.median:,.1f} s go to {name}"
    return Limit(name=name, text=text, lift=LIFTS[name], seconds=seconds, share=share)
