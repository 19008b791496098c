"""Deploy, deploy again without our script, delete: what is there afterwards, and what is not."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from scripts.deployment.target import RECURSION
from tests.cloud.harness import FUNCTIONS, IN, OUT, WORK, Cloud

pytestmark = pytest.mark.cloud

JOB = "passing"
NAMES = {f"sluice-{JOB}-{function}" for function in FUNCTIONS}


def stages(cloud: Cloud) -> dict[str, Any]:
    config = json.loads((cloud.root / ".chalice" / "config.json").read_text())
    found: dict[str, Any] = config["stages"]
    return found


def policy_files(cloud: Cloud) -> set[str]:
    return {path.name for path in (cloud.root / ".chalice").glob(f"policy-{JOB}-*.json")}


NOTHING_IS_SENT = (
    "import functools, sys; sys.dont_write_bytecode = True; from scripts import deploy; "
    "deploy.Deployer = functools.partial(deploy.Deployer, most_sent=0); sys.exit(deploy.main(sys.argv[1:]))"
)


def deploy_by_way_of_s3(cloud: Cloud) -> None:
    """As for a zip of more than 50 MiB; this one is smaller, so the script is told that nothing may be sent."""
    done = cloud.execute("-c", NOTHING_IS_SENT, JOB)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"so Lambda takes it from s3://{WORK}/_code/{JOB}/" in done.stdout
    assert cloud.listing(WORK, "_code/") == {}, "it lies there only meanwhile"


def works(cloud: Cloud, name: str) -> None:
    run = cloud.count(JOB, {name: b"red blue red\n"})[name]
    assert run.text == b"blue\t1\nred\t2\n"


def test_a_job_comes_and_goes(cloud: Cloud) -> None:
    """One story, since each step needs the one before it, and a deployment takes seconds."""
    others = {job: cloud.deployed(job) for job in ("wordcount", "small")}

    deploy_by_way_of_s3(cloud)
    first = cloud.deployed(JOB)
    assert first["functions"].keys() == first["roles"].keys() == NAMES
    assert {
        name.rpartition("-")[2]: row["recursion"] for name, row in first["functions"].items()
    } == RECURSION
    assert {row["retries"] for row in first["functions"].values()} == {2}
    assert len(first["events"][IN]) == len(first["events"][WORK]) == 1
    assert first["lifecycle"][WORK]
    bill = json.loads((cloud.root / ".sluice" / "deploy" / JOB / "sbom.cdx.json").read_text("utf-8"))
    (told,) = bill["metadata"]["component"]["properties"]
    deployed = [cloud.functions.get_function_configuration(FunctionName=name) for name in NAMES]
    assert {row["CodeSha256"] for row in deployed} == {told["value"]}, "the zip that the bill is of"

    written = stages(cloud)
    cloud.chalice("deploy", JOB)
    assert cloud.deployed(JOB) == first, "a plain `chalice deploy` changes nothing that matters"
    assert stages(cloud) == written
    works(cloud, "after chalice deploy.txt")

    data = {bucket: set(cloud.listing(bucket)) for bucket in (IN, WORK, OUT)}
    cloud.chalice("delete", JOB)
    left = cloud.deployed(JOB)
    assert left["functions"] == {}
    assert left["roles"] == {}
    assert left["events"] == {IN: [], WORK: [], OUT: []}

    cloud.script("deploy", JOB, check=True)
    assert cloud.deployed(JOB) == first
    works(cloud, "after coming back.txt")

    cloud.script("deploy", JOB, "--delete", check=True)
    nothing: dict[str, Any] = {bucket: [] for bucket in (IN, WORK, OUT)}
    assert cloud.deployed(JOB) == {
        "functions": {},
        "roles": {},
        "logs": [],
        "events": nothing,
        "lifecycle": nothing,
    }
    assert JOB not in stages(cloud)
    assert policy_files(cloud) == set()
    assert not (cloud.root / ".chalice" / "deployed" / f"{JOB}.json").exists()
    assert all(set(cloud.listing(bucket)) >= keys for bucket, keys in data.items()), "data was deleted"
    assert {job: cloud.deployed(job) for job in others} == others, "another job was touched"


def by_hand(cloud: Cloud, name: str) -> dict[str, Any]:
    """What somebody set of a function, as it is now."""
    whole = cloud.functions.get_function(FunctionName=name)
    found = whole["Configuration"]
    (group,) = cloud.logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{name}")["logGroups"]
    return {
        "share": whole.get("Concurrency", {}).get("ReservedConcurrentExecutions"),
        "owner": whole["Tags"].get("owner"),
        "variable": found["Environment"]["Variables"].get("GREETING"),
        "layers": [layer["Arn"] for layer in found.get("Layers", [])],
        "subnets": found.get("VpcConfig", {}).get("SubnetIds", []),
        "groups": found.get("VpcConfig", {}).get("SecurityGroupIds", []),
        "retention": group.get("retentionInDays"),
        "tracing": found["TracingConfig"]["Mode"],
        "disk": found["EphemeralStorage"]["Size"],
    }


def layer(cloud: Cloud) -> str:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("python/greeting.py", "WORDS = 1\n")
    answer = cloud.functions.publish_layer_version(
        LayerName="greeting", Content={"ZipFile": packed.getvalue()}
    )
    return str(answer["LayerVersionArn"])


def role(cloud: Cloud) -> str:
    """Somebody's own, which no deployment has made."""
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    return str(cloud.iam.create_role(RoleName="theirs", AssumeRolePolicyDocument=policy)["Role"]["Arn"])


