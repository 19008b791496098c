"""`sizes`: an estimate of memory that is about right."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.mapreduce.shuffle.memory_size import deep_size, mean_size


@pytest.mark.parametrize(
    "make",
    [
        lambda number: f"a word {number}",
        lambda number: (f"a{number}", number + 10_000),
        lambda number: [float(number), f"x{number}" * 10],
        lambda number: {f"k{number}": [number + 10_000] * 3, "b": b"x" * 50},
    ],
    ids=["text", "tuple", "list", "dict"],
)
def test_the_estimate_is_near_what_python_allocates(make: Callable[[int], Any]) -> None:
    tracemalloc.start()
    try:
        held = [make(number) for number in range(2000)]
        allocated, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0.6 * allocated < sum(map(deep_size, held)) < 2.0 * allocated


def test_the_mean_of_nothing_is_nothing() -> None:
    assert mean_size([]) == 0
    assert mean_size(["aa", "bb"]) == deep_size("aa")
