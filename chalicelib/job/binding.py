"""An instance of a job for one task, its parts sorted out and checked: what the engine works with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from msgspec import Struct, field

from ..aggregators import Aggregator
from ..core.errors import ConfigError
from .job import Job, Output, Pair, Pairs
from .partitioners import ByFunction, Partitioner, Range
from .services import Services

MAPPERS = ("mapper", "mapper_chunk", "mapper_raw")
#: What takes the place of a mapper's name in a job that passes typed pairs on as they are.
IDENTITY = "identity"


GroupFunction = Callable[[Any, Iterator[Any]], "Pairs | None"]


class ValueOrder(Struct, frozen=True):
    """What values are sorted by within their group: exactly one of three ways."""

    #: The user's `sort_key(self, key, value)`; None: the values themselves, or their first parts.
    key: Callable[[Any, Any], Any] | None = None
    #: Values are pairs of what they are sorted by and the value proper, and reach the reducer so.
    by_first: bool = False


class BoundJob(Struct, frozen=True, kw_only=True):
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
        found = " and ".join(written) or f"none{_meant(cls)}"
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
        job=job,
        name=name,
        mapper=written[0],
        combiner=combiner,
        reducer=reducer,
        partitioner=_partitioner(job, name, bounds),
        order=_value_order(job, name, combiner, reducer),
        having=_having(job) if cls.having is not Job.having else None,
        services=job._services,
    )


def _having(job: Job) -> Callable[[Any, Any], bool]:
    """The job's `having`, which judges the pairs of its main output alone."""
    own = job.having
    if not job._services.outputs:
        return own
    return lambda key, value: type(key) is Output or own(key, value)


def _meant(cls: type[Job]) -> str:
    """What a class without a mapper most likely calls by another name."""
    from .likely_mistakes import likely_names  # only where a job cannot be used

    likely = [f"{name} to be {hook}" for name, hook in likely_names(cls).items() if hook in MAPPERS]
    return f": did you mean {likely[0]}?" if likely else ""


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
    found: Any = job.partitioner  # whatever the user wrote
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
