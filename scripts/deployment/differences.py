"""Says in one line how what is there differs from what is to be; "" if it does not. Pure."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence

from chalicelib.config.triggers import Trigger
from chalicelib.core.ports import FunctionName

from .lifecycle import merged_lifecycle, rule_ids
from .stage import LOG_RETENTION_DAYS
from .survey import FunctionState, RoleState
from .target import ASYNC_MAX_AGE, ASYNC_RETRIES, Json, Recursion

#: How many rights a line names before it counts the others.
_SHOWN = 2


def new_bucket(kms_key: str) -> str:
    """How a bucket would be made."""
    return f"create, private, TLS only, encrypted {f'with aws:kms key {kms_key}' if kms_key else 'by S3 (AES256)'}"


def stage(
    old: Json | None,
    new: Json,
    old_policies: Mapping[FunctionName, Json],
    new_policies: Mapping[FunctionName, Json],
) -> str:
    """How the files of `.chalice/` would change."""
    if old is None:
        return f"write it, and {len(new_policies)} policies"
    changed = [name for name, policy in new_policies.items() if old_policies.get(name) != policy]
    told = ["change its settings"] if old != new else []
    told += [f"write the policies of {', '.join(changed)}"] if changed else []
    return ", ".join(told)


def function(old: FunctionState | None, settings: Json, name: FunctionName) -> str:
    """How `chalice deploy` would change a function; `settings` is the stage of `.chalice/config.json`.

    Never empty: Chalice ships the code each time, and only the package tells whether it is the same.
    """
    own = settings["lambda_functions"][name]
    memory, timeout = own["lambda_memory_size"], own["lambda_timeout"]
    architecture, runtime = (
        settings["lambda_architecture"],
        f"python{sys.version_info[0]}.{sys.version_info[1]}",
    )
    if old is None:
        return f"create, memory {memory} MB, timeout {timeout} s, {architecture}, {runtime}"
    told = [
        _shift("memory", old.memory, memory, " MB"),
        _shift("timeout", old.timeout, timeout, " s"),
        _shift("architecture", old.architecture, architecture),
        _shift("runtime", old.runtime, runtime),
        _variables(old.variables, settings["environment_variables"] | own.get("environment_variables", {})),
    ]
    return ", ".join(filter(None, told)) or "nothing but its code, which is shipped again"


def role(old: RoleState, policy: Json) -> str:
    """How `chalice deploy` would change a function's role."""
    if old.exists is False:
        return "create, with the policy of its function"
    if old.policy is None:
        return "write the policy of its function"
    before, after = _rights(old.policy), _rights(policy)
    told = [_named("allow", after - before), _named("no longer allow", before - after)]
    if old.policy != policy and not any(told):
        return "write its policy anew, with other conditions"
    return ", ".join(filter(None, told))


def logs(exist: bool | None) -> str:
    """How `chalice deploy` would change a function's logs."""
    return f"create, keep each line {LOG_RETENTION_DAYS} days" if exist is False else ""


def settings(old: FunctionState | None, recursion: Recursion, on_failure: str) -> str:
    """What is to be set of a function that Chalice has no setting for."""
    found = old or FunctionState()
    told = [
        _shift("recursion", found.recursion, recursion),
        _shift("retries", found.retries, ASYNC_RETRIES),
        _shift("events wait at most", found.max_age, ASYNC_MAX_AGE, " s"),
        _destination(found.on_failure, on_failure),
    ]
    return ", ".join(filter(None, told))


def watched(triggers: Sequence[Trigger]) -> str:
    """What event rules would watch."""
    return "watch " + ", ".join(f"s3://{rule.bucket}/{rule.prefix}*{rule.suffix}" for rule in triggers)


def lifecycle(existing: Sequence[Json], job: str, ours: Iterable[Json]) -> str:
    """How the job's lifecycle rules would change."""
    wanted = list(ours)
    if merged_lifecycle(existing, job, wanted) == list(existing):
        return ""
    before = {rule["ID"]: rule for rule in existing if rule.get("ID") in rule_ids(job)}
    told = []
    for rule in wanted:
        old = before.pop(rule["ID"], None)
        if old != rule:
            told.append(f"{'add' if old is None else 'change'} {rule['ID']} ({_lifecycle_rule(rule)})")
    told += [f"remove {name}" for name in before]
    return ", ".join(told) or "write the job's rules behind the others"


def _lifecycle_rule(rule: Json) -> str:
    text = f"unfinished uploads under {rule['Filter']['Prefix']} go after 1 day"
    if "Expiration" in rule:
        text += f", objects after {rule['Expiration']['Days']}"
    return text


def _shift(what: str, old: object, new: object, unit: str = "") -> str:
    if old == new:
        return ""
    return f"{what} {new}{unit}" if old is None else f"{what} {old} -> {new}{unit}"


def _destination(old: str | None, new: str) -> str:
    """By their names, unless only account or region differ."""
    names = [arn and arn.rpartition(":")[2] for arn in (old, new)]
    return _shift("failed events go to", *(names if names[0] != names[1] else (old, new)))


def _variables(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """Names only: what a variable holds is nobody's business on a screen."""
    names = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    return f"environment {', '.join(names)}" if names else ""


def _rights(policy: Json) -> set[tuple[str, str]]:
    """(action, resource) of each statement; conditions are left out."""
    return {
        (action, resource)
        for statement in policy.get("Statement", [])
        for action in _several(statement.get("Action", []))
        for resource in _several(statement.get("Resource", []))
    }


def _several(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _named(verb: str, rights: set[tuple[str, str]]) -> str:
    if not rights:
        return ""
    shown = [f"{action} on {resource}" for action, resource in sorted(rights)[:_SHOWN]]
    more = [f"{len(rights) - _SHOWN} more"] if len(rights) > _SHOWN else []
    return f"{verb} {' and '.join([*shown, *more])}"
