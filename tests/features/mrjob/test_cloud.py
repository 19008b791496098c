"""A job written for mrjob, deployed by the real `chalice deploy`: two steps, an option, a side file, sorted values."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.cloud.harness import IN, Cloud

from .harness import TEXT, run

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
