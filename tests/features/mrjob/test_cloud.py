"""A job written for mrjob, deployed by the real `chalice deploy`: two steps, an option, a side file, sorted values."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.cloud.harness import IN, Cloud

from .harness import TEXT, run

from listed_words import MRListedWords  # isort: skip
from most_used_word import MRMostUsedWord  # isort: skip
from next_word_stats import MRNextWordStats  # isort: skip

pytestmark = pytest.mark.cloud


def test_jobs_deployed_give_what_they_give_here(checkout: Cloud) -> None:
    in_many_tasks = replace(checkout, environ={**checkout.environ, "SLUICE_SPLIT_SIZE": "100"})
    sources = {}
    for name in ("most_used_word", "next_word_stats"):
        in_many_tasks.script("deploy", name, check=True)
        sources[name] = checkout.put(IN, f"{name}/text.txt", b"".join(TEXT))
    for name, job in (("most_used_word", MRMostUsedWord), ("next_word_stats", MRNextWordStats)):
        ended = checkout.wait(name, [sources[name]])[sources[name]]
        assert ended.succeeded, ended.failure
        assert ended.text == run(job).output
        assert checkout.plan(name, ended.run)["tasks"] > 1


def test_a_script_runs_itself_on_lambda(checkout: Cloud, tmp_path: Path) -> None:
    """It writes its settings, deploys, submits two files as one run, waits, prints, and fetches the parts.

    With it go a folder, a program that is run before the mapper, and a variable of the command line.
    """
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_bytes(b"".join(TEXT))
    files = [str(tmp_path / name) for name in ("a.txt", "b.txt")]
    expected = run(MRListedWords, "--cmdenv", "GREETING=good day", *files)
    assert (["a.txt", "fox"], [3, "good day"]) in expected.pairs
    cloud = replace(checkout, environ={**checkout.environ, "PYTHONPATH": str(checkout.root)})
    script, out = str(checkout.root / "jobs" / "listed_words.py"), tmp_path / "out"
    options = ["-r", "lambda", "--buckets", "sluice-demo", "--cat-output", "-o", str(out)]
    done = cloud.execute(script, *options, "--cmdenv", "GREETING=good day", *files)
    assert done.returncode == 0, done.stderr
    assert "listed_words: deployed" in done.stderr
    assert done.stdout.encode() == expected.output
    assert b"".join(path.read_bytes() for path in sorted(out.iterdir())) == expected.output
