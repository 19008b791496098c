"""The names of a deployment, and what a job asks for."""

from __future__ import annotations

import pytest

from chalicelib.config.triggers import Trigger
from scripts.deployment import target as names
from scripts.deployment.target import DeployError
from tests.unit.scripts.deployment.world import OTHER_ARN, arn, target


@pytest.mark.parametrize("name", ["a", "word-count", "a_b2", "a" * 32])
def test_a_good_name_fits_lambda(name: str) -> None:
    assert names.check_name(name) == name
    assert max(map(len, names.function_names(name))) <= 64


@pytest.mark.parametrize("name", ["", "2x", "A", "-x", "a" * 33, "ä", "a b", "a.b", "../x", "x\n"])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(DeployError, match="cannot be a job's name"):
        names.check_name(name)


def test_triggers_watch_the_input_and_the_jobs_own_markers() -> None:
    assert target(suffix=".csv").triggers == {
        "coordinator": Trigger("data", "tally/", ".csv"),
        "supervisor": Trigger("scratch", "sluice/runs/tally/", ".done"),
    }


def test_a_marker_job_sees_every_key_since_no_filter_fits_all_markers() -> None:
    assert target(trigger="marker").triggers["coordinator"] == Trigger("data", "tally/", "")


def test_one_bucket_for_two_purposes_is_named_once() -> None:
    assert target().buckets == {"data": "input and output", "scratch": "work"}


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
    assert names.sluice_function(text) == name
