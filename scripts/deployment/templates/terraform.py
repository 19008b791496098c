"""A deployment as a configuration of Terraform, in JSON (`*.tf.json`), for its AWS provider from version 6. Pure.

https://registry.terraform.io/providers/hashicorp/aws/latest/docs has the resources and their arguments.
"""

from __future__ import annotations

import json
from typing import Any

from ..protection import PRIVATE, encryption, tls_only
from ..rules import EVENTS
from ..target import ASYNC_MAX_AGE, ASYNC_RETRIES, Json, Where, clock_rule
from .cloudformation import TRUST
from .contents import Bucket, Contents, Function

#: Filled in where it is applied.
WHERE = Where(
    "${data.aws_partition.current.partition}",
    "${data.aws_region.current.region}",
    "${data.aws_caller_identity.current.account_id}",
)
#: Resources by kind, then by name.
Resources = dict[str, dict[str, Json]]


def configuration(found: Contents, zipped: str) -> Json:
    """The configuration; `zipped` is the name of the zip beside it."""
    resources: Resources = {}
    for function in found.functions:
        _function(resources, function, found, zipped)
    for bucket in found.buckets:
        if bucket.made:
            _bucket(resources, bucket)
        _notifications(resources, bucket, found)
    return {
        "terraform": {"required_providers": {"aws": {"source": "hashicorp/aws", "version": ">= 6.0"}}},
        "data": {"aws_partition": {"current": {}}, "aws_region": {"current": {}},
                 "aws_caller_identity": {"current": {}}},
        "resource": resources,
    }  # fmt: skip


def notes(found: Contents) -> list[str]:
    """What the configuration leaves to others, or takes from them."""
    told = []
    for bucket in found.buckets:
        if bucket.made:
            continue
        if bucket.tells_bus:
            told.append(
                f"{bucket.name} exists, and Terraform could only replace all of its notifications: switch on Amazon "
                "EventBridge in its properties (Event notifications), or nothing starts"
            )
        if found.rules_of(bucket.name):
            told.append(
                f"{bucket.name} exists, and aws_s3_bucket_notification replaces all of its notifications, also those "
                "of others: if there are any, let the job have `events: eventbridge`, or move them all to one place"
            )
        if bucket.lifecycle:
            names = ", ".join(f"{rule['ID']} ({rule['Filter']['Prefix']})" for rule in bucket.lifecycle)
            told.append(
                f"{bucket.name} exists, and Terraform could only replace all of its lifecycle: add the rules of "
                f"lifecycle-{bucket.name}.json, {names}, or work files and unfinished uploads stay for ever"
            )
    return told


def name_of(text: str) -> str:
    """A resource's name: it may hold letters, digits, `_` and `-`, and begins with a letter."""
    return "_" + text.replace(".", "_")


