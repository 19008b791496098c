"""Sets what Chalice has no setting for, and removes what it leaves behind."""

from __future__ import annotations

import time
from collections.abc import Callable

from botocore.exceptions import ClientError

from ..target import ASYNC_MAX_AGE, ASYNC_RETRIES, Kind, Recursion
from .clients import Clients
from .errors import MISSING, error_code, translated

#: Seconds that IAM may take until a role's new policy holds everywhere, and between two tries.
_UNTIL_POLICIES_HOLD, _BETWEEN = 60.0, 2.0


class Functions:
    """The functions of an account, with their roles and logs. Raises DeployError."""

    def __init__(self, clients: Clients, pause: Callable[[float], None] = time.sleep) -> None:
        self._lambda, self._iam, self._logs = clients.lambda_, clients.iam, clients.logs
        self._pause = pause

    def configure(self, name: str, recursion: Recursion, on_failure: str) -> None:
        """Allow recursion or not, and say what becomes of asynchronous events that fail.

        They are tried again, and then sent to the function with the ARN `on_failure`, in the name of the function's
        own role. Lambda checks that the role may do that, which IAM takes some seconds to learn.

        Recursion is Sluice's way of working: without `Allow`, Lambda stops a chain of about 16
        invocations of one function. Endless loops are stopped by the hop count in our messages.
        """
        with translated(f"configure the function {name}"):
            self._lambda.put_function_recursion_config(FunctionName=name, RecursiveLoop=recursion)
            for left in range(round(_UNTIL_POLICIES_HOLD / _BETWEEN), -1, -1):
                try:
                    return self._set_retries(name, on_failure)
                except ClientError as error:
                    if not left or not _is_about_the_role(error):
                        raise
                    self._pause(_BETWEEN)
        return None

    def _set_retries(self, name: str, on_failure: str) -> None:
        self._lambda.put_function_event_invoke_config(
            FunctionName=name,
            MaximumRetryAttempts=ASYNC_RETRIES,
            MaximumEventAgeInSeconds=ASYNC_MAX_AGE,
            DestinationConfig={"OnFailure": {"Destination": on_failure}},
        )

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
        elif kind == "logs":
            self._logs.delete_log_group(logGroupName=f"/aws/lambda/{name}")
        else:
            for policy in self._iam.list_role_policies(RoleName=name)["PolicyNames"]:
                self._iam.delete_role_policy(RoleName=name, PolicyName=policy)
            self._iam.delete_role(RoleName=name)


def _is_about_the_role(error: ClientError) -> bool:
    message = error.response.get("Error", {}).get("Message", "").lower()
    return error_code(error) == "InvalidParameterValueException" and "role" in message
