"""A job in SQL through the real deployment: right by DuckDB over the whole input, and the local engine's bytes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.deployment.project import ROOT
from tests.cloud.harness import IN, Cloud
from tests.features.sql.test_examples import AVERAGES, Q1, exact, expected, lineitem

__all__ = ["lineitem"]

pytestmark = pytest.mark.cloud
JOB = "tpch_q1_sql"


def test_an_example_deployed_is_right_and_the_same_as_here(
    checkout: Cloud, lineitem: Path, tmp_path: Path
) -> None:
    options = [JOB, str(lineitem), "--output", str(tmp_path / "out")]
    subprocess.run([sys.executable, "scripts/run.py", *options], cwd=ROOT, check=True, capture_output=True)
    (local,) = (tmp_path / "out").glob("part-*.csv")

    in_many_tasks = {**checkout.environ, "SLUICE_SPLIT_SIZE": "100KiB"}
    replace(checkout, environ=in_many_tasks).script("deploy", JOB, check=True)
    source = checkout.put(IN, f"{JOB}/lineitem.tbl", lineitem.read_bytes())
    run = checkout.wait(JOB, [source])[source]
    assert run.succeeded, run.failure
    assert checkout.plan(JOB, run.run)["tasks"] == -(-lineitem.stat().st_size // (100 << 10))
    assert run.text == local.read_bytes()

    found = [line.split(",") for line in run.text.decode().splitlines()]
    wanted = expected(Q1, lineitem)
    assert [exact(row) for row in found] == [exact(row) for row in wanted]
    for row, other in zip(found, wanted, strict=True):
        assert [*map(float, row[AVERAGES])] == pytest.approx([*map(float, other[AVERAGES])])
