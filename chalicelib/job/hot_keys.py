"""`partitioner = Random()`: two steps, of which the first spreads the values of each key over all partitions.

The second merges what the partitions gave, one value a partition and key.
"""

from __future__ import annotations

from typing import Any

from ..aggregators import Aggregator
from ..aggregators.base import Pairs, Table
from ..core.errors import ConfigError
from .binding import MAPPERS
from .job import Job
from .partitioners import Hash, Random

_NOT_OF_THE_FIRST = {"having": Job.having, "order_by": None, "limit": None}
_NOT_OF_THE_SECOND = {name: getattr(Job, name) for name in (*MAPPERS, "mapper_init", "mapper_final")}


def spread(cls: type[Job]) -> list[type[Job]]:
    """The class alone or, if its partitioner is `Random()`, as two steps.

    Raises ConfigError for one without a reducer.
    """
    if not isinstance(cls.partitioner, Random):
        return [cls]
    name, reducer = cls.__name__, cls.reducer
    if reducer is None:
        raise ConfigError(
            f"{name}: partitioner = Random() spreads the values of a key for its reducer, and there is none"
        )
    first: dict[str, Any] = {**_NOT_OF_THE_FIRST, "__module__": cls.__module__}
    second: dict[str, Any] = {**_NOT_OF_THE_SECOND, "partitioner": Hash(), "__module__": cls.__module__}
    if isinstance(reducer, Aggregator):
        first["reducer"], second["reducer"] = Unfinished(reducer), Merged(reducer)
    return [type(f"{name}Spread", (cls,), first), type(f"{name}Merged", (cls,), second)]


class Unfinished(Aggregator):
    """An aggregator whose result is its state."""

    def __init__(self, inner: Aggregator) -> None:
        self._inner = inner

    def lift(self, value: Any) -> Any:
        return self._inner.lift(value)

    def merge(self, left: Any, right: Any) -> Any:
        return self._inner.merge(left, right)

    def absorb(self, table: Table, pairs: Pairs) -> None:
        self._inner.absorb(table, pairs)

    def absorb_states(self, table: Table, pairs: Pairs) -> None:
        self._inner.absorb_states(table, pairs)


class Merged(Unfinished):
    """An aggregator whose values are its states."""

    def lift(self, value: Any) -> Any:
        return value

    def finish(self, state: Any) -> Any:
        return self._inner.finish(state)

    def absorb(self, table: Table, pairs: Pairs) -> None:
        self._inner.absorb_states(table, pairs)

    def absorb_states(self, table: Table, pairs: Pairs) -> None:
        self._inner.absorb_states(table, pairs)
