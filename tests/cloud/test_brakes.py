"""A loop that no check of the YAML can see: somebody copies results into an input."""

from __future__ import annotations

import pytest

from tests.cloud.harness import IN, OUT, Cloud, Run

pytestmark = pytest.mark.cloud

JOB = "circle"
YAML = """\
job: wordcount:WordCount
input: {url: "s3://sluice-demo-in/circle/"}
work: {url: "s3://sluice-demo-work/"}
output: {url: "s3://sluice-demo-out/circle/"}
limits: {max_chain: 1}
"""


def come_back(cloud: Cloud, run: Run, name: str) -> Run:
    """A part of the results is copied into the input, as a replication does; the run that this starts."""
    source = {"Bucket": OUT, "Key": f"{JOB}/{run.run}/part-00000.tsv"}
    cloud.s3.copy_object(Bucket=IN, Key=f"{JOB}/{name}", CopySource=source)
    url = f"s3://{IN}/{JOB}/{name}"
    return cloud.wait(JOB, [url])[url]


def test_a_circle_through_copies_ends(cloud: Cloud) -> None:
    config = cloud.root / "jobs" / f"{JOB}.yml"
    config.write_text(YAML)
    try:
        cloud.script("deploy", JOB, check=True)
        first = cloud.count(JOB, {"first.txt": b"red blue red\n"})["first.txt"]
        second = come_back(cloud, first, "second.txt")
        assert second.counts() == {"red": 1, "blue": 1, "1": 1, "2": 1}
        third = come_back(cloud, second, "third.txt")
        assert "limits.max_chain" in third.failure
        assert f"s3://{IN}/{JOB}/third.txt is the result of 2 runs" in third.failure
    finally:
        cloud.script("deploy", JOB, "--delete", check=True)
        config.unlink()
