"""boto3's errors, said in a sentence."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from scripts.deployment.aws.clients import connect
from scripts.deployment.aws.errors import translated
from scripts.deployment.aws.owner import current_identity
from scripts.deployment.target import DeployError
from scripts.runs.world import real_world


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (NoCredentialsError(), "no usable AWS credentials"),
        (ClientError({"Error": {"Code": "ExpiredToken"}}, "HeadBucket"), "refused the credentials"),
        (ClientError({"Error": {"Code": "AccessDenied"}}, "PutBucketPolicy"), "forbids .* PutBucketPolicy"),
        (ClientError({"Error": {"Code": "Odd", "Message": "why"}}, "X"), "cannot try this: Odd: why"),
    ],
)
def test_vendor_errors_become_sentences(error: Exception, sentence: str) -> None:
    with pytest.raises(DeployError, match=sentence), translated("try this"):
        raise error


@pytest.mark.parametrize("ask", [connect, current_identity, real_world().configured_region])
def test_a_profile_that_is_not_there_is_named(
    ask: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a command asks of AWS first."""
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(DeployError, match=r"\(nobody\) could not be found: correct --profile or AWS_PROFILE"):
        ask()
