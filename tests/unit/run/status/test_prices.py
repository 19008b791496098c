"""What a run costs: the table, and what is paid for."""

from __future__ import annotations

import pytest

from chalicelib.core.messages import Stats
from chalicelib.core.spec import InputSpec, JobSpec, MemorySpec, OutputSpec, PlaceSpec
from chalicelib.run.status.prices import Bill, Prices, Usage, cost, usage

SPEC = JobSpec(
    job="wordcount:WordCount",
    input=InputSpec(url="s3://in/"),
    work=PlaceSpec(url="s3://work/w/"),
    output=OutputSpec(url="s3://out/o/"),
    memory=MemorySpec(mapper=2048, reducer=1024, supervisor=256, coordinator=512),
)


def test_cost_is_the_table_times_the_use() -> None:
    prices = Prices(
        gb_second={"x86_64": 1.0, "arm64": 0.5}, lambda_request=10.0, s3_put=100.0, s3_list=1000.0, s3_get=1e4
    )
    used = Usage(gb_seconds=2, lambda_requests=3, puts=4, gets=5, lists=6)
    assert cost(used, prices) == 2 + 30 + 400 + 50_000 + 6_000
    assert cost(Usage(gb_seconds=2, architecture="arm64"), prices) == 1.0


def test_cost_of_the_published_shuffle() -> None:
    """1 000 maps x 1 000 reduces, one object each: about $0.81 in requests with a GET for each pair."""
    used = Usage(puts=2 * 1000, gets=2_000_000)
    assert cost(used) == pytest.approx(0.81, abs=0.005)


def test_usage_is_memory_times_seconds_of_all_tasks() -> None:
    """SPEC has mappers of 2 GB and reducers of 1 GB; a coordinator and two events are well below 1 GB-s."""
    mapped = Bill(Stats(seconds=100.0, gets=3), scale=2.0, attempts=0)
    reduced = Bill(Stats(seconds=10.0, puts=5), scale=3.0, attempts=0)
    used = usage(SPEC, mapped, reduced, elapsed=0.0)
    assert 2 * 100 * 2 + 1 * 10 * 3 < used.gb_seconds < 431
    longer = usage(SPEC, mapped, reduced, elapsed=400.0)
    assert longer.gb_seconds - used.gb_seconds == pytest.approx(100)  # a supervisor of 256 MB waits
    assert longer.lists > used.lists
