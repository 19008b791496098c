"""Deploying and deleting in an account (moto's), and a dry run of each, which only reads."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from chalice.awsclient import TypedAWSClient
from chalice.cli.factory import create_botocore_session

from chalicelib.core.deployment_spec import DEFAULT_PYTHON
from chalicelib.core.ports import Loc
from scripts.deployment.aws.account import Account
from scripts.deployment.aws.clients import Clients, connect
from scripts.deployment.code_in_s3 import take_code_from
from scripts.deployment.deploy import Deployer
from scripts.deployment.load import load_target
from scripts.deployment.planner import plan_deletion
from scripts.deployment.policies import policies
from scripts.deployment.project import Project
from scripts.deployment.stage import stage_config
from scripts.deployment.steps import SetLifecycle
from scripts.deployment.survey import Survey
from scripts.deployment.target import RECURSION, DeployError, function_name, function_names
from tests.unit.scripts.deployment.world import OTHER_ARN, REGION, add_rule, arn, make_function, rules, target

pytestmark = pytest.mark.slow

READS = ("Get", "List", "Head", "Describe")


class Calls:
    """Notes what is asked of AWS, refuses what `refused` picks, and answers 403 to what `forbidden` names.

    moto has neither recursion settings, which are kept here, nor an account's limits.
    """

    #: Functions that may run at once and are not reserved for some.
    CONCURRENCY = 940

    def __init__(
        self, refused: Callable[[str], bool] = lambda operation: False, forbidden: tuple[str, ...] = ()
    ) -> None:
        self.made: list[str] = []
        self.recursion: dict[str, str] = {}
        self._refused = refused
        self._forbidden = forbidden

    def clients(self) -> Clients:
        session = boto3.Session()
        session.events.register("before-call", self._called)
        return connect(session)

    def _called(self, model: Any, params: Any, **_: Any) -> Any:
        self.made.append(model.name)
        if self._refused(model.name):
            raise AssertionError(f"{model.name} was called")
        if model.name in self._forbidden:
            return SimpleNamespace(status_code=403), {"Error": {"Code": "AccessDenied", "Message": "no"}}
        if model.name == "GetAccountSettings":
            limit = {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": self.CONCURRENCY}
            return SimpleNamespace(status_code=200), {"AccountLimit": limit}
        if not model.name.endswith("FunctionRecursionConfig"):
            return None
        function = params["url_path"].split("/")[3]
        if model.name.startswith("Put"):
            self.recursion[function] = json.loads(params["body"])["RecursiveLoop"]
        return SimpleNamespace(status_code=200), {"RecursiveLoop": self.recursion.get(function, "Terminate")}


def writes(operation: str) -> bool:
    return not operation.startswith(READS)


def files(root: Path) -> dict[str, tuple[int, bytes]]:
    """Every file of a folder, with its time and what is in it, but for what Python keeps of modules it has read."""
    return {
        str(path.relative_to(root)): (path.lstat().st_mtime_ns, path.read_bytes())
        if path.is_file()
        else (0, b"")
        for path in root.rglob("*")
        if "__pycache__" not in path.parts
    }


class StandIn:
    """Does of `chalice deploy` and `chalice delete` what matters here."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.calls: list[tuple[str, str]] = []
        #: What lay in S3 for Lambda.
        self.codes: list[bytes] = []

    def __call__(self, command: str, stage: str, folder: Path, code: Loc | None) -> None:
        self.calls.append((command, stage))
        if code:
            self.codes.append(boto3.client("s3").get_object(Bucket=code.bucket, Key=code.key)["Body"].read())
        assert folder == (self.project.staging(stage) if command == "deploy" else self.project.root)
        functions = boto3.client("lambda")
        if command == "delete":
            for name in function_names(stage):
                functions.delete_function(FunctionName=name)
            return
        config = json.loads((folder / ".chalice" / "config.json").read_text())["stages"][stage]
        policy_files = self.project.policies(stage)
        resources: list[dict[str, str]] = []
        for function, settings in config["lambda_functions"].items():
            name = function_name(stage, function)
            arn = self._function(name, settings, config)
            resources.append({"resource_type": "lambda_function", "lambda_arn": arn})
            boto3.client("iam").put_role_policy(
                RoleName=name, PolicyName=name, PolicyDocument=json.dumps(policy_files[function])
            )
        resources += [{"resource_type": "s3_event", "bucket": bucket} for bucket in ("in-a", "work-b")]
        path = self.project.folder / "deployed" / f"{stage}.json"
        path.write_text(json.dumps({"resources": resources}))

    def _function(self, name: str, settings: Any, config: Any) -> str:
        functions, iam = boto3.client("lambda"), boto3.client("iam")
        try:
            role = iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        except iam.exceptions.EntityAlreadyExistsException:
            role = iam.get_role(RoleName=name)["Role"]["Arn"]
        own = {
            "MemorySize": settings["lambda_memory_size"],
            "Timeout": settings["lambda_timeout"],
            "Environment": {
                "Variables": config["environment_variables"] | settings.get("environment_variables", {})
            },
        }
        try:
            answer = functions.create_function(
                FunctionName=name, Role=role, Runtime=RUNTIME, Handler="a.b",
                Code={"ZipFile": b"zip"}, **own,
            )  # fmt: skip
        except functions.exceptions.ResourceConflictException:
            answer = functions.update_function_configuration(FunctionName=name, **own)
        self._take_away(name, answer["FunctionArn"], {**config, **settings})
        return str(answer["FunctionArn"])

    def _take_away(self, name: str, arn: str, given: Any) -> None:
        """As Chalice does: what its file does not name is not to be."""
        functions, logs = boto3.client("lambda"), boto3.client("logs")
        tags = {"aws-chalice": "version=1", **given.get("tags", {})}
        if unknown := [tag for tag in functions.list_tags(Resource=arn)["Tags"] if tag not in tags]:
            functions.untag_resource(Resource=arn, TagKeys=unknown)
        functions.tag_resource(Resource=arn, Tags=tags)
        if "reserved_concurrency" in given:
            share = given["reserved_concurrency"]
            functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=share)
        else:
            functions.delete_function_concurrency(FunctionName=name)
        group = f"/aws/lambda/{name}"
        if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
            logs.create_log_group(logGroupName=group)
        if given.get("log_retention_in_days"):
            logs.put_retention_policy(logGroupName=group, retentionInDays=given["log_retention_in_days"])


