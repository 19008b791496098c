"""The messages of the protocol: what is written to the store and sent to functions.

All are frozen and validated when they are built or decoded; a body that does not fit raises
`CorruptData`, naming the object. Times are seconds since the epoch, sizes bytes.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct, field

from .errors import CorruptData
from .ports import Loc
from .spec import JobSpec

#: A number of things, a byte's place, a task's number.
Count = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]


#: What msgspec raises for bytes that are not what was expected, however wrong they are.
UNDECODABLE = (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError)


class Message(Struct, frozen=True, kw_only=True):
    """Base of everything that is stored as JSON."""


M = TypeVar("M", bound=Message)


def encode(message: Message) -> bytes:
    return msgspec.json.encode(message)


def decode(kind: type[M], body: bytes, where: str) -> M:
    """Decode `body` as `kind`. Raises CorruptData, naming `where`, if it is anything else."""
    try:
        return msgspec.json.decode(body, type=kind)
    except UNDECODABLE as error:
        raise CorruptData(f"{where}: expected a {kind.__name__}: {error}") from error


class Split(Message, frozen=True, kw_only=True, array_like=True):
    """Half-open byte range `[start, stop)` of one object of `size` bytes with this etag."""

    bucket: str
    key: str
    etag: str
    start: Count
    stop: Count
    size: Count

    @property
    def loc(self) -> Loc:
        return Loc(self.bucket, self.key)


class Column(Message, frozen=True, kw_only=True, array_like=True):
    """A list of keys as `codec` writes it."""

    shape: Count
    body: bytes


class Stats(Message, frozen=True, kw_only=True):
    """What an attempt or a whole phase read, wrote and used; added up field by field."""

    records_in: int = 0
    records_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    #: Bytes spilled to local disk.
    spilled: int = 0
    seconds: float = 0.0
    gets: int = 0
    puts: int = 0
    lists: int = 0
    invokes: int = 0

    def __add__(self, other: Stats) -> Stats:
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
        return Stats(**dict(zip(self.__struct_fields__, (a + b for a, b in pairs), strict=True)))


class SqlTables(Message, frozen=True, kw_only=True):
    """Names and types of the columns of a SQL job's tables: what every task must agree on."""

    input: tuple[tuple[str, str], ...]
    shuffled: tuple[tuple[str, str], ...]


class Plan(Message, frozen=True, kw_only=True):
    """The head of plan.json: everything about a run but its tasks, which follow it page by page."""

    job: str
    run: str
    #: Which coordinator execution wrote it.
    token: str
    #: URL of the object whose event started the run.
    source: str
    #: Bytes of the head line in plan.json (padded); the tasks start there.
    head: Count
    spec: JobSpec
    work: Loc
    output: Loc
    partitions: Count
    #: Reduce tasks worth having even if their data would fit in fewer (the local engine's workers).
    reducers: Count = 1
    tasks: Count
    #: Tasks in a page, and the byte offsets after the head where each page starts (and the last ends).
    page: Annotated[int, Meta(ge=1, le=(1 << 63) - 1)]
    pages: tuple[Count, ...]
    inputs: Count
    bytes: Count
    #: Bounds between partitions for a job in total order, as a column of keys.
    bounds: Column | None = None
    #: Only of a job in SQL.
    sql: SqlTables | None = None
    created: float
    #: Digest of the job's code and Sluice's version, to tell runs of different code apart.
    code: str


class Position(Message, frozen=True, kw_only=True):
    """An edge between records: the number of a split in its task, and a byte of its object."""

    split: Count
    offset: Count


class Piece(Message, frozen=True, kw_only=True):
    """A run file that an attempt wrote before it ran out of time; offsets as in `MapMarker`."""

    run_file: str
    offsets: tuple[Count, ...]


class BadRecord(Message, frozen=True, kw_only=True):
    """One record set aside. `record` is base64 of its bytes, `text` the same to read."""

    phase: Literal["map", "reduce"]
    #: Where it came from; for a reduce group the key, as Python writes it.
    source: str
    offset: Count | None
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
    key_types: tuple[str, ...] = ()
    stats: Stats
    started: float = 0.0
    #: Take one record at a time, to find the one that takes too long.
    careful: bool = False


class MapMarker(Message, frozen=True, kw_only=True):
    """Commits one map task: where its run file is and which bytes of it are whose partition's."""

    task: Count
    attempt: Count
    token: str
    run_file: str
    #: P + 1 byte offsets: partition p is `[offsets[p], offsets[p + 1])` of the run file.
    offsets: tuple[Count, ...]
    #: What earlier invocations of the same attempt wrote, in order.
    earlier: tuple[Piece, ...] = ()
    #: Bad records set aside, and the object that lists them.
    bad: Count = 0
    quarantine: str = ""
    #: Types of the keys; what was cut into tasks must not mix what one task would refuse.
    key_types: tuple[str, ...] = ()
    stats: Stats
    started: float
    finished: float
    counters: dict[str, int] = {}


