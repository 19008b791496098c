"""From input and configuration to tasks, reduce tasks and requests, by the rules that the run itself goes by."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from ...core.spec import JobSpec
from ...mapreduce.exchange.partitions import default_partitions
from ...mapreduce.input import splits
from ..job_code import may_be_few, may_be_small
from . import levels
from .figures import FIGURES, Figures
from .levels import Exchange, Shuffled
from .work import InputWork, Work

#: As in `run.reduce_plan`: what is worth a reduce task.
_SMALLEST_SHARE = 1 << 18
#: As in `functions.small_run`: what is reduced where it was mapped.
_SMALL = 32 << 20
#: Splits whose lines the first read of a plan brings beside its head, about (`core/plan_file.py`).
_NEAR = 160
#: What work hands on, of each byte that it reads, if its map tasks fold, group or filter.
_SHRUNK = 0.25


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How a run is cut. Sizes are in bytes."""

    #: Map tasks, the splits of one of them, and the bytes of one.
    tasks: int
    splits: float
    task_bytes: float
    partitions: int
    #: Reduce tasks, and the run files' bytes of one.
    reducers: int
    reduce_bytes: float
    #: Reads of run files by one of them, and blocks of the map tasks' index, each of which all of them read.
    fetches: int
    blocks: int
    #: Bytes of all run files.
    shuffled: float
    #: Events for the supervisor: one a marker, and those of plan and verdict.
    events: int
    #: The second level of the shuffle, if it has one; `fetches` then are of what that wrote, by its own index.
    exchange: Exchange | None
    #: The only mapper brings the run to its end, and the verdict's event alone calls a supervisor.
    small: bool


@dataclass(frozen=True, kw_only=True)
class Requests:
    """Requests of S3 and invocations of functions. `gets` has HEADs in it, which cost the same."""

    gets: int
    puts: int
    lists: int
    #: By function.
    invocations: dict[str, int]

    @property
    def total(self) -> int:
        return self.gets + self.puts + self.lists


