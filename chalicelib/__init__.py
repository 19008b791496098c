"""Sluice: event-driven MapReduce on AWS Lambda and S3. A job needs only what is named here."""

from .aggregators import Aggregator, Avg, Count, Max, Min, Sum
from .job import Job

__version__ = "0.1.0"
__all__ = ["Aggregator", "Avg", "Count", "Job", "Max", "Min", "Sum"]
