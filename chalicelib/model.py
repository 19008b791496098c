"""The messages of the protocol: what is written to the store and sent to functions.

All are frozen and validated when they are built or decoded; a body that does not fit raises
`CorruptData`, naming the object. Times are seconds since the epoch, sizes bytes.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field
from msgspec.structs import replace

from .keys import RunKeys, TotalsKeys
from .messages import UNDECODABLE as UNDECODABLE
from .messages import Count as Count
from .messages import Message as Message
from .messages import Stats as Stats
from .messages import decode as decode
from .messages import encode as encode
from .messages import from_payload as from_payload
from .messages import to_payload as to_payload
from .ports import Loc
from .spec import BadRecordsSpec, InputSpec, JobSpec, OutputSpec
from .totals_model import TotalsPlan
from .watching import Lease as Lease
from .watching import Watch as Watch


class Split(Message, frozen=True, kw_only=True, array_like=True):
    """Half-open byte range `[start, stop)` of one object of `size` bytes with this etag."""

    bucket: str
    key: str
    etag: str
    start: Count
    stop: Count
    size: Count
    #: Typed pairs: how many pairs behind `start` are done already.
    skip: Count = 0
    #: Which of the job's inputs it is of, if they have tags.
    tag: str = ""

    @property
    def loc(self) -> Loc:
        return Loc(self.bucket, self.key)


class Column(Message, frozen=True, kw_only=True, array_like=True):
    """A list of keys as `codec` writes it."""

    shape: Count
    body: bytes


class SqlTables(Message, frozen=True, kw_only=True):
    """Names and types of the columns of a SQL job's tables: what every task must agree on."""

    input: tuple[tuple[str, str], ...]
    shuffled: tuple[tuple[str, str], ...]


class Earlier(Message, frozen=True, kw_only=True):
    """What the steps before this one did, all together: what the manifest will tell."""

    inputs: Count
    bytes: Count
    map_tasks: Count
    reduce_tasks: Count
    mapped: Stats
    reduced: Stats
    counters: dict[str, int] = field(default_factory=dict)
    bad: Count = 0
    quarantine: tuple[str, ...] = ()
    started: float
    finished: float


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
    #: The run's results; what a step passes on to the next is elsewhere, see `keys`.
    output: Loc
    #: Which step of how many this is a plan of, from 0.
    step: Count = 0
    steps: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    #: Which of the job's steps it does. With `accumulate` a merge may be done again, as a step of its own.
    nth: Count = 0
    #: With `accumulate`: the steps before the merge with the totals; those behind it render them. Else 0.
    own_steps: Count = 0
    totals: TotalsPlan | None = None
    #: Each map task writes a part, and there is no reduce phase.
    map_only: bool = False
    earlier: Earlier | None = None
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
    #: Side files that are objects: what `files` in the job file says, and the etag when the run was planned.
    files: dict[str, str] = field(default_factory=dict)
    created: float
    #: Digest of the job's code and Sluice's version, to tell runs of different code apart.
    code: str

    @property
    def last_step(self) -> bool:
        return self.nth + 1 >= self.steps

    @property
    def makes_states(self) -> bool:
        """With `accumulate`: what it writes waits to be merged with the totals."""
        return self.own_steps > 0 and self.nth + 1 == self.own_steps

    @property
    def merges(self) -> bool:
        """It merges states with the totals."""
        return self.own_steps > 0 and self.nth == self.own_steps

    @property
    def renders(self) -> bool:
        """It makes results of the totals."""
        return self.own_steps > 0 and self.nth > self.own_steps

    @property
    def results(self) -> Loc:
        """Where its parts go: the run's results, the totals, or the input of the next step."""
        if self.merges and self.totals:
            return TotalsKeys(self.work, self.job).states(self.totals.generation, self.run, self.step)
        return RunKeys(self.work, self.job, self.run, self.step).results(self.output, last=self.last_step)

    @property
    def own_spec(self) -> JobSpec:
        """The step's own configuration: what goes from one step to the next is typed pairs."""
        spec = self.spec
        if self.step:
            spec = replace(spec, input=InputSpec(url=spec.input.url, format="pairs"), more_inputs=())
        if not self.last_step:
            spec = replace(spec, output=OutputSpec(url=spec.output.url, format="pairs"))
        if self.merges:  # a state that were set aside would be gone from the totals
            spec = replace(spec, bad_records=BadRecordsSpec())
        return spec

    @property
    def where(self) -> str:
        """The step for a message, with a colon; nothing for a job of one step."""
        return f"step {self.nth + 1} of {self.steps}: " if self.steps > 1 else ""


class Position(Message, frozen=True, kw_only=True):
    """An edge between records: the number of a split in its task, and a byte of its object.

    `skip` pairs behind that byte are done, where records are typed pairs, which come in blocks.
    """

    split: Count
    offset: Count
    skip: Count = 0


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
    #: The part of a map-only task, which has no run file.
    part: Part | None = None
    stats: Stats
    started: float
    finished: float
    counters: dict[str, int] = field(default_factory=dict)


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
    #: The parts of a map-only job, which has no reduce tasks.
    parts: tuple[Part, ...] = ()
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
    bad: tuple[BadRecord, ...] = ()
    counters: dict[str, int] = field(default_factory=dict)
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


class Verdict(Message, frozen=True, kw_only=True):
    """How a run ended; written once, with If-None-Match, before `_SUCCESS` or `_FAILED`."""

    #: overtaken: of a step over the totals, which have changed meanwhile; the run goes on behind it.
    outcome: Literal["success", "failed", "overtaken"]
    reason: str = ""
    failures: tuple[Failure, ...] = ()


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
    steps: Count = 1
    map_tasks: Count = 0
    reduce_tasks: Count = 0
    mapped: Stats = field(default_factory=Stats)
    reduced: Stats = field(default_factory=Stats)
    counters: dict[str, int] = field(default_factory=dict)
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
    #: Which step of the run, from 0.
    step: Count = 0
    lo: Count
    hi: Count
    attempt: Count = 0
    #: The `Continuation` that an earlier invocation of this attempt left.
    resume: str = ""
    #: Invocations between the coordinator or supervisor and this one.
    hop: Count = 0