class Failure(Message, frozen=True, kw_only=True):
    """Why one attempt of a task failed. `message` is one line; `detail` the user's traceback."""

    phase: Literal["map", "reduce", "plan"]
    task: Count
    attempt: Count
    error: str
    message: str
    detail: str = ""
    #: The next attempt would fail the same way.
    fatal: bool = False
    at: float = 0.0


class ReduceTask(Message, frozen=True, kw_only=True, array_like=True):
    """A contiguous range of partitions `[first, last)` and its slice of the shuffle index."""

    first: Count
    last: Count
    bytes: Count
    index_start: Count
    index_stop: Count


class ReducePlan(Message, frozen=True, kw_only=True):
    """Commits the end of the map phase: the reduce tasks and what all maps did."""

    tasks: tuple[ReduceTask, ...]
    mapped: Stats
    counters: dict[str, int]
    #: Bad records set aside by all map tasks, and the objects that list them.
    bad: Count = 0
    quarantine: tuple[str, ...] = ()
    map_started: float
    map_finished: float


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
    stats: Stats
    started: float


class ReduceMarker(Message, frozen=True, kw_only=True):
    """Commits one reduce task: its part."""

    task: Count
    attempt: Count
    token: str
    part: str
    bytes: Count
    records: Count
    stats: Stats
    started: float
    finished: float
    counters: dict[str, int] = {}


class Watch(Message, frozen=True, kw_only=True):
    """What a supervisor has seen of a phase and leaves to the next one, so that silence adds up."""

    phase: Literal["map", "reduce"]
    #: How many tasks were done, and when that number last grew.
    done: Count
    moved: float
    #: For each task started again, its last attempt and when that was started.
    started: dict[int, tuple[int, float]] = {}


class Lease(Message, frozen=True, kw_only=True):
    """Who supervises a run, and until when it may be believed alive."""

    token: str
    #: The key of the event that started the holder.
    trigger: str
    expires: float
    renewals: Count = 0
    #: How often supervision was handed to a fresh invocation.
    hops: Count = 0
    watch: Watch | None = None


class Verdict(Message, frozen=True, kw_only=True):
    """How a run ended; written once, with If-None-Match, before `_SUCCESS` or `_FAILED`."""

    outcome: Literal["success", "failed"]
    reason: str = ""
    failures: tuple[Failure, ...] = ()


class Part(Message, frozen=True, kw_only=True):
    key: str
    bytes: Count
    records: Count


class Manifest(Message, frozen=True, kw_only=True):
    """The final word on a run: its parts in order, or why it failed. A function of the markers alone."""

    job: str
    run: str
    outcome: Literal["success", "failed"]
    reason: str = ""
    #: URL of the object whose event started the run; "" if its writer did not know.
    source: str = ""
    parts: tuple[Part, ...] = ()
    records: Count = 0
    bytes: Count = 0
    inputs: Count = 0
    input_bytes: Count = 0
    map_tasks: Count = 0
    reduce_tasks: Count = 0
    mapped: Stats = field(default_factory=Stats)
    reduced: Stats = field(default_factory=Stats)
    counters: dict[str, int] = {}
    bad: Count = 0
    quarantine: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    started: float = 0.0
    finished: float = 0.0


class TaskCall(Message, frozen=True, kw_only=True):
    """Payload of a mapper or reducer: the node for tasks `[lo, hi)` of the invocation tree.

    `bucket` and `prefix` are the work place, so a function needs nothing but its payload and the store.
    """

    bucket: str
    prefix: str
    job: str
    run: str
    lo: Count
    hi: Count
    attempt: Count = 0
    #: The `Continuation` that an earlier invocation of this attempt left.
    resume: str = ""
    #: Invocations between the coordinator or supervisor and this one.
    hop: Count = 0


def to_payload(message: Message) -> dict[str, Any]:
    """As plain JSON types, for an invoker."""
    payload: dict[str, Any] = msgspec.to_builtins(message)
    return payload


def from_payload(kind: type[M], payload: object, where: str) -> M:
    try:
        return msgspec.convert(payload, type=kind)
    except (msgspec.ValidationError, UnicodeEncodeError, RecursionError) as error:
        raise CorruptData(f"{where}: expected a {kind.__name__} payload: {error}") from error
