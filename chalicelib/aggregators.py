"""Aggregators: a reducer that is its own combiner.

An aggregator is a monoid with a coat on: `lift` makes a state of one value, `merge` joins two states,
`finish` makes the result of a state. `merge` must be associative and commutative in its result, since
how values are cut into tasks is nobody's promise; then the answer is the same for any number of tasks.
Sums and averages of *floats* depend on the order of addition in their last digits; ints do not.

Each says its memory: the size of a state.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Table = dict[Any, Any]
Pairs = Iterable[tuple[Any, Any]]

_NOTHING: Any = object()


class Aggregator:
    """Base: write `lift`, `merge` and `finish`. States must be values that Sluice carries."""

    def lift(self, value: Any) -> Any:
        """The state of one value."""
        return value

    def merge(self, left: Any, right: Any) -> Any:
        """The state of both; may change and return `left`."""
        raise NotImplementedError(f"{type(self).__name__}: merge(self, left, right) is not written")

    def finish(self, state: Any) -> Any:
        """The result of a state."""
        return state

    def absorb(self, table: Table, pairs: Pairs) -> None:
        """Fold (key, value) pairs into a table of states. Bulk form of `lift` and `merge`."""
        lift, merge, get = self.lift, self.merge, table.get
        for key, value in pairs:
            state = get(key, _NOTHING)
            table[key] = lift(value) if state is _NOTHING else merge(state, lift(value))

    def absorb_states(self, table: Table, pairs: Pairs) -> None:
        """Fold (key, state) pairs into a table of states. Bulk form of `merge`."""
        merge, get = self.merge, table.get
        for key, state in pairs:
            old = get(key, _NOTHING)
            table[key] = state if old is _NOTHING else merge(old, state)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """A subclass that writes `lift` or `merge` anew must not inherit the bulk form of the old one."""
        super().__init_subclass__(**kwargs)
        rewritten = {"lift", "merge"} & vars(cls).keys()
        for bulk in ("absorb", "absorb_states"):
            if rewritten and bulk not in vars(cls):
                setattr(cls, bulk, getattr(Aggregator, bulk))


class Sum(Aggregator):
    """Sum of numbers; exact for ints of any size. State: one number."""

    def merge(self, left: Any, right: Any) -> Any:
        return left + right

    def absorb(self, table: Table, pairs: Pairs) -> None:
        get = table.get
        for key, value in pairs:
            table[key] = get(key, 0) + value

    absorb_states = absorb


class Count(Aggregator):
    """How many values there are, whatever they are. State: one int."""

    def lift(self, value: Any) -> int:  # noqa: ARG002 - a count does not look
        return 1

    def merge(self, left: int, right: int) -> int:
        return left + right

    def absorb(self, table: Table, pairs: Pairs) -> None:
        get = table.get
        for key, _ in pairs:
            table[key] = get(key, 0) + 1

    def absorb_states(self, table: Table, pairs: Pairs) -> None:
        get = table.get
        for key, state in pairs:
            table[key] = get(key, 0) + state


class Min(Aggregator):
    """The least value. Values must compare with each other. State: one value."""

    def merge(self, left: Any, right: Any) -> Any:
        return right if right < left else left


class Max(Aggregator):
    """The greatest value. Values must compare with each other. State: one value."""

    def merge(self, left: Any, right: Any) -> Any:
        return right if right > left else left


class Avg(Aggregator):
    """Arithmetic mean, a float: exact sum of ints, then one division. State: (sum, count)."""

    def lift(self, value: Any) -> tuple[Any, int]:
        return value, 1

    def merge(self, left: tuple[Any, int], right: tuple[Any, int]) -> tuple[Any, int]:
        return left[0] + right[0], left[1] + right[1]

    def finish(self, state: tuple[Any, int]) -> Any:
        return state[0] / state[1]

    def absorb(self, table: Table, pairs: Pairs) -> None:
        get = table.get
        for key, value in pairs:
            total, count = get(key, (0, 0))
            table[key] = (total + value, count + 1)
