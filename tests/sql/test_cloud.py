"""A job in SQL through the real deployment: the same bytes as the local engine's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.deployment.project import ROOT
from tests.cloud.conftest import checkout
from tests.cloud.harness import IN, Cloud

__all__ = ["checkout"]

pytestmark = pytest.mark.cloud
JOB = "tpch_q1_sql"


def test_an_example_deployed_gives_the_bytes_of_the_local_engine(checkout: Cloud, tmp_path: Path) -> None:
    row = "{0}|1|2|3|{1}.00|{2}.50|0.0{3}|0.01|{4}|F|199{3}-01-02|1994-01-02|1994-01-03|NONE|MAIL|text|\n"
    body = "".join(row.format(n, n % 50, n * 7 % 9999, n % 9, "ANR"[n % 3]) for n in range(3000)).encode()
    (tmp_path / "x.tbl").write_bytes(body)
    options = [JOB, str(tmp_path / "x.tbl"), "--output", str(tmp_path / "out")]
    subprocess.run([sys.executable, "scripts/run.py", *options], cwd=ROOT, check=True, capture_output=True)
    (local,) = (tmp_path / "out").glob("part-*.csv")

    checkout.script("deploy", JOB, check=True)
    source = checkout.put(IN, f"{JOB}/x.tbl", body)
    run = checkout.wait(JOB, [source])[source]
    assert run.succeeded, run.failure
    assert run.text == local.read_bytes()
    assert len(run.text.splitlines()) == 3
