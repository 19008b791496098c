"""`accumulate: true`: the steps that merge a run's results with the totals of all runs before it.

The last of the job's own steps writes the states of its aggregator instead of results. A merge step joins them
with the states of the totals, one state a key, and a step without a shuffle makes results of those. `Plan.role`
names the three: states, merge, render.
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

#: What makes results of states, and what reads records: a step that does not do that leaves it out.
_MAKES_RESULTS: dict[str, Any] = {"having": Job.having, "order_by": None, "limit": None, "steps": ()}
_READS_RECORDS: dict[str, Any] = {
    name: getattr(Job, name) for name in (*MAPPERS, "mapper_init", "mapper_final")
}
#: Hooks that may yield results of their own.
_YIELDING_HOOKS = ("reducer_init", "reducer_final")


def accumulated(classes: Sequence[type[Any]]) -> tuple[list[type[Any]], int]:
    """(the job's steps with those that merge and render the totals, the number of the merge).

    The steps that sort and limit stay last. Raises ConfigError for a job whose last reducer cannot merge its
    results with earlier ones.
    """
    own, sorting = _without_sorting(classes)
    last = own[-1]
    reducer = _aggregator(last)
    totals = [_states_step(last, reducer), _merge_step(last, reducer), _render_step(last, reducer)]
    return [*own[:-1], *totals, *sorting], len(own)


def _without_sorting(classes: Sequence[type[Any]]) -> tuple[list[type[Any]], list[type[Any]]]:
    """(the steps that compute, those behind them that only sort and limit)."""
    count = len(classes)
    while count and issubclass(classes[count - 1], Ordered):
        count -= 1
    return list(classes[:count]), list(classes[count:])


def _states_step(last: type[Job], reducer: Aggregator) -> type[Job]:
    """The job's last step, but it writes states instead of results."""
    combiner = None if last.combiner is reducer else last.combiner
    return _derived(last, "States", {**_MAKES_RESULTS, "reducer": Unfinished(reducer), "combiner": combiner})


def _merge_step(last: type[Job], reducer: Aggregator) -> type[Job]:
    """Merges all states of a key into one."""
    parts = {"reducer": Unfinished(Merged(reducer)), "combiner": None}
    return _derived(last, "Totals", {**_MAKES_RESULTS, **_READS_RECORDS, **parts})


def _render_step(last: type[Job], reducer: Aggregator) -> type[Job]:
    """Makes the result of each state; nothing is left to shuffle or to reduce."""
    parts = {
        "mapper": _finisher(reducer),
        "reducer": None,
        "combiner": None,
        "shuffle": False,
        "partitioner": Hash(),
        "order_by": None,
        "limit": None,
        "steps": (),
    }
    return _derived(last, "Results", {**_READS_RECORDS, **parts})


def _derived(last: type[Job], suffix: str, parts: dict[str, Any]) -> type[Job]:
    return type(f"{last.__name__}{suffix}", (last,), {**parts, "__module__": last.__module__})


def _finisher(reducer: Aggregator) -> Any:
    finish = reducer.finish

    def mapper(self: Job, key: Any, state: Any) -> Any:  # noqa: ARG001 - it becomes a method
        """The result of a key, made of its state."""
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
    for hook in _YIELDING_HOOKS:
        if getattr(cls, hook) is not getattr(Job, hook):
            raise ConfigError(
                f"{name}: accumulate: {hook} may yield results, which cannot be merged as states can: leave it out"
            )
    return reducer
