"""The messages about tasks: what is sent to mappers and reducers, and the markers they write.

All are frozen and validated when they are built or decoded; a body that does not fit raises
`CorruptData`, naming the object. Times are seconds since the epoch, sizes bytes.
"""

from __future__ import annotations

from typing import Literal

from msgspec import field

from .keys import Phase
from .messages import Count, Message, Stats, Wasted
from .plan import Column, LeftOut


class Position(Message, frozen=True, kw_only=True):
    """An edge between records: the number of a split in its task, and a byte of its object.

    `skip` pairs behind that byte are done, where records are typed pairs, which come in blocks. In an exchange task:
    the number of a partition in its group, and that of a run file in its.
    """

    split: Count
    offset: Count
    skip: Count = 0


class Piece(Message, frozen=True, kw_only=True):
    """A run file that an attempt wrote before it ran out of time; offsets as in `MapMarker`."""

    run_file: str
    offsets: bytes | tuple[Count, ...]


class BadRecord(Message, frozen=True, kw_only=True):
    """One record set aside. `record` is base64 of its bytes, `text` the same to read."""

    phase: Phase
    #: Where it came from; for a reduce group the key, as Python writes it.
    source: str
    offset: Count | None
    #: Its number in the object, from 1, if it is known.
    line: Count | None = None
    error: str
    traceback: str
    text: str
    record: str


class Continuation(Message, frozen=True, kw_only=True):
    """What a map attempt that ran out of time leaves to its next invocation."""

    #: Where to go on; None: from the beginning.
    position: Position | None = None
    earlier: tuple[Piece, ...] = ()
    bad: tuple[BadRecord, ...] = ()
    counters: dict[str, int] = field(default_factory=dict)
    key_types: tuple[str, ...] = ()
    stats: Stats
    started: float = 0.0
    #: Take one record at a time, to find the one that takes too long.
    careful: bool = False
    #: Map-only: all records are done; what is left is to join the pieces.
    joining: bool = False

    @property
    def work_objects(self) -> tuple[str, ...]:
        """Keys of the pieces in the work place, in order."""
        return tuple(piece.run_file for piece in self.earlier)


class Part(Message, frozen=True, kw_only=True):
    """An object of results."""

    key: str
    bytes: Count
    records: Count
    #: Typed pairs: some bytes at which one may begin to read, ascending from 0.
    edges: tuple[Count, ...] = ()
    #: With `output.by` the part is these objects, and `key` only the place they are in.
    folders: tuple[Part, ...] | None = None

    @property
    def objects(self) -> tuple[Part, ...]:
        """The objects there are of it."""
        return (self,) if self.folders is None else self.folders


#: The token of a marker that commits nothing: it takes the place of one, in a run that was stopped.
STOPPED = "stopped"


#: The token of the marker of a map task that has failed for good, in a run that bears some.
LEFT_OUT = "left out"


class MapMarker(Message, frozen=True, kw_only=True):
    """Commits one map or exchange task: where its run file is and which bytes of it are whose partition's.

    The partitions of an exchange task are those of its group.
    """

    task: Count
    attempt: Count
    token: str
    run_file: str
    #: P + 1 byte offsets: partition p is `[offsets[p], offsets[p + 1])` of the run file. Packed as in
    #: `mapreduce.shuffle.offsets`; earlier versions wrote them one by one.
    offsets: bytes | tuple[Count, ...]
    #: What earlier invocations of the same attempt wrote, in order.
    earlier: tuple[Piece, ...] = ()
    #: Bad records set aside, and the object that lists them.
    bad: Count = 0
    quarantine: str = ""
    #: Types of the keys; what was cut into tasks must not mix what one task would refuse.
    key_types: tuple[str, ...] = ()
    #: The part of a map-only task, which has no run file.
    part: Part | None = None
    #: It stands in the place of that of a task which is left out, and names no run file.
    left_out: LeftOut | None = None
    stats: Stats
    started: float
    finished: float
    counters: dict[str, int] = field(default_factory=dict)

    @property
    def work_objects(self) -> tuple[str, ...]:
        """Keys of the objects in the work place that it names. A part is not its own: all attempts share it."""
        pieces = (piece.run_file for piece in self.earlier)
        return tuple(key for key in (*pieces, self.run_file, self.quarantine) if key)