def shape_of(spec: JobSpec, work: Work, figures: Figures = FIGURES) -> Shape:
    """How a run over `work` would be cut, its objects being of one size."""
    cuts = [_cut(spec, work, one, figures) for one in work.each]
    tasks = ceil(sum(cut.tasks for cut in cuts)) if work.bytes else 0
    tasks = min(tasks, spec.map_tasks or tasks)
    partitions = _partitions(spec, work)
    shuffled = 0.0 if work.map_only else work.bytes * work.pace.shuffled
    reducers = 0 if work.map_only or not tasks else _reducers(spec, partitions, shuffled)
    blocks = 0 if work.map_only else ceil(tasks / figures.rows(partitions))
    few_bytes = shuffled <= min(_SMALL, spec.budget("reducer") // levels.PACKED_SHARE)
    given = Shuffled(tasks=tasks, partitions=partitions, reducers=reducers, bytes=shuffled)
    exchange = levels.exchange(spec, given, figures) if _has_two(spec, given, figures) else None
    small = tasks == 1 and reducers <= 1 and few_bytes and may_be_small(spec, 1)
    return Shape(
        tasks=tasks,
        splits=max(min(cut.packed, cut.pieces) for cut in cuts),
        task_bytes=work.bytes / tasks if tasks else 0.0,
        partitions=partitions,
        reducers=reducers,
        reduce_bytes=shuffled / reducers if reducers else 0.0,
        fetches=_fetches(spec, given, exchange) if reducers else 0,
        blocks=blocks,
        shuffled=shuffled,
        events=1 if small else tasks + (exchange.tasks if exchange else 0) + reducers + 2,
        exchange=exchange,
        small=small,
    )


@dataclass(frozen=True)
class _Cut:
    """How one input is cut: its splits, how many of them are one task, and how many tasks' worth all of them are."""

    pieces: int
    packed: int

    @property
    def tasks(self) -> Fraction:
        return Fraction(self.pieces, self.packed)


def _cut(spec: JobSpec, work: Work, given: InputWork, figures: Figures) -> _Cut:
    size = given.bytes / max(given.objects, 1)
    split_size = splits.FEW if _is_few(spec, work) else splits.split_size(spec, work.bytes)
    if spec.split_lines:
        split_size = min(spec.split_lines * figures.line, max(work.bytes, 1))
    pieces = 1 if given.whole else max(1, ceil(size / split_size))
    split = size / pieces
    packed = min(max(1, int(split_size // split)) if split else splits.MAX_SPLITS, splits.MAX_SPLITS)
    return _Cut(given.objects * pieces, 1 if spec.split_lines else packed)


def _is_few(spec: JobSpec, work: Work) -> bool:
    """As the coordinator decides that so little had better be one task."""
    shrinks = work.map_only or work.pace.shuffled <= _SHRUNK
    return shrinks and not any(one.whole for one in work.each) and may_be_few(spec, 1, work.bytes)


def _partitions(spec: JobSpec, work: Work) -> int:
    if spec.reducers == 1 or spec.output.one_file:
        return 1
    if spec.is_sql and (spec.sql.order_by or not spec.sql.keys):
        return spec.partitions or 1
    if work.way == "sql":  # as `job_code` has it
        return spec.partitions or default_partitions(work.bytes, 4 * spec.reduce_size, least=4)
    return spec.partitions or default_partitions(work.bytes, spec.reduce_size)


def _reducers(spec: JobSpec, partitions: int, shuffled: float) -> int:
    """Partitions of one size, packed as `pack_partitions` does."""
    one = shuffled / partitions
    limit = min(spec.reduce_size, max(shuffled, _SMALLEST_SHARE))
    together = max(1, int(limit // one)) if one >= 1 else partitions
    found = ceil(partitions / together)
    if spec.reducers and found > spec.reducers:
        return ceil(partitions / ceil(partitions / spec.reducers))
    return found


def _has_two(spec: JobSpec, given: Shuffled, figures: Figures) -> bool:
    """As the coordinator decides that there may be a second level, and the supervisor that there is one."""
    return (
        given.reducers > 0
        and levels.possible(spec, given.tasks, given.partitions, figures)
        and levels.wanted(spec, given, figures)
    )


def _fetches(spec: JobSpec, given: Shuffled, exchange: Exchange | None) -> int:
    """A reduce task goes through the run files for as many partitions at once as it may hold packed."""
    if exchange:
        return exchange.reduce_fetches
    own = ceil(given.partitions / given.reducers)
    return given.tasks * given.stretches(own, spec.budget("reducer") // levels.PACKED_SHARE)


def requests_of(shape: Shape, work: Work, figures: Figures, seconds: float) -> Requests:
    """What a run of `seconds` asks for when nothing goes wrong; the looks of the supervisor are about right.

    Each map task's marker calls a supervisor. With a seat one stays, and the others find its lease; without, each reads
    the plan's head and lists its task's neighbours, and all of the phase if it is small.
    """
    if shape.small:
        return _requests_of_small(shape, work, figures)
    maps, reduces = shape.tasks, shape.reducers
    ends = min(3, max(1, reduces))  # about three reducers see the run's end, and write it
    pages = ceil(work.objects / figures.page_rows) if work.objects > 1 else 0
    seated = bool(work.seats(figures))
    looks = 15 + seconds / figures.longest_look if seated else 6.0
    #: Of one look in the middle of the phase: tasks are done in the order of the tree.
    listed = looks * maps / figures.page_rows
    input_gets = _input_gets(shape, figures)
    gets = (
        maps * (2 + input_gets)
        - min(maps, int(_NEAR / max(shape.splits, 1)))  # their lines come with the plan's head
        + maps  # the supervisor reads each marker
        + reduces * (3 + (1 if shape.exchange else shape.blocks) + shape.fetches)
        + ends * (reduces + 4)
        + maps * (2 if seated else 1)  # each one's event reads the lease, or the head of the plan
        + 2 * looks
    )
    hand_overs = int(seconds // 280) if seated else 0
    waits = int(seconds / 15) if seated else 0  # so often its lease is renewed, and its seat
    made = shape.exchange
    exchanges, groups = (made.tasks, made.columns) if made else (0, 0)
    if made:  # the supervisor reads each marker, and each marker's event the lease, or plan and exchange plan
        gets += exchanges * (levels.OWN_REQUESTS - levels.OWN_PUTS + made.fetches + 3)
    return Requests(
        gets=round(gets),
        puts=2 * (maps + exchanges + reduces) + 3 * ends + 8 + 2 * waits + 2 * shape.blocks + groups,
        lists=round(2 + pages + reduces + looks + listed + (0 if seated else maps + exchanges)),
        invocations={
            "coordinator": 1,
            "mapper": maps,
            "supervisor": shape.events + hand_overs,
            "reducer": exchanges + reduces,
        },
    )


def _input_gets(shape: Shape, figures: Figures) -> float:
    """Of one map task. The first read of a long stream is a small one, so that there is something to do."""
    long = shape.task_bytes > shape.splits * figures.piece
    return shape.task_bytes / figures.piece + shape.splits if long else shape.splits


def _requests_of_small(shape: Shape, work: Work, figures: Figures) -> Requests:
    """Of a run that one mapper brings to its end: each object is written once, and what it has written is not read."""
    pages = ceil(work.objects / figures.page_rows) if work.objects > 1 else 0
    #: Plan and input; the object that was dropped, and the lease, are asked for their heads.
    gets = 3 + _input_gets(shape, figures)
    return Requests(
        gets=round(gets),
        puts=12 if shape.reducers else 9,
        lists=pages + (4 if shape.reducers else 3),
        invocations={"coordinator": 1, "mapper": 1, "supervisor": 1, "reducer": 0},
    )
