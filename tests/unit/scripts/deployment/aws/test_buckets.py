"""Buckets that are made, and buckets that were there."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from scripts.deployment.aws.buckets import Buckets
from scripts.deployment.aws.clients import connect
from scripts.deployment.lifecycle import lifecycle_rules
from scripts.deployment.target import DeployError
from tests.unit.scripts.deployment.world import REGION, target

pytestmark = pytest.mark.slow


def test_a_missing_bucket_is_made_private_encrypted_and_tls_only(account: Any) -> None:
    buckets = Buckets(connect())
    assert buckets.ensure("fresh-bucket") is True
    assert buckets.ensure("fresh-bucket") is False
    block = account.get_public_access_block(Bucket="fresh-bucket")["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    (rule,) = account.get_bucket_encryption(Bucket="fresh-bucket")["ServerSideEncryptionConfiguration"][
        "Rules"
    ]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    (statement,) = json.loads(account.get_bucket_policy(Bucket="fresh-bucket")["Policy"])["Statement"]
    assert (statement["Effect"], statement["Condition"]) == (
        "Deny",
        {"Bool": {"aws:SecureTransport": "false"}},
    )
    assert account.get_bucket_location(Bucket="fresh-bucket")["LocationConstraint"] == REGION


def test_a_bucket_under_the_users_own_key(account: Any) -> None:
    key = f"arn:aws:kms:{REGION}:123456789012:key/1234abcd"
    assert Buckets(connect()).ensure("fresh-bucket", key) is True
    (rule,) = account.get_bucket_encryption(Bucket="fresh-bucket")["ServerSideEncryptionConfiguration"][
        "Rules"
    ]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    assert rule["BucketKeyEnabled"] is True


def test_a_bucket_that_exists_keeps_its_settings(account: Any) -> None:
    account.create_bucket(Bucket="mine", CreateBucketConfiguration={"LocationConstraint": REGION})
    assert Buckets(connect()).ensure("mine") is False
    with pytest.raises(ClientError, match="NoSuchBucketPolicy"):
        account.get_bucket_policy(Bucket="mine")


def test_a_bucket_of_another_region_is_refused_in_one_sentence(account: Any) -> None:
    boto3.client("s3", region_name="us-west-2").create_bucket(
        Bucket="far", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
    )
    with pytest.raises(DeployError, match="far is in us-west-2, and this deployment goes to eu-central-1"):
        Buckets(connect()).ensure("far")


def test_lifecycle_rules_of_others_survive_deploying_and_deleting(account: Any) -> None:
    buckets = Buckets(connect())
    buckets.ensure("scratch")
    foreign = {"ID": "archive", "Status": "Enabled", "Filter": {"Prefix": "x/"}, "Expiration": {"Days": 9}}
    account.put_bucket_lifecycle_configuration(Bucket="scratch", LifecycleConfiguration={"Rules": [foreign]})
    buckets.set_lifecycle("scratch", "tally", lifecycle_rules(target(), "scratch", 7))
    found = account.get_bucket_lifecycle_configuration(Bucket="scratch")["Rules"]
    assert [rule["ID"] for rule in found] == ["archive", "sluice-tally-work"]
    buckets.set_lifecycle("scratch", "tally", [])
    assert account.get_bucket_lifecycle_configuration(Bucket="scratch")["Rules"] == [foreign]


def test_the_last_lifecycle_rule_takes_the_configuration_with_it(account: Any) -> None:
    buckets = Buckets(connect())
    buckets.ensure("scratch")
    buckets.set_lifecycle("scratch", "tally", lifecycle_rules(target(), "scratch", 7))
    buckets.set_lifecycle("scratch", "tally", [])
    with pytest.raises(ClientError, match="NoSuchLifecycleConfiguration"):
        account.get_bucket_lifecycle_configuration(Bucket="scratch")