RUNTIME = f"python{DEFAULT_PYTHON}"


def deployer(project: Project, calls: Calls | None = None, said: list[str] | None = None) -> Deployer:
    return Deployer(
        project=project,
        clients=(calls or Calls()).clients(),
        environ={},
        say=(said if said is not None else []).append,
        run_chalice=StandIn(project),
        try_out=lambda *_: None,  # tests/packaging has a whole package
    )


def lines(steps: Any) -> list[str]:
    return [line for step in steps for line in step.lines]


# ------------------------------------------------------------------ a dry run


def test_a_dry_run_writes_nothing_anywhere(account: Any, checkout: Project) -> None:
    calls, before = Calls(refused=writes), files(checkout.root)
    job = load_target("tally", checkout, {})
    told = lines(deployer(checkout, calls).plan(job))
    deployer(checkout, calls).plan_deletion("tally", job)
    assert files(checkout.root) == before
    assert calls.made
    assert [name for name in calls.made if writes(name)] == []
    assert account.list_buckets()["Buckets"] == []
    assert told[:3] == [
        "bucket in-a: create, private, TLS only, encrypted by S3 (AES256)",
        "bucket work-b: create, private, TLS only, encrypted by S3 (AES256)",
        "bucket out-c: create, private, TLS only, encrypted by S3 (AES256)",
    ]


def test_a_dry_run_of_what_is_deployed_writes_nothing_either(account: Any, checkout: Project) -> None:
    state = Calls()
    deployer(checkout, state).deploy(load_target("tally", checkout, {}))
    calls, before = Calls(refused=writes), files(checkout.root)
    calls.recursion = state.recursion
    job = load_target("tally", checkout, {"SLUICE_MEMORY_MAPPER": "3000"})
    told = lines(deployer(checkout, calls).plan(job))
    deletion = lines(deployer(checkout, calls).plan_deletion("tally", job))
    assert files(checkout.root) == before
    assert "  function sluice-tally-mapper: memory 2048 -> 3000 MB, environment SLUICE_MEMORY_MAPPER" in told
    assert "function sluice-tally-mapper: remove" in deletion
    assert "role sluice-tally-mapper: remove" in deletion
    assert account.get_bucket_notification_configuration(Bucket="in-a")["LambdaFunctionConfigurations"]


