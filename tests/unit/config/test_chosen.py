"""What is chosen for the input that a job expects: by few rules, whose oracle is the estimate of a whole run."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.config.chosen import WHOLE, choose, disk
from chalicelib.config.load import CHOSEN, DEFAULT, load_job
from chalicelib.core.spec import GIB, MIB, TIB, JobSpec
from chalicelib.mapreduce.input.splits import LARGEST_SPLIT, MOST_SPLIT, split_size
from chalicelib.run.estimate.advice import advise
from chalicelib.run.estimate.estimate import estimate
from chalicelib.run.estimate.work import Work
from tests.unit.config.jobs import GOOD, job

MB, GB, TB = 10**6, 10**9, 10**12
UNSAID = {"memory.mapper", "memory.reducer", "memory.supervisor", "lambda.ephemeral_storage"}


def chosen(expect: int, spec: JobSpec = GOOD, unsaid: set[str] = UNSAID) -> JobSpec:
    return choose(replace(spec, expect=expect), unsaid)[0]


@pytest.mark.parametrize("kind", ["few groups", "many groups", "sort", "words"])
@pytest.mark.parametrize("size", [MB, GB, 100 * GB, TB, 10 * TB])
def test_no_run_of_the_size_that_is_expected_is_dearer_or_slower(size: int, kind: str) -> None:
    """And large ones are much faster; no other memory would be much better."""
    work = Work(bytes=size, objects=max(1, size // GB), kind=kind)
    before, spec = estimate(GOOD, work), chosen(size)
    after = estimate(spec, work)
    assert after.ends
    assert after.total <= before.total
    assert after.times.median <= before.times.median * 1.001
    if size >= 100 * GB and kind == "few groups":
        assert after.times.median < 0.85 * before.times.median
        smaller = replace(GOOD, memory=replace(GOOD.memory, supervisor=256))
        assert after.times.median < 0.7 * estimate(smaller, work).times.median
    advice = advise(spec, work)
    assert not [one for one in (advice.changes if advice else ()) if one.setting.startswith("memory.")]


def test_a_run_that_is_more_or_less_than_was_expected_ends_and_costs_hardly_more() -> None:
    little, much = chosen(GB), chosen(TB)
    assert estimate(little, Work(bytes=10 * TB, objects=10_000)).ends
    tiny = Work(bytes=1000, objects=1)
    assert estimate(much, tiny).total < 1.15 * estimate(GOOD, tiny).total


def test_what_the_job_says_holds() -> None:
    spec, keys = choose(replace(GOOD, expect=TB), {"memory.mapper"})
    assert (spec.memory.mapper, spec.memory.supervisor, keys) == (WHOLE, 512, ("memory.mapper",))
    assert choose(GOOD, UNSAID) == (GOOD, ())
    budget = replace(GOOD, memory_budget=1800 * MIB)
    assert chosen(TB, budget).memory.mapper == 2048


def test_duckdb_keeps_its_processors() -> None:
    given = job("s3://in/a/", "s3://work/", "s3://out/", format="parquet")
    assert (chosen(TB, given).memory.mapper, chosen(TB, given).memory.supervisor) == (2048, WHOLE)


@pytest.mark.parametrize(
    ("expect", "megabytes"), [(MB, 512), (384 * GB, 512), (TIB, 1408), (10 * TIB, 5504), (100 * TIB, 10_240)]
)
def test_the_disk_holds_what_a_task_spills(expect: int, megabytes: int) -> None:
    spec = chosen(expect)
    assert spec.lambda_.ephemeral_storage == megabytes
    assert split_size(spec, expect) <= 0.75 * megabytes * MIB


def test_the_one_partition_of_one_part_is_spilled_whole() -> None:
    assert disk(replace(GOOD, reducers=1), 4 * GIB) == pytest.approx(4096 / 0.75, abs=64)
    assert disk(GOOD, 4 * GIB) == 512
    assert disk(replace(GOOD, split_size=GIB), MB) == pytest.approx(1024 / 0.75, abs=64)


def test_splits_grow_with_the_disk() -> None:
    large = replace(GOOD, lambda_=replace(GOOD.lambda_, ephemeral_storage=10_240))
    assert split_size(GOOD, 10 * TIB) == MOST_SPLIT
    assert split_size(large, TIB) > MOST_SPLIT
    assert split_size(large, TIB) == pytest.approx(TIB / 1000, abs=MIB)
    assert split_size(large, 100 * TIB) == LARGEST_SPLIT
    small = replace(GOOD, lambda_=replace(GOOD.lambda_, ephemeral_storage=512))
    assert split_size(small, 10 * TIB) == MOST_SPLIT


def test_a_job_shows_what_was_chosen_for_it(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs/a.yml").write_text(
        "job: a:A\ninput: {url: 's3://bucket-in/a/'}\nwork: {url: 's3://bucket-work/'}\n"
        "output: {url: 's3://bucket-out/'}\nexpect: 2TB\nmemory: {reducer: 3008}\n"
    )
    loaded = load_job("a", root=tmp_path, require_cloud=True)
    memory = loaded.spec.memory
    assert (memory.mapper, memory.reducer, memory.supervisor, memory.coordinator) == (WHOLE, 3008, WHOLE, 512)
    origins = [loaded.provenance[key] for key in ("memory.mapper", "memory.reducer", "memory.coordinator")]
    assert origins == [CHOSEN, "jobs/a.yml:6", DEFAULT]
    assert loaded.provenance["lambda.ephemeral_storage"] == CHOSEN
