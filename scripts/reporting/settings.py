"""A run's configuration as its plan has it, and where each value came from as far as that is known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from chalicelib.core.plan import Plan
from chalicelib.core.spec import InputSpec, JobSpec, OutputSpec, PlaceSpec

#: Variables of functions may hold what nobody else shall read.
_SECRET = ("lambda.environment.",)


class Setting(NamedTuple):
    """A key of the YAML, its value as JSON, and `default`, `set` or who else decided it."""

    key: str
    value: str
    origin: str


def settings(plan: Plan) -> list[Setting]:
    """The configuration that the run was planned with. The plan does not say which file or option set a value."""
    bare = JobSpec(input=InputSpec(url=""), work=PlaceSpec(url=""), output=OutputSpec(url=""))
    default = dict(_leaves(msgspec.to_builtins(bare)))
    found = [
        Setting(key, _shown(key, value), "default" if default.get(key) == value else "set")
        for key, value in _leaves(msgspec.to_builtins(plan.spec))
    ]
    decided = [
        ("partitions", plan.partitions),
        ("map tasks", plan.tasks),
        ("code", plan.code),
        ("steps", plan.steps),
    ]
    return found + [Setting(key, json.dumps(value), "the plan") for key, value in decided]


def _leaves(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(key with dots, value) of all that is no mapping with anything in it."""
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _shown(key: str, value: Any) -> str:
    return "(not shown)" if key.startswith(_SECRET) else json.dumps(value, ensure_ascii=False, default=str)