def test_after_a_deployment_there_is_nothing_to_change_but_the_code(account: Any, checkout: Project) -> None:
    calls, job = Calls(), load_target("tally", checkout, {})
    deployer(checkout, calls).deploy(job)
    told = [line for line in lines(deployer(checkout, calls).plan(job)) if not line.endswith(": nothing")]
    assert told == [
        "bill of materials .sluice/deploy/tally/sbom.cdx.json: write down what the zip holds, in CycloneDX",
        "chalice deploy --stage tally: ship this checkout to coordinator, mapper, supervisor, reducer",
        *(
            f"  function {name}: nothing but its code, which is shipped again"
            for name in function_names("tally")
        ),
    ]


def test_what_these_credentials_may_not_read_is_no_reason_to_fail(account: Any, checkout: Project) -> None:
    """A deployment needs no right that is for showing alone."""
    job = load_target("tally", checkout, {})
    deployer(checkout).deploy(job)
    calls = Calls(
        forbidden=(
            "GetRole", "DescribeLogGroups", "GetFunctionRecursionConfig", "GetFunctionEventInvokeConfig",
            "GetAccountSettings",
        )
    )  # fmt: skip
    told = lines(deployer(checkout, calls).plan(job))
    assert "  role sluice-tally-mapper: write the policy of its function" in told
    assert (
        "recursion and retries of function sluice-tally-mapper: "
        "recursion Allow, retries 2, events wait at most 21600 s, failed events go to sluice-tally-supervisor"
    ) in told
    assert any(line.startswith("  how many functions may run at once is not known") for line in told)
    assert any(line.startswith("  function sluice-tally-mapper: nothing but its code") for line in told)


def test_a_plan_refuses_what_a_deployment_would(account: Any, checkout: Project) -> None:
    boto3.client("s3", region_name="us-west-2").create_bucket(
        Bucket="out-c", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
    )
    job = load_target("tally", checkout, {})
    with pytest.raises(DeployError, match="out-c is in us-west-2"):
        deployer(checkout).plan(job)
    with pytest.raises(DeployError, match="out-c is in us-west-2"):
        deployer(checkout).deploy(job)
    assert [row["Name"] for row in account.list_buckets()["Buckets"]] == ["out-c"]
    (checkout.root / "vendor/jobs").unlink()
    with pytest.raises(DeployError, match="would be missing from the zip"):
        deployer(checkout).plan(job)


# ------------------------------------------------------------------ deploying


def test_a_deployment_makes_it_so_and_can_be_repeated(account: Any, checkout: Project) -> None:
    calls, said, job = Calls(), [], load_target("tally", checkout, {})
    for _ in range(2):
        deployer(checkout, calls, said).deploy(job)
    assert [line for line in said if "bucket" in line] == [
        f"{purpose} bucket s3://{bucket}/: {word}"
        for word in ("created", "exists")
        for purpose, bucket in (("input", "in-a"), ("work", "work-b"), ("output", "out-c"))
    ]
    assert checkout.stages()["tally"] == stage_config(job, Calls.CONCURRENCY)
    assert calls.recursion == {
        function_name("tally", function): wanted for function, wanted in RECURSION.items()
    }
    for name in function_names("tally"):
        found = boto3.client("lambda").get_function_event_invoke_config(FunctionName=name)
        assert (found["MaximumRetryAttempts"], found["MaximumEventAgeInSeconds"]) == (2, 21_600)
        told = "coordinator" if name.endswith("supervisor") else "supervisor"
        assert found["DestinationConfig"]["OnFailure"] == {"Destination": arn(f"sluice-tally-{told}")}
    assert [arn.rpartition(":")[2] for arn in rules(account, "in-a")] == ["sluice-tally-coordinator"]
    assert [arn.rpartition(":")[2] for arn in rules(account, "work-b")] == ["sluice-tally-supervisor"]
    (rule,) = account.get_bucket_lifecycle_configuration(Bucket="work-b")["Rules"]
    assert (rule["ID"], rule["Expiration"]) == ("sluice-tally-work", {"Days": 7})


