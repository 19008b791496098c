"""Records and groups that kill their process: found by an attempt that follows one that vanished, and set aside.

The attempt runs in a process of its own (`guard/apart.py`). Where that dies, the record (of a map task) or group (of a
reduce task) it had in hand is tried alone in another one. If it kills that, too, it is set aside like any bad one (or,
where none are, fails the run by name), and the attempt begins again without it. Nothing else is ever blamed: memory
that ran out over many records, or a death between two, fails the attempt, as without all this.
"""

from __future__ import annotations

from msgspec.structs import replace

from ...core.errors import LostProcess, UserError
from ...core.keys import Phase, RunKeys, parse_failed
from ...core.messages import decode
from ...core.ports import Loc, Runtime
from ...core.tasks import CRASHED, Failure, TaskCall
from ...mapreduce.guard.apart import Death, Trail
from .invocation import Attempt
from .read_only import ReadOnly

#: Deaths after which an attempt is given up; each makes the task begin again.
_MOST_DEATHS = 16


#: Of each phase: what is in hand, what is done to it, what may be mended, and what makes a task smaller.
_WORDS: dict[Phase, tuple[str, str, str, str]] = {
    "map": ("record", "mapped", "mapper", "split_size"),
    "reduce": ("group", "reduced", "reducer", "reduce_size"),
}


def are_likely(runtime: Runtime, phase: Phase, keys: RunKeys, call: TaskCall) -> bool:
    """Whether an earlier attempt of a task left no word of why it ended: one LIST, for repeated attempts only."""
    if (
        runtime.apart is None or not call.attempt or phase not in _WORDS
    ):  # exchange tasks run no code of the job's
        return False
    said: set[int] = set()
    for info in runtime.store.list(keys.words(phase, call.lo)):
        loc = Loc(keys.work.bucket, info.key)
        failed = parse_failed(info.key)
        if failed and decode(Failure, runtime.store.get(loc), loc.url).error != CRASHED:
            said.add(failed[1])
    return bool(set(range(call.attempt)) - said)


def without_them(phase: Phase, attempt: Attempt, runtime: Runtime, keys: RunKeys, call: TaskCall) -> None:
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
            raise UserError(_too_many(phase, call, death))
        if not death.at or not runtime.apart.run(trial, deadly, only=death.at):
            raise LostProcess(_nobodys(phase, call, death))
        deadly[death.at] = death.how


def _too_many(phase: Phase, call: TaskCall, death: Death) -> str:
    what, _, function, size = _WORDS[phase]
    return (
        f"{phase} task {call.lo}: more than {_MOST_DEATHS} {what}s of this task end the process that"
        f" {phase}s them ({death.how}): mend the {function}, or divide the task ({size})"
    )


def _nobodys(phase: Phase, call: TaskCall, death: Death) -> str:
    what, done, function, size = _WORDS[phase]
    alone = f" while it {done} a {what} that does no harm alone" if death.at else f" between two {what}s"
    told = f"{phase} task {call.lo}: the process of the attempt was ended ({death.how}){alone}"
    if death.how.startswith("exit code"):  # of its own accord
        return f"{told}: does the job's code, or a library of its, call os._exit?"
    return f"{told}: it ran out of memory, or was stopped: raise `memory.{function}`, or make {size} smaller"
