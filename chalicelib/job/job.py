"""What a user writes: a class with a mapper and a reducer.

    class WordCount(Job):
        def mapper(self, _, line):
            for word in line.split():
                yield word, 1

        reducer = Sum()

The names are mrjob's. One instance serves one task, so attributes set in `mapper_init` are the task's.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeVar

from msgspec import Struct

from .partitioners import Hash
from .services import Input, RunSoFar, Services

if TYPE_CHECKING:
    from random import Random

    from ..aggregators.base import Aggregator
    from .partitioners import Partitioner

    # A hook that is a method or something else is declared as a method, and its decorator adds the rest to
    # the type. A plain attribute would not do: mypy compares a method with what an attribute takes once it is
    # bound, pyright with what it takes unbound. With `self: Any` both accept a method of any subclass.
    _Method = TypeVar("_Method")

    def _or_aggregator(method: _Method) -> _Method | Aggregator | None: ...
    def _or_partitioner(method: _Method) -> _Method | Partitioner: ...
    def _or_classes(method: _Method) -> _Method | Sequence[type[Job]]: ...
    def _or_column(method: _Method) -> _Method | Column | None: ...
    def _or_number(method: _Method) -> _Method | int | None: ...
    def _or_nothing(method: _Method) -> _Method | None: ...


Pair = tuple[Any, Any]
Pairs = Iterable[Pair]
#: What the result can be sorted by without a method.
Column = Literal["key", "-key", "value", "-value"]


class Each(Struct, frozen=True):
    """Keys that share one value: `return Each(text.split(), 1)` in a `mapper_chunk`, the fastest way to count."""

    keys: Iterable[Any]
    value: Any = None


class Output(NamedTuple):
    """A key that goes to one of the job's other outputs: `yield self.output("errors", key), value`."""

    name: str
    key: Any


#: What a call that is given many records at once may return.
Batch = Pairs | dict[Any, Any] | Each | None