def test_what_was_set_by_hand_survives_and_the_yaml_wins(account: Any, checkout: Project) -> None:
    calls, functions, logs = Calls(), boto3.client("lambda"), boto3.client("logs")
    deployer(checkout, calls).deploy(load_target("tally", checkout, {}))
    name = "sluice-tally-mapper"
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=20)
    functions.tag_resource(Resource=arn(name), Tags={"owner": "mia"})
    variables = {"SLUICE_NAME": "tally", "TOKEN": "hunter2"}
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    logs.put_retention_policy(logGroupName=f"/aws/lambda/{name}", retentionInDays=90)

    def found() -> tuple[Any, ...]:
        whole = functions.get_function(FunctionName=name)
        (group,) = logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{name}")["logGroups"]
        return (
            whole["Concurrency"]["ReservedConcurrentExecutions"],
            whole["Tags"],
            whole["Configuration"]["Environment"]["Variables"],
            group["retentionInDays"],
        )

    tags = {"aws-chalice": "version=1", "owner": "mia"}
    for _ in range(2):
        deployer(checkout, calls).deploy(load_target("tally", checkout, {}))
        assert found() == (20, tags, variables, 90)
    assert checkout.stages()["tally"] == stage_config(load_target("tally", checkout, {}), 20)
    assert "hunter2" not in "".join(
        path.read_text() for path in checkout.root.rglob("*.json") if path.is_file()
    )

    yml = checkout.root / "jobs/tally.yml"
    yml.write_text(yml.read_text() + "concurrency: 50\nlambda: {tags: {owner: eve}, log_retention: 7}\n")
    told = lines(deployer(checkout, calls).plan(load_target("tally", checkout, {})))
    assert f"  function {name}: reserved concurrency 20 -> 50, tags owner" in told
    assert f"  logs /aws/lambda/{name}: keep each line 90 days -> 7 days" in told
    said: list[str] = []
    deployer(checkout, calls, said).deploy(load_target("tally", checkout, {}))
    assert found() == (50, {**tags, "owner": "eve"}, variables, 7)
    before = said[: said.index("deploying the four functions sluice-tally-* with Chalice")]
    assert f"  function {name}: reserved concurrency 20 -> 50, tags owner" in before
    assert f"  logs /aws/lambda/{name}: keep each line 90 days -> 7 days" in before
    supervisor = functions.get_function_configuration(FunctionName="sluice-tally-supervisor")
    assert supervisor["Environment"]["Variables"]["SLUICE_CONCURRENCY"] == "50"


def test_a_bucket_that_is_no_longer_watched_is_left(account: Any, checkout: Project) -> None:
    calls, job = Calls(), load_target("tally", checkout, {})
    deployer(checkout, calls).deploy(job)
    add_rule(account, "in-a", OTHER_ARN, "other/")
    settings = checkout.root / "jobs/tally.yml"
    settings.write_text(settings.read_text().replace("in-a", "in-z"))
    moved = load_target("tally", checkout, {})
    plan = deployer(checkout, calls).plan(moved)
    assert "rules of tally in bucket in-a: remove 1 event rule(s)" in lines(plan)
    deployer(checkout, calls).deploy(moved)
    assert rules(account, "in-a") == [OTHER_ARN]
    assert [arn.rpartition(":")[2] for arn in rules(account, "in-z")] == ["sluice-tally-coordinator"]


def test_the_record_of_another_account_is_forgotten(account: Any, checkout: Project) -> None:
    record = checkout.folder / "deployed/tally.json"
    record.write_text('{"resources": [{"lambda_arn": "arn:aws:lambda:us-east-1:000000000000:function:x"}]}')
    said: list[str] = []
    job = load_target("tally", checkout, {})
    told = lines(deployer(checkout).plan(job))
    assert (
        "Chalice's record .chalice/deployed/tally.json: remove, since the last deployment went to 000000000000"
        " in us-east-1"
    ) in told
    assert record.exists()
    deployer(checkout, said=said).deploy(job)
    assert "the last deployment of tally went to 000000000000 in us-east-1; starting afresh" in said
    assert REGION in record.read_text()


