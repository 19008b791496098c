"""Which objects start which function: the two S3 rules of a job, one per triggered function.

`app.py` registers them, the deployment checks that the buckets hold them.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from .keys import DONE, runs_prefix
from .spec import JobSpec, parse_url

TriggeredFunction = Literal["coordinator", "supervisor"]


class Trigger(NamedTuple):
    """Objects of `bucket` whose key starts with `prefix` and ends in `suffix`; either may be empty."""

    bucket: str
    prefix: str
    suffix: str


def triggers(name: str, spec: JobSpec) -> dict[TriggeredFunction, Trigger]:
    """The S3 rules of the job `name`.

    A marker job cannot filter by suffix: S3 has no rule for `_READY` or `*.manifest`, so the
    coordinator sees every key under the prefix and ignores those that are no marker.
    """
    source = parse_url(spec.input.url)
    runs = runs_prefix(spec.work_loc, name)
    suffix = spec.input.suffix if spec.trigger == "each" else ""
    return {
        "coordinator": Trigger(source.bucket, source.key, suffix),
        "supervisor": Trigger(runs.bucket, runs.key, DONE),
    }
