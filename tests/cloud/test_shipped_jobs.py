"""Every job of jobs/ through the real deployment: right, and the same bytes as the local engine's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.cloud.harness import IN, Cloud
from tests.features.shipped.oracles import ORACLES
from tests.features.shipped.test_jobs import check, inputs, run

pytestmark = pytest.mark.cloud

#: `wordcount` is deployed and run by the tests beside this one.
JOBS = [job for job in ORACLES if job != "wordcount"]


def figures(job: str) -> dict[str, str]:
    """In place of what the job file says, so that one run reads several files, cut into two tasks."""
    size = sum(map(len, inputs(job).values()))
    return {"trigger": "marker", "split_size": str(size * 2 // 3), "partitions": "3"}


@pytest.fixture(scope="module")
def sources(checkout: Cloud) -> dict[str, str]:
    """The object that started the run of each job. While one runs the next is deployed, which saves half the time."""
    return {job: start(checkout, job) for job in JOBS}


def start(checkout: Cloud, job: str) -> str:
    """Upload before anybody watches: the coordinator is then started once, by the manifest."""
    checkout.s3.create_bucket(Bucket=IN)
    urls = [checkout.put(IN, f"{job}/{name}", body) for name, body in inputs(job).items()]
    ours = {f"SLUICE_{name.upper()}": figure for name, figure in figures(job).items()}
    replace(checkout, environ={**checkout.environ, **ours}).script("deploy", job, check=True)
    folder = urls[-1].removeprefix(f"s3://{IN}/").rpartition("/")[0]
    return checkout.put(IN, f"{folder}/all.manifest", "\n".join(urls).encode())


@pytest.mark.parametrize("job", JOBS)
def test_a_job_deployed_gives_the_bytes_of_the_local_engine(
    job: str, checkout: Cloud, sources: dict[str, str], tmp_path: Path
) -> None:
    (found,) = checkout.wait(job, [sources[job]]).values()
    assert found.succeeded, found.failure
    assert found.manifest["map_tasks"] > 1
    output = found.text.replace(f"s3://{IN}/{job}/".encode(), b"")
    check(job, output)
    assert output == run(job, tmp_path, [f"{name}={figure}" for name, figure in figures(job).items()])