# ------------------------------------------------------------------ deleting


def test_delete_works_without_chalices_record_and_without_the_job(account: Any, tmp_path: Path) -> None:
    said: list[str] = []
    for bucket in ("data", "scratch"):  # without our policy: moto reads over its condition
        account.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    account.put_object(Bucket="data", Key="results/tally/part", Body=b"kept")
    for function in function_names("tally"):
        add_rule(account, "data", make_function(function), f"{function}/")
    add_rule(account, "data", OTHER_ARN, "other/")
    project = Project(tmp_path)
    project.write_stage("tally", stage_config(target()), policies(target()))
    project.write_stage("other", {"kept": True}, policies(target("other")))
    remover = deployer(project, said=said)
    remover.delete("tally", target())
    remover.delete("tally", target())  # nothing left is no error
    assert all(Account(connect()).function(name) is None for name in function_names("tally"))
    assert rules(account, "data") == [OTHER_ARN]
    assert project.config()["stages"] == {"other": {"kept": True}}
    assert [path.name for path in (tmp_path / ".chalice").glob("policy-tally-*")] == []
    assert len(list((tmp_path / ".chalice").glob("policy-other-*"))) == 4
    assert account.get_object(Bucket="data", Key="results/tally/part")["Body"].read() == b"kept"


def test_deleting_what_was_deployed_leaves_data_alone_and_nothing_else(
    account: Any, checkout: Project
) -> None:
    calls, said, job = Calls(), [], load_target("tally", checkout, {})
    deployer(checkout, calls).deploy(job)
    remover = deployer(checkout, calls, said)
    remover.delete("tally", job)
    assert isinstance(remover.run_chalice, StandIn)
    assert remover.run_chalice.calls == [("delete", "tally")]
    assert rules(account, "in-a") == rules(account, "work-b") == []
    assert [line for line in said if line.startswith("deleted role")] == [
        f"deleted role {name}" for name in function_names("tally")
    ]
    assert checkout.stages() == {}
    assert checkout.deployed("tally") == {}
    assert {row["Name"] for row in account.list_buckets()["Buckets"]} == {"in-a", "work-b", "out-c"}
    told = lines(deployer(checkout, calls).plan_deletion("tally", job))
    assert [line for line in told if not line.endswith(": nothing")] == []


def test_a_name_of_which_there_is_nothing_is_a_mistake() -> None:
    with pytest.raises(DeployError, match="nosuch: nothing to delete: no such job, stage or functions"):
        plan_deletion("nosuch", None, Survey(region=REGION, account="1"))


def test_rules_go_before_functions(account: Any, checkout: Project) -> None:
    """A rule of a dead function makes each later change of a bucket's rules fail."""
    calls = Calls()
    deployer(checkout, calls).deploy(load_target("tally", checkout, {}))
    calls.made.clear()
    deployer(checkout, calls).delete("tally", None)
    changed = [name for name in calls.made if writes(name)]
    assert changed[0] == "PutBucketNotificationConfiguration"
    assert all("Bucket" not in name for name in changed[changed.index("DeleteRole") :])


def test_what_changes_nothing_says_nothing_of_changes(account: Any, checkout: Project) -> None:
    calls, said = Calls(), []
    for _ in range(2):  # the first deployment makes all anew
        said.clear()
        deployer(checkout, calls, said).deploy(load_target("tally", checkout, {}))
        assert not [line for line in said if line.startswith(("changing", "  "))]


# ------------------------------------------------------------------ a zip that is too large to be sent


