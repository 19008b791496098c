"""Sets what Chalice has no setting for, and removes what it leaves behind."""

from __future__ import annotations

from botocore.exceptions import ClientError

from ..target import ASYNC_MAX_AGE, ASYNC_RETRIES, Kind, Recursion
from .clients import Clients
from .errors import MISSING, error_code, translated


class Functions:
    """The functions of an account, with their roles and logs. Raises DeployError."""

    def __init__(self, clients: Clients) -> None:
        self._lambda, self._iam, self._logs = clients.lambda_, clients.iam, clients.logs

    def configure(self, name: str, recursion: Recursion) -> None:
        """Allow recursion or not, and set the retries of asynchronous events.

        Recursion is Sluice's way of working: without `Allow`, Lambda stops a chain of about 16
        invocations of one function. Endless loops are stopped by the hop count in our messages.
        """
        with translated(f"configure the function {name}"):
            self._lambda.put_function_recursion_config(FunctionName=name, RecursiveLoop=recursion)
            self._lambda.put_function_event_invoke_config(
                FunctionName=name,
                MaximumRetryAttempts=ASYNC_RETRIES,
                MaximumEventAgeInSeconds=ASYNC_MAX_AGE,
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
