"""A job with `accumulate` may do what it does with the totals, and others have no business there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job
from chalicelib.core.ports import FunctionName
from chalicelib.core.spec import JobSpec
from chalicelib.run.job_code import shape
from scripts.deployment.policies import policies
from scripts.deployment.target import FUNCTIONS, Target
from tests.features.accumulate.test_simulated import Words, drop, small, totals
from tests.unit.scripts.test_policies import Observed, allowed
from tests.worlds.simulation import spec


class Commonest(Words):
    order_by = "-value"
    limit = 5


class Clashes(Words):
    """The second file's keys are of another type, so its run withdraws."""

    def mapper(self, _: None, line: str) -> Any:
        yield (len(line) if line.startswith("\t") else line), 1


def documents(job: type[Job], job_spec: JobSpec) -> dict[FunctionName, Any]:
    target = Target(name="job", spec=job_spec, overrides={}, shape=shape(lambda _: job, job_spec))
    return policies(target)


@pytest.mark.parametrize("job", [Words, Commonest, Clashes])
def test_runs_may_do_all_they_do(job: type[Job], tmp_path: Path) -> None:
    observed = Observed(job, small(), tmp_path, duplicates=True)
    for number in range(4):
        drop(observed, number)
        observed.run()
    observed.drop("odd.txt", b"\ta\n")
    observed.run()
    assert totals(observed), "something was counted"
    found = documents(job, small())
    refused = [request for request in observed.seen if not allowed(found[request[0]], *request[1:])]  # type: ignore[index]
    assert sorted(refused, key=str) == []
    deleted = {resource for _, action, resource, _ in observed.seen if action == "s3:DeleteObject"}
    assert any("/states/" in resource for resource in deleted), "old generations go"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_without_accumulate_the_totals_are_out_of_reach(function: FunctionName) -> None:
    plain = documents(Words, spec())[function]
    for name in (
        "pointer.json",
        "turn",
        "waiting/r.json",
        "merged/r",
        "states/0000000001.r.1/part-00000.pairs",
    ):
        for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"):
            assert not allowed(plain, action, f"arn:aws:s3:::work/totals/job/{name}")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_only_the_supervisor_moves_the_pointer_and_nobody_forgets_who_was_merged(
    function: FunctionName,
) -> None:
    found = documents(Words, small())[function]
    root = "arn:aws:s3:::work/totals/job"
    for name in ("pointer.json", "turn", "merged/r", "waiting/r.json"):
        assert allowed(found, "s3:PutObject", f"{root}/{name}") == (function == "supervisor")
    for name in ("pointer.json", "merged/r"):
        assert not allowed(found, "s3:DeleteObject", f"{root}/{name}")
    other = "arn:aws:s3:::work/totals/other/pointer.json"
    assert not allowed(found, "s3:GetObject", other)
    assert not allowed(found, "s3:PutObject", other)
