"""A task whose user code takes many times its function's timeout goes on in fresh invocations, and is right."""

from __future__ import annotations

import gzip
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.core.keys import parse_continuation
from chalicelib.core.ports import Loc
from chalicelib.core.spec import BadRecordsSpec, TimeoutSpec
from chalicelib.mapreduce.guard.deadline import Pace, StepTooLong
from tests.worlds.simulation import Simulation, spec

LINES = [f"word{number % 7} line {number}" for number in range(120)]


def slow_words(simulation: list[Simulation], seconds: float) -> type[Job]:
    """A job whose mapper lets virtual time pass."""

    class SlowWords(Job):
        def mapper(self, _: Any, line: str) -> Any:
            simulation[0].time += seconds
            for word in line.split():
                yield word, 1

        reducer = Sum()

    return SlowWords


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
@pytest.mark.parametrize("kill", [(), (40,), (97, 160)])
def test_a_map_task_of_twenty_times_its_timeout(name: str, kill: tuple[int, ...], tmp_path: Path) -> None:
    place: list[Simulation] = []
    job_spec = spec(split_size=100_000, partitions=4, timeout=TimeoutSpec(mapper=10))
    simulation = Simulation(slow_words(place, 1.7), job_spec, tmp_path, lifetime=10.0, kill_at=kill)
    place.append(simulation)
    text = "\n".join(LINES).encode()
    simulation.drop(name, gzip.compress(text) if name.endswith(".gz") else text)
    simulation.run()
    assert "_SUCCESS" in simulation.output()
    rows = (line.split("\t") for line in simulation.text().decode().splitlines())
    assert {word: int(count) for word, count in rows} == Counter(text.decode().split())
    pieces = [info.key for info in simulation.memory.list(Loc("work", "")) if parse_continuation(info.key)]
    assert len(pieces) >= len(LINES) * 1.7 / 10 - 1


def test_a_task_with_time_enough_is_one_piece(tmp_path: Path) -> None:
    place: list[Simulation] = []
    simulation = Simulation(slow_words(place, 0.001), spec(), tmp_path, lifetime=900.0)
    place.append(simulation)
    simulation.drop("a.txt", "\n".join(LINES).encode())
    simulation.run()
    assert "_SUCCESS" in simulation.output()
    assert not [info for info in simulation.memory.list(Loc("work", "")) if parse_continuation(info.key)]


def test_steps_grow_while_they_are_short_and_shrink_when_they_are_long() -> None:
    now = [0.0]
    pace = Pace(lambda: now[0], lambda: 1000.0)
    sizes = []
    for seconds in (0.0, 0.0, 0.05, 0.3, 2.0, 0.0):
        sizes.append(pace.size)
        pace.begin()
        now[0] += seconds
        pace.end()
    assert sizes == [1, 2, 4, 8, 8, 2]
    assert all(later <= 2 * earlier for earlier, later in pairwise(sizes))


def test_the_alarm_ends_code_that_does_not_end() -> None:
    started = time.monotonic()
    # One second is kept to write; the alarm rings when half of that is left.
    pace = Pace(time.monotonic, lambda: 0.6 - (time.monotonic() - started))
    with pytest.raises(StepTooLong), pace.alarm():
        never_ends()


def never_ends() -> None:
    while True:
        try:
            time.sleep(10)
        except Exception:  # noqa: BLE001 - as user code does; it must not swallow the alarm
            continue


class StuckOnOne(Job):
    """Never comes back from one record."""

    def mapper(self, _: Any, line: str) -> Any:
        if line == "stuck":
            while True:
                time.sleep(0.01)
        yield line, 1

    reducer = Sum()


class RealTime(Simulation):
    """Virtual time, but for what an invocation has left: that is real, so that its alarm rings."""

    def _remaining(self, lifetime: float) -> Any:
        began = time.monotonic()
        return lambda: lifetime - (time.monotonic() - began)