def literal(value: Any) -> Any:
    """`value` with texts that Terraform takes as they are."""
    if isinstance(value, dict):
        return {key: literal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [literal(item) for item in value]
    return value.replace("${", "$${").replace("%{", "%%{") if isinstance(value, str) else value


def _document(policy: Json) -> str:
    """A policy as text. Its `${` are ours: a job's places may hold none, but anything else."""
    return json.dumps(policy).replace("%{", "%%{")


def _add(resources: Resources, kind: str, name: str, arguments: Json) -> None:
    kept = {key: value for key, value in arguments.items() if value is not None}
    resources.setdefault(f"aws_{kind}", {})[name] = kept


def _role(resources: Resources, one: Function) -> None:
    _add(resources, "iam_role", one.name, {"name": one.deployed, "assume_role_policy": json.dumps(TRUST)})
    policy = {
        "name": one.deployed,
        "role": f"${{aws_iam_role.{one.name}.name}}",
        "policy": _document(one.policy),
    }
    _add(resources, "iam_role_policy", one.name, policy)


def _function(resources: Resources, one: Function, found: Contents, zipped: str) -> None:
    given, name = one.settings, one.name
    theirs = given.get("iam_role_arn")
    if not theirs:
        _role(resources, one)
    logs = {
        "name": f"/aws/lambda/{one.deployed}",
        "retention_in_days": given.get("log_retention_in_days") or None,
    }
    _add(resources, "cloudwatch_log_group", name, logs)
    network = {"subnet_ids": given.get("subnet_ids"), "security_group_ids": given.get("security_group_ids")}
    disk = one.configured.ephemeral_storage
    arguments = {
        "function_name": one.deployed,
        "role": theirs or f"${{aws_iam_role.{name}.arn}}",
        "handler": f"app.{name}",
        "runtime": found.runtime.name,
        "architectures": [found.runtime.architecture],
        "filename": f"${{path.module}}/{zipped}",
        "source_code_hash": f'${{filebase64sha256("${{path.module}}/{zipped}")}}',
        "memory_size": given["lambda_memory_size"],
        "timeout": given["lambda_timeout"],
        "environment": {"variables": literal(given["environment_variables"])},
        "reserved_concurrent_executions": given.get("reserved_concurrency"),
        "layers": given.get("layers"),
        "tags": literal(given["tags"]) if given.get("tags") else None,
        "vpc_config": network if given.get("subnet_ids") else None,
        "ephemeral_storage": {"size": disk} if disk else None,
        "tracing_config": {"mode": "Active" if given.get("xray") else "PassThrough"},
        # Lambda looks at what the role may do when it is told where failures go, and writes logs by itself.
        "depends_on": [
            *([] if theirs else [f"aws_iam_role_policy.{name}"]),
            f"aws_cloudwatch_log_group.{name}",
        ],
    }
    _add(resources, "lambda_function", name, arguments)
    itself = f"${{aws_lambda_function.{name}.function_name}}"
    told = next(other.name for other in found.functions if other.deployed == one.told)
    retries = {
        "function_name": itself,
        "maximum_retry_attempts": ASYNC_RETRIES,
        "maximum_event_age_in_seconds": ASYNC_MAX_AGE,
        "destination_config": {"on_failure": {"destination": f"${{aws_lambda_function.{told}.arn}}"}},
    }
    _add(resources, "lambda_function_event_invoke_config", name, retries)
    recursion = {"function_name": itself, "recursive_loop": one.configured.recursion}
    _add(resources, "lambda_function_recursion_config", name, recursion)
    _started(resources, one, found.job)


def _started(resources: Resources, one: Function, job: str) -> None:
    """Who starts the function, and that they may."""
    permission = {
        "statement_id": "sluice",
        "action": "lambda:InvokeFunction",
        "function_name": f"${{aws_lambda_function.{one.name}.function_name}}",
    }
    if one.rules:
        source = f"arn:{WHERE.partition}:s3:::{one.rules[0].bucket}"
        # a bucket's ARN does not say whose it is
        told = {"principal": "s3.amazonaws.com", "source_arn": source, "source_account": WHERE.account}
        _add(resources, "lambda_permission", one.name, {**permission, **told})
    if one.schedule or one.pattern:
        rule = {
            "name": clock_rule(job, one.name),
            "schedule_expression": one.schedule or None,
            "event_pattern": json.dumps(one.pattern) if one.pattern else None,
        }
        _add(resources, "cloudwatch_event_rule", one.name, rule)
        target = {
            "rule": f"${{aws_cloudwatch_event_rule.{one.name}.name}}",
            "target_id": "1",
            "arn": f"${{aws_lambda_function.{one.name}.arn}}",
        }
        _add(resources, "cloudwatch_event_target", one.name, target)
        source = f"${{aws_cloudwatch_event_rule.{one.name}.arn}}"
        told = {"principal": "events.amazonaws.com", "source_arn": source}
        _add(resources, "lambda_permission", one.name, {**permission, **told})


def _bucket(resources: Resources, bucket: Bucket) -> None:
    """It outlives the rest: Terraform refuses to destroy it."""
    assert bucket.made
    name = name_of(bucket.name)
    itself = f"${{aws_s3_bucket.{name}.id}}"
    _add(resources, "s3_bucket", name, {"bucket": bucket.name, "lifecycle": {"prevent_destroy": True}})
    private = {
        "block_public_acls": PRIVATE["BlockPublicAcls"],
        "ignore_public_acls": PRIVATE["IgnorePublicAcls"],
        "block_public_policy": PRIVATE["BlockPublicPolicy"],
        "restrict_public_buckets": PRIVATE["RestrictPublicBuckets"],
    }
    _add(resources, "s3_bucket_public_access_block", name, {"bucket": itself, **private})
    told = encryption(bucket.made.kms_key)
    kept = told["ApplyServerSideEncryptionByDefault"]
    rule = {
        "apply_server_side_encryption_by_default": {
            "sse_algorithm": kept["SSEAlgorithm"],
            **({"kms_master_key_id": kept["KMSMasterKeyID"]} if "KMSMasterKeyID" in kept else {}),
        },
        **({"bucket_key_enabled": True} if told.get("BucketKeyEnabled") else {}),
    }
    _add(
        resources, "s3_bucket_server_side_encryption_configuration", name, {"bucket": itself, "rule": [rule]}
    )
    policy = json.dumps(tls_only(bucket.name, WHERE.partition))
    _add(resources, "s3_bucket_policy", name, {"bucket": itself, "policy": policy})
    if bucket.lifecycle:
        rules = [_expiry(rule) for rule in bucket.lifecycle]
        _add(resources, "s3_bucket_lifecycle_configuration", name, {"bucket": itself, "rule": rules})


def _expiry(rule: Json) -> Json:
    days = rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]
    return {
        "id": rule["ID"],
        "status": rule["Status"],
        "filter": {"prefix": literal(rule["Filter"]["Prefix"])},
        "abort_incomplete_multipart_upload": {"days_after_initiation": days},
        **({"expiration": {"days": rule["Expiration"]["Days"]}} if "Expiration" in rule else {}),
    }


def _notifications(resources: Resources, bucket: Bucket, found: Contents) -> None:
    name, watching = name_of(bucket.name), found.rules_of(bucket.name)
    itself = f"${{aws_s3_bucket.{name}.id}}" if bucket.made else bucket.name
    arguments: Json = {"bucket": itself}
    if bucket.made and bucket.tells_bus:
        arguments["eventbridge"] = True
    if watching:
        arguments["lambda_function"] = [
            {
                "lambda_function_arn": f"${{aws_lambda_function.{one.name}.arn}}",
                "events": EVENTS,
                **({"filter_prefix": rule.prefix} if rule.prefix else {}),
                **({"filter_suffix": rule.suffix} if rule.suffix else {}),
            }
            for one, rule in watching
        ]
        arguments["depends_on"] = sorted({f"aws_lambda_permission.{one.name}" for one, _ in watching})
    if len(arguments) > 1:
        _add(resources, "s3_bucket_notification", name, arguments)