#: `Failure.error` of an attempt whose process died, said by whoever has seen it or was told.
CRASHED = "Crashed"


class Failure(Message, frozen=True, kw_only=True):
    """Why one attempt of a task failed. `message` is one line; `detail` the user's traceback."""

    phase: Literal["map", "exchange", "reduce", "plan"]
    task: Count
    attempt: Count
    error: str
    message: str
    detail: str = ""
    #: The next attempt would fail the same way.
    fatal: bool = False
    at: float = 0.0
    #: What the attempt used; of one by earlier code, or that left nothing, unknown.
    stats: Stats = Stats()


class Overtaken(Message, frozen=True, kw_only=True):
    """What an attempt used that was done when another had committed its task, and when it found that out."""

    stats: Stats
    #: 0 if its writer did not say.
    at: float = 0.0


class ReduceTask(Message, frozen=True, kw_only=True, array_like=True):
    """A contiguous range of partitions `[first, last)`."""

    first: Count
    last: Count
    bytes: Count
    #: Of earlier versions, whose index was one object: the task's slice of it.
    index_start: Count = 0
    index_stop: Count = 0


class IndexBlock(Message, frozen=True, kw_only=True, array_like=True):
    """One object of the shuffle index, see `mapreduce.shuffle.index`."""

    #: Run files in it.
    rows: Count
    #: Bytes of an offset.
    width: Count
    #: Bytes of the names, behind which the columns begin.
    names: Count
    #: The partitions `[first, last)` that it is about; all of them if `last` is 0.
    first: Count = 0
    last: Count = 0


class Exchanged(Message, frozen=True, kw_only=True):
    """What the exchange tasks of a run with two levels of shuffle did, and when the last of them ended."""

    tasks: Count
    stats: Stats
    #: By attempts beside those that count.
    wasted: Wasted = Wasted()
    finished: float


class ReducePlan(Message, frozen=True, kw_only=True):
    """Commits the end of the map phase, or of the exchange behind it: the reduce tasks and what all maps did."""

    tasks: tuple[ReduceTask, ...]
    #: The blocks of the shuffle index, in order; none in a plan of an earlier version.
    index: tuple[IndexBlock, ...] = ()
    mapped: Stats
    counters: dict[str, int]
    #: Bad records set aside by all map tasks, and the objects that list them.
    bad: Count = 0
    quarantine: tuple[str, ...] = ()
    #: By attempts of the map phase beside those that count.
    wasted: Wasted = Wasted()
    #: Map tasks that are left out.
    left_out: tuple[LeftOut, ...] = ()
    #: The parts of a map-only job, which has no reduce tasks.
    parts: tuple[Part, ...] = ()
    map_started: float
    map_finished: float
    #: With two levels; then `index` is that of their run files, which lies beside them.
    exchanged: Exchanged | None = None
    #: It only takes the place of a plan, in a run that was stopped.
    stopped: bool = False

    @property
    def begun(self) -> float:
        """When the reduce phase began: with the end of the phase before it."""
        return self.exchanged.finished if self.exchanged else self.map_finished


class RowGroup(Message, frozen=True, kw_only=True, array_like=True):
    """Neighbouring run files of map tasks: those with the numbers `[first, last)` in a block of the index."""

    block: Count
    first: Count
    last: Count


class ExchangePlan(Message, frozen=True, kw_only=True):
    """Commits the end of the map phase of a run that may have two levels of shuffle: whether it has, and how.

    There is a task for each pair of a group of run files and a group of partitions; none with one level. Tasks are
    numbered so that those of one group of partitions follow each other, in the order of map tasks.
    """

    rows: tuple[RowGroup, ...] = ()
    #: Contiguous partitions `[first, last)`, each of which whole reduce tasks take.
    columns: tuple[tuple[Count, Count], ...] = ()
    #: As it is with one level.
    reduce: ReducePlan

    @property
    def tasks(self) -> int:
        return len(self.rows) * len(self.columns)

    def task(self, number: int) -> tuple[RowGroup, tuple[int, int]]:
        """The run files, and the partitions, of one task."""
        column, row = divmod(number, len(self.rows))
        return self.rows[row], self.columns[column]


