"""What is in an account. Everything here reads; nothing writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from botocore.exceptions import ClientError

from ..rules import rule_arns
from ..survey import BucketState, FunctionState, RoleState
from ..target import DeployError, Json, sluice_function
from .clients import Clients
from .errors import FORBIDDEN, MISSING, error_code, translated


class Account:
    """Looks at buckets, functions, roles and logs. Raises DeployError for what it must know and cannot."""

    def __init__(self, clients: Clients) -> None:
        self.region, self.account, self.partition = clients.region, clients.account, clients.partition
        self._s3, self._lambda = clients.s3, clients.lambda_
        self._iam, self._logs, self._events = clients.iam, clients.logs, clients.events

    # -------------------------------------------------------------- buckets

    def bucket(self, bucket: str) -> BucketState | None:
        """The bucket's event and lifecycle rules, or None if there is no such bucket."""
        if not self.has_bucket(bucket):
            return None
        with translated(f"read the lifecycle rules of the bucket {bucket}"):
            lifecycle = self.lifecycle(bucket)
        with translated(f"read the event rules of the bucket {bucket}"):
            return BucketState(rules=self.rules(bucket), lifecycle=lifecycle)

    def has_bucket(self, bucket: str) -> bool:
        """Raises DeployError if the bucket belongs to somebody else, is forbidden or lies in another region."""
        with translated(f"look at the bucket {bucket}"):
            try:
                answer = self._s3.head_bucket(Bucket=bucket)
            except ClientError as error:
                if error_code(error) in MISSING:
                    return False
                if error_code(error) in FORBIDDEN:
                    raise DeployError(not_yours(bucket)) from error
                if error_code(error) in ("301", "PermanentRedirect"):
                    raise DeployError(self._elsewhere(bucket, "another region")) from error
                raise
        region = answer.get("BucketRegion") or self.region
        if region != self.region:
            raise DeployError(self._elsewhere(bucket, region))
        return True

    def _elsewhere(self, bucket: str, region: str) -> str:
        return (
            f"the bucket {bucket} is in {region}, and this deployment goes to {self.region}: "
            "S3 starts functions of its own region only; set AWS_DEFAULT_REGION, or name another bucket"
        )

    def rules(self, bucket: str) -> Json:
        """The bucket's notification configuration, as S3 takes it back. Raises ClientError."""
        answer: Json = dict(self._s3.get_bucket_notification_configuration(Bucket=bucket))
        answer.pop("ResponseMetadata", None)
        return answer

    def lifecycle(self, bucket: str) -> list[Json]:
        """The bucket's lifecycle rules; [] if it has none. Raises ClientError."""
        try:
            answer = self._s3.get_bucket_lifecycle_configuration(Bucket=bucket)
        except ClientError as error:
            if error_code(error) == "NoSuchLifecycleConfiguration":
                return []
            raise
        return [dict(rule) for rule in answer.get("Rules", [])]

    def dead_functions(self, rules: Json) -> set[str]:
        """The ARNs in a bucket's rules that name functions of Sluice which no longer exist."""
        with translated("look for event rules whose function is gone"):
            arns = {arn for arn in rule_arns(rules) if sluice_function(arn)}
            return {arn for arn in arns if not self._is_there(arn)}

    # -------------------------------------------------------------- functions

    def function(self, name: str) -> FunctionState | None:
        """The function's settings, or None if there is no such function."""
        with translated(f"look at the function {name}"):
            whole = _if_there(lambda: self._lambda.get_function(FunctionName=name))
        if whole is None:
            return None
        found, network = whole["Configuration"], whole["Configuration"].get("VpcConfig", {})
        recursion = _told(lambda: self._lambda.get_function_recursion_config(FunctionName=name))
        retries = _told(lambda: self._lambda.get_function_event_invoke_config(FunctionName=name))
        return FunctionState(
            memory=found.get("MemorySize"),
            timeout=found.get("Timeout"),
            architecture=(found.get("Architectures") or ["x86_64"])[0],
            runtime=found.get("Runtime"),
            variables=found.get("Environment", {}).get("Variables", {}),
            reserved=whole.get("Concurrency", {}).get("ReservedConcurrentExecutions"),
            tags=whole.get("Tags") or {},
            subnets=tuple(network.get("SubnetIds", ())),
            security_groups=tuple(network.get("SecurityGroupIds", ())),
            layers=tuple(layer["Arn"] for layer in found.get("Layers", ())),
            log_retention=self._log_retention(name),
            tracing=found.get("TracingConfig", {}).get("Mode"),
            ephemeral_storage=found.get("EphemeralStorage", {}).get("Size"),
            recursion=(recursion or {}).get("RecursiveLoop"),
            retries=(retries or {}).get("MaximumRetryAttempts"),
            max_age=(retries or {}).get("MaximumEventAgeInSeconds"),
            on_failure=(retries or {}).get("DestinationConfig", {}).get("OnFailure", {}).get("Destination"),
        )

    def concurrency(self) -> int | None:
        """How many functions may run at once beside those with a share of their own; None if it cannot be read."""
        answer = _told(lambda: self._lambda.get_account_settings()) or {}
        limit = answer.get("AccountLimit", {}).get("UnreservedConcurrentExecutions")
        return None if limit is None else int(limit)

    def _is_there(self, name: str) -> bool:
        return _if_there(lambda: self._lambda.get_function_configuration(FunctionName=name)) is not None

    # -------------------------------------------------------------- roles and logs: to tell of, not to decide by

    def role(self, name: str) -> RoleState:
        """Whether the role is there, and the policy in it that Chalice writes, which has the role's name."""
        found = _told(lambda: self._iam.get_role(RoleName=name))
        if not found:
            return RoleState(exists=None if found is None else False)
        answer = _told(lambda: self._iam.get_role_policy(RoleName=name, PolicyName=name)) or {}
        document = answer.get("PolicyDocument")
        if isinstance(document, str):
            document = json.loads(unquote(document))
        return RoleState(exists=True, policy=document)

    def has_logs(self, function: str) -> bool | None:
        """Whether the function has a log group; None if these credentials may not know."""
        found = self._log_group(function)
        return None if found is None else bool(found)

    def clock(self, rule: str) -> str | None:
        """How often a rule starts its function, or by which events; "": no such rule, None: not to be read."""
        found = _told(lambda: self._events.describe_rule(Name=rule))
        return (
            None if found is None else str(found.get("ScheduleExpression") or found.get("EventPattern", ""))
        )

    def _log_retention(self, function: str) -> int | None:
        """Days, 0 for lines that are kept for ever; None if there is no group, or it may not be looked at."""
        found = self._log_group(function)
        return found.get("retentionInDays", 0) if found else None

    def _log_group(self, function: str) -> Json | None:
        """{} if there is none; None if these credentials may not know."""
        group = f"/aws/lambda/{function}"
        found = _told(lambda: self._logs.describe_log_groups(logGroupNamePrefix=group))
        rows = (row for row in (found or {}).get("logGroups", []) if row["logGroupName"] == group)
        return None if found is None else dict(next(rows, {}))


def _if_there(ask: Callable[[], Any]) -> Json | None:
    """What AWS answers, or None if there is no such thing. Raises ClientError."""
    try:
        return dict(ask())
    except ClientError as error:
        if error_code(error) in MISSING:
            return None
        raise


def _told(ask: Callable[[], Any]) -> Json | None:
    """What AWS answers: {} if there is nothing, None if these credentials may not read it.

    Only what is shown depends on it, so a deployment needs no right to read it.
    """
    with translated("look at what is deployed"):
        try:
            return dict(ask())
        except ClientError as error:
            if error_code(error) in MISSING:
                return {}
            if error_code(error) in FORBIDDEN:
                return None
            raise


def not_yours(bucket: str) -> str:
    """Why a bucket cannot be used that exists and answers 403."""
    return (
        f"the bucket {bucket} belongs to somebody else, or these credentials may not use it: "
        "S3's bucket names are shared by all AWS customers; choose another in the job's YAML"
    )
