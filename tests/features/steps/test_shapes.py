"""Map-only jobs, one reducer, jobs that only reduce, and chains of jobs."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import Each, Job, Sum
from chalicelib.config.check import lint
from chalicelib.core.errors import ConfigError
from chalicelib.core.keys import SUCCESS
from chalicelib.core.ports import Loc
from chalicelib.core.spec import BadRecordsSpec, InputSpec, JobSpec, OutputSpec, PlaceSpec
from chalicelib.functions import run_inputs
from chalicelib.mapreduce.exchange.partitions import pack_partitions
from chalicelib.run.events import event_for
from chalicelib.run.job_code import check
from tests.features.steps.jobs import TEXT, CountWords
from tests.strategies import examples, places
from tests.worlds.simulation import IN, SCRATCH, Simulation, spec

LINES = b"".join(b"line %d\n" % number for number in range(200))


class Upper(Job):
    """Rows come in the order of the lines, and no key decides where they go."""

    shuffle = False

    def mapper(self, _: None, line: str) -> Iterator[Any]:
        yield line.upper(), len(line)
        if line.endswith("7"):
            yield [line], None

    def having(self, key: Any, value: Any) -> bool:
        return key != "LINE 5"


def upper(text: bytes) -> list[str]:
    rows = []
    for line in text.decode().splitlines():
        if line != "line 5":
            rows.append(f"{line.upper()}\t{len(line)}")
        if line.endswith("7"):
            rows.append(f'["{line}"]\tnull')
    return rows


def simulate(
    job: type[Job] = Upper, body: bytes = LINES, job_spec: JobSpec | None = None, **how: Any
) -> Simulation:
    simulation = Simulation(job, job_spec or spec(split_size=300), SCRATCH, **how)
    simulation.drop("a.txt", body)
    simulation.run()
    return simulation


@cache
def fault_free() -> Simulation:
    return simulate()


# ---------------------------------------------------------------------------------------------------
# Map-only


def check_upper(simulation: Simulation) -> None:
    output = simulation.output()
    assert "_SUCCESS" in output, (sorted(output), simulation.errors)
    assert simulation.errors == []
    assert simulation.text().decode().splitlines() == upper(LINES)
    manifest = json.loads(output["_manifest.json"])
    parts = [part["key"].rpartition("/")[2] for part in manifest["parts"]]
    assert parts == sorted(key for key in output if key.startswith("part-"))
    assert [part["bytes"] for part in manifest["parts"]] == [len(output[part]) for part in parts]
    assert manifest["records"] == len(upper(LINES))
    assert manifest["reduce_tasks"] == 0
    assert simulation.invocations["reducer"] == 0


def test_each_map_task_writes_a_part_in_the_order_of_its_lines() -> None:
    simulation = fault_free()
    check_upper(simulation)
    assert (
        simulation.invocations["mapper"]
        == len(json.loads(simulation.output()["_manifest.json"])["parts"])
        > 3
    )
    assert not [name for name in simulation.names() if name.endswith((".run", ".piece"))]


@pytest.mark.parametrize("split_size", [7, 64, 1 << 20])
def test_map_only_for_any_split_size(split_size: int) -> None:
    check_upper(simulate(job_spec=spec(split_size=split_size)))


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_kill_at_any_call_of_a_map_only_job_changes_nothing(before: bool) -> None:
    for number in places(fault_free().calls, 2):
        simulation = simulate(kill_at=[number], before=before)
        assert len(simulation.killed) == 1, f"call {number}"
        check_upper(simulation)


@pytest.mark.parametrize("seed", range(5))
def test_map_only_twice_and_in_any_order(seed: int) -> None:
    check_upper(simulate(seed=seed, duplicates=True))


def test_map_only_tasks_that_run_out_of_time_join_their_pieces() -> None:
    simulation = simulate(lifetime=0.99, supervisor_lifetime=300.0)
    check_upper(simulation)
    assert any(name.endswith(".next") for name in simulation.names())


class Chunks(Job):
    shuffle = False

    def mapper_chunk(self, text: str) -> Any:
        return Each(text.split(), 1)

    def mapper_final(self) -> Any:
        yield "end", 0


def test_map_only_by_chunks() -> None:
    rows = simulate(Chunks).text().decode().splitlines()
    counted = Counter(row for row in rows if row != "end\t0")
    assert counted == Counter(f"{word}\t1" for word in LINES.decode().split())


class Picky(Job):
    shuffle = False

    def mapper(self, _: None, line: str) -> Iterator[Any]:
        if line.endswith("9"):
            raise ValueError(line)
        yield line, None


def test_bad_records_of_a_map_only_job_are_set_aside() -> None:
    policy = BadRecordsSpec(policy="quarantine", max_fraction=1.0)
    simulation = simulate(Picky, job_spec=spec(split_size=300, bad_records=policy, output={"format": "text"}))
    good = [line for line in LINES.decode().splitlines() if not line.endswith("9")]
    assert simulation.text().decode().splitlines() == good
    assert json.loads(simulation.output()["_manifest.json"])["bad"] == 20


def test_a_map_only_job_that_fails_says_so() -> None:
    failed = simulate(Picky, job_spec=spec(split_size=300, max_attempts=2)).output()["_FAILED"].decode()
    assert "map task 0: job job: " in failed
    assert "line at byte 63" in failed


class Words(Job):
    shuffle = False

    def mapper(self, _: None, line: str) -> Iterator[Any]:
        for word in line.split():
            yield (word, len(word)), b"\xff"


class CountTuples(Job):
    def mapper(self, key: tuple[str, int], value: bytes) -> Iterator[Any]:
        assert type(key) is tuple, "types survive"
        yield key[0], len(value)

    reducer = Sum()


class LastIsMapOnly(Job):
    shuffle = False

    def mapper(self, key: str, value: int) -> Iterator[Any]:
        yield key, -value


class Mixed(Job):
    steps = (Words, CountTuples, LastIsMapOnly)


@pytest.mark.parametrize("split_size", [7, 60, 1 << 20])
def test_map_only_steps_among_others(split_size: int) -> None:
    simulation = simulate(Mixed, TEXT, spec(split_size=split_size, partitions=3, reduce_size=1))
    counted = Counter(TEXT.decode().split())
    assert sorted(simulation.text().decode().splitlines()) == sorted(f"{w}\t{-n}" for w, n in counted.items())


@pytest.mark.parametrize("part", ["combiner", "reducer"])
def test_a_map_only_job_has_no_reducer(part: str) -> None:
    job = type("Wrong", (Upper,), {part: Sum()})
    with pytest.raises(ConfigError, match=f"Wrong: shuffle = False, so nothing comes to {part}"):
        check(lambda _: job, "job", spec())


# ---------------------------------------------------------------------------------------------------
# How many reduce tasks


@pytest.mark.parametrize("most", [1, 2, 3, None])
def test_at_most_so_many_reducers(most: int | None) -> None:
    sizes = spec(split_size=300, partitions=16, reduce_size=1, reducers=most)
    simulation = simulate(CountWords, job_spec=sizes)
    calm = simulate(CountWords, job_spec=spec(split_size=300, partitions=16, reduce_size=1))
    if most == 1:  # the same rows, in one order
        assert simulation.text().splitlines() == sorted(calm.text().splitlines())
    else:
        assert simulation.text() == calm.text()
    if most:
        assert simulation.invocations["reducer"] == most
    else:
        assert simulation.invocations["reducer"] > 3


@given(
    sizes=st.lists(st.integers(0, 50), min_size=1, max_size=40),
    most=st.integers(1, 10),
    share=st.integers(1, 60),
)
@examples(200)
def test_ranges_of_partitions(sizes: list[int], most: int, share: int) -> None:
    free, ranges = pack_partitions(sizes, share), pack_partitions(sizes, share, most)
    assert len(ranges) <= most
    assert ranges == free or len(free) > most
    assert [edge for pair in ranges for edge in pair] == sorted(edge for pair in ranges for edge in pair)
    assert ranges[0][0] == 0
    assert ranges[-1][1] == len(sizes)
    assert all(one[1] == other[0] for one, other in pairwise(ranges))


# ---------------------------------------------------------------------------------------------------
# Chains of jobs


class Summed(Job):
    """Only reduces: what comes in are pairs already."""

    reducer = Sum()


def chain(first: type[Job], second: type[Job], trigger: str) -> Simulation:
    """Run `first`, then `second` over its results by the event of its `_SUCCESS`."""
    upstream = Simulation(
        first, spec(split_size=40, partitions=4, reduce_size=1, output={"format": "pairs"}), SCRATCH
    )
    upstream.drop("a.txt", TEXT)
    upstream.run()
    downstream = Simulation(
        second, spec(partitions=2, reduce_size=1, trigger=trigger, input={"format": "pairs"}), SCRATCH
    )
    for name, body in upstream.output().items():
        loc = IN.child(f"r1/{name}")
        downstream.memory.put(loc, body)
        event = event_for(loc)
        event["Records"][0] |= {"eventTime": "2026-11-21T03:24:24.000Z"}
        downstream.deliver("coordinator", event)
    downstream.run()
    return downstream


class Spelled(CountWords):
    reducer = None


def test_success_of_one_job_starts_the_next_over_its_parts() -> None:
    simulation = chain(Spelled, Summed, "success")
    counted = Counter(TEXT.decode().split())
    assert sorted(simulation.text().decode().splitlines()) == sorted(f"{w}\t{n}" for w, n in counted.items())
    assert len([name for name in simulation.output() if name == SUCCESS]) == 1
    manifest = json.loads(simulation.output()["_manifest.json"])
    assert manifest["inputs"] > 1
    assert manifest["source"].endswith("/r1/_SUCCESS")


def test_by_default_each_part_starts_a_run_and_nothing_else_does() -> None:
    simulation = chain(Spelled, Summed, "each")
    runs = {name.split("/")[1] for name in simulation.names() if name.startswith("out/")}
    parts = [name for name in simulation.names() if re.search(r"^in/.*part-", name)]
    assert len(runs) == len(parts) > 1


def test_success_does_not_start_a_marker_job() -> None:
    assert chain(Spelled, Summed, "marker").output() == {}


def test_pairs_that_were_cut_off_are_noticed() -> None:
    upstream = Simulation(Spelled, spec(output={"format": "pairs"}), SCRATCH)
    upstream.drop("a.txt", TEXT)
    upstream.run()
    (body,) = [body for name, body in upstream.output().items() if name.startswith("part-")]
    for damaged in (body[:-1], body[:20], body[:-3] + b"xxx", b"no pairs at all, but text"):
        simulation = Simulation(Summed, spec(input={"format": "pairs"}, max_attempts=1), SCRATCH)
        simulation.drop("part-00000.pairs", damaged)
        simulation.run()
        assert "part-00000.pairs" in simulation.output()["_FAILED"].decode()


def test_a_class_without_a_mapper_reads_pairs_only() -> None:
    with pytest.raises(ConfigError, match="expected exactly one of mapper"):
        check(lambda _: Summed, "job", spec())
    check(lambda _: Summed, "job", spec(input={"format": "pairs"}))


def test_chunks_cannot_be_made_of_pairs() -> None:
    with pytest.raises(
        ConfigError, match=r"Chunks\.mapper_chunk: what comes from another step or job are pairs"
    ):
        check(lambda _: Chunks, "job", spec(input={"format": "pairs"}))


def test_the_coordinator_reads_what_lies_beside_the_marker_only(tmp_path: Path) -> None:
    simulation = Simulation(Spelled, spec(trigger="success"), tmp_path)
    simulation.memory.put(IN.child("other/x.txt"), b"never\n")
    simulation.memory.put(IN.child("run/part-00000.tsv"), b"once\n")
    simulation.memory.put(IN.child("run/_manifest.json"), b"{}")
    event = event_for(Loc("in", f"data/run/{SUCCESS}"))
    simulation.memory.put(Loc("in", f"data/run/{SUCCESS}"), b"")
    simulation.deliver("coordinator", event)
    simulation.run()
    assert simulation.text() == b"once\t1\n"
    assert run_inputs.READY == "_READY"


def placed(source: str, output: str, **figures: Any) -> JobSpec:
    return JobSpec(
        job="job:Job",
        input=InputSpec(url=f"s3://sluice-{source}/"),
        output=OutputSpec(url=f"s3://sluice-{output}/"),
        work=PlaceSpec(url="s3://sluice-work/"),
        **figures,
    )


def test_a_chain_is_fine_and_a_ring_is_refused_with_its_way_round() -> None:
    jobs = {
        "first": placed("in", "first"),
        "second": placed("first", "second", trigger="success"),
        "third": placed("second", "third", trigger="success"),
    }
    for name in jobs:
        assert lint(jobs[name], name, jobs) == []
    ring = {**jobs, "first": placed("third", "first", trigger="success")}
    for name in ring:
        (problem,) = lint(ring[name], name, ring)
        order = [*ring, *ring]
        start = order.index(name)
        assert " -> ".join([*order[start : start + 3], name]) in problem
        assert "without end" in problem