def test_what_was_set_by_hand_survives_a_deployment(cloud: Cloud) -> None:
    cloud.script("deploy", JOB, check=True)
    name = f"sluice-{JOB}-mapper"
    variables = cloud.functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    cloud.functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=5)
    arn = cloud.functions.get_function_configuration(FunctionName=name)["FunctionArn"]
    cloud.functions.tag_resource(Resource=arn, Tags={"owner": "mia"})
    cloud.functions.update_function_configuration(
        FunctionName=name,
        Environment={"Variables": {**variables, "GREETING": "hello"}},
        Layers=[layer(cloud)],
        VpcConfig={"SubnetIds": ["subnet-0a1b2c3d"], "SecurityGroupIds": ["sg-0a1b2c3d"]},
        EphemeralStorage={"Size": 1024},
    )
    cloud.logs.put_retention_policy(logGroupName=f"/aws/lambda/{name}", retentionInDays=90)
    before = by_hand(cloud, name)
    assert (before["share"], before["owner"], before["variable"], before["disk"]) == (
        5,
        "mia",
        "hello",
        1024,
    )

    deploy_by_way_of_s3(cloud)
    assert by_hand(cloud, name) == before

    config = cloud.root / "jobs" / f"{JOB}.yml"
    text = config.read_text()
    own = {
        "tags": {"owner": "eve"}, "ephemeral_storage": 2048, "environment": {"GREETING": "moin"},
        "layers": layer(cloud), "subnets": "subnet-1b2c3d4e", "security_groups": "sg-1b2c3d4e",
        "log_retention": 14, "tracing": True, "role": role(cloud),
    }  # fmt: skip
    try:
        config.write_text(f"{text}concurrency: 6\nlambda: {json.dumps(own)}\n")
        told = cloud.script("deploy", JOB, "--dry-run", check=True).stdout
        (line,) = [line for line in told.splitlines() if f"function {name}: " in line and "tags" in line]
        for change in (
            "concurrency 5 -> 6",
            "tags owner",
            "layers",
            "subnets",
            "security groups",
            "GREETING",
        ):
            assert change in line, line
        cloud.script("deploy", JOB, check=True)
        assert by_hand(cloud, name) == {
            "share": 6, "owner": "eve", "disk": 2048, "variable": "moin", "layers": [own["layers"]],
            "subnets": ["subnet-1b2c3d4e"], "groups": ["sg-1b2c3d4e"], "retention": 14, "tracing": "Active",
        }  # fmt: skip
        assert by_hand(cloud, f"sluice-{JOB}-reducer")["share"] == 6
        assert {row["Role"] for row in cloud.deployed(JOB)["functions"].values()} == {own["role"]}
        works(cloud, "in a network, with a layer.txt")
        limits = cloud.functions.get_function_configuration(FunctionName=f"sluice-{JOB}-supervisor")
        assert limits["Environment"]["Variables"]["SLUICE_CONCURRENCY"] == "6"
    finally:
        config.write_text(text)
    cloud.script("deploy", JOB, check=True)
    # What the YAML says no longer goes; what Chalice cannot set stays as it is.
    assert by_hand(cloud, name) == {
        "share": None, "owner": None, "disk": 2048, "variable": None, "layers": [],
        "subnets": [], "groups": [], "retention": 30, "tracing": "Active",
    }  # fmt: skip
    assert {row["Role"].rpartition("/")[2] for row in cloud.deployed(JOB)["functions"].values()} == NAMES
    cloud.script("deploy", JOB, "--delete", check=True)
    assert cloud.iam.get_role(RoleName="theirs")["Role"]["Arn"] == own["role"]
    cloud.iam.delete_role(RoleName="theirs")


LATE = """\
job: scripted:Scripted
input: {url: "s3://sluice-demo-in/late/"}
work: {url: "s3://sluice-demo-work/"}
output: {url: "s3://sluice-demo-out/late/"}
timeout: {supervisor: 10s, mapper: 120s}
params: {bucket: sluice-demo-work}
"""


def test_a_run_under_way_is_named_and_waited_for(cloud: Cloud) -> None:
    config = cloud.root / "jobs" / "late.yml"
    config.write_text(LATE)
    source = cloud.root / "jobs" / "scripted.py"
    code = source.read_text()
    try:
        cloud.script("deploy", "late", check=True)
        url = cloud.put(IN, "late/a.txt", b"!wait late-signal\nred blue\n")
        run = cloud.until(lambda: cloud.run_of("late", url), "late", "the run to begin")

        def told(*args: str) -> str:
            said = cloud.script("deploy", "late", *args, check=True).stdout
            return next((line for line in said.splitlines() if run in line), "")

        assert told("--dry-run").endswith("is of the code that is deployed, so it goes on")
        assert "stands still" in told("--delete", "--dry-run")
        source.write_text(code + "\n\nNEW = 1\n")
        assert "so its next attempt ends it in _FAILED" in told("--dry-run")

        said = []
        with cloud.started("deploy", "late", "--wait") as deploying:
            assert deploying.stdout is not None
            for line in deploying.stdout:
                said.append(line)
                if line == f"waiting for 1 run of late to end: {run}\n":
                    cloud.put(WORK, "late-signal")
        assert deploying.returncode == 0, "".join(said)
        waited = said.index(f"waiting for 1 run of late to end: {run}\n")
        assert any(line.startswith("deploying the four functions") for line in said[waited:])
        assert cloud.wait("late", [url])[url].counts() == {"red": 1, "blue": 1}
    finally:
        source.write_text(code)
        cloud.put(WORK, "late-signal")
        cloud.script("deploy", "late", "--delete", check=True)
        config.unlink()
