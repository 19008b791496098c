"""What hypothesis draws from in more than one test module, and how long it may draw."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

#: `make chaos`: a fault at every place, and not only at some.
WHOLE = os.environ.get("CHAOS") == "full"


def places(last: int, every: int, first: int = 1) -> range:
    """The calls at which a sweep interferes: each `every`-th from `first` to `last`, or all of them with CHAOS=full."""
    return range(first, last + 1, 1 if WHOLE else every)


#: How many times as many examples there are as `examples` says. `make fuzz` wants more; `make test` half of them.
MORE = float(os.environ.get("FUZZ", "1" if WHOLE else "0.5"))


def examples(count: int) -> settings:
    """Settings for `count` examples: no deadline (the machine may be busy), nothing kept on disk."""
    return settings(
        max_examples=max(1, round(count * MORE)),
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


ints = st.integers(-(2**70), 2**70)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), ints, st.floats(), text, st.binary(max_size=8)
)
_zones = st.sampled_from(
    [None, UTC, timezone(timedelta(hours=-3, seconds=-5)), timezone(timedelta(hours=1), "CET")]
)
#: Dates, moments and times of any zone that is carried, with folds.
calendar: st.SearchStrategy[Any] = st.one_of(
    st.dates(),
    st.builds(
        lambda item, fold, zone: item.replace(fold=fold, tzinfo=zone),
        st.datetimes(),
        st.integers(0, 1),
        _zones,
    ),
    st.builds(
        lambda item, fold, zone: item.replace(fold=fold, tzinfo=zone), st.times(), st.integers(0, 1), _zones
    ),
)
_flat = scalars | st.decimals(allow_nan=False).map(Decimal) | calendar
_hashable = st.recursive(
    _flat,
    lambda inner: st.lists(inner, max_size=2).map(tuple) | st.frozensets(inner, max_size=2),
    max_leaves=3,
)
#: Everything that is carried, nested.
values: st.SearchStrategy[Any] = st.recursive(
    _flat | st.sets(_hashable, max_size=3) | st.frozensets(_hashable, max_size=3),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.one_of(text, scalars, st.tuples(text, st.booleans())), inner, max_size=3),
    ),
    max_leaves=6,
)

_real = st.floats(allow_nan=False)
#: Lists of keys of one shape, with many ties.
key_lists: st.SearchStrategy[list[Any]] = st.one_of(
    [
        st.lists(item, max_size=20)
        for item in (
            st.integers(0, 5),
            st.text("abä", max_size=2),
            st.binary(max_size=1),
            st.booleans(),
            _real,
            st.none(),
            st.tuples(st.text("ab", max_size=1), st.integers(-1, 1)),
            st.tuples(st.none(), st.integers(0, 2)),
            st.dates(date(2026, 2, 27), date(2026, 3, 1)),
            st.sampled_from([datetime(2026, 3, 1, hour, tzinfo=UTC) for hour in range(3)]),
            st.tuples(st.sampled_from([time(1), time(1, fold=1), time(2)]), st.datetimes()),
        )
    ]
)


def same(left: Any, right: Any) -> bool:
    """Equal in value and in type all the way down; NaN equals NaN, 0.0 is not -0.0."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return repr(left) == repr(right)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, set | frozenset):
        return sorted(map(_shown, left)) == sorted(map(_shown, right))
    if isinstance(left, dict):
        return same(list(left.items()), list(right.items()))
    return bool(left == right) and repr(left) == repr(right)


def _shown(item: Any) -> str:
    """What a set holds as text, the same whatever the order of what it holds."""
    if isinstance(item, tuple):
        return f"({', '.join(map(_shown, item))})"
    if isinstance(item, frozenset):
        return f"frozenset({', '.join(sorted(map(_shown, item)))})"
    return repr(item)
