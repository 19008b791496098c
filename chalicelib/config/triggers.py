"""What starts which function: a job's S3 rules, one for each input and one for its work place, and its clocks.

`aws.chalice_app` registers them, and the deployment checks that the buckets have them.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from ..core.keys import DONE, runs_prefix
from ..core.spec import MANIFEST_SUFFIX, InputSpec, JobSpec

TriggeredFunction = Literal["coordinator", "supervisor"]
#: A function that a clock starts; only jobs have it that ask for it.
ClockFunction = Literal["scheduler", "auditor"]


class Trigger(NamedTuple):
    """Objects of `bucket` whose key starts with `prefix` and ends in `suffix`; either may be empty."""

    bucket: str
    prefix: str
    suffix: str


def triggers(name: str, spec: JobSpec) -> dict[TriggeredFunction, Trigger]:
    """The S3 rules of the job `name` that Chalice can register: of its inputs only the first. `further` has the rest.

    A marker job cannot filter by suffix: S3 has no rule for `_READY` or `*.manifest`, so the
    coordinator sees every key under the prefix and ignores those that are no marker.
    """
    runs = runs_prefix(spec.work_loc, name)
    return {
        "coordinator": of_input(spec, spec.input),
        "supervisor": Trigger(runs.bucket, runs.key, DONE),
    }


def clocks(spec: JobSpec) -> dict[ClockFunction, str]:
    """How often the clock starts which function, in the words of an EventBridge rule; none for most jobs."""
    found: dict[ClockFunction, int | None] = {"scheduler": spec.period, "auditor": spec.audit}
    return {function: _rate(seconds) for function, seconds in found.items() if seconds}


def _rate(seconds: int) -> str:
    minutes = seconds // 60
    return "rate(1 minute)" if minutes == 1 else f"rate({minutes} minutes)"


def further(spec: JobSpec) -> tuple[Trigger, ...]:
    """The coordinator's rules for all inputs but the first, since Chalice keeps one rule a function."""
    return tuple(of_input(spec, given) for given in spec.more_inputs)


def of_input(spec: JobSpec, given: InputSpec) -> Trigger:
    """The rule that watches one of the job's inputs."""
    suffix = MANIFEST_SUFFIX if spec.period else given.suffix if spec.trigger == "each" else ""
    return Trigger(given.loc.bucket, given.loc.key, suffix)
