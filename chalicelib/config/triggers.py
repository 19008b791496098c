"""Which objects start which function: the S3 rules of a job, one for each input and one for its work place.

`app.py` registers them, the deployment checks that the buckets hold them.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from ..core.keys import DONE, runs_prefix
from ..core.spec import InputSpec, JobSpec

TriggeredFunction = Literal["coordinator", "supervisor"]


class Trigger(NamedTuple):
    """Objects of `bucket` whose key starts with `prefix` and ends in `suffix`; either may be empty."""

    bucket: str
    prefix: str
    suffix: str


def triggers(name: str, spec: JobSpec) -> dict[TriggeredFunction, Trigger]:
    """The S3 rules of the job `name`, of its inputs the first: what Chalice can register. See `further`.

    A marker job cannot filter by suffix: S3 has no rule for `_READY` or `*.manifest`, so the
    coordinator sees every key under the prefix and ignores those that are no marker.
    """
    runs = runs_prefix(spec.work_loc, name)
    return {
        "coordinator": of_input(spec, spec.input),
        "supervisor": Trigger(runs.bucket, runs.key, DONE),
    }


def further(spec: JobSpec) -> tuple[Trigger, ...]:
    """The coordinator's rules for the second input and those after it: Chalice keeps one rule a function."""
    return tuple(of_input(spec, given) for given in spec.more_inputs)


def of_input(spec: JobSpec, given: InputSpec) -> Trigger:
    """The rule that watches one of the job's inputs."""
    return Trigger(given.loc.bucket, given.loc.key, given.suffix if spec.trigger == "each" else "")