class Job:
    """Base of all jobs. Write one of the three mappers; `combiner` and `reducer` are optional.

    Keys are None, bool, int, float, str, bytes or tuples of them, all of one type in one job; values
    may be lists and dicts as well. Without a reducer, every pair is written, sorted by key.
    """

    #: The job file's `params`, and `--set params.NAME=VALUE`.
    params: dict[str, Any]

    #: False: no shuffle and no reducer; each map task writes a part of its own.
    shuffle: ClassVar[bool] = True
    #: The reducer gets the values of a group sorted, by `sort_key` or by themselves.
    sort_values: ClassVar[bool] = False
    #: For joins: values are pairs of what they are sorted by and the value proper, and reach the reducer so.
    _sorted_by_first: ClassVar[bool] = False
    #: For mrjob's jobs: `mapper_init` and `mapper_final` belong to one object, and can ask which one it is.
    _one_object: ClassVar[bool] = False
    #: With a method `order_by`: the greatest first.
    descending: ClassVar[bool] = False
    #: Only the first rows of the whole result, in its order.
    limit: ClassVar[int | None] = None

    #: With `rounds`: every round reads what the first one has read, not what the round before it gave.
    rereads: ClassVar[bool] = False
    #: With `rounds`: the run fails if the last round has not converged. Otherwise it ends well, and says so.
    must_converge: ClassVar[bool] = False

    def __init__(self, params: dict[str, Any] | None = None) -> None:
        self.params = dict(params or {})
        self._services = Services()  # a task puts its own in their place

    # -- what a job may define, as a method or as something else ----------------------------------------

    if TYPE_CHECKING:

        @_or_aggregator
        def combiner(self: Any, key: Any, values: Iterator[Any], /) -> Pairs | None:
            """Fold the values that one map task has for a key, zero or more times; or an aggregator."""

        @_or_aggregator
        def reducer(self: Any, key: Any, values: Iterator[Any], /) -> Pairs | None:
            """Reduce the values of a key; or an aggregator: `reducer = Sum()`."""

        @_or_partitioner
        def partitioner(self: Any, key: Any, n: int, /) -> int:
            """The partition of a key, taken modulo `n`; or `Hash()`, `Range()` for total order, `Random()` for
            hot keys, `FirstLetter()`."""

        @_or_classes
        def steps(self: Any) -> Sequence[type[Job]]:
            """Several jobs, one fed by the other: Job classes, or a method that gives them."""

        @_or_number
        def rounds(self: Any) -> int:
            """A loop: this step, or all of `steps`, is done again until it has converged, at most so many times."""

        @_or_column
        def order_by(self: Any, key: Any, value: Any, /) -> Any:
            """What the whole result is sorted by; or "key", "-key", "value", "-value"."""

        @_or_nothing
        def writer(self: Any, key: Any, value: Any, /) -> str | bytes:
            """A row of the result as the user wants it. The end of the line is added."""

    else:
        combiner = reducer = order_by = writer = rounds = None
        partitioner = Hash()
        steps = ()

    # -- what a job may define, as a method -----------------------------------------------------------

    def mapper(self, key: Any, value: Any, /) -> Pairs:
        """Map one record. Text: `key` is None, `value` the line without its end."""
        raise NotImplementedError

    def mapper_chunk(self, text: Any, /) -> Batch:
        """Map a block of whole lines at once: the fast way. Where blocks end must not matter."""
        raise NotImplementedError

    def mapper_raw(self, path: str, /) -> Pairs | None:
        """Map a whole object, which lies at `path` for the time of the call."""
        raise NotImplementedError

    def mapper_init(self) -> Batch:
        """Called before a map task's first record; may yield pairs."""
        return None

    def mapper_final(self) -> Batch:
        """Called after a map task's last record; may yield pairs."""
        return None

    def combiner_init(self) -> Pairs | None:
        """Called before a combiner function's first group, whenever a map task combines; may yield pairs."""
        return None

    def combiner_final(self) -> Pairs | None:
        """Called after a combiner function's last group; may yield pairs."""
        return None

    def reducer_init(self) -> Pairs | None:
        """Called before a reduce task's first group; may yield pairs."""
        return None

    def reducer_final(self) -> Pairs | None:
        """Called after a reduce task's last group; may yield pairs."""
        return None

    def sort_key(self, key: Any, value: Any, /) -> Any:  # noqa: ARG002 - it is there to be replaced
        """With `sort_values`: what the values of a group are sorted by."""
        return value

    def having(self, key: Any, value: Any, /) -> bool:  # noqa: ARG002
        """Whether a pair of the result is kept."""
        return True

    def converged(self) -> bool:
        """With `rounds`, asked after each: whether it was the last. It has `self.run`, and no records.

        `self.run.steps[-1]` and `self.run.result(...)` tell what the round did.
        """
        return False

    @classmethod
    def _put_back(cls) -> None:
        """What a task of this class has changed in its process, and could not put back when it failed."""

    # -- what a job may use ---------------------------------------------------------------------------

    def count(self, name: str, n: int = 1) -> None:
        """Add to a counter of the run; exact though attempts repeat."""
        self._services.counters.add(name, n)

    def output(self, name: str, key: Any = None) -> Output:
        """A key for one of the `outputs` of the job file: yield it with a value where results are written.

        That is in a reducer, or in a mapper with `shuffle = False`, of the last step. Raises UserError elsewhere, and
        ConfigError for an output that the job file does not list.
        """
        self._services.check_output(name)
        return Output(name, key)

    @property
    def random(self) -> Random:
        """Chance that is the same on every attempt of this task and every engine."""
        return self._services.random

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A log that says which job, run, task and attempt it is."""
        return self._services.log

    @property
    def input(self) -> Input:
        """In mappers: what is being read. Raises UserError elsewhere."""
        return self._services.reading()

    @property
    def run(self) -> RunSoFar:
        """What the run knows before this step: its inputs, and what the steps before it read, gave and counted.

        Raises UserError outside of a task, and over totals.
        """
        return self._services.run_so_far()

    def file(self, name: str) -> Path:
        """Where a file lies that the job file lists under `files:`. Raises ConfigError for another."""
        return self._services.file(name)
