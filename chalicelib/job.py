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
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from .aggregators import Aggregator
from .errors import ConfigError
from .partition import ByFunction, Hash, Partitioner, Range
from .services import Input, Services

if TYPE_CHECKING:
    from random import Random

Pair = tuple[Any, Any]
Pairs = Iterable[Pair]

MAPPERS = ("mapper", "mapper_chunk", "mapper_raw")
#: What takes the place of a mapper's name in a job that passes typed pairs on as they are.
IDENTITY = "identity"


@dataclass(frozen=True)
class Each:
    """Keys that share one value: `return Each(text.split(), 1)` in a `mapper_chunk`, the fastest way to count."""

    keys: Iterable[Any]
    value: Any = None


class Job:
    """Base of all jobs. Write one of the three mappers; `combiner` and `reducer` are optional.

    Keys are None, bool, int, float, str, bytes or tuples of them, all of one type in one job; values
    may be lists and dicts as well. Without a reducer, every pair is written, sorted by key.
    """

    #: The job file's `params`, and `--set params.NAME=VALUE`.
    params: dict[str, Any]

    combiner: ClassVar[Any] = None
    reducer: ClassVar[Any] = None
    #: `Hash()`, `Range()` for total order, `Random()` for hot keys, `FirstLetter()`, or a method
    #: `partitioner(self, key, n)`.
    partitioner: ClassVar[Any] = Hash()
    #: Several jobs, one fed by the other: a sequence of Job classes, or a method that gives one.
    steps: ClassVar[Any] = ()
    #: False: no shuffle and no reducer; each map task writes a part of its own.
    shuffle: ClassVar[bool] = True
    #: The reducer gets the values of a group sorted, by `sort_key` or by themselves.
    sort_values: ClassVar[bool] = False
    #: For joins: values are pairs of what they are sorted by and the value proper, and reach the reducer so.
    _sorted_by_first: ClassVar[bool] = False
    #: What the whole result is sorted by: "key", "-key", "value", "-value" or a method `order_by(self, key, value)`.
    order_by: ClassVar[Any] = None
    #: With a method `order_by`: the greatest first.
    descending: ClassVar[bool] = False
    #: Only the first rows of the whole result, in its order.
    limit: ClassVar[int | None] = None
    #: A method `writer(self, key, value)` makes rows of the result as the user wants them: each as text or bytes.
    writer: ClassVar[Any] = None

    def __init__(self, params: dict[str, Any] | None = None) -> None:
        self.params = dict(params or {})
        self._services = Services()  # a task puts its own in their place

    # -- what a job may define ------------------------------------------------------------------------

    def mapper(self, key: Any, value: Any) -> Pairs:
        """Map one record. Text: `key` is None, `value` the line without its end."""
        raise NotImplementedError

    def mapper_chunk(self, text: Any) -> Pairs:
        """Map a block of whole lines at once: the fast way. Where blocks end must not matter."""
        raise NotImplementedError

    def mapper_raw(self, path: str) -> Pairs:
        """Map a whole object, which lies at `path` for the time of the call."""
        raise NotImplementedError

    def mapper_init(self) -> Pairs | None:
        """Called before a map task's first record; may yield pairs."""
        return None

    def mapper_final(self) -> Pairs | None:
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

    def sort_key(self, key: Any, value: Any) -> Any:  # noqa: ARG002 - it is there to be replaced
        """With `sort_values`: what the values of a group are sorted by."""
        return value

    def having(self, key: Any, value: Any) -> bool:  # noqa: ARG002
        """Whether a pair of the result is kept."""
        return True

    # -- what a job may use ---------------------------------------------------------------------------

    def count(self, name: str, n: int = 1) -> None:
        """Add to a counter of the run; exact though attempts repeat."""
        self._services.counters.add(name, n)

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

    def file(self, name: str) -> Path:
        """Where a file lies that the job file lists under `files:`. Raises ConfigError for another."""
        return self._services.file(name)


GroupFunction = Callable[[Any, Iterator[Any]], "Pairs | None"]


@dataclass(frozen=True)
class ValueOrder:
    """What values are sorted by within their group: exactly one of three ways."""

    #: The user's `sort_key(self, key, value)`; None: the values themselves, or their first parts.
    key: Callable[[Any, Any], Any] | None = None
    #: Values are pairs of what they are sorted by and the value proper, and reach the reducer so.
    by_first: bool = False


