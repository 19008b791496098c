"""A deployment as a template of CloudFormation, in JSON. Pure.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/ has the resources and their properties.
"""

from __future__ import annotations

from typing import Any

from chalicelib.config.triggers import Trigger

from ..protection import PRIVATE, encryption, tls_only
from ..rules import EVENTS
from ..target import ASYNC_MAX_AGE, ASYNC_RETRIES, Json, Where, clock_rule
from .contents import Bucket, Contents, Function

#: Filled in where the stack is made; `_here` marks texts that have them.
WHERE = Where("${AWS::Partition}", "${AWS::Region}", "${AWS::AccountId}")
TRUST: Json = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


def template(found: Contents, zipped: str) -> Json:
    """The template; `zipped` is the key under which the zip is to lie in the parameter's bucket."""
    resources: Json = {}
    for bucket in found.buckets:
        if bucket.made:
            resources |= _bucket(bucket, found)
    for function in found.functions:
        resources |= _function(function, found)
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Sluice: the job {found.job}",
        "Parameters": {
            "CodeBucket": {"Type": "String", "Description": "The bucket that the zip lies in"},
            "CodeKey": {"Type": "String", "Default": zipped, "Description": "The zip's key there"},
        },
        "Resources": resources,
    }


def notes(found: Contents) -> list[str]:
    """What the template cannot say, and who has to do it."""
    told = []
    for bucket in found.buckets:
        if bucket.made:
            continue
        if bucket.tells_bus:
            told.append(
                f"{bucket.name} exists, and CloudFormation cannot change it: switch on Amazon EventBridge in its "
                "properties (Event notifications), or nothing starts"
            )
        if watching := found.rules_of(bucket.name):
            asked = "; ".join(f"{one.deployed} for {rule.prefix}*{rule.suffix}" for one, rule in watching)
            told.append(
                f"{bucket.name} exists, and CloudFormation cannot change its notifications: add there, for "
                f"{EVENTS[0]}, {asked}; or let the job have `events: eventbridge`, which needs none"
            )
        if bucket.lifecycle:
            names = ", ".join(f"{rule['ID']} ({rule['Filter']['Prefix']})" for rule in bucket.lifecycle)
            told.append(
                f"{bucket.name} exists, and CloudFormation cannot change its lifecycle: add the rules of "
                f"lifecycle-{bucket.name}.json, {names}, or work files and unfinished uploads stay for ever"
            )
    return told


def logical(*words: str) -> str:
    """A resource's name: letters and digits alone."""
    return "".join(part.capitalize() for word in words for part in _parts(word))


def _parts(word: str) -> list[str]:
    return "".join(letter if letter.isalnum() else " " for letter in word).split()


