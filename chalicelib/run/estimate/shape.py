"""From input and configuration to tasks, reduce tasks and requests, by the rules that the run itself goes by."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from ...core.spec import JobSpec
from ...mapreduce.input import splits
from ...mapreduce.shuffle.partitions import default_partitions
from .figures import Figures
from .work import Work

#: As in `run.reduce_plan`: what is worth a reduce task.
_SMALLEST_SHARE = 1 << 18


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
    #: Bytes of all run files.
    shuffled: float
    #: Events for the supervisor: one a marker, and those of plan and verdict.
    events: int


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


def shape_of(spec: JobSpec, work: Work) -> Shape:
    """How a run over `work` would be cut, its objects being of one size."""
    size = work.bytes / max(work.objects, 1)
    split_size = splits.split_size(spec.split_size, work.bytes)
    pieces = 1 if work.whole else max(1, ceil(size / split_size))
    split = size / pieces
    packed = min(max(1, int(split_size // split)) if split else splits.MAX_SPLITS, splits.MAX_SPLITS)
    tasks = ceil(work.objects * pieces / packed) if work.bytes else 0
    partitions = _partitions(spec, work)
    shuffled = 0.0 if work.map_only else work.bytes * work.pace.shuffled
    reducers = 0 if work.map_only or not tasks else _reducers(spec, partitions, shuffled)
    return Shape(
        tasks=tasks,
        splits=min(packed, work.objects * pieces),
        task_bytes=work.bytes / tasks if tasks else 0.0,
        partitions=partitions,
        reducers=reducers,
        reduce_bytes=shuffled / reducers if reducers else 0.0,
        shuffled=shuffled,
        events=tasks + reducers + 2,
    )


def _partitions(spec: JobSpec, work: Work) -> int:
    if spec.reducers == 1 or spec.output.one_file:
        return 1
    if spec.sql.map and (spec.sql.order_by or not spec.sql.keys):
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


def requests_of(shape: Shape, work: Work, figures: Figures, seconds: float) -> Requests:
    """What a run of `seconds` asks for when nothing goes wrong; the looks of the supervisor are about right."""
    maps, reduces = shape.tasks, shape.reducers
    ends = min(3, max(1, reduces))  # about three reducers see the run's end, and write it
    pages = ceil(work.objects / figures.page_rows) if work.objects > 1 else 0
    looks = 15 + seconds / figures.longest_look
    input_gets = max(shape.splits, shape.task_bytes / figures.piece)
    gets = (
        maps * (2 + input_gets)
        + maps  # the supervisor reads each marker
        + reduces * (3 + maps)
        + ends * (reduces + 4)
        + 2 * shape.events  # each reads the lease
        + 2 * looks
    )
    hand_overs = int(seconds // 280)
    return Requests(
        gets=round(gets),
        puts=2 * maps + 2 * reduces + 3 * ends + 8 + int(seconds / 15),
        lists=round(2 + pages + reduces + looks + 2 * maps / figures.page_rows),
        invocations={
            "coordinator": 1,
            "mapper": maps,
            "supervisor": shape.events + hand_overs,
            "reducer": reduces,
        },
    )
