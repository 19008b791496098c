"""`accumulate: true`: the steps that merge what a run found with the totals of all runs before it.

The last of the job's own steps writes the states of its aggregator instead of results. A merge step makes one
state a key of its states and the totals', and a step without a shuffle makes results of those.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..aggregators import Aggregator
from ..core.errors import ConfigError
from .binding import MAPPERS
from .hot_keys import Merged, Unfinished
from .job import Job
from .order_by import Ordered
from .partitioners import Hash

#: What belongs to results, and what belongs to the reading of records.
_OF_RESULTS: dict[str, Any] = {"having": Job.having, "order_by": None, "limit": None, "steps": ()}
_OF_INPUT: dict[str, Any] = {name: getattr(Job, name) for name in (*MAPPERS, "mapper_init", "mapper_final")}
_NO_HOOKS = ("reducer_init", "reducer_final")


def accumulated(classes: Sequence[type[Any]]) -> tuple[list[type[Any]], int]:
    """(the steps with those that merge and render the totals, how many come before the merge).

    Raises ConfigError for a job whose last reducer cannot merge what it found before.
    """
    own = list(classes)
    orders: list[type[Any]] = []
    while own and issubclass(own[-1], Ordered):
        orders.insert(0, own.pop())
    last = own[-1]
    reducer = _aggregator(last)
    name, module = last.__name__, {"__module__": last.__module__}
    combiner = None if last.combiner is reducer else last.combiner
    states = {**_OF_RESULTS, **module, "reducer": Unfinished(reducer), "combiner": combiner}
    merge = {
        **_OF_RESULTS,
        **_OF_INPUT,
        **module,
        "reducer": Unfinished(Merged(reducer)),
        "combiner": None,
    }
    render = {
        **_OF_INPUT,
        **module,
        "mapper": _finisher(reducer),
        "reducer": None,
        "combiner": None,
        "shuffle": False,
        "partitioner": Hash(),
        "order_by": None,
        "limit": None,
        "steps": (),
    }
    made = [type(f"{name}States", (last,), states)]
    made += [type(f"{name}Totals", (last,), merge), type(f"{name}Results", (last,), render)]
    return [*own[:-1], *made, *orders], len(own)


def _finisher(reducer: Aggregator) -> Any:
    finish = reducer.finish

    def mapper(self: Job, key: Any, state: Any) -> Any:  # noqa: ARG001 - it is made a method
        """From the state of a key to its result."""
        return ((key, finish(state)),)

    return mapper


def _aggregator(cls: type[Job]) -> Aggregator:
    """The reducer of the last step, whose states can be kept."""
    name, reducer = cls.__name__, cls.reducer
    if not isinstance(reducer, Aggregator):
        found = "no reducer" if reducer is None else "a method as its reducer"
        raise ConfigError(
            f"{name}: accumulate: totals are kept as the states of an aggregator, and the last step has {found}:"
            " write `reducer = Sum()`, `reducer = Record(...)` or another aggregator, or leave accumulate out"
        )
    if not cls.shuffle:
        raise ConfigError(
            f"{name}: accumulate: shuffle = False, so nothing is reduced: leave one of them out"
        )
    for hook in _NO_HOOKS:
        if getattr(cls, hook) is not getattr(Job, hook):
            raise ConfigError(
                f"{name}: accumulate: {hook} may yield results, which are no states that could be merged: leave"
                " it out"
            )
    return reducer
