"""Says in one line how what is there differs from what is to be; "" if it does not. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from chalicelib.config.triggers import Trigger
from chalicelib.core.ports import FunctionName

from .lifecycle import merged_lifecycle, rule_ids
from .settings import of_function
from .steps import ConfigureFunction
from .survey import FunctionState, RoleState
from .target import ASYNC_MAX_AGE, ASYNC_RETRIES, Json

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


def function(old: FunctionState | None, settings: Json, name: FunctionName, runtime: str) -> str:
    """How `chalice deploy` would change a function; `settings` is the stage of `.chalice/config.json`.

    Never empty: Chalice ships the code each time, and only the package tells whether it is the same.
    """
    own = settings["lambda_functions"][name]
    memory, timeout = own["lambda_memory_size"], own["lambda_timeout"]
    architecture = settings["lambda_architecture"]
    given = of_function(settings, name)
    if old is None:
        first = f"create, memory {memory} MB, timeout {timeout} s, {architecture}, {runtime}"
        return ", ".join([first, *_settings(FunctionState(), given)])
    told = [
        _shift("memory", old.memory, memory, " MB"),
        _shift("timeout", old.timeout, timeout, " s"),
        _shift("architecture", old.architecture, architecture),
        _shift("runtime", old.runtime, runtime),
        _names("environment", old.variables, given["environment_variables"]),
        *_settings(old, given),
    ]
    return ", ".join(filter(None, told)) or "nothing but its code, which is shipped again"


def _settings(old: FunctionState, given: Json) -> list[str]:
    """What Lambda lets one say of a function beside its size; `given` is what Chalice reads of it."""
    groups = given.get("security_group_ids", ())
    told = [
        _shift("reserved concurrency", old.reserved, given.get("reserved_concurrency")),
        _names("tags", _own_tags(old.tags), given.get("tags", {})),
        _shift("subnets", _listed(old.subnets), _listed(given.get("subnet_ids", ()))),
        _shift("security groups", _listed(old.security_groups), _listed(groups)),
        _shift("layers", _listed(old.layers), _listed(given.get("layers", ()))),
        "tracing" if given.get("xray") and old.tracing != "Active" else "",
    ]
    return [text for text in told if text]


def _own_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Without those of Chalice and AWS."""
    return {name: value for name, value in tags.items() if not name.startswith(("aws:", "aws-chalice"))}


def _listed(names: Iterable[str]) -> str | None:
    """In the order of the alphabet, since AWS need not keep ours."""
    return " ".join(sorted(names)) or None


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


def logs(exist: bool | None, old: FunctionState | None, settings: Json, name: FunctionName) -> str:
    """How `chalice deploy` would change a function's logs."""
    days = of_function(settings, name).get("log_retention_in_days", 0)
    if exist is False:
        return f"create, keep each line {_days(days)}"
    before = old.log_retention if old else None
    return "" if before in (None, days) else f"keep each line {_days(before)} -> {_days(days)}"


def _days(number: int | None) -> str:
    return f"{number} days" if number else "for ever"


def settings(old: FunctionState | None, wanted: ConfigureFunction) -> str:
    """What is to be set of a function that Chalice has no setting for."""
    found = old or FunctionState()
    told = [
        _shift("recursion", found.recursion, wanted.recursion),
        _shift("retries", found.retries, ASYNC_RETRIES),
        _shift("events wait at most", found.max_age, ASYNC_MAX_AGE, " s"),
        _destination(found.on_failure, wanted.on_failure),
        _shift("local disk", found.ephemeral_storage, wanted.ephemeral_storage, " MB")
        if wanted.ephemeral_storage
        else "",
        "no tracing" if wanted.untraced and found.tracing == "Active" else "",
    ]
    return ", ".join(filter(None, told))


def clock(old: str | None, new: str) -> str:
    """How the rule of a clock would change: how often it starts its function."""
    return f"create, {new}" if old == "" else "" if old == new else f"{old or 'set'} -> {new}"


def bus(old: str | None, new: Json, watching: Sequence[Trigger]) -> str:
    """How the rule of EventBridge would change that picks a function's events; `old` as `Survey.clocks` has it."""
    if old and _as_json(old) == new:
        return ""
    return f"{'create' if old == '' else 'set'}, {watched(watching)}"


def _as_json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


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
    if new is None:
        return f"no {what} (it was {old}{unit})"
    return f"{what} {new}{unit}" if old is None else f"{what} {old} -> {new}{unit}"


def _destination(old: str | None, new: str) -> str:
    """By their names, unless only account or region differ."""
    names = [arn and arn.rpartition(":")[2] for arn in (old, new)]
    return _shift("failed events go to", *(names if names[0] != names[1] else (old, new)))


def _names(what: str, old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """Names only: what a variable holds is nobody's business on a screen."""
    names = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    return f"{what} {', '.join(names)}" if names else ""


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
