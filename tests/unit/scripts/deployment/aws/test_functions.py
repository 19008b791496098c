"""What Chalice has no setting for, set in an account whose IAM takes its time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from scripts.deployment.aws.functions import Functions
from scripts.deployment.steps import ConfigureFunction
from scripts.deployment.target import DeployError
from tests.unit.scripts.deployment.world import arn

SUPERVISOR = arn("sluice-tally-supervisor")
STEP = ConfigureFunction(function="sluice-tally-mapper", recursion="Allow", on_failure=SUPERVISOR)


class Lambda:
    """Refuses a destination `times` times with `message`."""

    def __init__(self, times: int, message: str) -> None:
        self._times, self._message = times, message
        self.given: list[dict[str, Any]] = []
        self.updates: list[dict[str, Any]] = []
        self.found: dict[str, Any] = {"EphemeralStorage": {"Size": 512}, "TracingConfig": {"Mode": "Active"}}

    def put_function_recursion_config(self, **_: Any) -> None:
        pass

    def put_function_event_invoke_config(self, **given: Any) -> None:
        self.given.append(given)
        if len(self.given) <= self._times:
            error = {"Code": "InvalidParameterValueException", "Message": self._message}
            raise ClientError({"Error": error}, "PutFunctionEventInvokeConfig")

    def get_function_configuration(self, FunctionName: str) -> dict[str, Any]:  # noqa: N803
        return self.found

    def update_function_configuration(self, **given: Any) -> None:
        self.updates.append(given)
        if len(self.updates) <= self._times:
            error = {"Code": "ResourceConflictException", "Message": "an update is in progress"}
            raise ClientError({"Error": error}, "UpdateFunctionConfiguration")


class Account:
    iam = logs = None

    def __init__(self, functions: Lambda) -> None:
        self.lambda_ = functions


def configured(functions: Lambda, step: ConfigureFunction = STEP) -> list[float]:
    """How long was waited, each time."""
    pauses: list[float] = []
    account: Any = Account(functions)
    Functions(account, pauses.append).configure(step)
    return pauses


ROLE = "The function's execution role does not have permissions to call InvokeFunction on the destination"


def test_a_role_whose_policy_does_not_hold_yet_is_waited_for() -> None:
    functions = Lambda(3, ROLE)
    assert len(configured(functions)) == 3
    assert functions.given[-1] == {
        "FunctionName": "sluice-tally-mapper",
        "MaximumRetryAttempts": 2,
        "MaximumEventAgeInSeconds": 21_600,
        "DestinationConfig": {"OnFailure": {"Destination": SUPERVISOR}},
    }


def test_one_that_never_holds_is_an_error() -> None:
    with pytest.raises(DeployError, match=r"configure the function sluice-tally-mapper: .*permissions"):
        configured(Lambda(1000, ROLE))


def test_another_mistake_is_not_waited_for() -> None:
    functions = Lambda(1, "The destination ARN is invalid")
    with pytest.raises(DeployError, match="is invalid"):
        configured(functions)
    assert len(functions.given) == 1


def test_disk_and_tracing_are_set_if_they_are_asked_for_and_not_so_already() -> None:
    functions, step = Lambda(0, ""), replace(STEP, ephemeral_storage=2048, untraced=True)
    configured(functions, STEP)
    assert functions.updates == []
    configured(functions, step)
    assert functions.updates == [
        {
            "FunctionName": "sluice-tally-mapper",
            "EphemeralStorage": {"Size": 2048},
            "TracingConfig": {"Mode": "PassThrough"},
        }
    ]
    functions.found = {"EphemeralStorage": {"Size": 2048}, "TracingConfig": {"Mode": "PassThrough"}}
    configured(functions, step)
    assert len(functions.updates) == 1


def test_a_function_that_is_being_updated_is_waited_for() -> None:
    functions = Lambda(2, ROLE)
    assert len(configured(functions, replace(STEP, ephemeral_storage=2048))) == 4
    assert len(functions.updates) == 3
