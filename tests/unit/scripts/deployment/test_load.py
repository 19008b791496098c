"""A job is checked before anything of it is deployed."""

from __future__ import annotations

import pytest

from chalicelib.core.errors import UserError
from scripts.deployment.load import load_target
from scripts.deployment.policies import policies
from scripts.deployment.project import Project
from scripts.deployment.stage import stage_config
from tests.unit.scripts.deployment.world import target, write_job


def test_a_job_whose_class_is_missing_is_refused(checkout: Project) -> None:
    write_job(checkout.root, "tally", "in-a", cls="tally:Tale")
    with pytest.raises(Exception, match=r"no class Tale in .*tally\.py: it has Tally"):
        load_target("tally", checkout, {})


def test_overrides_from_the_environment_travel_to_the_functions(checkout: Project) -> None:
    environ = {"SLUICE_MAX_ATTEMPTS": "2", "SLUICE_MINISTACK": "x", "PATH": "y"}
    job = load_target("tally", checkout, environ)
    assert job.spec.max_attempts == 2
    variables = stage_config(job)["environment_variables"]
    assert variables == {"SLUICE_MAX_ATTEMPTS": "2", "SLUICE_NAME": "tally"}


def test_a_job_that_watches_what_a_deployed_one_watches_is_refused(checkout: Project) -> None:
    write_job(checkout.root, "second", "in-a")
    load_target("second", checkout, {})  # nothing else is deployed yet
    checkout.write_stage("tally", {"environment_variables": {"SLUICE_NAME": "tally"}}, policies(target()))
    with pytest.raises(Exception, match="overlaps with"):
        load_target("second", checkout, {})


def test_what_a_job_expects_is_held_against_the_limits_before_anything_is_deployed(checkout: Project) -> None:
    """Its functions are chosen for it; a limit that is sure is an error, one that hangs on the records a warning."""
    found = load_target("tally", checkout, {"SLUICE_EXPECT": "1TB"})
    assert (found.spec.memory.supervisor, found.spec.lambda_.ephemeral_storage) == (1769, 1280)
    assert found.warnings == load_target("tally", checkout, {}).warnings
    with pytest.raises(
        UserError, match=r"tally: expect: a run of that size meets limits\.input_bytes: .* raise it"
    ):
        load_target("tally", checkout, {"SLUICE_EXPECT": "200TiB"})
    few = {"SLUICE_EXPECT": "100TB", "SLUICE_SPLIT_SIZE": "16MiB", "SLUICE_LIMITS_TASKS": "null"}
    with pytest.raises(UserError, match=r"meets timeout\.supervisor: one look at .* map tasks takes"):
        load_target("tally", checkout, few | {"SLUICE_MEMORY_SUPERVISOR": "256"})
    small = {"SLUICE_EXPECT": "1TB", "SLUICE_LAMBDA_EPHEMERAL_STORAGE": "512", "SLUICE_REDUCERS": "1"}
    (warned,) = [text for text in load_target("tally", checkout, small).warnings if "expect" in text]
    assert "meets local disk: a reduce task spills" in warned