def _here(value: Any) -> Any:
    """`value`, in which each text that has a pseudo parameter is a substitution."""
    if isinstance(value, dict):
        return {key: _here(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_here(item) for item in value]
    return {"Fn::Sub": value} if isinstance(value, str) and "${AWS::" in value else value


def _resource(kind: str, properties: Json, *after: str, **more: Any) -> Json:
    depends = {"DependsOn": sorted(after)} if after else {}
    kept = {key: value for key, value in properties.items() if value is not None}
    return {"Type": f"AWS::{kind}", **depends, **more, "Properties": kept}


def _function(one: Function, found: Contents) -> Json:
    given, name = one.settings, logical(one.name)
    theirs = given.get("iam_role_arn")
    policy = {"PolicyName": one.deployed, "PolicyDocument": _here(one.policy)}
    role = {"RoleName": one.deployed, "AssumeRolePolicyDocument": TRUST, "Policies": [policy]}
    days = given.get("log_retention_in_days") or None
    logs = {"LogGroupName": f"/aws/lambda/{one.deployed}", "RetentionInDays": days}
    network = {"SubnetIds": given.get("subnet_ids"), "SecurityGroupIds": given.get("security_group_ids")}
    disk = one.configured.ephemeral_storage
    tags = [{"Key": key, "Value": value} for key, value in given.get("tags", {}).items()]
    properties = {
        "FunctionName": one.deployed,
        "Handler": f"app.{one.name}",
        "Runtime": found.runtime.name,
        "Architectures": [found.runtime.architecture],
        "Code": {"S3Bucket": {"Ref": "CodeBucket"}, "S3Key": {"Ref": "CodeKey"}},
        "Role": theirs or {"Fn::GetAtt": [f"{name}Role", "Arn"]},
        "MemorySize": given["lambda_memory_size"],
        "Timeout": given["lambda_timeout"],
        "Environment": {"Variables": given["environment_variables"]},
        "ReservedConcurrentExecutions": given.get("reserved_concurrency"),
        "Layers": given.get("layers"),
        "Tags": tags or None,
        "VpcConfig": network if given.get("subnet_ids") else None,
        "EphemeralStorage": {"Size": disk} if disk else None,
        "TracingConfig": {"Mode": "Active" if given.get("xray") else "PassThrough"},
        "RecursiveLoop": one.configured.recursion,
    }
    retries = {
        "FunctionName": {"Ref": name},
        "Qualifier": "$LATEST",
        "MaximumRetryAttempts": ASYNC_RETRIES,
        "MaximumEventAgeInSeconds": ASYNC_MAX_AGE,
        "DestinationConfig": {"OnFailure": {"Destination": _here(one.configured.on_failure)}},
    }
    told = next(other.name for other in found.functions if other.deployed == one.told)
    return {
        **({} if theirs else {f"{name}Role": _resource("IAM::Role", role)}),
        f"{name}Logs": _resource("Logs::LogGroup", logs),
        name: _resource("Lambda::Function", properties, f"{name}Logs"),
        f"{name}Retries": _resource("Lambda::EventInvokeConfig", retries, logical(told)),
        **_started(one, name, found.job),
    }


def _started(one: Function, name: str, job: str) -> Json:
    """Who starts the function, and that they may."""
    if one.rules:
        bucket = _here(f"arn:${{AWS::Partition}}:s3:::{one.rules[0].bucket}")
        return {f"{name}FromS3": _permission(name, "s3.amazonaws.com", bucket, owned=True)}
    if not (one.schedule or one.pattern):
        return {}
    rule = {
        "Name": clock_rule(job, one.name),
        "ScheduleExpression": one.schedule or None,
        "EventPattern": one.pattern,
        "State": "ENABLED",
        "Targets": [{"Id": "1", "Arn": {"Fn::GetAtt": [name, "Arn"]}}],
    }
    source = {"Fn::GetAtt": [f"{name}Rule", "Arn"]}
    return {
        f"{name}Rule": _resource("Events::Rule", rule),
        f"{name}FromRule": _permission(name, "events.amazonaws.com", source),
    }


def _permission(name: str, service: str, source: Json, *, owned: bool = False) -> Json:
    properties = {
        "Action": "lambda:InvokeFunction",
        "FunctionName": {"Ref": name},
        "Principal": service,
        "SourceArn": source,
        # a bucket's ARN does not say whose it is
        "SourceAccount": {"Ref": "AWS::AccountId"} if owned else None,
    }
    return _resource("Lambda::Permission", properties)


def _bucket(bucket: Bucket, found: Contents) -> Json:
    assert bucket.made
    name = logical("bucket", bucket.name)
    told = encryption(bucket.made.kms_key)
    kept = told.pop("ApplyServerSideEncryptionByDefault")
    watching = found.rules_of(bucket.name)
    notifications: Json = {}
    if bucket.tells_bus:
        notifications["EventBridgeConfiguration"] = {"EventBridgeEnabled": True}
    if watching:
        notifications["LambdaConfigurations"] = [_notification(one, rule) for one, rule in watching]
    properties = {
        "BucketName": bucket.name,
        "PublicAccessBlockConfiguration": PRIVATE,
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": kept, **told}]
        },
        "LifecycleConfiguration": {"Rules": [_expiry(rule) for rule in bucket.lifecycle]}
        if bucket.lifecycle
        else None,
        "NotificationConfiguration": notifications or None,
    }
    # S3 refuses notifications of functions that it may not start. Data outlives the stack.
    after = {f"{logical(one.name)}FromS3" for one, _ in watching}
    keep = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}
    policy = {"Bucket": {"Ref": name}, "PolicyDocument": _here(tls_only(bucket.name, WHERE.partition))}
    return {
        name: _resource("S3::Bucket", properties, *after, **keep),
        f"{name}Policy": _resource("S3::BucketPolicy", policy, **keep),
    }


def _notification(one: Function, rule: Trigger) -> Json:
    texts = (("prefix", rule.prefix), ("suffix", rule.suffix))
    filters = [{"Name": name, "Value": text} for name, text in texts if text]
    told: Json = {"Event": EVENTS[0], "Function": {"Fn::GetAtt": [logical(one.name), "Arn"]}}
    return {**told, "Filter": {"S3Key": {"Rules": filters}}} if filters else told


def _expiry(rule: Json) -> Json:
    days = {"ExpirationInDays": rule["Expiration"]["Days"]} if "Expiration" in rule else {}
    return {
        "Id": rule["ID"],
        "Status": rule["Status"],
        "Prefix": rule["Filter"]["Prefix"],
        "AbortIncompleteMultipartUpload": rule["AbortIncompleteMultipartUpload"],
        **days,
    }