class MapSums(Message, frozen=True, kw_only=True):
    """What some map tasks wrote, added up: a function of their markers, which need not be read again."""

    #: The first task that is not among them.
    stop: Count
    #: Their block of the shuffle index, and the sums of its columns (u64, little endian).
    block: IndexBlock | None = None
    columns: bytes = b""
    stats: Stats
    counters: dict[str, int]
    bad: Count = 0
    quarantine: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    #: By the name of a type of keys: the first task that wrote any.
    key_types: dict[str, int]
    #: The attempts that committed tasks, but for first ones.
    repeated: dict[Count, Count] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()
    started: float
    finished: float


class ExchangeSums(Message, frozen=True, kw_only=True):
    """The same of the exchange tasks of one group of partitions: their blocks of the index, and what they did."""

    blocks: tuple[IndexBlock, ...]
    stats: Stats
    repeated: dict[Count, Count] = field(default_factory=dict)
    finished: float


class Slice(Message, frozen=True, kw_only=True, array_like=True):
    """One run file's part in one reduce task: offsets of its partitions first..last inclusive."""

    run_file: str
    offsets: tuple[Count, ...]


class ReducePosition(Message, frozen=True, kw_only=True):
    """An edge between groups: a partition, counted from the task's first, and the last key that is done."""

    partition: Count
    key: Column | None = None


class ReduceContinuation(Message, frozen=True, kw_only=True):
    """What a reduce attempt that ran out of time leaves to its next invocation."""

    #: Where to go on; None: from the beginning.
    position: ReducePosition | None = None
    #: What was written so far, as objects of the work place to be joined into the part.
    pieces: tuple[str, ...] = ()
    #: All groups are done; what is left is to join the pieces.
    joining: bool = False
    #: Leave half of the time to one group, to find the one that takes too long.
    careful: bool = False
    records: Count = 0
    bad: tuple[BadRecord, ...] = ()
    counters: dict[str, int] = field(default_factory=dict)
    stats: Stats
    started: float

    @property
    def work_objects(self) -> tuple[str, ...]:
        """As of `Continuation`."""
        return self.pieces


class ReduceMarker(Message, frozen=True, kw_only=True):
    """Commits one reduce task: its part."""

    task: Count
    attempt: Count
    token: str
    part: str
    bytes: Count
    records: Count
    #: As in `Part`.
    edges: tuple[Count, ...] = ()
    folders: tuple[Part, ...] | None = None
    #: Groups set aside, and the object that lists them.
    bad: Count = 0
    quarantine: str = ""
    stats: Stats
    started: float
    finished: float
    counters: dict[str, int] = field(default_factory=dict)

    @property
    def work_objects(self) -> tuple[str, ...]:
        """As of `MapMarker`."""
        return (self.quarantine,) if self.quarantine else ()


class TaskCall(Message, frozen=True, kw_only=True):
    """Payload of a mapper or reducer: the node for tasks `[lo, hi)` of the invocation tree.

    `bucket` and `prefix` are the work place, so a function needs nothing but its payload and the store.
    """

    bucket: str
    prefix: str
    job: str
    run: str
    #: Which step of the run, from 0.
    step: Count = 0
    lo: Count
    hi: Count
    attempt: Count = 0
    #: Key of the `Continuation` or `ReduceContinuation` that an earlier invocation of this attempt left.
    resume: str = ""
    #: The run is a small one, as in `Plan`.
    small: bool = False
    #: The tasks are exchange tasks, which reducers do.
    exchange: bool = False
    #: Invocations between the coordinator or supervisor and this one.
    hop: Count = 0
