"""Runs of thousands of tasks fit the functions that see all of them. Bounds are far above what there is, and far below
what each design took that held everything at once.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.strategies import WHOLE
from tests.worlds.at_size import measured

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")

#: Of a supervisor, less what boto3 and its client take.
SUPERVISOR = 256 - 80


def test_sixteen_thousand_map_tasks_and_four_thousand_partitions(tmp_path: Path) -> None:
    """All offsets as Python's ints were 12.7 GB, and the index, with each name once for each reducer, 5.3 GB."""
    found = measured("shuffle", tmp_path, 16_000, 4096)
    assert found["MiB"] < SUPERVISOR
    assert found["counted"]["reduce tasks"] == 4096
    assert found["counted"]["MiB of index"] < 400

    found = measured("reducer", tmp_path, 16_000, 4096, 1)
    assert found["MiB"] < 100, "decoding its slice took 1 730"
    assert found["counted"] == {"run files": 16_000, "partitions": 1, "get": 32}

    found = measured("reducer", tmp_path, 16_000, 4096, 4096)
    assert found["MiB"] < 200, "the slice has 262 MB"
    assert found["counted"]["partitions"] == 4096


def test_a_million_and_a_half_of_markers(tmp_path: Path) -> None:
    count = 1_500_000 if WHOLE else 500_000
    missing = [count * 2 // 3 - 1, count * 2 // 3, count - 1]
    found = measured("count", tmp_path, count, *missing)
    assert found["counted"] == {"done": count - 3, "missing": missing}
    assert found["MiB"] < (80 if WHOLE else 45), "a set of as many ints takes 130, and 60"


def test_a_plan_over_three_hundred_thousand_objects(tmp_path: Path) -> None:
    found = measured("plan", tmp_path, 300_000, 1000)
    assert found["counted"]["objects"] == 300_000
    assert found["counted"]["splits of the last"] == 300_000 - 4096 * (found["counted"]["tasks"] - 1)
    assert found["MiB"] < 150, "with all objects and splits in lists it took 290, and a million 890"
