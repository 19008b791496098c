"""What is wrong with a configuration: a sentence about a dotted key."""

from __future__ import annotations

from typing import NamedTuple

from ..core.spec import InputSpec, JobSpec


class Problem(NamedTuple):
    """A sentence about one dotted key of a job."""

    key: str
    text: str


def input_key(spec: JobSpec, given: InputSpec, name: str) -> str:
    """The dotted key of a setting of one of the inputs."""
    return f"input.{given.tag}.{name}" if spec.more_inputs else f"input.{name}"
