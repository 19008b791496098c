"""What is drawn as bars: bytes by partition, records by reduce task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from chalicelib.run.status.attempts import StepHistory


class Bars(NamedTuple):
    """A chart: the element it is drawn in, what there is a bar of, and what of it is shown."""

    id: str
    x: str
    y: str
    values: Sequence[int]


def bars_of(step: StepHistory) -> Iterator[Bars]:
    """Of one step: bytes by partition or, if these are not known, by reduce task; records by reduce task.

    One bar alone would say nothing.
    """
    plan = step.reduce_plan
    if plan is None:
        return
    what = "partition" if step.partitions else "reduce task"
    sizes = step.partitions or [task.bytes for task in plan.tasks]
    if len(sizes) > 1:
        yield Bars(f"chart-bytes-{step.number}", what, "bytes", sizes)
    if step.parts and len(plan.tasks) > 1:
        records = [step.parts.get(task, (0, 0))[1] for task in range(len(plan.tasks))]
        yield Bars(f"chart-records-{step.number}", "reduce task", "records", records)
