"""What Chalice reads of a job, a stage in `.chalice/config.json`, and its record of a deployment. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.core.ports import FunctionName
from chalicelib.core.spec import JobSpec

from . import settings
from .settings import LOG_RETENTION_DAYS, REMEMBERED
from .survey import FunctionState
from .target import Json, Target, clock_names, clock_rule, policy_file

#: How many functions may run at once, for the supervisor.
CONCURRENCY = "SLUICE_CONCURRENCY"
#: That notices go out when a run ends, or a catalog is told, for the supervisor.
TELLS = "SLUICE_TELLS"
#: The job's requirements, for all functions.
PACKAGES = "SLUICE_PACKAGES"


def stage_config(target: Target, concurrency: int | None = None, before: Json | None = None) -> Json:
    """The stage of `.chalice/config.json`.

    `concurrency`: how many functions may run at once, if that is known. `before`: the stage that is there; what
    somebody wrote into it stays.
    """
    spec = target.spec
    written: Json = {
        "lambda_architecture": spec.architecture,
        "environment_variables": {**target.overrides, **_packages(spec), "SLUICE_NAME": target.name},
        "autogen_policy": False,
        "lambda_functions": {
            function: {
                "lambda_memory_size": getattr(spec.memory, function),
                "lambda_timeout": getattr(spec.timeout, function),
                "iam_policy_file": policy_file(target.name, function),
                **_variables(function, concurrency, tells=spec.has_epilogue),
            }
            for function in target.functions
        },
    }
    theirs, yaml = settings.from_file(before), settings.from_yaml(spec)
    said = settings.merged(theirs, yaml)
    remembered = {REMEMBERED: {"yaml": yaml, "deployed": said}} if said else {}
    return settings.merged({"log_retention_in_days": LOG_RETENTION_DAYS}, said, written, remembered)


def chalice_stage(
    stage: Json, before: Json | None, states: Mapping[FunctionName, FunctionState | None]
) -> Json:
    """The stage as Chalice gets it: with what somebody set by hand of the functions that are there."""
    kept = {function: settings.by_hand(stage, before, function, state) for function, state in states.items()}
    found = settings.merged(stage, {"lambda_functions": {name: row for name, row in kept.items() if row}})
    return {key: value for key, value in found.items() if key != REMEMBERED}


def _packages(spec: JobSpec) -> Json:
    """The job's requirements, which are of its code: a run of others ends when it meets these."""
    return {PACKAGES: spec.requirements} if spec.packages else {}


def _variables(function: FunctionName, concurrency: int | None, *, tells: bool) -> Json:
    """What one function alone has in its environment."""
    if function != "supervisor":
        return {}
    found = {CONCURRENCY: str(concurrency)} if concurrency is not None else {}
    found |= {TELLS: "1"} if tells else {}
    return {"environment_variables": found} if found else {}


def with_stage(config: Json, name: str, stage: Json | None) -> Json:
    """`config` with the stage `name` set, or removed if `stage` is None; all else as it was."""
    stages = {key: value for key, value in config.get("stages", {}).items() if key != name}
    if stage is not None:
        stages[name] = stage
    return {**config, "stages": dict(sorted(stages.items()))}


def deployed_buckets(deployed: Json) -> set[str]:
    """The buckets that the last deployment watched, from `.chalice/deployed/<stage>.json`."""
    resources = deployed.get("resources", [])
    return {row["bucket"] for row in resources if row.get("resource_type") == "s3_event"}


def deployed_clocks(deployed: Json, name: str) -> set[str]:
    """The functions that a clock starts since the last deployment."""
    rules = {row.get("rule_name") for row in deployed.get("resources", [])}
    return {function for clock, function in clock_names(name).items() if clock_rule(name, clock) in rules}


def deployed_account(deployed: Json) -> tuple[str, str] | None:
    """(region, account) that the last deployment went to."""
    for row in deployed.get("resources", []):
        parts = row.get("lambda_arn", "").split(":")
        if len(parts) > 4:
            return parts[3], parts[4]
    return None
