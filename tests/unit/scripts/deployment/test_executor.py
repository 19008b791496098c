"""The executor does what each step says, in order, and decides nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scripts.deployment.executor import Executor
from scripts.deployment.load import load_target
from scripts.deployment.planner import plan_deployment
from scripts.deployment.project import Project
from scripts.deployment.steps import ConfigureFunction, MakeBucket, Remove, RunChalice, WriteStage
from scripts.deployment.target import FUNCTIONS, RECURSION, DeployError, bill_path
from tests.unit.scripts.deployment.test_planner import deployed
from tests.unit.scripts.deployment.world import target


class Notes:
    """Stands in for what acts on an account, and notes each call."""

    def __init__(self, calls: list[str], fails: str = "") -> None:
        self._calls, self._fails = calls, fails

    def __getattr__(self, name: str) -> Any:
        def note(*args: Any) -> bool:
            told = [text for arg in args[:2] for text in ([arg] if isinstance(arg, str) else _of_step(arg))]
            self._calls.append(" ".join([name, *told]))
            if name == self._fails:
                raise DeployError("no")
            return False

        return note


def _of_step(arg: Any) -> list[str]:
    return [arg.function, arg.recursion] if isinstance(arg, ConfigureFunction) else []


def executor(project: Project, calls: list[str], said: list[str], fails: str = "") -> Executor:
    notes: Any = Notes(calls, fails)
    return Executor(
        project=project, account=notes, buckets=notes, rules=notes, functions=notes,
        run_chalice=lambda command, stage, folder, _: calls.append(f"chalice {command} {stage} {folder.name}"),
        say=said.append,
    )  # fmt: skip


def test_each_step_is_done_also_where_nothing_was_to_change(checkout: Project) -> None:
    job, calls, said = target(), [], []
    checkout.pack(load_target("tally", checkout, {}))
    executor(checkout, calls, said).do(plan_deployment(job, deployed(job), 7))
    assert calls[0] == "ensure data "
    assert [call for call in calls if call.startswith("configure")] == [
        f"configure sluice-tally-{name} {RECURSION[name]}" for name in FUNCTIONS
    ]
    assert calls.index("keep_first scratch") < calls.index("chalice deploy tally tally")
    assert calls.index("chalice deploy tally tally") < calls.index(
        "configure sluice-tally-coordinator Terminate"
    )
    assert "ensure sluice-tally-supervisor" in calls[calls.index("configure sluice-tally-reducer Allow") :]
    assert "deploying the four functions sluice-tally-* with Chalice" in said
    assert (checkout.root / bill_path("tally")).exists()


def test_an_error_ends_it_there(checkout: Project) -> None:
    calls: list[str] = []
    steps = [
        MakeBucket(bucket="a", purpose="work", kms_key=""),
        ConfigureFunction(function="f", recursion="Allow", on_failure="arn:of:another"),
        RunChalice(command="delete", name="tally"),
    ]
    with pytest.raises(DeployError):
        executor(checkout, calls, [], fails="configure").do(steps)
    assert calls == ["ensure a ", "configure f Allow"]


def test_what_is_to_be_said_of_a_stage_is_said(checkout: Project) -> None:
    said: list[str] = []
    executor(checkout, [], said).do([WriteStage(name="tally", stage={}, notes=("look here",))])
    assert said == ["look here"]


def test_a_job_is_deployed_from_a_folder_of_its_own_and_deleted_from_the_checkout(checkout: Project) -> None:
    calls: list[str] = []
    steps = [RunChalice(command="deploy", name="tally"), RunChalice(command="delete", name="tally")]
    executor(checkout, calls, []).do(steps)
    assert calls == ["chalice deploy tally tally", "chalice delete tally checkout"]


def test_what_was_not_there_is_not_said_to_be_deleted(checkout: Project, tmp_path: Path) -> None:
    said: list[str] = []
    executor(checkout, [], said).do([Remove(kind="role", name="r")])
    assert said == []
