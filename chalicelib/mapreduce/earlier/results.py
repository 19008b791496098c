"""`self.run.result`: what an earlier step of the run gave, as a whole, in every task of a later one (a broadcast).

Parts are committed before the next step is planned, and its plan lists them, so that all tasks and attempts read the
same objects, and make the same of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

from ...core.errors import NoResult
from ...core.keys import RunKeys
from ...core.plan import Plan, StepDone
from ...core.ports import Runtime
from ...job.order_by import Ordered
from ...job.steps import all_steps
from ..shuffle.memory_size import DICT_SLOT, mean_size
from ..shuffle.run_file import Block, read_blocks

#: The share of what a task may hold of records that results may take beside them.
SHARE = 6
#: Every so many pairs of a block are looked at closely, to learn how much memory they take.
_LOOKED_AT = 32


class Results:
    """Finds the result of a class's step. Each is read once and kept, as long as there is this."""

    def __init__(
        self,
        done: Sequence[StepDone],
        classes: Sequence[type[Any]],
        blocks: Callable[[int], Iterable[Block]],
        limit: int,
        where: str,
    ) -> None:
        """`done` are the run's steps so far, `classes` those of the job; `blocks` reads what one of `done` gave.

        `limit`: bytes of memory that all results may take together. `where`: job, run and step, for messages.
        """
        self._done, self._classes, self._blocks = done, classes, blocks
        self._limit, self._where = limit, where
        self._kept: dict[type[Any], Mapping[Any, Any]] = {}
        self._held = 0

    def __call__(self, step: type[Any]) -> Mapping[Any, Any]:
        found = self._kept.get(step)
        if found is None:
            found = self._kept[step] = MappingProxyType(self._read(step))
        return found

    def _read(self, step: type[Any]) -> dict[Any, Any]:
        number = self._number(step)
        if self._done[number].parts is None:
            raise self._no(
                step,
                "is in too many objects, or too many steps ago, for every task's plan: let a reducer make it smaller",
            )
        found: dict[Any, Any] = {}
        for keys, values in self._blocks(number):
            self._hold(step, number, keys, values)
            for key, value in zip(keys, values, strict=True):
                if key in found:
                    raise self._no(step, f"has several values of the key {key!r:.200}: reduce them to one")
                found[key] = value
        return found

    def _number(self, step: type[Any]) -> int:
        """The last of the steps that did the work of a class."""
        if not isinstance(step, type):
            raise NoResult(
                f"{self._where}: self.run.result: expected a class of the job's steps, got {step!r:.200}"
            )
        for number in reversed(range(len(self._done))):
            if _did(self._classes[self._done[number].job_step], step):
                return number
        names = dict.fromkeys(self._classes[one.job_step].__name__ for one in self._done)
        raise self._no(step, f"is of no step that is done: those are {', '.join(names) or 'none'}")

    def _hold(self, step: type[Any], number: int, keys: list[Any], values: list[Any]) -> None:
        pair = mean_size(keys[::_LOOKED_AT]) + mean_size(values[::_LOOKED_AT]) + DICT_SLOT
        self._held += int(pair * len(keys))
        if self._held > self._limit:
            pairs = self._done[number].records_out
            raise self._no(
                step,
                f"({pairs:,} pairs) takes more memory than the {self._limit:,} bytes that a task has for results of"
                " steps: join with it instead (docs/how-to/join.md), or raise the function's memory",
            )

    def _no(self, step: type[Any], why: str) -> NoResult:
        return NoResult(f"{self._where}: self.run.result({step.__name__}): the result {why}")


def results_of(runtime: Runtime, plan: Plan, function: Literal["mapper", "reducer", "supervisor"]) -> Results:
    """The results of the steps before that of `plan`, for the user's code in one invocation of `function`."""
    done = plan.earlier.steps if plan.earlier else ()

    def blocks(number: int) -> Iterator[Block]:
        place = RunKeys(plan.work, plan.job, plan.run).at(number + 1).input
        for name, size in done[number].parts or ():
            loc = place.child(name)
            yield from read_blocks(runtime.store.stream(loc, 0, size), loc.url, size)

    return Results(
        done,
        all_steps(runtime.load_job, plan.spec).classes,
        blocks,
        plan.spec.budget(function) // SHARE,
        f"job {plan.job}, run {plan.run}, {plan.where}{function}",
    )


def _did(done: type[Any], step: type[Any]) -> bool:
    """Whether a step's class is the user's, made of it, or puts its pairs in order.

    They go by their names: the file that a class is in may have been loaded once more.
    """
    wanted = (step.__module__, step.__qualname__)
    own = done.source if issubclass(done, Ordered) else done
    return any((base.__module__, base.__qualname__) == wanted for base in own.__mro__)
