"""Aggregators: a reducer that is its own combiner.

An aggregator is a monoid with a coat on: `lift` makes a state of one value, `merge` joins two states,
`finish` makes the result of a state. `merge` must be associative and commutative in its result, since
how values are cut into tasks is nobody's promise; then the answer is the same for any number of tasks,
to the byte. Of those here only `Sum` and `Avg` of *floats* are not so in their last digits, unless
`exact=True`.

Each says what it takes, its memory (the size of a state: there is one a key) and its error if any.
"""

from .base import Aggregator
from .distinct import ApproxDistinct
from .order import First, Last, Max, Min, Top
from .quantiles import Histogram, Quantiles
from .record import Record
from .sample import Sample
from .sets import Collect, CountDistinct, Distinct, MostFrequent
from .sums import Avg, Count, StdDev, Sum, Variance

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
