"""Sets what Chalice has no setting for, and removes what it leaves behind."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from ..steps import ConfigureFunction
from ..target import ASYNC_MAX_AGE, ASYNC_RETRIES, Kind
from .clients import Clients
from .errors import MISSING, error_code, translated

#: Seconds that IAM may take until a role's new policy holds everywhere, or Lambda until a function is updated; and
#: between two tries.
_PATIENCE, _BETWEEN = 60.0, 2.0


class Functions:
    """The functions of an account, with their roles and logs. Raises DeployError."""

    def __init__(self, clients: Clients, pause: Callable[[float], None] = time.sleep) -> None:
        self._lambda, self._iam, self._logs = clients.lambda_, clients.iam, clients.logs
        self._clients = clients
        self._pause = pause

    def configure(self, step: ConfigureFunction) -> None:
        """Allow recursion or not, say what becomes of asynchronous events that fail, set disk and tracing.

        Such events are tried again, and then sent to another function, in the name of the function's own role. Lambda
        checks that the role may do that, which IAM takes some seconds to learn.

        Recursion is Sluice's way of working: without `Allow`, Lambda stops a chain of about 16
        invocations of one function. Endless loops are stopped by the hop count in our messages.
        """
        name = step.function
        with translated(f"configure the function {name}"):
            self._lambda.put_function_recursion_config(FunctionName=name, RecursiveLoop=step.recursion)
            self._patiently(lambda: self._set_retries(step), _is_about_the_role)
            self._patiently(lambda: self._set_disk_and_tracing(step), _is_being_updated)

    def _patiently(self, act: Callable[[], None], will_pass: Callable[[ClientError], bool]) -> None:
        """Try again, for a while, as long as `will_pass` says so of the error."""
        for left in range(round(_PATIENCE / _BETWEEN), -1, -1):
            try:
                act()
            except ClientError as error:
                if not left or not will_pass(error):
                    raise
                self._pause(_BETWEEN)
            else:
                return

    def _set_retries(self, step: ConfigureFunction) -> None:
        self._lambda.put_function_event_invoke_config(
            FunctionName=step.function,
            MaximumRetryAttempts=ASYNC_RETRIES,
            MaximumEventAgeInSeconds=ASYNC_MAX_AGE,
            DestinationConfig={"OnFailure": {"Destination": step.on_failure}},
        )

    def _set_disk_and_tracing(self, step: ConfigureFunction) -> None:
        """Only what was asked for and is not so yet: an update makes Lambda start all processes anew."""
        if step.ephemeral_storage is None and not step.untraced:
            return
        found = self._lambda.get_function_configuration(FunctionName=step.function)
        wanted: dict[str, Any] = {}
        disk = found.get("EphemeralStorage", {}).get("Size")
        if step.ephemeral_storage is not None and disk != step.ephemeral_storage:
            wanted["EphemeralStorage"] = {"Size": step.ephemeral_storage}
        if step.untraced and found.get("TracingConfig", {}).get("Mode") == "Active":
            wanted["TracingConfig"] = {"Mode": "PassThrough"}
        if wanted:
            self._lambda.update_function_configuration(FunctionName=step.function, **wanted)

    def remove(self, kind: Kind, name: str) -> bool:
        """Delete the function `name`, its role or its logs. False if there was nothing to delete."""
        with translated(f"delete the {kind} {name}"):
            try:
                self._delete(kind, name)
            except ClientError as error:
                if error_code(error) not in MISSING:
                    raise
                return False
        return True

    def _delete(self, kind: Kind, name: str) -> None:
        if kind == "function":
            self._lambda.delete_function(FunctionName=name)
        elif kind == "rule":
            targets = self._clients.events.list_targets_by_rule(Rule=name)["Targets"]
            if targets:
                self._clients.events.remove_targets(Rule=name, Ids=[target["Id"] for target in targets])
            self._clients.events.delete_rule(Name=name)
        elif kind == "logs":
            self._logs.delete_log_group(logGroupName=f"/aws/lambda/{name}")
        else:
            for policy in self._iam.list_role_policies(RoleName=name)["PolicyNames"]:
                self._iam.delete_role_policy(RoleName=name, PolicyName=policy)
            self._iam.delete_role(RoleName=name)


def _is_being_updated(error: ClientError) -> bool:
    return error_code(error) == "ResourceConflictException"


def _is_about_the_role(error: ClientError) -> bool:
    message = error.response.get("Error", {}).get("Message", "").lower()
    return error_code(error) == "InvalidParameterValueException" and "role" in message
