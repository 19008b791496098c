"""What Chalice reads of a job."""

from __future__ import annotations

from chalicelib.core.spec import MemorySpec
from scripts.deployment.stage import stage_config, with_stage
from tests.unit.scripts.deployment.world import target


def test_the_stage_carries_memory_timeouts_architecture_and_a_policy_for_each_function() -> None:
    stage = stage_config(target(architecture="arm64", memory=MemorySpec(mapper=3000)))
    assert stage["lambda_architecture"] == "arm64"
    assert stage["environment_variables"] == {"SLUICE_NAME": "tally"}
    assert stage["autogen_policy"] is False
    assert stage["lambda_functions"]["mapper"] == {
        "lambda_memory_size": 3000,
        "lambda_timeout": 900,
        "iam_policy_file": "policy-tally-mapper.json",
    }
    assert set(stage["lambda_functions"]) == {"coordinator", "mapper", "supervisor", "reducer"}


def test_the_supervisor_alone_is_told_how_many_functions_may_run_at_once() -> None:
    stage = stage_config(target(), 900)
    told = {
        name: row["environment_variables"] for name, row in stage["lambda_functions"].items() if len(row) > 3
    }
    assert told == {"supervisor": {"SLUICE_CONCURRENCY": "900"}}
    assert stage["environment_variables"] == {"SLUICE_NAME": "tally"}


def test_a_stage_is_set_and_removed_beside_others() -> None:
    config = {"version": "2.0", "app_name": "sluice", "stages": {"zeta": {"a": 1}}, "tags": {"team": "x"}}
    both = with_stage(config, "alpha", {"b": 2})
    assert both == {**config, "stages": {"alpha": {"b": 2}, "zeta": {"a": 1}}}
    assert with_stage(both, "alpha", None) == config
    assert with_stage(config, "absent", None) == config
