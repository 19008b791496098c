"""Steps and map-only jobs may do what they do, and nothing more than other jobs where they need not."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib import Job
from chalicelib.core.spec import JobSpec
from chalicelib.run.job_code import Shape, shape
from scripts.deployment.policies import policies
from scripts.deployment.target import Target
from tests.features.steps.jobs import TEXT, CountWords, ThreeSteps
from tests.features.steps.test_ordering import Counted
from tests.features.steps.test_pairs import TwoOrders
from tests.features.steps.test_shapes import Mixed, Upper
from tests.unit.scripts.test_policies import Request, allowed, whole_run
from tests.worlds.simulation import spec


def documents(job: type[Job], job_spec: JobSpec) -> dict[str, dict[str, object]]:
    target = Target(name="job", spec=job_spec, overrides={}, shape=shape(lambda _: job, job_spec))
    return dict(policies(target).items())


class Ordered(Counted):
    order_by = "-value"
    limit = 3


class Again(Job):
    """What was counted by how much there is of it, twice."""

    rounds = 2
    rereads = True

    def mapper(self, word: str, _count: int) -> list[tuple[str, int]]:
        return [(word, len(self.run.result(CountWords)))]

    def converged(self) -> bool:
        return not self.run.result(CountWords)


class Loop(Job):
    steps = (CountWords, Again)


@pytest.mark.parametrize("job", [CountWords, ThreeSteps, Upper, Mixed, TwoOrders, Ordered, Loop])
@pytest.mark.parametrize("duplicates", [False, True])
def test_every_shape_may_do_all_it_does(job: type[Job], duplicates: bool, tmp_path: Path) -> None:
    seen = whole_run(job, tmp_path, {"a.txt": TEXT}, duplicates=duplicates)
    found = documents(job, spec())
    refused: list[Request] = [request for request in seen if not allowed(found[request[0]], *request[1:])]
    assert sorted(refused, key=str) == []


def test_what_has_no_steps_may_start_none() -> None:
    plain, several = documents(CountWords, spec()), documents(ThreeSteps, spec())
    plan = "arn:aws:s3:::work/runs/job/r/step-1/plan.json"
    part = "arn:aws:s3:::work/runs/job/r/step-1/input/part-00000.pairs"
    assert not allowed(plain["supervisor"], "s3:PutObject", plan)
    assert not allowed(plain["reducer"], "s3:PutObject", part)
    assert allowed(several["supervisor"], "s3:PutObject", plan)
    assert allowed(several["reducer"], "s3:PutObject", part)
    for document in several.values():
        assert not allowed(document, "s3:DeleteObject", part)
    for function in ("coordinator", "mapper", "reducer"):
        assert not allowed(several[function], "s3:PutObject", plan) or function == "coordinator"
    assert not allowed(several["supervisor"], "s3:PutObject", "arn:aws:s3:::work/runs/job/r/plan.json")


def test_supervisors_that_run_the_jobs_code_may_read_its_files() -> None:
    model = "arn:aws:s3:::models/model.bin"
    listed = spec(files="s3://models/model.bin")
    assert allowed(documents(Loop, listed)["supervisor"], "s3:GetObject", model)
    assert not allowed(documents(CountWords, listed)["supervisor"], "s3:GetObject", model)


def test_mappers_of_map_only_jobs_alone_write_parts() -> None:
    part = "arn:aws:s3:::out/r/part-00000.tsv"
    assert allowed(documents(Upper, spec())["mapper"], "s3:PutObject", part)
    assert not allowed(documents(ThreeSteps, spec())["mapper"], "s3:PutObject", part)


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (CountWords, Shape(small=True)),
        (ThreeSteps, Shape(several_steps=True)),
        (Upper, Shape(map_only=True, small=True)),
        (Mixed, Shape(several_steps=True, map_only=True)),
        (Ordered, Shape(several_steps=True)),
    ],
)
def test_the_shape_of_a_job(job: type[Job], expected: Shape) -> None:
    assert shape(lambda _: job, spec()) == expected
