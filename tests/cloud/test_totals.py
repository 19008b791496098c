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


def test_ten_files_at_once_and_one_more_are_counted_once_each(checkout: Cloud) -> None:
    checkout.script("deploy", "tally", check=True)
    runs = checkout.count("tally", {f"{number}.txt": text(number) for number in range(10)})
    assert all(run.succeeded for run in runs.values()), {name: run.files for name, run in runs.items()}
    words = [word for number in range(10) for word in text(number).decode().split()]
    assert totals(checkout) == Counter(words)

    again = checkout.s3_event("tally/3.txt")  # of another time than that of the first: it was put again
    for _ in range(2):
        checkout.invoke("tally", "coordinator", again)
    more = checkout.count("tally", {"more.txt": b"w1 w1 w2\n"})["more.txt"]
    assert more.succeeded, more.failure
    words += [*text(3).decode().split(), "w1", "w1", "w2"]
    checkout.until(
        lambda: totals(checkout) == Counter(words), "tally", "the file that was put again to be counted"
    )
    assert len(checkout.runs("tally")) == 12
    kept = {key.split("/")[3].partition(".")[0] for key in checkout.listing(WORK, "totals/tally/states/")}
    assert len(kept) <= 2
    assert "step 3 of 3" in checkout.script("status", "tally", more.run, check=True).stdout
