"""A job written for mrjob, deployed by the real `chalice deploy`: two steps, an option, a side file, sorted values."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.cloud.harness import IN, Cloud

from .harness import TEXT, run

from most_used_word import MRMostUsedWord  # isort: skip
from next_word_stats import MRNextWordStats  # isort: skip

pytestmark = pytest.mark.cloud


def in_many_tasks(checkout: Cloud) -> Cloud:
    return replace(checkout, environ={**checkout.environ, "SLUICE_SPLIT_SIZE": "100"})


def test_jobs_deployed_give_what_they_give_here(checkout: Cloud) -> None:
    sources = {}
    for name in ("most_used_word", "next_word_stats"):
        in_many_tasks(checkout).script("deploy", name, check=True)
        sources[name] = checkout.put(IN, f"{name}/text.txt", b"".join(TEXT))
    for name, job in (("most_used_word", MRMostUsedWord), ("next_word_stats", MRNextWordStats)):
        ended = checkout.wait(name, [sources[name]])[sources[name]]
        assert ended.succeeded, ended.failure
        assert ended.text == run(job).output
        assert checkout.plan(name, ended.run)["tasks"] > 1


def test_a_script_runs_itself_on_lambda(checkout: Cloud, tmp_path: Path) -> None:
    """It deploys, submits, waits and fetches the parts; what it prints without --no-output is read from these."""
    (tmp_path / "text.txt").write_bytes(b"".join(TEXT))
    deployed = in_many_tasks(checkout)
    cloud = replace(deployed, environ={**deployed.environ, "PYTHONPATH": str(checkout.root)})
    script = str(checkout.root / "jobs" / "next_word_stats.py")
    out = tmp_path / "out"
    done = cloud.execute(script, "-r", "lambda", "--no-output", "-o", str(out), str(tmp_path / "text.txt"))
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "next_word_stats: deployed" in done.stderr
    assert b"".join(path.read_bytes() for path in sorted(out.iterdir())) == run(MRNextWordStats).output
