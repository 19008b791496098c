"""Totals over all files through the real deployment: whatever comes together, each file is counted once."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from tests.cloud.harness import OUT, WORK, Cloud

pytestmark = pytest.mark.cloud


def text(number: int) -> bytes:
    return "".join(f"w{place * number % 13} file{number}\n" for place in range(300)).encode()


def totals(cloud: Cloud) -> Counter[str]:
    shown = json.loads(cloud.get(OUT, "tally/_totals.json"))
    rows = b"".join(cloud.get(OUT, part["key"]) for part in shown["parts"]).decode().splitlines()
    found = {word: int(count) for word, _, count in (row.partition("\t") for row in rows)}
    assert len(found) == len(rows) == shown["records"]
    return Counter(found)


FILES = 6


def test_files_at_once_and_one_more_are_counted_once_each(checkout: Cloud) -> None:
    checkout.script("deploy", "tally", check=True)
    runs = checkout.count("tally", {f"{number}.txt": text(number) for number in range(FILES)})
    assert all(run.succeeded for run in runs.values()), {name: run.files for name, run in runs.items()}
    words = [word for number in range(FILES) for word in text(number).decode().split()]
    assert totals(checkout) == Counter(words)

    again = checkout.s3_event("tally/3.txt")  # of another time than that of the first: it was put again
    for _ in range(2):
        checkout.invoke("tally", "coordinator", again)
    words += text(3).decode().split()
    checkout.until(
        lambda: totals(checkout) == Counter(words), "tally", "the file that was put again to be counted"
    )
    # Only now one more: nobody else has anything to merge, so that it is this run that goes through all steps.
    more = checkout.count("tally", {"more.txt": b"w1 w1 w2\n"})["more.txt"]
    assert more.succeeded, more.failure
    assert totals(checkout) == Counter([*words, "w1", "w1", "w2"])
    assert "step 3 of 3" in checkout.script("status", "tally", more.run, check=True).stdout
    assert len(checkout.runs("tally")) == FILES + 2
    checkout.until(lambda: len(states(checkout)) <= 2, "tally", "old states to be deleted")


def states(cloud: Cloud) -> set[str]:
    """The generations of which there are states."""
    return {key.split("/")[3].partition(".")[0] for key in cloud.listing(WORK, "totals/tally/states/")}
