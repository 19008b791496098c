"""What Lambda lets one say of functions, and what a deployment keeps of it. Pure.

Three may say something: the job's YAML (`concurrency`, `lambda`), whoever edits the stage in `.chalice/config.json`,
and whoever changes the deployed functions by hand. The YAML wins over the file, and the file over the account. Chalice
knows only the file, and takes away from the functions what it does not find there; so it gets a file of its own, in
which what was set by hand stands beside the rest.

Something that the YAML said once and says no longer must go, though the file and the account still have it. So
the stage remembers, under `sluice`, what came from the YAML and what was deployed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.core.ports import FunctionName
from chalicelib.core.spec import JobSpec

from .survey import FunctionState
from .target import FUNCTIONS, Json

LOG_RETENTION_DAYS = 30
#: Where a stage remembers what a deployment wrote.
REMEMBERED = "sluice"
#: What every deployment writes anew, from keys of the YAML that have defaults: nobody else has a say in it.
_OURS = ("lambda_architecture", "autogen_policy", REMEMBERED)
_OURS_OF_FUNCTION = ("lambda_memory_size", "lambda_timeout", "iam_policy_file")
_VARIABLES, _TAGS, _RETENTION = "environment_variables", "tags", "log_retention_in_days"
_RESERVED, _SUBNETS, _GROUPS, _LAYERS = "reserved_concurrency", "subnet_ids", "security_group_ids", "layers"


def from_yaml(spec: JobSpec) -> Json:
    """What the YAML says, in the words of a stage."""
    given = spec.lambda_
    said: Json = {
        _TAGS: dict(given.tags),
        _VARIABLES: dict(given.environment),
        _SUBNETS: list(given.subnet_ids),
        _GROUPS: list(given.security_group_ids),
        _LAYERS: list(given.layer_arns),
    }
    said = {key: value for key, value in said.items() if value}
    if given.role:
        said |= {"manage_iam_role": False, "iam_role_arn": given.role}
    if given.log_retention is not None:
        said[_RETENTION] = given.log_retention
    if given.tracing is not None:
        said["xray"] = given.tracing
    if spec.concurrency is not None:
        share = {_RESERVED: spec.concurrency}
        said["lambda_functions"] = {"mapper": share, "reducer": share}
    return said


def from_file(stage: Json | None) -> Json:
    """What somebody wrote into the stage: not what a deployment did."""
    if stage is None:
        return {}
    known = {key: value for key, value in stage.items() if key not in _OURS}
    known["lambda_functions"] = {
        function: {key: value for key, value in row.items() if key not in _OURS_OF_FUNCTION}
        for function, row in known.get("lambda_functions", {}).items()
    }
    wrote = stage.get(REMEMBERED, {}).get("yaml", {})
    return without(_without_own_variables(known), {_RETENTION: LOG_RETENTION_DAYS, **wrote})


def by_hand(stage: Json, before: Json | None, function: FunctionName, state: FunctionState | None) -> Json:
    """What somebody set of a function in the account, in the words of a stage's function.

    `stage` is what is to be deployed, `before` the stage of the last deployment, if it is known.
    """
    if state is None:
        return {}
    said = of_function(stage.get(REMEMBERED, {}).get("deployed", {}), function)
    deployed = of_function((before or {}).get(REMEMBERED, {}).get("deployed", {}), function)
    there: Json = {
        _RESERVED: state.reserved,
        _SUBNETS: list(state.subnets) or None,
        _GROUPS: list(state.security_groups) or None,
        _LAYERS: list(state.layers) or None,
        _RETENTION: state.log_retention,
    }
    deployed.setdefault(_RETENTION, LOG_RETENTION_DAYS)
    found = {
        key: value
        for key, value in there.items()
        if value is not None and key not in said and deployed.get(key) != value
    }
    if (_SUBNETS in found) != (_GROUPS in found):  # Chalice wants both or none: one of them is said elsewhere
        found = {key: value for key, value in found.items() if key not in (_SUBNETS, _GROUPS)}
    for key, values in ((_TAGS, state.tags), (_VARIABLES, state.variables)):
        more = {
            name: value
            for name, value in values.items()
            if name not in said.get(key, {}) and deployed.get(key, {}).get(name) != value and _is_theirs(name)
        }
        found |= {key: more} if more else {}
    return found


def of_function(stage: Json, function: FunctionName) -> Json:
    """What a stage says of one function: its own settings over those of all."""
    rest = {key: value for key, value in stage.items() if key not in ("lambda_functions", REMEMBERED)}
    return merged(rest, stage.get("lambda_functions", {}).get(function, {}))


def share(stage: Json) -> int | None:
    """How many mappers or reducers may run at once by their own reserved concurrency; None if they have none."""
    rows = (
        of_function(stage, function).get(_RESERVED)
        for function in FUNCTIONS
        if function in ("mapper", "reducer")
    )
    return min((row for row in rows if row is not None), default=None)


def merged(*layers: Mapping[str, Any]) -> Json:
    """All of them in one, mappings within mappings; later ones win."""
    result: Json = {}
    for layer in layers:
        for key, value in layer.items():
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = merged(result[key], value) if both else value
    return result


def without(tree: Json, other: Mapping[str, Any]) -> Json:
    """`tree` but for what stands in `other`, too, with the same value; nor are empty mappings left."""
    left: Json = {}
    for key, value in tree.items():
        known = other.get(key)
        if isinstance(value, dict):
            value = without(value, known if isinstance(known, dict) else {})
            if not value:
                continue
        elif key in other and value == known:
            continue
        left[key] = value
    return left


def _without_own_variables(stage: Json) -> Json:
    """A stage without variables that deployments write: overrides, the job's name, the supervisor's limit."""

    def own(row: Json) -> Json:
        kept = {name: value for name, value in row.get(_VARIABLES, {}).items() if _is_theirs(name)}
        return {**row, _VARIABLES: kept}

    functions = {name: own(row) for name, row in stage.get("lambda_functions", {}).items()}
    return {**own(stage), "lambda_functions": functions}


def _is_theirs(name: str) -> bool:
    """Whether a tag or a variable may be somebody's: not one of Sluice, Chalice or AWS."""
    return not name.upper().startswith("SLUICE_") and not name.startswith(("aws:", "aws-chalice"))
