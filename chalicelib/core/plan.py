"""plan.json: one JSON document that thousands of tasks can each read a little of.

Its first line is `{"plan": {...}, "tasks": [`, padded so that it ends at byte `Plan.head`; then one line
a task. A task reads the head and the page it is on, never the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta, field
from msgspec.structs import replace

from .errors import CorruptData
from .keys import RunKeys, TotalsKeys
from .messages import UNDECODABLE, Count, Message, Stats, encode
from .ports import Loc, Store
from .spec import BadRecordsSpec, InputSpec, JobSpec, OutputSpec
from .totals import TotalsPlan


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


#: Tasks in a page.
PAGE = 32
_OPEN, _CLOSE, _END = b'{"plan": ', b', "tasks": [', b"]}\n"
_ALIGN = 512
#: Bytes of the first read; holds the head of any plan of up to some thousand tasks.
_FIRST_READ = 1 << 15

Task = tuple[Split, ...]
_tasks = msgspec.json.Decoder(list[Task])


def render(plan: Plan, tasks: Sequence[Task]) -> tuple[Plan, bytes]:
    """The plan with its offsets filled in, and the bytes of plan.json."""
    lines = [msgspec.json.encode(task) for task in tasks]
    pages, at = [0], 0
    for start in range(0, len(lines), PAGE):
        page = lines[start : start + PAGE]
        at += sum(map(len, page)) + 2 * len(page)
        pages.append(at)
    plan = msgspec.structs.replace(plan, tasks=len(tasks), page=PAGE, pages=tuple(pages))
    room = len(_OPEN) + len(encode(plan)) + len(_CLOSE) + 20
    plan = msgspec.structs.replace(plan, head=-(-room // _ALIGN) * _ALIGN)
    head = _OPEN + encode(plan) + _CLOSE
    body = b"".join(line + b",\n" for line in lines[:-1]) + b"".join(line + b" \n" for line in lines[-1:])
    return plan, head.ljust(plan.head - 1) + b"\n" + body + _END


def read_head(store: Store, keys: RunKeys) -> Plan:
    """The plan without its tasks. Raises NotFound before there is one."""
    read = _FIRST_READ
    data = store.get(keys.plan, 0, read)
    while b"\n" not in data and len(data) == read:
        read *= 8
        data = store.get(keys.plan, 0, read)
    head = data.partition(b"\n")[0].rstrip()
    if not (head.startswith(_OPEN) and head.endswith(_CLOSE)):
        raise CorruptData(f"{keys.plan.url}: expected a plan, got {data[:60]!r}")
    try:
        return msgspec.json.decode(head[len(_OPEN) : -len(_CLOSE)], type=Plan)
    except UNDECODABLE as error:
        raise CorruptData(f"{keys.plan.url}: expected a plan: {error}") from error


def read_tasks(store: Store, keys: RunKeys, plan: Plan, lo: int, hi: int) -> list[Task]:
    """Tasks `[lo, hi)`: one range read of the pages they are on."""
    first = lo // plan.page
    last = -(-hi // plan.page)
    if not 0 <= lo < hi <= plan.tasks or last >= len(plan.pages):
        raise CorruptData(f"{keys.plan.url}: asked for tasks {lo} to {hi} of {plan.tasks}")
    data = store.get(keys.plan, plan.head + plan.pages[first], plan.head + plan.pages[last])
    try:
        page = _tasks.decode(b"[" + data.rstrip(b" ,\n") + b"]")
    except UNDECODABLE as error:
        raise CorruptData(f"{keys.plan.url}: tasks {lo} to {hi} do not decode: {error}") from error
    tasks = page[lo - first * plan.page : hi - first * plan.page]
    if len(tasks) != hi - lo:
        raise CorruptData(f"{keys.plan.url}: asked for tasks {lo} to {hi}, found {len(tasks)} of them")
    return tasks