@pytest.mark.parametrize("fails", [False, True])
def test_it_lies_in_the_work_bucket_while_chalice_deploys(
    fails: bool, account: Any, checkout: Project
) -> None:
    said: list[str] = []
    # there already, so without our policy: moto overlooks that ours denies only what comes without TLS
    account.create_bucket(Bucket="work-b", CreateBucketConfiguration={"LocationConstraint": REGION})
    plain, job = deployer(checkout, said=said), load_target("tally", checkout, {})
    chalice = StandIn(checkout)

    def run(command: str, stage: str, folder: Path, code: Loc | None) -> None:
        chalice(command, stage, folder, code)
        if fails:
            raise DeployError("no")

    zipped = checkout.pack(job).read_bytes()
    with pytest.raises(DeployError) if fails else nullcontext():
        replace(plain, run_chalice=run, most_sent=len(zipped)).deploy(job)
    assert chalice.codes == [], "it can be sent"
    with pytest.raises(DeployError) if fails else nullcontext():
        replace(plain, run_chalice=run, most_sent=len(zipped) - 1).deploy(job)
    digest = hashlib.sha256(zipped).hexdigest()
    assert chalice.codes == [zipped]
    assert [text for text in said if "lifecycle of bucket work-b" in text and "add sluice-tally-code" in text]
    assert [text for text in said if text.endswith(f"takes it from s3://work-b/_code/tally/{digest}.zip")]
    assert "Contents" not in account.list_objects_v2(Bucket="work-b"), "Lambda has a copy of its own"


def test_what_a_killed_deployment_leaves_there_expires(account: Any, checkout: Project) -> None:
    """Its rule is there before the zip, beside those of others, and stays when a later zip is small enough."""
    account.create_bucket(Bucket="work-b", CreateBucketConfiguration={"LocationConstraint": REGION})
    archive = {"ID": "archive", "Status": "Enabled", "Filter": {"Prefix": "a/"}, "Expiration": {"Days": 90}}
    account.put_bucket_lifecycle_configuration(Bucket="work-b", LifecycleConfiguration={"Rules": [archive]})
    said: list[str] = []
    plain, job = deployer(checkout, said=said), load_target("tally", checkout, {})
    killed = deployer(checkout, Calls(refused=lambda operation: operation == "DeleteObject"), said)
    with pytest.raises(AssertionError, match="DeleteObject was called"):  # a dead process deletes nothing
        replace(killed, most_sent=0).deploy(job)
    (left,) = account.list_objects_v2(Bucket="work-b")["Contents"]
    rules = account.get_bucket_lifecycle_configuration(Bucket="work-b")["Rules"]
    (expiring,) = [rule for rule in rules if left["Key"].startswith(rule["Filter"]["Prefix"])]
    assert expiring["Expiration"] == {"Days": 1}
    assert rules[0] == archive
    plain.deploy(job)
    assert account.list_objects_v2(Bucket="work-b")["Contents"] == [left]
    assert account.get_bucket_lifecycle_configuration(Bucket="work-b")["Rules"] == rules
    assert not [step.change for step in plain.plan(job) if isinstance(step, SetLifecycle) and step.change]


def test_chalice_names_the_object_where_it_would_send_the_zip(account: Any, tmp_path: Path) -> None:
    """Chalice's own client, against moto's Lambda, which reads the object."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("app.py", "x = 1\n")
    zipped = archive.getvalue()
    key = f"_code/tally/{hashlib.sha256(zipped).hexdigest()}.zip"
    account.create_bucket(Bucket="work-b", CreateBucketConfiguration={"LocationConstraint": REGION})
    account.put_object(Bucket="work-b", Key=key, Body=zipped)
    role = boto3.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    session, sent = create_botocore_session(), []
    take_code_from(session, "work-b", key)
    session.register("before-call.lambda", lambda params, **_: sent.append(params.get("body") or b""))
    client, functions = TypedAWSClient(session, sleep=lambda _: None), boto3.client("lambda")
    client.create_function("f", role, zipped, "python3.13", "app.mapper")
    before = functions.get_function(FunctionName="f")["Configuration"]
    client.update_function("f", zipped, runtime="python3.13")
    after = functions.get_function(FunctionName="f")["Configuration"]
    assert before["CodeSize"] == after["CodeSize"] == len(zipped)
    assert not any(b"ZipFile" in body for body in sent)
    assert sum(b"S3Key" in body for body in sent) == 2
    with pytest.raises(ValueError, match="another zip than lies at s3://work-b/_code"):
        client.update_function("f", zipped + b" ")
