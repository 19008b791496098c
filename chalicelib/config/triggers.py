"""What starts which function: a job's S3 rules, one for each input and one for its work place, and its clocks.

`aws.chalice_app` registers them, and the deployment checks that the buckets have them. With `events: eventbridge` the
same rules are said as patterns of events.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

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


def bus_patterns(name: str, spec: JobSpec) -> dict[TriggeredFunction, dict[str, Any]]:
    """The pattern of EventBridge that picks the events of each function; none of a job whose events come from S3."""
    if spec.events != "eventbridge":
        return {}
    first = triggers(name, spec)
    return {
        "coordinator": bus_pattern((first["coordinator"], *further(spec))),
        "supervisor": bus_pattern((first["supervisor"],)),
    }


def bus_pattern(rules: Sequence[Trigger]) -> dict[str, Any]:
    """A pattern that picks what S3 would by `rules`.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html: what stands in a list is
    joined by "or", so a prefix and a suffix are one wildcard; each bucket stands with its keys. A job's prefixes and
    suffixes hold no `*`.
    """
    buckets = dict.fromkeys(rule.bucket for rule in rules)
    details = [_of_bucket(bucket, [rule for rule in rules if rule.bucket == bucket]) for bucket in buckets]
    detail = details[0] if len(details) == 1 else {"$or": details}
    return {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": detail}


def _of_bucket(bucket: str, rules: Sequence[Trigger]) -> dict[str, Any]:
    detail: dict[str, Any] = {"bucket": {"name": [bucket]}}
    if all(rule.prefix or rule.suffix for rule in rules):
        detail["object"] = {"key": [key for rule in rules for key in _keys(rule)]}
    return detail


def _keys(rule: Trigger) -> Iterator[dict[str, str] | str]:
    if not (rule.prefix and rule.suffix):
        yield {"prefix": rule.prefix} if rule.prefix else {"suffix": rule.suffix}
        return
    yield {"wildcard": f"{rule.prefix}*{rule.suffix}"}
    # A wildcard matches no key in which the suffix begins inside of the prefix; S3's filters do.
    for shared in range(1, min(len(rule.prefix), len(rule.suffix)) + 1):
        if rule.prefix.endswith(rule.suffix[:shared]):
            yield rule.prefix + rule.suffix[shared:]


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
