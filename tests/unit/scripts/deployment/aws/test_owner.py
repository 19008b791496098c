"""Requests name the account as the owner of each bucket, so that S3 refuses one of somebody else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from chalicelib.core.ports import Loc
from chalicelib.stores.s3 import S3Store
from chalicelib.stores.s3_uploads import S3Uploads
from chalicelib.stores.upload import upload_file
from scripts.deployment.aws.account import Account
from scripts.deployment.aws.buckets import Buckets
from scripts.deployment.aws.clients import connect
from scripts.deployment.aws.owner import current_account, expect_owner
from scripts.deployment.target import DeployError
from tests.unit.scripts.deployment.world import REGION

pytestmark = pytest.mark.slow

ACCOUNT = "123456789012"
BUCKET = "bucket"


class Owners:
    """Notes which owner each request named."""

    def __init__(self, client: Any) -> None:
        self.seen: dict[str, set[str | None]] = {}
        client.meta.events.register("before-call.s3", self._note)

    def _note(self, model: Any, params: Any, **_: Any) -> None:
        self.seen.setdefault(model.name, set()).add(params["headers"].get("x-amz-expected-bucket-owner"))


def make_bucket() -> None:
    place: Any = {"LocationConstraint": REGION}
    boto3.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)


def uses(work: Callable[[Any], object]) -> dict[str, set[str | None]]:
    client = expect_owner(boto3.client("s3"), ACCOUNT)
    owners = Owners(client)
    work(client)
    client.close()
    return owners.seen


def test_every_request_of_a_store_does(account: Any, tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.write_bytes(bytes(20 << 20))
    make_bucket()

    def work(client: Any) -> None:
        store, loc = S3Store(client), Loc(BUCKET, "k")
        store.put(loc, b"x")
        store.put_if_absent(loc, b"x")
        assert store.get(loc) == b"x"
        store.head(loc)
        list(store.list(Loc(BUCKET, "")))
        with store.writer(Loc(BUCKET, "large")) as writer:
            writer.write(bytes(9 << 20))
            writer.commit()
        upload_file(client, file, Loc(BUCKET, "uploaded"))
        list(S3Uploads(client).list(Loc(BUCKET, "")))
        store.delete(BUCKET, ["k"])

    seen = uses(work)
    assert {
        "PutObject", "GetObject", "HeadObject", "ListObjectsV2", "DeleteObjects", "ListMultipartUploads",
        "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload",
    } <= seen.keys()  # fmt: skip
    assert {owner for owners in seen.values() for owner in owners} == {ACCOUNT}


def test_every_request_of_a_deployment_does_but_that_which_makes_the_bucket(account: Any) -> None:
    clients = connect()
    owners = Owners(clients.s3)
    Buckets(clients).ensure(BUCKET)
    rule = {"ID": "sluice-job-work", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}
    Buckets(clients).set_lifecycle(BUCKET, "job", [rule])
    Account(clients).bucket(BUCKET)
    assert owners.seen.pop("CreateBucket") == {None}
    assert {"HeadBucket", "PutBucketPolicy", "GetBucketNotificationConfiguration"} <= owners.seen.keys()
    assert {owner for seen in owners.seen.values() for owner in seen} == {ACCOUNT}


def test_a_copy_names_the_owner_of_its_source(account: Any) -> None:
    make_bucket()
    client: Any = expect_owner(boto3.client("s3"), ACCOUNT)
    client.put_object(Bucket=BUCKET, Key="k", Body=b"")
    sources: list[str] = []
    client.meta.events.register(
        "before-call.s3.CopyObject",
        lambda params, **_: sources.append(params["headers"]["x-amz-source-expected-bucket-owner"]),
    )
    client.copy_object(Bucket=BUCKET, Key="k2", CopySource={"Bucket": BUCKET, "Key": "k"})
    assert sources == [ACCOUNT]


def test_the_account_is_that_of_the_credentials(account: Any) -> None:
    assert current_account() == ACCOUNT


def test_without_credentials_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    with pytest.raises(DeployError, match="no usable AWS credentials"):
        current_account()
