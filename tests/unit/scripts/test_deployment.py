"""What a deployment decides, and what it does to an account (moto's, in process)."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from moto import mock_aws

from chalicelib.config.triggers import Trigger
from chalicelib.core.spec import InputSpec, JobSpec, MemorySpec, OutputSpec, PlaceSpec
from scripts.deployment import plan
from scripts.deployment.aws import Aws, translated
from scripts.deployment.chalice_cli import chalice
from scripts.deployment.deploy import Deployer, load_target
from scripts.deployment.plan import DeployError, Target
from scripts.deployment.policies import policies
from scripts.deployment.project import Project
from scripts.deployment.waiters import fast_waiters

REGION = "eu-central-1"
OTHER_ARN = "arn:aws:lambda:eu-central-1:123456789012:function:thumbnails"


def arn(function: str) -> str:
    return f"arn:aws:lambda:{REGION}:123456789012:function:{function}"


def target(name: str = "tally", **figures: Any) -> Target:
    spec = JobSpec(
        job=f"{name}:Tally",
        input=InputSpec(url=f"s3://data/{name}/", suffix=figures.pop("suffix", "")),
        work=PlaceSpec(url="s3://scratch/sluice/"),
        output=OutputSpec(url=f"s3://data/results/{name}/"),
        **figures,
    )
    return Target(name=name, spec=spec, overrides={})


# ------------------------------------------------------------------ names, triggers, stage


@pytest.mark.parametrize("name", ["a", "word-count", "a_b2", "a" * 32])
def test_a_good_name_fits_lambda(name: str) -> None:
    assert plan.check_name(name) == name
    assert max(map(len, plan.function_names(name))) <= 64


@pytest.mark.parametrize("name", ["", "2x", "A", "-x", "a" * 33, "ä", "a b", "a.b", "../x", "x\n"])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(DeployError, match="cannot be a job's name"):
        plan.check_name(name)


def test_triggers_watch_the_input_and_the_jobs_own_markers() -> None:
    assert target(suffix=".csv").triggers == {
        "coordinator": Trigger("data", "tally/", ".csv"),
        "supervisor": Trigger("scratch", "sluice/runs/tally/", ".done"),
    }


def test_a_marker_job_sees_every_key_since_no_filter_fits_all_markers() -> None:
    assert target(trigger="marker").triggers["coordinator"] == Trigger("data", "tally/", "")


def test_one_bucket_for_two_purposes_is_named_once() -> None:
    assert target().buckets == {"data": "input and output", "scratch": "work"}


def test_the_stage_carries_memory_timeouts_architecture_and_a_policy_for_each_function() -> None:
    stage = plan.stage_config(target(architecture="arm64", memory=MemorySpec(mapper=3000)))
    assert stage["lambda_architecture"] == "arm64"
    assert stage["environment_variables"] == {"SLUICE_NAME": "tally"}
    assert stage["autogen_policy"] is False
    assert stage["lambda_functions"]["mapper"] == {
        "lambda_memory_size": 3000,
        "lambda_timeout": 900,
        "iam_policy_file": "policy-tally-mapper.json",
    }
    assert set(stage["lambda_functions"]) == {"coordinator", "mapper", "supervisor", "reducer"}


def test_a_stage_is_set_and_removed_beside_others() -> None:
    config = {"version": "2.0", "app_name": "sluice", "stages": {"zeta": {"a": 1}}, "tags": {"team": "x"}}
    both = plan.with_stage(config, "alpha", {"b": 2})
    assert both == {**config, "stages": {"alpha": {"b": 2}, "zeta": {"a": 1}}}
    assert plan.with_stage(both, "alpha", None) == config
    assert plan.with_stage(config, "absent", None) == config


# ------------------------------------------------------------------ rules


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (arn("sluice-tally-coordinator"), "sluice-tally-coordinator"),
        (arn("sluice-tally-reducer:3"), "sluice-tally-reducer"),
        ("arn:aws-cn:lambda:cn-north-1:1:function:sluice-a-b-mapper", "sluice-a-b-mapper"),
        (OTHER_ARN, None),
        (arn("sluice-tally-janitor"), None),
        (arn("my-sluice-tally-mapper"), None),
    ],
)
def test_functions_of_ours_are_told_from_others(text: str, name: str | None) -> None:
    assert plan.sluice_function(text) == name


def test_rules_of_others_and_other_kinds_of_notification_stay() -> None:
    ours, trigger = arn("sluice-tally-coordinator"), Trigger("data", "tally/", "")
    config = {
        "TopicConfigurations": [{"TopicArn": "t"}],
        "LambdaFunctionConfigurations": [{"LambdaFunctionArn": OTHER_ARN, "Events": ["s3:ObjectRemoved:*"]}],
    }
    with_ours = plan.with_rule(config, ours, trigger)
    assert plan.has_rule(with_ours, ours, trigger)
    assert not plan.has_rule(with_ours, ours, Trigger("data", "tally/", ".csv"))
    assert not plan.has_rule(config, ours, trigger)
    assert plan.with_rule(with_ours, ours, trigger) == with_ours
    assert plan.without_rules(with_ours, lambda other: other == ours) == config
    assert plan.without_rules(config, lambda other: True) == {"TopicConfigurations": [{"TopicArn": "t"}]}


def test_a_rule_without_filters_has_none_in_it() -> None:
    config = plan.with_rule({}, OTHER_ARN, Trigger("data", "", ""))
    (rule,) = config["LambdaFunctionConfigurations"]
    assert "Filter" not in rule
    assert plan.has_rule(config, OTHER_ARN, Trigger("data", "", ""))


def test_lifecycle_rules_are_merged_by_job() -> None:
    foreign = {"ID": "archive", "Status": "Enabled"}
    first = plan.merged_lifecycle([foreign], "tally", plan.lifecycle_rules(target(), "scratch", 7))
    again = plan.merged_lifecycle(first, "tally", plan.lifecycle_rules(target(), "scratch", 3))
    beside = plan.merged_lifecycle(again, "other", plan.lifecycle_rules(target("other"), "scratch", 7))
    assert [rule["ID"] for rule in beside] == ["archive", "sluice-tally-work", "sluice-other-work"]
    assert beside[1]["Filter"] == {"Prefix": "sluice/runs/tally/"}
    assert beside[1]["Expiration"] == {"Days": 3}
    assert plan.merged_lifecycle(beside, "tally", []) == [foreign, beside[2]]


def test_results_never_expire() -> None:
    (rule,) = plan.lifecycle_rules(target(), "data", 7)
    assert rule["Filter"] == {"Prefix": "results/tally/"}
    assert "Expiration" not in rule


# ------------------------------------------------------------------ the account


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        yield boto3.client("s3")


def make_function(name: str) -> str:
    iam = boto3.client("iam")
    try:
        role = iam.create_role(RoleName="any", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    except iam.exceptions.EntityAlreadyExistsException:
        role = iam.get_role(RoleName="any")["Role"]["Arn"]
    answer = boto3.client("lambda").create_function(
        FunctionName=name, Role=role, Runtime="python3.11", Handler="a.b", Code={"ZipFile": b"zip"}
    )
    return str(answer["FunctionArn"])


def rules(s3: Any, bucket: str) -> list[str]:
    found = s3.get_bucket_notification_configuration(Bucket=bucket)
    return [rule["LambdaFunctionArn"] for rule in found.get("LambdaFunctionConfigurations", [])]


def add_rule(s3: Any, bucket: str, function_arn: str, prefix: str) -> None:
    found = s3.get_bucket_notification_configuration(Bucket=bucket)
    found.pop("ResponseMetadata")
    config = plan.with_rule(found, function_arn, Trigger(bucket, prefix, ""))
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=config)


def test_a_missing_bucket_is_made_private_encrypted_and_tls_only(account: Any) -> None:
    aws = Aws()
    assert aws.ensure_bucket("fresh-bucket") is True
    assert aws.ensure_bucket("fresh-bucket") is False
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
    assert Aws().ensure_bucket("fresh-bucket", key) is True
    (rule,) = account.get_bucket_encryption(Bucket="fresh-bucket")["ServerSideEncryptionConfiguration"][
        "Rules"
    ]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    assert rule["BucketKeyEnabled"] is True


def test_a_bucket_that_exists_keeps_its_settings(account: Any) -> None:
    account.create_bucket(Bucket="mine", CreateBucketConfiguration={"LocationConstraint": REGION})
    assert Aws().ensure_bucket("mine") is False
    with pytest.raises(ClientError, match="NoSuchBucketPolicy"):
        account.get_bucket_policy(Bucket="mine")


def test_a_bucket_of_another_region_is_refused_in_one_sentence(account: Any) -> None:
    boto3.client("s3", region_name="us-west-2").create_bucket(
        Bucket="far", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
    )
    with pytest.raises(DeployError, match="far is in us-west-2, and this deployment goes to eu-central-1"):
        Aws().ensure_bucket("far")


def test_stale_rules_go_and_all_others_stay(account: Any) -> None:
    aws = Aws()
    aws.ensure_bucket("shared")
    alive = make_function("sluice-living-coordinator")
    dead = alive.replace("living", "dead")
    for number, function in enumerate([alive, dead, OTHER_ARN]):
        add_rule(account, "shared", function, f"{number}/")
    assert aws.drop_dead_rules("shared") == 1
    assert rules(account, "shared") == [alive, OTHER_ARN]
    assert aws.drop_dead_rules("shared") == 0
    assert aws.drop_rules("shared", lambda rule: rule == alive) == 1
    assert rules(account, "shared") == [OTHER_ARN]


def test_a_rule_that_another_deployment_overwrote_comes_back(account: Any) -> None:
    aws = Aws()
    aws.ensure_bucket("shared")
    theirs, ours = make_function("sluice-them-coordinator"), make_function("sluice-tally-coordinator")
    add_rule(account, "shared", theirs, "them/")
    for _ in range(2):
        aws.ensure_rule("sluice-tally-coordinator", Trigger("shared", "tally/", ""))
        assert rules(account, "shared") == [theirs, ours]


def test_lifecycle_rules_of_others_survive_deploying_and_deleting(account: Any) -> None:
    aws = Aws()
    aws.ensure_bucket("scratch")
    foreign = {"ID": "archive", "Status": "Enabled", "Filter": {"Prefix": "x/"}, "Expiration": {"Days": 9}}
    account.put_bucket_lifecycle_configuration(Bucket="scratch", LifecycleConfiguration={"Rules": [foreign]})
    aws.set_lifecycle("scratch", "tally", plan.lifecycle_rules(target(), "scratch", 7))
    found = account.get_bucket_lifecycle_configuration(Bucket="scratch")["Rules"]
    assert [rule["ID"] for rule in found] == ["archive", "sluice-tally-work"]
    aws.set_lifecycle("scratch", "tally", [])
    assert account.get_bucket_lifecycle_configuration(Bucket="scratch")["Rules"] == [foreign]


def test_the_last_lifecycle_rule_takes_the_configuration_with_it(account: Any) -> None:
    aws = Aws()
    aws.ensure_bucket("scratch")
    aws.set_lifecycle("scratch", "tally", plan.lifecycle_rules(target(), "scratch", 7))
    aws.set_lifecycle("scratch", "tally", [])
    with pytest.raises(ClientError, match="NoSuchLifecycleConfiguration"):
        account.get_bucket_lifecycle_configuration(Bucket="scratch")


def test_delete_works_without_chalices_record_and_without_the_job(account: Any, tmp_path: Path) -> None:
    aws, said = Aws(), []
    for bucket in ("data", "scratch"):  # without our policy: moto reads over its condition
        account.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    account.put_object(Bucket="data", Key="results/tally/part", Body=b"kept")
    for function in plan.function_names("tally"):
        add_rule(account, "data", make_function(function), f"{function}/")
    add_rule(account, "data", OTHER_ARN, "other/")
    project = Project(tmp_path)
    project.write_stage("tally", plan.stage_config(target()), policies(target()))
    project.write_stage("other", {"kept": True}, policies(target("other")))
    deployer = Deployer(project=project, aws=aws, environ={}, say=said.append)
    deployer.delete("tally", target())
    deployer.delete("tally", target())  # nothing left is no error
    assert aws.existing_functions("tally") == []
    assert rules(account, "data") == [OTHER_ARN]
    assert project.config()["stages"] == {"other": {"kept": True}}
    assert [path.name for path in (tmp_path / ".chalice").glob("policy-tally-*")] == []
    assert len(list((tmp_path / ".chalice").glob("policy-other-*"))) == 4
    assert account.get_object(Bucket="data", Key="results/tally/part")["Body"].read() == b"kept"


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


# ------------------------------------------------------------------ the checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Project:
    root = tmp_path / "checkout"
    for name in ("chalicelib/__pycache__", "jobs", "vendor", ".chalice/deployed"):
        (root / name).mkdir(parents=True)
    (root / "app.py").write_text("app = 1\n")
    (root / "requirements.txt").write_text("")
    (root / "chalicelib/__pycache__/x.pyc").write_text("")
    (root / "vendor/jobs").symlink_to("../jobs")
    (root / "jobs/tally.py").write_text(
        "from chalicelib import Job, Sum\n\n\nclass Tally(Job):\n"
        "    def mapper(self, _, line):\n        yield line, 1\n\n    reducer = Sum()\n"
    )
    write_job(root, "tally", "in-a")
    return Project(root)


def write_job(root: Path, name: str, bucket: str, cls: str = "tally:Tally") -> None:
    (root / f"jobs/{name}.yml").write_text(
        f"job: {cls}\ninput: {{url: 's3://{bucket}/x/'}}\nwork: {{url: 's3://work-b/'}}\n"
        "output: {url: 's3://out-c/'}\n"
    )


def test_a_job_whose_class_is_missing_is_refused(checkout: Project) -> None:
    write_job(checkout.root, "tally", "in-a", cls="tally:Tale")
    with pytest.raises(Exception, match=r"no class Tale in .*tally\.py: it has Tally"):
        load_target("tally", checkout, {})


def test_overrides_from_the_environment_travel_to_the_functions(checkout: Project) -> None:
    environ = {"SLUICE_MAX_ATTEMPTS": "2", "SLUICE_MINISTACK": "x", "PATH": "y"}
    job = load_target("tally", checkout, environ)
    assert job.spec.max_attempts == 2
    variables = plan.stage_config(job)["environment_variables"]
    assert variables == {"SLUICE_MAX_ATTEMPTS": "2", "SLUICE_NAME": "tally"}


def test_a_job_that_watches_what_a_deployed_one_watches_is_refused(checkout: Project) -> None:
    write_job(checkout.root, "second", "in-a")
    load_target("second", checkout, {})  # nothing else is deployed yet
    checkout.write_stage("tally", {"environment_variables": {"SLUICE_NAME": "tally"}}, policies(target()))
    with pytest.raises(Exception, match="overlaps with"):
        load_target("second", checkout, {})


def test_a_missing_link_to_the_jobs_is_explained(checkout: Project) -> None:
    checkout.check_vendor()
    (checkout.root / "vendor/jobs").unlink()
    (checkout.root / "vendor/jobs").write_text("../jobs")  # what git leaves where links are off
    with pytest.raises(DeployError, match=r"no link to \.\./jobs"):
        checkout.check_vendor()


def test_project_defaults_travel_only_while_they_exist(checkout: Project) -> None:
    link = checkout.root / "vendor/sluice.yml"
    checkout.link_defaults()
    assert not link.is_symlink()
    (checkout.root / "sluice.yml").write_text("max_attempts: 2\n")
    for _ in range(2):
        checkout.link_defaults()
        assert link.read_text() == "max_attempts: 2\n"
    (checkout.root / "sluice.yml").unlink()
    checkout.link_defaults()
    assert not link.is_symlink()


def test_a_copy_is_complete_and_leaves_the_checkout_alone(checkout: Project, tmp_path: Path) -> None:
    checkout.write_stage("tally", {"mine": 1}, policies(target()))
    (checkout.folder / "deployed/tally.json").write_text("{}")
    (tmp_path / "copy").mkdir()
    copy = checkout.copy_to(tmp_path / "copy")
    copy.check_vendor()
    assert copy.stages() == {}
    assert not (copy.root / "chalicelib/__pycache__").exists()
    copy.write_stage("tally", {"theirs": 2}, policies(target()))
    assert checkout.stages() == {"tally": {"mine": 1}}


def zip_of(project: Project, name: str) -> bytes:
    path = project.folder / "deployments" / name
    with zipfile.ZipFile(path, "w") as archive:
        for source in ("jobs/tally.py", "jobs/tally.yml"):
            archive.write(project.root / source, source)
    return path.read_bytes()


def test_packages_travel_between_copies_unless_they_are_unfinished(checkout: Project, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    copy = checkout.copy_to(tmp_path / "copy")
    whole = zip_of(copy, "whole.zip")
    (copy.folder / "deployments/half.zip").write_bytes(whole[: len(whole) // 2])
    checkout.take_packages(copy)
    assert [path.name for path in (checkout.folder / "deployments").iterdir()] == ["whole.zip"]
    assert (checkout.folder / "deployments/whole.zip").read_bytes() == whole


def test_a_package_without_a_new_empty_file_is_not_used_again(checkout: Project) -> None:
    checkout.drop_compiled()
    (checkout.folder / "deployments").mkdir()
    zip_of(checkout, "old.zip")
    checkout.drop_unusable_packages()
    assert (checkout.folder / "deployments/old.zip").exists()
    (checkout.root / "jobs/__init__.py").touch()  # Chalice's digest does not change
    checkout.drop_unusable_packages()
    assert not (checkout.folder / "deployments/old.zip").exists()


def test_a_broken_config_is_reported_and_not_overwritten(checkout: Project) -> None:
    path = checkout.folder / "config.json"
    path.write_text("{")
    with pytest.raises(DeployError, match=r"config\.json: expected JSON"):
        checkout.write_stage("tally", {}, policies(target()))
    assert path.read_text() == "{"


# ------------------------------------------------------------------ chalice


def stand_in(folder: Path, code: str) -> dict[str, str]:
    """An environment in which `chalice` is a program of one function."""
    (folder / "chalice/cli").mkdir(parents=True)
    (folder / "chalice/__init__.py").write_text("")
    (folder / "chalice/cli/__init__.py").write_text(f"import sys, pathlib\ndef main():\n    {code}\n")
    return {"PYTHONPATH": str(folder), "PATH": os.environ["PATH"]}


def test_chalice_gets_its_arguments(tmp_path: Path) -> None:
    environ = stand_in(tmp_path, "print(sys.argv[1:])")
    output = chalice("deploy", "tally", tmp_path, environ)
    assert output == str(["--project-dir", str(tmp_path), "deploy", "--stage", "tally"])


def test_a_failure_shows_what_chalice_said(tmp_path: Path) -> None:
    environ = stand_in(tmp_path, "print('no such role'); return 2")
    with pytest.raises(
        DeployError, match=r"chalice deploy --stage tally.* failed; its output:\nno such role"
    ):
        chalice("deploy", "tally", tmp_path, environ)


def test_a_zip_without_its_dependencies_is_an_error_and_is_not_used_again(tmp_path: Path) -> None:
    packages = tmp_path / ".chalice/deployments"
    packages.mkdir(parents=True)
    old, broken = packages / "old.zip", packages / "broken.zip"
    old.write_text("")
    os.utime(old, (1, 1))
    warning = r"\nCould not install dependencies:\nmsgspec==9\nYou will have to build these yourself\n"
    environ = stand_in(tmp_path, f"pathlib.Path({str(broken)!r}).touch(); print('{warning}')")
    with pytest.raises(DeployError, match="could not install msgspec==9; "):
        chalice("deploy", "tally", tmp_path, environ)
    assert old.exists()
    assert not broken.exists()


def test_waiters_for_an_emulator_wait_as_long_in_shorter_steps(tmp_path: Path) -> None:
    fast_waiters(tmp_path)
    model = json.loads((tmp_path / "lambda/2015-03-31/waiters-2.json").read_text())
    waiter = model["waiters"]["FunctionActive"]
    assert (waiter["delay"], waiter["delay"] * waiter["maxAttempts"]) == (0.2, pytest.approx(300))
