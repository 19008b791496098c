"""Deploy, deploy again without our script, delete: what is there afterwards, and what is not."""

from __future__ import annotations

import json
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


def works(cloud: Cloud, name: str) -> None:
    run = cloud.count(JOB, {name: b"red blue red\n"})[name]
    assert run.text == b"blue\t1\nred\t2\n"


def test_a_job_comes_and_goes(cloud: Cloud) -> None:
    """One story, since each step needs the one before it, and a deployment takes seconds."""
    others = {job: cloud.deployed(job) for job in ("wordcount", "small")}

    cloud.script("deploy", JOB, check=True)
    first = cloud.deployed(JOB)
    assert first["functions"].keys() == first["roles"].keys() == NAMES
    assert {
        name.rpartition("-")[2]: row["recursion"] for name, row in first["functions"].items()
    } == RECURSION
    assert {row["retries"] for row in first["functions"].values()} == {2}
    assert len(first["events"][IN]) == len(first["events"][WORK]) == 1
    assert first["lifecycle"][WORK]

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
