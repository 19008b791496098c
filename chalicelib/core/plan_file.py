"""plan.json: one JSON document that thousands of tasks can each read a little of.

Its first line is `{"plan": {...}, "tasks": [`, padded so that it ends at byte `Plan.head`; then one line
a task. A task reads the head and the page it is on, never the whole; in one read, if both are near the beginning. Nor
does who writes it hold the whole: the head says where pages begin, so lines are packed until all are known.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from itertools import chain

import msgspec
from msgspec.structs import replace

from .errors import CorruptData
from .keys import RunKeys
from .messages import UNDECODABLE, encode, known
from .plan import Plan, Split
from .ports import Store

#: Tasks in a page, at least; and about how many pages a head tells of, at most: each task reads it.
PAGE, MOST_PAGES = 32, 4096
_OPEN, _CLOSE, _END = b'{"plan": ', b', "tasks": [', b"]}\n"
_ALIGN = 512
#: Bytes of the first read; holds the head of any plan of up to some thousand tasks.
_FIRST_READ = 1 << 15

Task = tuple[Split, ...]
_tasks = msgspec.json.Decoder(list[Task])
#: Bytes of lines that are packed together.
_CHUNK = 1 << 20


class TaskLines:
    """The lines of some tasks, packed: a million objects take 60 MB of memory, not 200."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._packed: list[bytes] = []
        self._rest = b""
        self.count = 0
        #: As in `Plan`, for pages of `PAGE` tasks.
        self.pages = [0]
        at, lines, held = 0, list[bytes](), 0
        for task in tasks:
            if self.count and self.count % PAGE == 0:
                self.pages.append(at)
            lines.append(msgspec.json.encode(task))
            size = len(lines[-1]) + 2
            at, held, self.count = at + size, held + size, self.count + 1
            if held > _CHUNK:
                self._packed.append(zlib.compress(b"".join(line + b",\n" for line in lines), 1))
                lines, held = [], 0
        self._rest = b"".join(line + b",\n" for line in lines)
        if self.count:
            self.pages.append(at)

    def __iter__(self) -> Iterator[bytes]:
        """The lines, about a megabyte at a time; behind the last one there is no comma."""
        held = b""
        for packed in self._packed:
            yield held
            held = zlib.decompress(packed)
        if self._rest:
            yield held
            held = self._rest
        if held:
            yield held[:-2] + b" \n"


def document(plan: Plan, lines: TaskLines) -> tuple[Plan, Iterator[bytes]]:
    """The plan with its offsets filled in, and the bytes of plan.json, piece by piece."""
    step = max(1, -(-len(lines.pages) // MOST_PAGES))
    pages = (*lines.pages[:-1:step], lines.pages[-1])
    plan = replace(plan, tasks=lines.count, page=PAGE * step, pages=pages)
    room = len(_OPEN) + len(encode(plan)) + len(_CLOSE) + 20
    plan = replace(plan, head=-(-room // _ALIGN) * _ALIGN)
    head = _OPEN + encode(plan) + _CLOSE
    return plan, chain((head.ljust(plan.head - 1) + b"\n",), lines, (_END,))


def compose(plan: Plan, tasks: Iterable[Task]) -> tuple[Plan, bytes]:
    """The same at once: for small plans."""
    plan, pieces = document(plan, TaskLines(tasks))
    return plan, b"".join(pieces)


def read_head(store: Store, keys: RunKeys) -> Plan:
    """The plan without its tasks. Raises NotFound before there is one."""
    return read_plan(store, keys)[0]


def read_plan(store: Store, keys: RunKeys) -> tuple[Plan, bytes]:
    """The plan without its tasks, and the bytes of these that came with it. As `read_head`."""
    read = _FIRST_READ
    data = store.get(keys.plan, 0, read)
    while b"\n" not in data and len(data) == read:
        read *= 8
        data = store.get(keys.plan, 0, read)
    head, _, behind = data.partition(b"\n")
    head = head.rstrip()
    if not (head.startswith(_OPEN) and head.endswith(_CLOSE)):
        raise CorruptData(f"{keys.plan.url}: expected a plan, got {data[:60]!r}")
    try:
        return msgspec.json.decode(head[len(_OPEN) : -len(_CLOSE)], type=known(Plan)), behind
    except UNDECODABLE as error:
        raise CorruptData(f"{keys.plan.url}: expected a plan: {error}") from error


def mark_stopped(store: Store, keys: RunKeys, plan: Plan) -> bool:
    """Write `Plan.stopped` over the plan of a step. The head keeps its length, so that reads under way stay right.

    False, and nothing is written, if there is no room: in a plan by earlier code, which does not say `false` there.
    """
    head = _OPEN + encode(replace(plan, stopped=True)) + _CLOSE
    if len(head) >= plan.head:
        return False
    with store.writer(keys.plan) as sink:
        sink.write(head.ljust(plan.head - 1) + b"\n")
        for chunk in store.stream(keys.plan, plan.head):
            sink.write(chunk)
        return sink.commit()


def read_tasks(store: Store, keys: RunKeys, plan: Plan, lo: int, hi: int, behind: bytes = b"") -> list[Task]:
    """Tasks `[lo, hi)`: one range read of the pages they are on, unless these are in what came `behind` the head."""
    first = lo // plan.page
    last = -(-hi // plan.page)
    if not 0 <= lo < hi <= plan.tasks or last >= len(plan.pages):
        raise CorruptData(f"{keys.plan.url}: asked for tasks {lo} to {hi} of {plan.tasks}")
    begin, end = plan.pages[first], plan.pages[last]
    data = behind[begin:end]
    if len(data) < end - begin:
        data = store.get(keys.plan, plan.head + begin, plan.head + end)
    try:
        page = _tasks.decode(b"[" + data.rstrip(b" ,\n") + b"]")
    except UNDECODABLE as error:
        raise CorruptData(f"{keys.plan.url}: tasks {lo} to {hi} do not decode: {error}") from error
    tasks = page[lo - first * plan.page : hi - first * plan.page]
    if len(tasks) != hi - lo:
        raise CorruptData(f"{keys.plan.url}: asked for tasks {lo} to {hi}, found {len(tasks)} of them")
    return tasks
