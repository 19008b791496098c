"""boto3's errors, said in a sentence."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from scripts.deployment.aws.errors import translated
from scripts.deployment.target import DeployError


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