@dataclass(frozen=True)
class BoundJob:
    """One instance of a job with its parts sorted out; what the engine works with."""

    job: Job
    name: str
    #: Which of the three mappers the job has.
    mapper: str
    #: What folds values in the map task: an aggregator, the user's function, or nothing.
    combiner: Aggregator | GroupFunction | None
    reducer: Aggregator | GroupFunction | None
    partitioner: Partitioner
    #: How values are sorted within their group, if they are.
    order: ValueOrder | None = None
    #: Which pairs of the result are kept, if not all.
    having: Callable[[Any, Any], bool] | None = None
    services: Services = field(default_factory=Services)

    @property
    def shuffles_states(self) -> bool:
        """Run files hold the reducer's states rather than the mapper's values."""
        return isinstance(self.reducer, Aggregator) and self.combiner is self.reducer

    def passing(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        """Those that `having` lets pass. What is no pair does, too: it is told of where pairs are written."""
        having = self.having
        for pair in pairs:
            if having is None or not isinstance(pair, tuple | list) or len(pair) != 2 or having(*pair):
                yield pair


def bind(
    cls: type[Any],
    name: str,
    params: dict[str, Any],
    bounds: Sequence[Any] = (),
    services: Services | None = None,
    identity: bool = False,
) -> BoundJob:
    """Make an instance for one task. Raises ConfigError for a class that is no usable job.

    `bounds` are the plan's, for a job whose partitioner is `Range()`; `services` are the task's.
    `identity`: the input is typed pairs, which a class without a mapper passes on as they are.
    """
    if not (isinstance(cls, type) and issubclass(cls, Job)):
        raise ConfigError(f"{name}: {cls!r} is not a Job: write `class {getattr(cls, '__name__', 'X')}(Job)`")
    written = [mapper for mapper in MAPPERS if getattr(cls, mapper) is not getattr(Job, mapper)]
    if identity and not written:
        written = [IDENTITY]
    if len(written) != 1:
        found = " and ".join(written) or "none"
        raise ConfigError(
            f"{name}: {cls.__name__}: expected exactly one of {', '.join(MAPPERS)}, found {found}"
        )
    job = cls(params)
    if not isinstance(getattr(job, "params", None), dict):
        raise ConfigError(f"{name}: {cls.__name__}.__init__ must call super().__init__(params)")
    job._services = services or Services(job=name)
    reducer = _group_function(job, "reducer", name)
    combiner = _group_function(job, "combiner", name)
    if combiner is None and isinstance(reducer, Aggregator):
        combiner = reducer
    return BoundJob(
        job,
        name,
        written[0],
        combiner,
        reducer,
        _partitioner(job, name, bounds),
        _value_order(job, name, combiner, reducer),
        job.having if cls.having is not Job.having else None,
        job._services,
    )


def _value_order(job: Job, name: str, combiner: Any, reducer: Any) -> ValueOrder | None:
    cls = type(job)
    own_key = cls.sort_key is not Job.sort_key
    if not job.sort_values:
        if own_key:
            raise ConfigError(
                f"{name}: {cls.__name__}.sort_key is of no use without sort_values: write `sort_values = True`"
            )
        return None
    for part, found in (("reducer", reducer), ("combiner", combiner)):
        if isinstance(found, Aggregator):
            raise ConfigError(
                f"{name}: {cls.__name__}: sort_values with {part} = {type(found).__name__}(): an aggregator takes"
                f" values in any order: leave sort_values out, or write a method {part}(self, key, values)"
            )
    return ValueOrder(job.sort_key if own_key else None, cls._sorted_by_first)


def _partitioner(job: Job, name: str, bounds: Sequence[Any]) -> Partitioner:
    found = job.partitioner
    if isinstance(found, Range):
        return found.with_bounds(bounds)
    if isinstance(found, Partitioner):
        return found
    if isinstance(found, type) and issubclass(found, Partitioner):
        raise ConfigError(
            f"{name}: partitioner = {found.__name__}: an instance is wanted: {found.__name__}()"
        )
    if callable(found) and hasattr(found, "__func__"):
        return ByFunction(found)
    raise ConfigError(
        f"{name}: partitioner = {found!r}: expected Hash(), Range(), Random(), FirstLetter() or a method"
        " partitioner(self, key, n)"
    )


def _group_function(job: Job, part: str, name: str) -> Aggregator | GroupFunction | None:
    found = getattr(job, part)
    if found is None or isinstance(found, Aggregator):
        return found
    if isinstance(found, type) and issubclass(found, Aggregator):
        raise ConfigError(f"{name}: {part} = {found.__name__}: an instance is wanted: {found.__name__}()")
    if not callable(found) or not hasattr(found, "__func__"):
        raise ConfigError(
            f"{name}: {part} = {found!r}: expected a method {part}(self, key, values)"
            " or an aggregator such as Sum()"
        )
    function: GroupFunction = found
    return function
