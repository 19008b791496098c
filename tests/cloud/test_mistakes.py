"""A user's mistake is told in one readable block, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.harness import IN, Cloud

pytestmark = pytest.mark.cloud

JOB = "mistake"
NEW = "sluice-not-made-yet"  # a bucket that a deployment would make


@pytest.fixture
def write(checkout: Cloud) -> Iterator[Callable[..., Path]]:
    """Write jobs/mistake.yml; it is gone after the test, as the next deployment would ship it."""
    path = checkout.root / "jobs" / f"{JOB}.yml"

    def write(
        job: str = "wordcount:WordCount",
        source: str = f"s3://{NEW}/in/",
        work: str = f"s3://{NEW}-work/",
        output: str = f"s3://{NEW}-out/",
        more: str = "",
    ) -> Path:
        lines = [f"job: {job}", f"input: {{url: '{source}'}}", f"work: {{url: '{work}'}}"]
        path.write_text("\n".join([*lines, f"output: {{url: '{output}'}}", more, ""]))
        return path

    yield write
    path.unlink(missing_ok=True)


def everything(cloud: Cloud) -> dict[str, Any]:
    """All that a deployment could have begun to write."""
    folder = cloud.root / ".chalice"
    return {
        "buckets": cloud.buckets(),
        "files": {path.name: path.read_text() for path in folder.glob("*.json")},
        "deployed": cloud.deployed(JOB),
    }


def refused(cloud: Cloud, script: str, *args: str) -> str:
    """The one block that a script that must fail says, all else being as it was."""
    before = everything(cloud)
    done = cloud.script(script, *args)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert everything(cloud) == before
    return done.stderr


def test_results_under_the_watched_prefix(cloud: Cloud, write: Callable[..., Path]) -> None:
    write(output=f"s3://{NEW}/in/results/")

    said = refused(cloud, "deploy", JOB)

    assert "jobs/mistake.yml:4: output.url" in said
    assert f"s3://{NEW}/in/" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("source", ["small/part/", "small/", ""])
def test_two_jobs_with_overlapping_input(cloud: Cloud, write: Callable[..., Path], source: str) -> None:
    write(source=f"s3://{IN}/{source}")

    said = refused(cloud, "deploy", JOB)

    assert "job small watches" in said or "job scripted watches" in said
    assert "input.url" in said


def test_a_key_that_is_none(cloud: Cloud, write: Callable[..., Path]) -> None:
    write(more="split_sise: 1MiB")

    said = refused(cloud, "deploy", JOB)

    assert said == "error: jobs/mistake.yml:5: split_sise: unknown key; did you mean 'split_size'?\n"


def test_a_value_of_the_wrong_type(cloud: Cloud, write: Callable[..., Path]) -> None:
    write(more="partitions: many")

    said = refused(cloud, "deploy", JOB)

    assert said.startswith("error: jobs/mistake.yml:5: partitions: expected ")
    assert "many" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("job", ["nowhere:WordCount", "wordcount:WordCounter"])
def test_a_module_or_class_that_is_missing(cloud: Cloud, write: Callable[..., Path], job: str) -> None:
    write(job=job)

    said = refused(cloud, "deploy", JOB)

    assert "nowhere.py" in said or "WordCounter" in said
    assert said.count("\n") == 1


def test_a_job_that_does_not_exist(cloud: Cloud) -> None:
    said = refused(cloud, "deploy", "wordcuont")

    assert "did you mean 'wordcount'?" in said


def test_submitting_to_a_bucket_that_does_not_exist(
    cloud: Cloud, write: Callable[..., Path], tmp_path: Path
) -> None:
    write()
    (tmp_path / "file.txt").write_text("red\n")

    said = refused(cloud, "submit", JOB, str(tmp_path / "file.txt"))

    assert f"s3://{NEW}/" in said
    assert "bucket" in said
    assert said.count("\n") == 1


def test_waiting_on_a_bucket_that_does_not_exist(
    cloud: Cloud, write: Callable[..., Path], tmp_path: Path
) -> None:
    write(source=f"s3://{IN}/mistake/")
    (tmp_path / "file.txt").write_text("red\n")

    said = refused(cloud, "submit", JOB, str(tmp_path / "file.txt"), "--wait")

    assert f"s3://{NEW}-work/" in said
    assert cloud.listing(IN, "mistake/") == {}, "the file was uploaded though nobody could wait for its run"


def test_the_status_of_a_job_whose_bucket_does_not_exist(cloud: Cloud, write: Callable[..., Path]) -> None:
    write()

    said = refused(cloud, "status", JOB)

    assert f"s3://{NEW}-work/" in said
    assert said.count("\n") == 1


def test_a_plain_chalice_deploy_of_a_stage_that_nobody_wrote(
    cloud: Cloud, write: Callable[..., Path]
) -> None:
    write()
    before = everything(cloud)

    done = cloud.execute("-c", "from chalice.cli import main; main()", "deploy", "--stage", JOB)

    assert done.returncode != 0
    assert "scripts/deploy.py NAME" in done.stdout + done.stderr
    assert everything(cloud) == before
