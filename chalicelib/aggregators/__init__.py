"""Aggregators: a reducer that is its own combiner.

An aggregator is a monoid with a coat on: `lift` makes a state of one value, `merge` joins two states,
`finish` makes the result of a state. `merge` must be associative and commutative in its result, since
how values are cut into tasks is nobody's promise; then the answer is the same for any number of tasks,
to the byte. Of those here only `Sum` and `Avg` of *floats* are not so in their last digits, unless
`exact=True`.

Each says what it takes, its memory (the size of a state: there is one a key) and its error if any.

May import `core`. Read `base.py` first, then `sums.py`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .base import Aggregator

if TYPE_CHECKING:
    from .distinct import ApproxDistinct
    from .extremes import First, Last, Max, Min, Top
    from .quantiles import Histogram, Quantiles
    from .record import Record
    from .sample import Sample
    from .sets import Collect, CountDistinct, Distinct, MostFrequent
    from .sums import Avg, Count, StdDev, Sum, Variance

#: Which module has what. They are imported when a job names them: a function starts faster without the rest.
_HOMES = {
    "distinct": ("ApproxDistinct",),
    "extremes": ("First", "Last", "Max", "Min", "Top"),
    "quantiles": ("Histogram", "Quantiles"),
    "record": ("Record",),
    "sample": ("Sample",),
    "sets": ("Collect", "CountDistinct", "Distinct", "MostFrequent"),
    "sums": ("Avg", "Count", "StdDev", "Sum", "Variance"),
}

__all__ = [
    "Aggregator",
    "ApproxDistinct",
    "Avg",
    "Collect",
    "Count",
    "CountDistinct",
    "Distinct",
    "First",
    "Histogram",
    "Last",
    "Max",
    "Min",
    "MostFrequent",
    "Quantiles",
    "Record",
    "Sample",
    "StdDev",
    "Sum",
    "Top",
    "Variance",
]


if not TYPE_CHECKING:  # else a type checker would take any name for one of ours

    def __getattr__(name: str) -> Any:
        for module, names in _HOMES.items():
            if name in names:
                found = getattr(import_module(f"{__name__}.{module}"), name)
                globals()[name] = found
                return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
