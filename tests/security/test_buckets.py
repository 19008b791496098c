"""The buckets that a deployment makes: closed to the public, encrypted, TLS only, or not there at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core.authorization import enable_iam_authentication

from scripts.deployment.aws.buckets import Buckets
from scripts.deployment.aws.clients import connect
from scripts.deployment.protection import tls_only
from scripts.deployment.target import DeployError, Json

KEY = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd"


@pytest.fixture(autouse=True)
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        yield


def refused(policy: Json, action: str, resource: str, *, tls: bool) -> bool:
    """Whether a bucket policy's Deny meets a request, whoever sends it."""
    return any(
        statement["Effect"] == "Deny"
        and statement["Principal"] == "*"
        and fnmatchcase(action, statement["Action"])
        and any(fnmatchcase(resource, pattern) for pattern in statement["Resource"])
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        and not tls
        for statement in policy["Statement"]
    )


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
@pytest.mark.parametrize("action", ["s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:DeleteBucket"])
def test_plain_http_is_refused_for_the_bucket_and_all_in_it(partition: str, action: str) -> None:
    policy = tls_only("mine", partition)
    for resource in ("mine", "mine/a/b.txt"):
        arn = f"arn:{partition}:s3:::{resource}"
        assert refused(policy, action, arn, tls=False)
        assert not refused(policy, action, arn, tls=True)
    assert not refused(policy, action, f"arn:{partition}:s3:::mine2/a", tls=False)


@pytest.mark.parametrize("key", ["", KEY])
def test_a_new_bucket_has_all_protections(key: str) -> None:
    assert Buckets(connect()).ensure("fresh-bucket", key)
    client = boto3.client("s3")
    block = client.get_public_access_block(Bucket="fresh-bucket")["PublicAccessBlockConfiguration"]
    assert block == dict.fromkeys(
        ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
    )
    found = client.get_bucket_encryption(Bucket="fresh-bucket")["ServerSideEncryptionConfiguration"]
    default = found["Rules"][0]["ApplyServerSideEncryptionByDefault"]
    assert default == (
        {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY} if key else {"SSEAlgorithm": "AES256"}
    )
    policy = json.loads(client.get_bucket_policy(Bucket="fresh-bucket")["Policy"])
    assert refused(policy, "s3:GetObject", "arn:aws:s3:::fresh-bucket/x", tls=False)
    client.close()


def session_without(action: str) -> boto3.Session:
    """One of a user who may do everything but this."""
    iam, sts = boto3.client("iam"), boto3.client("sts")
    trust = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}
    role = iam.create_role(RoleName="half", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    statements = [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": action, "Resource": "*"},
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_role_policy(RoleName="half", PolicyName="half", PolicyDocument=document)
    got = sts.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    for client in (iam, sts):
        client.close()
    return boto3.Session(got["AccessKeyId"], got["SecretAccessKey"], got["SessionToken"])


def test_a_bucket_that_could_not_be_protected_does_not_stay() -> None:
    """Left there, the next deployment would take it for the user's own and leave it as it is."""
    client: Any = boto3.client("s3")
    session = session_without("s3:PutBucketPolicy")
    with enable_iam_authentication():
        buckets = Buckets(connect(session))
        with pytest.raises(DeployError, match=r"cannot protect the bucket fresh-bucket: AWS forbids it"):
            buckets.ensure("fresh-bucket")
    with pytest.raises(ClientError, match="404"):
        client.head_bucket(Bucket="fresh-bucket")
    client.close()
