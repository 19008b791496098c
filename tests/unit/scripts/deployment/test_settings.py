"""What a deployment keeps of what somebody set, and what it takes away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chalice.config import Config
from msgspec.structs import replace as changed

from chalicelib.core.deployment_spec import LambdaSpec
from scripts.deployment import settings
from scripts.deployment.stage import chalice_stage, stage_config
from scripts.deployment.survey import FunctionState
from scripts.deployment.target import Json, Target
from tests.unit.scripts.deployment.world import target

LAYER = "arn:aws:lambda:eu-west-1:123456789012:layer:numbers:3"
BARE = FunctionState(
    tags={"aws-chalice": "version=1"}, variables={"SLUICE_NAME": "tally", "SLUICE_OLD": "1"}, log_retention=30
)
BY_HAND = replace(
    BARE,
    reserved=20,
    tags={"aws-chalice": "version=1", "aws:cloudformation": "x", "owner": "mia"},
    variables={"SLUICE_NAME": "tally", "TOKEN": "t"},
    subnets=("subnet-0a",),
    security_groups=("sg-0a",),
    layers=(LAYER,),
    log_retention=90,
)


def job(**given: Any) -> Target:
    concurrency = given.pop("concurrency", None)
    found = target()
    return replace(found, spec=changed(found.spec, lambda_=LambdaSpec(**given), concurrency=concurrency))


def mapper(stage: Json, before: Json | None, state: FunctionState | None) -> Json:
    """What Chalice reads of the mapper, but for its size and policy."""
    row = settings.of_function(chalice_stage(stage, before, {"mapper": state}), "mapper")
    ours = (
        "lambda_memory_size",
        "lambda_timeout",
        "iam_policy_file",
        "lambda_architecture",
        "autogen_policy",
    )
    return {key: value for key, value in row.items() if key not in ours}


def test_a_role_of_ones_own_is_all_functions_and_goes_with_the_yaml(tmp_path: Path) -> None:
    arn = "arn:aws:iam::123456789012:role/team/sluice"
    stage = stage_config(job(role=arn))
    for function in ("mapper", "supervisor"):
        disk = {"version": "2.0", "stages": {"tally": stage}}
        read = Config("tally", function, {"project_dir": str(tmp_path)}, disk)
        assert (read.manage_iam_role, read.iam_role_arn) == (False, arn), "as Chalice itself reads it"
    assert "manage_iam_role" not in mapper(stage_config(job(), before=stage), stage, BARE)


def test_nothing_said_is_nothing_set() -> None:
    stage = stage_config(job())
    assert "sluice" not in stage
    for state in (None, BARE):
        assert mapper(stage, stage, state) == {
            "environment_variables": {"SLUICE_NAME": "tally"},
            "log_retention_in_days": 30,
        }


def test_what_the_yaml_says_reaches_all_functions_and_a_share_mapper_and_reducer() -> None:
    stage = stage_config(
        job(
            concurrency=50, tags={"team": "data"}, environment={"TZ": "UTC"}, subnets="subnet-0b",
            security_groups="sg-0b", layers=LAYER, log_retention=0, tracing=True,
        )
    )  # fmt: skip
    of_mapper = {
        "environment_variables": {"SLUICE_NAME": "tally", "TZ": "UTC"},
        "log_retention_in_days": 0,
        "reserved_concurrency": 50,
        "tags": {"team": "data"},
        "subnet_ids": ["subnet-0b"],
        "security_group_ids": ["sg-0b"],
        "layers": [LAYER],
        "xray": True,
    }
    assert mapper(stage, None, None) == of_mapper
    assert {f: settings.of_function(stage, f).get("reserved_concurrency") for f in stage["lambda_functions"]} == {
        "coordinator": None, "mapper": 50, "supervisor": None, "reducer": 50,
    }  # fmt: skip
    assert settings.share(stage) == 50
    # It wins over what is there by hand, except for tags and variables of other names.
    of_mapper["tags"] |= {"owner": "mia"}
    of_mapper["environment_variables"] |= {"TOKEN": "t"}
    assert mapper(stage, None, BY_HAND) == of_mapper


def test_what_was_set_by_hand_stays_and_is_not_written_to_the_checkout() -> None:
    stage = stage_config(job())
    assert stage == stage_config(job(), before=stage)
    assert mapper(stage, stage, BY_HAND) == {
        "environment_variables": {"SLUICE_NAME": "tally", "TOKEN": "t"},
        "log_retention_in_days": 90,
        "reserved_concurrency": 20,
        "tags": {"owner": "mia"},
        "subnet_ids": ["subnet-0a"],
        "security_group_ids": ["sg-0a"],
        "layers": [LAYER],
    }
    assert mapper(stage, stage, replace(BARE, log_retention=0))["log_retention_in_days"] == 0


def test_what_the_yaml_says_no_longer_goes_from_file_and_functions() -> None:
    before = stage_config(job(concurrency=20, tags={"owner": "mia"}, environment={"TOKEN": "t"}, layers=LAYER,
                              subnets="subnet-0a", security_groups="sg-0a", log_retention=90))  # fmt: skip
    after = stage_config(job(), before=before)
    assert after == stage_config(job())
    assert mapper(after, before, BY_HAND) == mapper(after, after, BARE)


@pytest.mark.parametrize("said", [{}, {"tags": {"team": "data"}, "log_retention": 7}])
def test_what_somebody_wrote_into_the_stage_stays(said: dict[str, Any]) -> None:
    before = stage_config(job(**said))
    before |= {
        "layers": [LAYER],
        "tags": {**before.get("tags", {}), "by": "file"},
        "minimum_compression_size": 1,
    }
    before["environment_variables"] |= {"TZ": "UTC", "SLUICE_GONE": "1"}
    before["lambda_functions"]["reducer"]["reserved_concurrency"] = 5
    before["lambda_functions"]["reducer"]["lambda_memory_size"] = 1
    after = stage_config(job(), before=before)
    assert (after["layers"], after["tags"], after["minimum_compression_size"]) == ([LAYER], {"by": "file"}, 1)
    assert after["environment_variables"] == {"SLUICE_NAME": "tally", "TZ": "UTC"}
    assert after["log_retention_in_days"] == 30
    reducer = after["lambda_functions"]["reducer"]
    assert (reducer["reserved_concurrency"], reducer["lambda_memory_size"]) == (5, 2048)
    assert stage_config(job(), before=after) == after
    # Taken out of the file again, it goes from the functions, which still have it.
    last = stage_config(job())
    state = replace(BARE, layers=(LAYER,), tags={"by": "file"}, variables={"TZ": "UTC"})
    assert mapper(last, after, state) == mapper(last, None, BARE)


def test_the_yaml_wins_over_the_file() -> None:
    before = stage_config(job())
    before["lambda_functions"]["mapper"]["reserved_concurrency"] = 5
    after = stage_config(job(concurrency=50), before=before)
    assert mapper(after, before, None)["reserved_concurrency"] == 50


def test_half_a_network_is_not_made_of_two_sources() -> None:
    """Chalice wants both: the subnets of the file are not joined by security groups from elsewhere."""
    before = stage_config(job())
    before["security_group_ids"], before["subnet_ids"] = ["sg-0f"], ["subnet-0f"]
    after = stage_config(job(), before=before)
    found = mapper(after, before, BY_HAND)
    assert (found["subnet_ids"], found["security_group_ids"]) == (["subnet-0f"], ["sg-0f"])
