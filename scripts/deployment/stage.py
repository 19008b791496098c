"""What Chalice reads of a job, a stage in `.chalice/config.json`, and its record of a deployment. Pure."""

from __future__ import annotations

from chalicelib.core.ports import FunctionName

from .target import FUNCTIONS, Json, Target, policy_file

LOG_RETENTION_DAYS = 30


#: How many functions may run at once, for the supervisor.
CONCURRENCY = "SLUICE_CONCURRENCY"


def stage_config(target: Target, concurrency: int | None = None) -> Json:
    """The stage of `.chalice/config.json`; `concurrency`: how many functions may run at once, if that is known."""
    spec = target.spec
    return {
        "lambda_architecture": spec.architecture,
        "environment_variables": {**target.overrides, "SLUICE_NAME": target.name},
        "autogen_policy": False,
        "log_retention_in_days": LOG_RETENTION_DAYS,
        "lambda_functions": {
            function: {
                "lambda_memory_size": getattr(spec.memory, function),
                "lambda_timeout": getattr(spec.timeout, function),
                "iam_policy_file": policy_file(target.name, function),
                **_variables(function, concurrency),
            }
            for function in FUNCTIONS
        },
    }


def _variables(function: FunctionName, concurrency: int | None) -> Json:
    """What one function alone has in its environment."""
    if function != "supervisor" or concurrency is None:
        return {}
    return {"environment_variables": {CONCURRENCY: str(concurrency)}}


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


def deployed_account(deployed: Json) -> tuple[str, str] | None:
    """(region, account) that the last deployment went to."""
    for row in deployed.get("resources", []):
        parts = row.get("lambda_arn", "").split(":")
        if len(parts) > 4:
            return parts[3], parts[4]
    return None
