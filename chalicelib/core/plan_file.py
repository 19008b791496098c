"""plan.json: one JSON document that thousands of tasks can each read a little of.

Its first line is `{"plan": {...}, "tasks": [`, padded so that it ends at byte `Plan.head`; then one line
a task. A task reads the head and the page it is on, never the whole.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from .errors import CorruptData
from .keys import RunKeys
from .messages import UNDECODABLE, encode
from .plan import Plan, Split
from .ports import Store

#: Tasks in a page.
PAGE = 32
_OPEN, _CLOSE, _END = b'{"plan": ', b', "tasks": [', b"]}\n"
_ALIGN = 512
#: Bytes of the first read; holds the head of any plan of up to some thousand tasks.
_FIRST_READ = 1 << 15

Task = tuple[Split, ...]
_tasks = msgspec.json.Decoder(list[Task])


def compose(plan: Plan, tasks: Sequence[Task]) -> tuple[Plan, bytes]:
    """The plan with its offsets filled in, and the bytes of plan.json."""
    lines = [msgspec.json.encode(task) for task in tasks]
    pages, at = [0], 0
    for start in range(0, len(lines), PAGE):
        page = lines[start : start + PAGE]
        at += sum(map(len, page)) + 2 * len(page)
        pages.append(at)
    plan = replace(plan, tasks=len(tasks), page=PAGE, pages=tuple(pages))
    room = len(_OPEN) + len(encode(plan)) + len(_CLOSE) + 20
    plan = replace(plan, head=-(-room // _ALIGN) * _ALIGN)
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
