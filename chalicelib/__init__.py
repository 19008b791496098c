"""Sluice: event-driven MapReduce on AWS Lambda and S3. A job needs only what is named here."""

from typing import TYPE_CHECKING, Any

from .job.job import Each, Job
from .job.partitioners import FirstLetter, Hash, Random, Range

if TYPE_CHECKING:
    from .aggregators import (
        Aggregator,
        ApproxDistinct,
        Avg,
        Collect,
        Count,
        CountDistinct,
        Distinct,
        First,
        Histogram,
        Last,
        Max,
        Min,
        MostFrequent,
        Quantiles,
        Record,
        Sample,
        StdDev,
        Sum,
        Top,
        Variance,
    )

__version__: str
__all__ = [
    "Aggregator",
    "ApproxDistinct",
    "Avg",
    "Collect",
    "Count",
    "CountDistinct",
    "Distinct",
    "Each",
    "First",
    "FirstLetter",
    "Hash",
    "Histogram",
    "Job",
    "Last",
    "Max",
    "Min",
    "MostFrequent",
    "Quantiles",
    "Random",
    "Range",
    "Record",
    "Sample",
    "StdDev",
    "Sum",
    "Top",
    "Variance",
]


if not TYPE_CHECKING:  # else a type checker would take any name for one of ours

    def __getattr__(name: str) -> Any:
        """Aggregators are imported when a job names them: see there."""
        if name == "__version__":
            from .job.code_digest import VERSION

            return VERSION
        if name in __all__:
            from . import aggregators

            return getattr(aggregators, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
