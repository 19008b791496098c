"""What messages have in common: counters and statistics are added up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from chalicelib.core.messages import Stats, decode, sum_counters

ROOT = Path(__file__).resolve().parents[3]


def test_counters_are_summed_by_name_and_none_is_changed() -> None:
    one, other = {"bad": 1, "good": 2}, {"good": 3, "new": -1}
    assert sum_counters(one, other, {}) == {"bad": 1, "good": 5, "new": -1}
    assert (one, other) == ({"bad": 1, "good": 2}, {"good": 3, "new": -1})
    assert sum_counters() == {}


def test_statistics_are_added_field_by_field() -> None:
    assert Stats(records_in=1, seconds=0.5) + Stats(records_in=2, gets=3) == Stats(
        records_in=3, seconds=0.5, gets=3
    )


def test_of_memory_the_largest_counts() -> None:
    small, large = (
        Stats(starts=1, cold=1, memory=512, peak=300),
        Stats(starts=1, memory=512, peak=400, code=0.5),
    )
    assert small + large == large + small == Stats(starts=2, cold=1, memory=512, peak=400, code=0.5)
    assert (small + large) * 2.5 == Stats(starts=5, cold=2, memory=512, peak=400, code=1.25)


def test_what_earlier_versions_wrote_is_read_and_tells_of_no_start() -> None:
    old = decode(Stats, b'{"records_in":3,"seconds":0.5}', "here")
    assert (old.records_in, old.starts, old.peak) == (3, 0, 0)


CROWD = """
import faulthandler, sys, threading
from chalicelib.core.messages import Count, Message, decode, from_payload

faulthandler.enable()
sys.setswitchinterval(1e-6)
for _ in range(400):
    exec('''
class Inner(Message, frozen=True, kw_only=True):
    number: Count = 0
class Outer(Message, frozen=True, kw_only=True):
    one: Inner
    several: tuple[Inner, ...] = ()
''')
    crowd, found = threading.Barrier(8), []

    def first(look):
        crowd.wait()
        found.append(look().one.number)

    looks = [lambda: decode(Outer, b'{"one": {"number": 1}, "several": [{}]}', "x"),
             lambda: from_payload(Outer, {"one": {"number": 1}}, "x")]
    threads = [threading.Thread(target=first, args=(looks[n % 2],)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1] * 8
"""


@pytest.mark.slow
def test_threads_may_decode_a_message_for_the_first_time_at_once() -> None:
    """msgspec alone crashes the process then; it did so to scripts that read many runs, once in some hundred."""
    done = subprocess.run(
        [sys.executable, "-c", CROWD], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[:2000]
