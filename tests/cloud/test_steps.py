"""A job of several steps through the real deployment, and a second job that its end starts."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.cloud.harness import OUT, WORK, Cloud

pytestmark = pytest.mark.cloud

WORDS = [f"w{number * number % 97}" for number in range(6000)]
TEXT = "".join(f"{word} {'end' if number % 50 == 0 else ''}\n" for number, word in enumerate(WORDS)).encode()


def test_steps_are_one_run_and_its_success_starts_the_next_job(checkout: Cloud) -> None:
    for job in ("relay", "tiers"):
        checkout.script("deploy", job, check=True)
    source = checkout.put("sluice-demo-in", "tiers/a.txt", TEXT)
    (run,) = checkout.wait("tiers", [source]).values()
    assert run.succeeded, run.failure
    assert run.manifest["steps"] == 3
    assert run.manifest["input_bytes"] == len(TEXT)
    assert run.manifest["parts"][0]["key"].endswith(".pairs")
    steps = {key.split("/")[3] for key in checkout.listing(WORK, f"runs/tiers/{run.run}/step-")}
    assert steps == {"step-1", "step-2"}

    (found,) = checkout.wait("relay", [f"s3://{OUT}/tiers/{run.run}/_SUCCESS"]).values()
    assert found.succeeded, found.failure
    counted = Counter(TEXT.decode().split())
    top = sorted(counted.items(), key=lambda row: (-row[1], row[0]))[:20]
    assert found.text.decode().splitlines() == [f"{word}\t{count}" for word, count in sorted(top)]
    assert len(found.parts) == 1
    assert len(checkout.runs("relay")) == 1, "parts, manifest and markers start nothing"

    told = checkout.script("status", "tiers", run.run, check=True).stdout
    assert "step 3 of 3" in told
