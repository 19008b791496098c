"""What a user writes: a class with a mapper and a reducer.

    class WordCount(Job):
        def mapper(self, _, line):
            for word in line.split():
                yield word, 1

        reducer = Sum()

The names are mrjob's. One instance serves one task, so attributes set in `mapper_init` are the task's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from .aggregators import Aggregator
from .errors import ConfigError
from .partition import ByFunction, Hash, Partitioner, Range

Pair = tuple[Any, Any]
Pairs = Iterable[Pair]

_MAPPERS = ("mapper", "mapper_chunk", "mapper_raw")


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
    #: `Hash()`, `Range()` for total order, `FirstLetter()`, or a method `partitioner(self, key, n)`.
    partitioner: ClassVar[Any] = Hash()

    def __init__(self, params: dict[str, Any] | None = None) -> None:
        self.params = dict(params or {})

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

    def reducer_init(self) -> Pairs | None:
        """Called before a reduce task's first group; may yield pairs."""
        return None

    def reducer_final(self) -> Pairs | None:
        """Called after a reduce task's last group; may yield pairs."""
        return None


GroupFunction = Callable[[Any, Iterator[Any]], "Pairs | None"]


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

    @property
    def shuffles_states(self) -> bool:
        """Run files hold the reducer's states rather than the mapper's values."""
        return isinstance(self.reducer, Aggregator) and self.combiner is self.reducer


def bind(cls: type[Any], name: str, params: dict[str, Any], bounds: Sequence[Any] = ()) -> BoundJob:
    """Make an instance for one task. Raises ConfigError for a class that is no usable job.

    `bounds` are the plan's, for a job whose partitioner is `Range()`.
    """
    if not (isinstance(cls, type) and issubclass(cls, Job)):
        raise ConfigError(f"{name}: {cls!r} is not a Job: write `class {getattr(cls, '__name__', 'X')}(Job)`")
    written = [mapper for mapper in _MAPPERS if getattr(cls, mapper) is not getattr(Job, mapper)]
    if len(written) != 1:
        found = " and ".join(written) or "none"
        raise ConfigError(
            f"{name}: {cls.__name__}: expected exactly one of {', '.join(_MAPPERS)}, found {found}"
        )
    job = cls(params)
    if not isinstance(getattr(job, "params", None), dict):
        raise ConfigError(f"{name}: {cls.__name__}.__init__ must call super().__init__(params)")
    reducer = _group_function(job, "reducer", name)
    combiner = _group_function(job, "combiner", name)
    if combiner is None and isinstance(reducer, Aggregator):
        combiner = reducer
    return BoundJob(job, name, written[0], combiner, reducer, _partitioner(job, name, bounds))


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
        f"{name}: partitioner = {found!r}: expected Hash(), Range(), FirstLetter() or a method"
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
