"""Records that kill their process: found by an attempt that follows one that vanished, and set aside.

The attempt runs in a process of its own (`guard/apart.py`). Where that dies, the record it had in hand is tried alone
in another one. If it kills that, too, it is set aside like any bad record (or, where none are, fails the run by name),
and the attempt begins again without it. Nothing else is ever blamed: memory that ran out over many records, or a death
between two, fails the attempt, as without all this.
"""

from __future__ import annotations

from dataclasses import replace

from ...core.errors import LostProcess, UserError
from ...core.keys import RunKeys, parse_failed
from ...core.messages import decode
from ...core.ports import Loc, Runtime
from ...core.tasks import CRASHED, Failure, TaskCall
from ...mapreduce.guard.apart import Death, Trail
from .invocation import Attempt
from .read_only import ReadOnly

#: Deaths after which an attempt is given up; each makes the task begin again.
_MOST_DEATHS = 16


def are_likely(runtime: Runtime, keys: RunKeys, call: TaskCall) -> bool:
    """Whether an earlier attempt of a map task left no word of why it ended: one LIST, for repeated attempts only."""
    if runtime.apart is None or not call.attempt:
        return False
    said: set[int] = set()
    for info in runtime.store.list(keys.words("map", call.lo)):
        loc = Loc(keys.work.bucket, info.key)
        failed = parse_failed(info.key)
        if failed and decode(Failure, runtime.store.get(loc), loc.url).error != CRASHED:
            said.add(failed[1])
    return bool(set(range(call.attempt)) - said)


def without_them(attempt: Attempt, runtime: Runtime, keys: RunKeys, call: TaskCall) -> None:
    """The attempt in a process of its own, again and again, each time without the records that have killed it.

    Raises LostProcess if it dies all the same: another attempt may fare better. Raises UserError after 16 such records.
    """
    assert runtime.apart is not None
    deadly: dict[int, str] = {}

    def work(trail: Trail) -> None:
        attempt(replace(runtime, trail=trail), keys, call)

    def trial(trail: Trail) -> None:
        attempt(replace(runtime, trail=trail, store=ReadOnly(runtime.store)), keys, call)

    while death := runtime.apart.run(work, deadly):
        if len(deadly) == _MOST_DEATHS:
            raise UserError(
                f"more than {_MOST_DEATHS} records of this task end the process that maps them ({death.how}):"
                " mend the mapper, or divide the task (split_size)"
            )
        if not death.record or not runtime.apart.run(trial, deadly, only=death.record):
            raise LostProcess(_nobodys(death))
        deadly[death.record] = death.how


def _nobodys(death: Death) -> str:
    alone = " while it mapped a record that does no harm alone" if death.record else " between two records"
    return (
        f"the process of the attempt was ended ({death.how}){alone}: it ran out of memory, or was stopped: raise"
        " `memory.mapper`, or make split_size smaller"
    )
