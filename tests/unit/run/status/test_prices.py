"""What a run costs: the table, and what is paid for."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from operator import add

import msgspec
import pytest

from chalicelib.core.messages import Stats, Wasted
from chalicelib.core.outcome import Manifest
from chalicelib.core.spec import InputSpec, JobSpec, MemorySpec, OutputSpec, PlaceSpec
from chalicelib.run.status.price_list import REGIONS, Prices, prices_of, whose
from chalicelib.run.status.prices import Bill, Parts, Usage, cost, cost_told, usage

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


def test_what_eventbridge_is_told_costs_a_dollar_a_million() -> None:
    """Each object that a run writes is told of, those of attempts that did not count, too."""
    wasted = Wasted(attempts=1, stats=Stats(puts=3))
    bill = Bill(Stats(seconds=1.0, puts=20), 2.0, attempts=1, wasted=wasted)
    told = msgspec.structs.replace(SPEC, events="eventbridge")
    parts = [usage(spec, bill, Bill(Stats(), 1.0, attempts=0), elapsed=1.0) for spec in (told, SPEC)]
    dear, cheap = (sum(cost(part) for part in one) for one in parts)
    assert dear - cheap == pytest.approx((40 + 8 + 3) * 1e-6, rel=1e-6)


def test_a_bill_worked_out_by_hand() -> None:
    """Ten map tasks and two reduce tasks, in Frankfurt, on arm64; one map attempt failed after 7 seconds."""
    spec = msgspec.structs.replace(SPEC, architecture="arm64")
    failed = Wasted(attempts=1, stats=Stats(seconds=6.0, init=1.0, gets=3, puts=1))
    mapped = Bill(Stats(seconds=100.0, init=2.0, gets=30, puts=20, lists=1), 1.0, attempts=11, wasted=failed)
    reduced = Bill(Stats(seconds=50.0, gets=20, puts=4), 1.0, attempts=2)
    prices, gb_second = prices_of("eu-central-1"), 0.0000133334
    parts = Parts(*(cost(part, prices) for part in usage(spec, mapped, reduced, elapsed=60.0)))
    assert parts.map == pytest.approx(102 * 2 * gb_second, rel=1e-12)
    assert parts.reduce == pytest.approx(50 * 1 * gb_second, rel=1e-12)
    # The supervisor stays for 60 s and answers 15 events of 0.05 s with 256 MB; the coordinator takes 1 s with 512.
    assert parts.supervision == pytest.approx((60.75 * 0.25 + 0.5) * gb_second, rel=1e-12)
    # Invocations: coordinator, 10 + 2 attempts that count, 15 events. PUT: 24 and the run's 8. LIST: 1, one at the
    # beginning, and one each 5 s. GET: 50 and two an event.
    requests = 28 * 0.20e-6 + (32 + 14) * 0.0054e-3 + (50 + 30) * 0.00043e-3
    assert parts.requests == pytest.approx(requests, rel=1e-12)
    wasted = 7 * 2 * gb_second + 0.20e-6 + 3 * 0.00043e-3 + 1 * 0.0054e-3
    assert parts.wasted == pytest.approx(wasted, rel=1e-12)


def test_a_small_run_is_paid_for_with_the_mapper_s_memory() -> None:
    one = Bill(Stats(seconds=4.0), 1.0, attempts=1)
    other = Bill(Stats(seconds=2.0), 1.0, attempts=1, wasted=Wasted(attempts=1, stats=Stats(seconds=8.0)))
    parts = usage(SPEC, one, other, elapsed=6.0, small=True)
    assert (parts.map.gb_seconds, parts.reduce.gb_seconds, parts.wasted.gb_seconds) == (8.0, 4.0, 16.0)
    assert parts.supervision.gb_seconds == pytest.approx(0.05 * 0.25 + 0.5)


def test_a_manifest_is_priced_like_the_run_that_it_is_of() -> None:
    stats = Stats(seconds=100.0, init=2.0, gets=30, puts=20)
    wasted = Wasted(attempts=1, stats=Stats(seconds=5.0), lost=1, lost_seconds=9.0)
    manifest = Manifest(
        job="j", run="r", outcome="success", map_tasks=10, reduce_tasks=2, mapped=stats, reduced=stats,
        map_wasted=wasted, exchange_tasks=3, exchanged=stats, started=1000.0, finished=1060.0,
    )  # fmt: skip
    told = cost_told(manifest, SPEC, small=False)
    exchanged = Bill(stats, 1.0, 3)
    parts = usage(SPEC, Bill(stats, 1.0, 12, wasted), Bill(stats, 1.0, 2), 60.0, exchanged=exchanged)
    names = ("map", "exchange", "reduce", "supervision", "requests", "wasted")
    assert tuple(getattr(told, name) for name in names) == tuple(map(cost, parts))
    assert told.exchange == pytest.approx(told.reduce)
    assert told.total == sum(map(cost, parts))


@pytest.mark.parametrize("region", sorted(REGIONS))
def test_every_region_has_all_its_prices(region: str) -> None:
    prices = prices_of(region)
    assert (prices.region, prices.asked) == (region, region)
    assert whose(region, prices.region) == f"list prices of {region}"
    assert 0 < prices.gb_second["arm64"] < prices.gb_second["x86_64"] < 1e-4
    assert 1e-7 < prices.lambda_request < 1e-6
    # A price for a thousand instead of a million, or for ten thousand, would be far off.
    assert 3e-7 < prices.s3_get < 1e-6 < prices.s3_list <= prices.s3_put < 1e-5
    assert 10 < prices.s3_put / prices.s3_get < 15


def test_a_region_that_is_not_listed_is_taken_for_another_and_that_is_said() -> None:
    prices = prices_of("mars-north-1")
    assert prices == replace(prices_of("us-east-1"), asked="mars-north-1")
    assert "those of mars-north-1 are not in" in whose(prices.asked, prices.region)
    assert whose("", prices_of().region) == "list prices of us-east-1: no region is known"


def test_usage_is_memory_times_seconds_of_all_tasks() -> None:
    """SPEC has mappers of 2 GB and reducers of 1 GB; a coordinator and two events are well below 1 GB-s."""
    mapped = Bill(Stats(seconds=100.0, gets=3), scale=2.0, attempts=0)
    reduced = Bill(Stats(seconds=10.0, puts=5), scale=3.0, attempts=0)
    used = together(usage(SPEC, mapped, reduced, elapsed=0.0))
    assert 2 * 100 * 2 + 1 * 10 * 3 < used.gb_seconds < 431
    longer = together(usage(SPEC, mapped, reduced, elapsed=400.0))
    assert longer.gb_seconds - used.gb_seconds == pytest.approx(100)  # a supervisor of 256 MB waits
    assert longer.lists > used.lists


def together(parts: Parts) -> Usage:
    return reduce(add, parts)
