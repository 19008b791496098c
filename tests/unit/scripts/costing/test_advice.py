"""Advice on made-up runs: the right setting, and the saving as it is worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.core.messages import Stats, Wasted
from chalicelib.core.outcome import Manifest
from chalicelib.core.spec import (
    MIB,
    InputSpec,
    JobSpec,
    MemorySpec,
    OutputSpec,
    PlaceSpec,
    SqlSpec,
    TimeoutSpec,
)
from chalicelib.run.status.price_list import prices_of
from chalicelib.run.status.prices import cost_told
from scripts.costing.advice import Advice, advise
from scripts.costing.told import Told, alike

#: On arm64, in us-east-1, as AWS says.
GB_SECOND, REQUEST, PUT, GET = 0.0000133334, 0.20e-6, 0.005e-3, 0.0004e-3
PRICES = prices_of("us-east-1")


def spec(mapper: int = 1769, reducer: int = 1769, **figures: Any) -> JobSpec:
    return JobSpec(
        job="j:J",
        input=InputSpec(url="s3://in/"),
        work=PlaceSpec(url="s3://work/"),
        output=OutputSpec(url="s3://out/"),
        memory=MemorySpec(mapper=mapper, reducer=reducer),
        **{"architecture": "arm64", "split_size": 64 * MIB, **figures},
    )


def mapped(**figures: Any) -> Stats:
    """100 tasks of 64 MiB, half a minute each, a third of it for reading."""
    usual: dict[str, Any] = {
        "bytes_in": 100 * 64 * MIB, "bytes_out": 1000 * MIB, "seconds": 3000.0, "gets": 1000, "puts": 200,
        "starts": 100, "cold": 50, "init": 20.0, "starting": 30.0, "reading": 1000.0, "code": 1500.0,
        "memory": 1769, "peak": 700,
    }  # fmt: skip
    return Stats(**{**usual, **figures})


def reduced(**figures: Any) -> Stats:
    usual: dict[str, Any] = {
        "bytes_in": 1000 * MIB, "bytes_out": 500 * MIB, "seconds": 240.0, "gets": 800, "puts": 16, "starts": 8,
        "cold": 4, "init": 1.6, "starting": 2.4, "reading": 100.0, "code": 100.0, "memory": 1769, "peak": 700,
    }  # fmt: skip
    return Stats(**{**usual, **figures})


def told(settings: JobSpec, map_: Stats, reduce: Stats, **figures: Any) -> Told:
    manifest = Manifest(
        job="j", run="r", outcome="success", mapped=map_, reduced=reduce, started=1000.0, finished=1120.0,
        **{"map_tasks": 100, "reduce_tasks": 8, **figures},
    )  # fmt: skip
    small = figures.get("map_tasks") == 1
    return Told.of(manifest, settings, cost_told(manifest, settings, PRICES, small=small), small=small)


def only(found: list[Advice]) -> Advice:
    (one,) = found
    return one


def test_of_a_well_set_run_there_is_nothing_to_say() -> None:
    assert advise(told(spec(), mapped(), reduced()), PRICES) == []


def test_too_much_memory() -> None:
    """Python uses one processor, which 1769 MB have: the same seconds at 1769 / 4096 of the price."""
    one = only(advise(told(spec(4096), mapped(memory=4096, peak=600), reduced()), PRICES))
    assert (one.setting, one.now, one.value) == ("memory.mapper", "4096", "1769")
    paid, would = 3020 * 4 * GB_SECOND, 3020 * 1769 / 1024 * GB_SECOND
    assert one.saving == pytest.approx(paid - would, rel=1e-9)
    assert one.why == (
        "tasks used at most 600 of 4,096 MB, and one processor, which 1769 MB have: 50m 20s cost $0.1611, with 1,769 MB"
        " 50m 20s would cost $0.0696"
    )


def test_too_much_memory_for_tasks_that_wait_for_s3() -> None:
    """All but 200 of 3020 s are for reading, so a slower processor hardly matters: 768 MB cost least of what fits."""
    stats = mapped(reading=2820.0, code=100.0, peak=300)
    one = only(advise(told(spec(1769), stats, reduced()), PRICES))
    longer = 2820 + 200 * 1769 / 768
    saving = (3020 * 1769 - longer * 768) / 1024 * GB_SECOND
    assert (one.value, one.saving) == ("768", pytest.approx(saving, rel=1e-9))
    assert longer < 1.1 * 3020 < 2820 + 200 * 1769 / 512  # which would take too long


@pytest.mark.parametrize("peak", [1100, 1700])
def test_memory_that_is_used_is_not_advised_away(peak: int) -> None:
    """There is room for a task that holds two thirds more."""
    one = only(advise(told(spec(4096), mapped(memory=4096, peak=peak), reduced()), PRICES))
    assert int(one.value) >= peak / 0.6


def test_too_little_memory() -> None:
    """A third of a processor for tasks that compute: with a whole one a third of the time, for a twelfth more money."""
    slow = mapped(memory=512, peak=300, seconds=9000.0, reading=300.0, code=8000.0, init=60.0)
    one = only(advise(told(spec(512), slow, reduced()), PRICES))
    assert (one.setting, one.now, one.value) == ("memory.mapper", "512", "1769")
    then = 300 + (9060 - 300) * 512 / 1769
    saving = 9060 * 0.5 * GB_SECOND - then * 1769 / 1024 * GB_SECOND
    assert then < 0.33 * 9060
    assert one.saving == pytest.approx(saving, rel=1e-9)
    assert one.why.startswith(
        "512 MB come with 29% of a processor: 2h 31m cost $0.0604, with 1,769 MB 47m 15s"
    )


def test_memory_that_is_nearly_full_is_worth_money() -> None:
    """There is a processor already, so more memory costs; a task that dies costs more."""
    one = only(advise(told(spec(1769), mapped(peak=1650), reduced()), PRICES))
    assert (one.setting, one.value) == ("memory.mapper", "3008")
    assert one.saving == pytest.approx(3020 * (1769 - 3008) / 1024 * GB_SECOND, rel=1e-9)
    assert one.why.startswith("tasks used up to 1,650 of 1,769 MB; a task that needs more than there is dies")


def test_of_the_most_memory_that_there_is_there_is_no_more() -> None:
    assert advise(told(spec(10_240), mapped(memory=10_240, peak=10_000), reduced()), PRICES) == []
    one = only(advise(told(spec(9000), mapped(memory=9000, peak=8900), reduced()), PRICES))
    assert (one.setting, one.value) == ("memory.mapper", "10240")


def test_spilled() -> None:
    """Of 2000 s for sorting and writing three quarters went over the disk beside the run files."""
    stats = mapped(seconds=3530.0, starting=30.0, reading=500.0, code=1000.0, spilled=3000 * MIB, peak=1100)
    one = only(
        advise(told(spec(split_size=512 * MIB), replace(stats, bytes_in=100 * 512 * MIB), reduced()), PRICES)
    )
    # 0.6 of 1769 MB hold what 176.9 MiB of input become, six bytes for each: the next power of two is 128.
    assert (one.setting, one.now, one.value) == ("split_size", "512MiB", "128MiB")
    spilled = 2000 * 3000 / (3000 + 1000) * 1769 / 1024 * GB_SECOND
    overhead = (20 + 30) * 1769 / 1024 * GB_SECOND + 200 * REQUEST + 200 * PUT + 1000 * GET
    assert one.saving == pytest.approx(spilled - 3 * overhead, rel=1e-9)
    assert "2.9 GiB did not fit in memory" in one.why
    assert "about 25m 00s of 33m 20s of sorting and writing" in one.why


def test_spilled_by_reducers() -> None:
    stats = reduced(
        seconds=2000.0, code=200.0, spilled=4000 * MIB, bytes_in=8 * 1024 * MIB, bytes_out=0, peak=1100
    )
    one = only(advise(told(spec(reduce_size=1024 * MIB), mapped(), stats), PRICES))
    assert (one.setting, one.now, one.value) == ("reduce_size", "1GiB", "128MiB")
    handling = 2000 - 2.4 - 200
    spilled = handling * 4000 / (4000 + 8192) * 1769 / 1024 * GB_SECOND
    overhead = (1.6 + 2.4) * 1769 / 1024 * GB_SECOND + 16 * REQUEST + 16 * PUT + 800 * GET
    assert one.saving == pytest.approx(spilled - 7 * overhead, rel=1e-9)


def test_what_was_spilled_for_want_of_memory_that_costs_nothing() -> None:
    slow = mapped(memory=512, peak=500, seconds=9000.0, reading=300.0, code=6000.0, spilled=2000 * MIB)
    one = only(advise(told(spec(512), slow, reduced()), PRICES))
    assert (one.setting, one.value) == ("memory.mapper", "1769")
    assert one.why.startswith("tasks used up to 500 of 512 MB; ")
    assert one.why.endswith("; 2.0 GiB that were spilled may then fit")


def tiny() -> Stats:
    """1000 tasks of 1 MiB that take 0.6 s, of which 0.5 are the start."""
    return mapped(
        bytes_in=1000 * MIB, bytes_out=100 * MIB, seconds=600.0, gets=4000, puts=2000, starts=1000, cold=500,
        init=300.0, starting=500.0, reading=50.0, code=30.0, peak=90,
    )  # fmt: skip


def test_tiny_splits() -> None:
    found = advise(told(spec(split_size=1 * MIB), tiny(), reduced(), map_tasks=1000), PRICES)
    one = next(one for one in found if one.setting == "split_size")
    overhead = (300 + 500) * 1769 / 1024 * GB_SECOND + 2000 * REQUEST + 2000 * PUT + (4000 + 800) * GET
    work = 100 * 1769 / 1024 * GB_SECOND
    # A tenth for starts and requests is fine: so many times fewer tasks, up to a power of two, would have that.
    times = overhead / work * 9
    assert 64 < times <= 128
    # But 29 MiB for records of 1 MiB may become 1061: 36 times as much, so 32.
    assert (one.now, one.value) == ("1MiB", "32MiB")
    assert one.saving == pytest.approx(overhead * 31 / 32, rel=1e-9)
    assert one.why.startswith(
        "1,000 map tasks of 1.0 MiB took 0.60s each; starts, requests and invocations are 9"
    )
    assert [other.setting for other in found] == ["split_size"]


def test_many_runs_of_one_small_task() -> None:
    """A larger split changes nothing; one run over all twenty files takes once what each of them took."""
    stats = Stats(
        bytes_in=MIB, seconds=0.6, starting=0.5, starts=1, init=0.3, puts=2, gets=4, memory=1769, peak=90
    )
    other = Stats(seconds=0.1, starts=1, memory=1769, peak=90)
    small = told(spec(), stats, other, map_tasks=1, reduce_tasks=1)
    whole = alike([small] * 20)
    assert whole is not None
    assert whole.runs == 20
    one = only(advise(whole, PRICES))
    assert (one.setting, one.now, one.value) == ("trigger", "each", "marker")
    starts = 0.8 * 1769 / 1024 * GB_SECOND
    overhead = starts + small.dollars.supervision + small.dollars.requests
    assert one.saving == pytest.approx(overhead * 19 / 20, rel=1e-9)
    assert one.why.startswith("20 runs of one map task, of 1.0 MiB: starts, requests and supervision are ")
    assert alike([small] * 4) is not None
    assert advise(alike([small] * 4) or small, PRICES) == []
    by_hand = told(spec(trigger="marker"), stats, other, map_tasks=1, reduce_tasks=1)
    assert advise(alike([by_hand] * 20) or by_hand, PRICES) == []


def test_huge_splits() -> None:
    """Tasks of 600 s of 900, a tenth of which ran out of time; two attempts came to nothing."""
    stats = mapped(bytes_in=100 * 1024 * MIB, seconds=60_000.0, starts=110, reading=10_000.0, code=49_000.0)
    wasted = Wasted(attempts=2, stats=Stats(seconds=1000.0))
    one = only(advise(told(spec(split_size=1024 * MIB), stats, reduced(), map_wasted=wasted), PRICES))
    assert (one.setting, one.now, one.value) == ("split_size", "1GiB", "256MiB")
    each = ((20 + 30) * 1769 / 1024 * GB_SECOND + 200 * REQUEST + 200 * PUT + 1000 * GET) / 110
    lost = 1000 * 1769 / 1024 * GB_SECOND + 10 * each
    assert one.saving == pytest.approx(lost - 300 * each, rel=1e-9)
    assert one.why.startswith(
        "100 map tasks of 1.0 GiB took 10m 00s each, of 15m 00s that their function has; they ran out of time 10 times;"
        " 2 attempts came to nothing"
    )


def test_objects_that_are_not_cut_are_not_to_be_cut_smaller() -> None:
    """The same tasks, one for each whole object."""
    whole = InputSpec(url="s3://in/", format="whole_file")
    long = mapped(bytes_in=100 * 1024 * MIB, seconds=60_000.0, starts=110, reading=10_000.0, code=49_000.0)
    spilled = mapped(seconds=3530.0, reading=500.0, code=1000.0, spilled=3000 * MIB, bytes_in=100 * 512 * MIB)
    for stats in (long, spilled):
        assert advise(told(spec(), stats, reduced()), PRICES) != []
        assert advise(told(replace(spec(), input=whole), stats, reduced()), PRICES) == []


def test_tasks_that_take_long_by_what_their_function_has() -> None:
    short = spec(timeout=TimeoutSpec(mapper=50))
    one = only(advise(told(short, mapped(), reduced()), PRICES))
    assert (one.setting, one.value) == ("split_size", "16MiB")


def test_arm64() -> None:
    """A fifth of the time of functions: 0.0000166667 becomes 0.0000133334."""
    run = told(spec(architecture="x86_64"), mapped(), reduced())
    one = only(advise(run, PRICES))
    assert (one.setting, one.value) == ("architecture", "arm64")
    seconds = (3020 + 241.6) * 1769 / 1024 + (120 + 110 * 0.05) * 0.5 + 0.5
    assert one.saving == pytest.approx(seconds * (0.0000166667 - GB_SECOND), rel=1e-9)
    assert one.share == pytest.approx(one.saving / run.dollars.total)


def test_a_saving_is_one_of_an_average_run() -> None:
    run = told(spec(4096), mapped(memory=4096, peak=600), reduced())
    together = alike([run, run, run])
    assert together is not None
    assert only(advise(together, PRICES)).saving == pytest.approx(only(advise(run, PRICES)).saving)
    assert only(advise(together, PRICES)).share == pytest.approx(only(advise(run, PRICES)).share)


def test_runs_with_other_settings_than_the_last_do_not_count() -> None:
    before = told(spec(4096), mapped(memory=4096, peak=600), reduced())
    after = told(spec(), mapped(), reduced())
    assert alike([before, before, after]) == after
    assert alike([]) is None


def test_runs_that_did_not_tell_enough_get_no_advice() -> None:
    old = Stats(seconds=3000.0, bytes_in=100 * MIB, gets=1000)
    assert advise(told(spec(4096), old, old), PRICES) == []


def test_the_memory_of_runs_on_this_machine_is_nobody_s_limit() -> None:
    assert advise(told(spec(4096), mapped(memory=0, peak=600), reduced()), PRICES) == []


def test_a_job_in_sql_may_use_more_than_one_processor() -> None:
    settings = spec(4096, sql=SqlSpec(map="SELECT 1", reduce="SELECT 1"))
    assert advise(told(settings, mapped(memory=4096, peak=600), reduced()), PRICES) == []


@settings(max_examples=200, deadline=None)
@given(
    memory=st.sampled_from([128, 256, 512, 1024, 1769, 2048, 4096, 10_240]),
    used=st.floats(0.05, 1.0),
    reading=st.floats(0.0, 1.0),
    seconds=st.floats(1.0, 1e6),
)
def test_whoever_follows_the_advice_on_memory_is_not_sent_back(
    memory: int, used: float, reading: float, seconds: float
) -> None:
    """The same tasks in functions of the memory that was advised, by the same arithmetic: at most, further on."""
    peak, timeout = max(1, round(used * memory)), TimeoutSpec(mapper=900)

    def run(memory: int, seconds: float, reading: float) -> Told:
        stats = mapped(
            memory=memory, peak=peak, seconds=seconds, reading=reading, init=0.0, starting=0.0, starts=10_000
        )
        return told(spec(memory, timeout=timeout), stats, Stats(), map_tasks=10_000, reduce_tasks=0)

    def memory_of(one: Told) -> list[Advice]:
        return [found for found in advise(one, PRICES) if found.setting == "memory.mapper"]

    waiting = reading * seconds
    found = memory_of(run(memory, seconds, waiting))
    if found:
        better = int(only(found).value)
        faster = min(1.0, better / 1769) / min(1.0, memory / 1769)
        then = memory_of(run(better, waiting + (seconds - waiting) / faster, waiting))
        assert all((int(one.value) > better) == (better > memory) for one in then)
