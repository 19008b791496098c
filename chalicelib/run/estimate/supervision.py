"""What a supervisor takes, by the number of tasks: light enough for a coordinator that begins a run of many.

Memory and time grow with the tasks, whatever their records are, so that a run can be refused by them.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from msgspec import Struct

from ...core.spec import MIB, JobSpec
from .figures import Figures


class Limit(Struct, frozen=True, kw_only=True):
    """A limit by name, in one sentence what it means for the run, and what lifts it."""

    name: str
    text: str
    lift: str
    #: The run cannot end.
    fatal: bool = False
    #: Seconds that go to it, and of all what share.
    seconds: float = 0.0
    share: float = 0.0


def over(name: str, what: str, value: float, most: float, unit: str, lift: str) -> Limit | None:
    """A limit at which the run cannot end, if `value` is more than there is."""
    if value <= most:
        return None
    text = f"{what} {value:,.0f} {unit}, and there are {most:,.0f}: the run cannot end"
    return Limit(name=name, text=text, lift=lift, fatal=True)


def memory(tasks: int, partitions: int, figures: Figures) -> float:
    """Bytes that a supervisor takes at most: while no task is done, or for the shuffle's index."""
    rows = min(figures.rows(partitions), tasks)
    sums = ceil(tasks / rows) * (partitions + 1) * 8 if rows else 0
    index = figures.block_copies * 4 * rows * (partitions + 1) + sums
    return figures.process + figures.remembered + 2 * tasks + max(index, tasks * figures.watched)


def look(spec: JobSpec, tasks: int, figures: Figures) -> float:
    """Seconds of one look at a phase by a supervisor that has seen nothing of it: one listing, in one piece."""
    share = figures.share(spec.memory.supervisor)
    pages = ceil(2 * tasks / figures.page_rows)  # a marker and a run file of each
    return pages * (figures.list_page + figures.page_work / share) + tasks / 2 * figures.watch_work / share


def index_rows(spec: JobSpec, tasks: int, partitions: int, figures: Figures) -> float:
    """Seconds for the shuffle's index over so many map tasks: their markers are read and added up."""
    added = (figures.marker_work + (partitions + 1) * figures.offset_work) / figures.share(
        spec.memory.supervisor
    )
    return tasks * (read_marker(spec, figures) + added)


def read_marker(spec: JobSpec, figures: Figures) -> float:
    """Seconds for each of many markers that are read."""
    memory = spec.memory.supervisor
    return max(figures.request / figures.reads(memory), figures.request_work / figures.share(memory))


def index_piece(spec: JobSpec, tasks: int, partitions: int, figures: Figures) -> float:
    """Seconds for what of the index must be done in one piece: a supervisor that comes later goes on behind it."""
    piece = tasks if tasks <= figures.one_piece else min(tasks, figures.rows(partitions))
    return index_rows(spec, piece, partitions, figures)


def limits(
    spec: JobSpec, tasks: int, partitions: int, figures: Figures, slack: float = 1.0
) -> Iterator[Limit]:
    """Those at which the run cannot end. `slack`: a time is one if it is so many times what there is."""
    needed = memory(tasks, partitions, figures)
    timeout = spec.timeout.supervisor
    left = timeout - min(figures.reserve, timeout * figures.reserve_share)
    longer = "more memory.supervisor (its processor grows, too), timeout.supervisor up to 900, or a larger split_size"
    found = (
        over("memory.supervisor", f"watching {tasks:,} map tasks takes", needed / MIB, spec.memory.supervisor, "MiB",
             f"memory.supervisor: {memory_for(needed)}, or a larger split_size"),
        over("timeout.supervisor", f"one look at {tasks:,} map tasks takes", look(spec, tasks, figures) / slack, left,
             "s", longer),
        over("timeout.supervisor", f"a block of the shuffle's index of {tasks:,} map tasks takes",
             index_piece(spec, tasks, partitions, figures) / slack, left, "s", longer),
    )  # fmt: skip
    yield from (limit for limit in found if limit)


def memory_for(needed: float) -> str:
    """A memory size in MB that holds so many bytes, or a word that there is none."""
    wanted = int(needed * 1.25 / MIB) + 1
    return str(max(wanted, 256)) if wanted <= 10_240 else "more than Lambda has"