@pytest.mark.parametrize("policy", ["fail", "quarantine"])
def test_a_record_that_alone_outlasts_the_timeout_is_found(policy: Any, tmp_path: Path) -> None:
    bad = BadRecordsSpec(policy=policy, max=5, max_fraction=1.0)
    simulation = RealTime(
        StuckOnOne, spec(timeout=TimeoutSpec(mapper=2), bad_records=bad), tmp_path, lifetime=2.0
    )
    simulation.drop("a.txt", b"one\ntwo\nstuck\nthree\n")
    simulation.run()
    output = simulation.output()
    if policy == "fail":
        assert "s3://in/data/a.txt, line at byte 8" in output["_FAILED"].decode()
        assert "timeout.mapper" in output["_FAILED"].decode()
    else:
        assert simulation.text() == b"one\t1\nthree\t1\ntwo\t1\n"
        assert b'"bad":1' in output["_manifest.json"]


def slow_groups(simulation: list[Simulation], seconds: float) -> type[Job]:
    """A job whose reducer lets virtual time pass, and writes several rows a group."""

    class SlowGroups(Job):
        def mapper(self, _: Any, line: str) -> Any:
            for number, word in enumerate(line.split()):
                yield word, number

        def reducer(self, word: str, values: Any) -> Any:
            simulation[0].time += seconds
            yield word, sorted(values)
            yield word, "done"

    return SlowGroups


def grouped(text: str) -> list[str]:
    """The rows that `SlowGroups` must write, by partition no matter."""
    groups: dict[str, list[int]] = {}
    for line in text.splitlines():
        for number, word in enumerate(line.split()):
            groups.setdefault(word, []).append(number)
    rows = []
    for word in sorted(groups):
        listed = ",".join(map(str, sorted(groups[word])))
        rows += [f"{word}\t[{listed}]", f"{word}\tdone"]
    return rows


@pytest.mark.parametrize("partitions", [1, 5])
@pytest.mark.parametrize("budget", [None, 1])
@pytest.mark.parametrize("kill", [(), (60,), (75, 110)])
def test_a_reduce_task_of_twenty_times_its_timeout(
    partitions: int, budget: int | None, kill: tuple[int, ...], tmp_path: Path
) -> None:
    place: list[Simulation] = []
    job_spec = spec(partitions=partitions, memory_budget=budget)
    simulation = Simulation(slow_groups(place, 1.7), job_spec, tmp_path, lifetime=10.0, kill_at=kill)
    place.append(simulation)
    text = "\n".join(LINES)
    simulation.drop("a.txt", text.encode())
    simulation.run()
    assert "_SUCCESS" in simulation.output()
    assert sorted(simulation.text().decode().splitlines()) == sorted(grouped(text))
    if partitions == 1:
        assert simulation.text().decode().splitlines() == grouped(text)
    pieces = [key for key in simulation.work() if key.endswith(".piece")]
    assert len(pieces) >= len(grouped(text)) / 2 * 1.7 / 10 - 1
    fast = Simulation(slow_groups(place, 0.0), job_spec, tmp_path)
    fast.drop("a.txt", text.encode())
    fast.run()
    assert fast.text() == simulation.text()


class StuckGroup(Job):
    def mapper(self, _: Any, line: str) -> Any:
        yield line, 1

    def reducer(self, key: str, values: Any) -> Any:
        while key == "stuck":
            time.sleep(0.01)
        yield key, sum(values)


def test_a_group_that_alone_outlasts_the_timeout_is_named(tmp_path: Path) -> None:
    simulation = RealTime(StuckGroup, spec(), tmp_path, lifetime=2.0)
    simulation.drop("a.txt", b"one\nstuck\ntwo\n")
    simulation.run()
    failed = simulation.output()["_FAILED"].decode()
    assert "at key 'stuck'" in failed
    assert "timeout.reducer" in failed
