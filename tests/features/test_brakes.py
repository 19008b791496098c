"""`limits`: a run that would pass one fails before it spends anything, and says which, and what to change."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.core.errors import LimitMet
from chalicelib.core.plan import chain_of
from chalicelib.core.ports import Loc
from chalicelib.core.spec import BadRecordsSpec, InputSpec, JobSpec, LimitsSpec, MemorySpec, TimeoutSpec
from chalicelib.functions.limits import check_supervisor
from chalicelib.mapreduce.input.splits import cut
from chalicelib.mapreduce.sql.feed import Lines
from chalicelib.run.status.prices import foreseen
from chalicelib.stores.memory import MemoryStore
from tests.worlds.simulation import IN, OUT, WORK, Simulation, spec

#: When the simulation's events are from: 2026-11-21T03:24:24Z.
EVENTS = 1_795_231_464.0


class Lengths(Job):
    def mapper(self, _: Any, line: str) -> Any:
        yield len(line), 1

    reducer = Sum()


def world(scratch: Path, limits: LimitsSpec, **figures: Any) -> Simulation:
    return Simulation(Lengths, spec(limits=limits, **figures), scratch)


def failed(simulation: Simulation) -> str:
    """Why the one run failed; nothing else was published."""
    assert sorted(simulation.output()) == ["_FAILED", "_manifest.json"]
    return simulation.output()["_FAILED"].decode()


def ends(simulation: Simulation) -> list[str]:
    """How all runs ended."""
    names = (info.key.rpartition("/")[2] for info in simulation.memory.list(OUT))
    return sorted(name for name in names if name in ("_SUCCESS", "_FAILED"))


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (
            LimitsSpec(input_bytes=99),
            "limits.input_bytes: the 1 objects of this run have 100 bytes, over the limit of 99: raise it",
        ),
        (
            LimitsSpec(tasks=9),
            "limits.tasks: this run has 10 map tasks, over the limit of 9: raise it, or split_size",
        ),
        (
            LimitsSpec(dollars=0.0),
            "limits.dollars: this run of 10 map tasks over 100 bytes would cost about $0.0",
        ),
    ],
)
def test_a_run_over_a_limit_fails_before_anything_is_started(
    limits: LimitsSpec, told: str, tmp_path: Path
) -> None:
    simulation = world(tmp_path, limits, split_size=10)
    simulation.drop("a.txt", b"123456789\n" * 10)
    simulation.run()
    assert told in failed(simulation)
    assert "mapper" not in {function for function, _ in simulation.delivered}
    left = {info.key.split("/", 3)[3] for info in simulation.memory.list(WORK)}
    assert left == {"run.done", "reduce/lease"}, "its verdict, and what the supervisor makes of it"


@pytest.mark.parametrize(
    "limits",
    [
        LimitsSpec(input_bytes=100, tasks=10, dollars=1.0),
        LimitsSpec(input_bytes=None, tasks=None, dollars=None, unpack_ratio=None),
        LimitsSpec(),
    ],
)
def test_a_run_at_its_limits_or_without_them_succeeds(limits: LimitsSpec, tmp_path: Path) -> None:
    simulation = world(tmp_path, limits, split_size=10)
    simulation.drop("a.txt", b"123456789\n" * 10)
    simulation.run()
    assert simulation.text() == b"9\t10\n"


def test_a_run_that_its_supervisor_could_not_bring_to_an_end_fails_before_anything_is_started(
    tmp_path: Path,
) -> None:
    """A second and a half are left of five, and reading three thousand markers takes longer."""
    simulation = world(tmp_path, LimitsSpec(), split_size=1, timeout=TimeoutSpec(supervisor=5))
    simulation.drop("a.txt", b"12\n" * 1000)
    simulation.run()
    told = failed(simulation)
    assert "timeout.supervisor: a block of the shuffle's index" in told
    assert "of 3,000 map tasks" in told
    assert "the run cannot end: more memory.supervisor" in told
    assert "mapper" not in {function for function, _ in simulation.delivered}
    simulation = world(tmp_path, LimitsSpec(), split_size=1, timeout=TimeoutSpec(supervisor=5))
    simulation.drop("a.txt", b"12\n" * 10)
    simulation.run()
    assert simulation.text() == b"2\t10\n"


@pytest.mark.parametrize(
    ("tasks", "settings", "told"),
    [
        (300_000, {}, None),
        (
            1_000_000,
            {},
            None,
        ),  # by the arithmetic it could not; but seconds are refused by from twice as many on
        (2_000_000, {}, "timeout.supervisor: one look at 2,000,000 map tasks takes "),
        (3_000_000, {}, "memory.supervisor: watching 3,000,000 map tasks takes "),
        (2_000_000, {"memory": MemorySpec(supervisor=1769), "timeout": TimeoutSpec(supervisor=900)}, None),
    ],
)
def test_how_many_tasks_a_supervisor_bears(tasks: int, settings: dict[str, Any], told: str | None) -> None:
    if told is None:
        check_supervisor(spec(**settings), 16, tasks)
        return
    with pytest.raises(LimitMet, match=told) as raised:
        check_supervisor(spec(**settings), 16, tasks)
    assert "split_size" in str(raised.value)


def test_more_runs_in_an_hour_than_there_may_be(tmp_path: Path) -> None:
    simulation = world(tmp_path, LimitsSpec(runs_per_hour=3))
    simulation.time = EVENTS
    for number in range(5):
        simulation.drop(f"{number}.txt", b"x\n")
        simulation.run()
    assert ends(simulation) == ["_FAILED"] * 2 + ["_SUCCESS"] * 3
    told = [
        simulation.memory.get(Loc("out", info.key))
        for info in simulation.memory.list(OUT)
        if "_FAILED" in info.key
    ]
    assert b"limits.runs_per_hour: 3 other runs of job have begun since 20261121T0224" in told[0]
    simulation.time = EVENTS + 3700
    simulation.drop("later.txt", b"x\n")
    simulation.run()
    assert ends(simulation) == ["_FAILED"] * 2 + ["_SUCCESS"] * 4


#: 20 MiB, in lines long enough to be read in no time.
SAME = (b"x" * 4095 + b"\n") * 5120
BZ2, GZ = bz2.compress(SAME), gzip.compress(SAME)


@pytest.mark.parametrize("policy", ["fail", "quarantine"])
def test_an_object_that_unpacks_to_far_too_much_fails_the_run(policy: Any, tmp_path: Path) -> None:
    assert len(SAME) / len(BZ2) > 2000
    bad = BadRecordsSpec(policy=policy, max=10, max_fraction=1.0)
    simulation = world(tmp_path, LimitsSpec(), bad_records=bad)
    simulation.drop("a.txt.bz2", BZ2)
    simulation.run()
    told = failed(simulation)
    assert f"limits.unpack_ratio: its {len(BZ2)} bytes unpack to more than 16,777,216" in told
    assert "raise it if the object is right" in told


def test_what_gzip_can_do_at_most_is_let_pass(tmp_path: Path) -> None:
    assert 700 < len(SAME) / len(GZ) < 1033
    simulation = world(tmp_path, LimitsSpec())
    simulation.drop("a.txt.gz", GZ)
    simulation.run()
    assert simulation.text() == b"4095\t5120\n"


def test_the_estimate_is_near_what_runs_have_cost() -> None:
    """README: 1 GB in 16 tasks with 2 GB takes about 100 GB-seconds, a fifth of a cent."""
    found = foreseen(job_spec(), 1 << 30, 16)
    assert 0.002 / 3 < found < 0.002 * 3
    assert foreseen(job_spec(), 1 << 40, 16_384) > 500 * found
    assert foreseen(job_spec(architecture="arm64"), 1 << 30, 16) < found
    hundred_terabytes = 100 << 40
    limits = LimitsSpec()
    assert foreseen(job_spec(), hundred_terabytes, hundred_terabytes >> 26) < (limits.dollars or 0)
    assert hundred_terabytes < (limits.input_bytes or 0)


def job_spec(**figures: Any) -> JobSpec:
    return spec(**figures)


@pytest.mark.parametrize("multiline", [False, True])
def test_queries_have_the_same_brake(multiline: bool) -> None:
    store = MemoryStore()
    store.put(Loc("in", "a.csv.bz2"), BZ2)
    (info,) = store.list(Loc("in", ""))
    given = InputSpec(url="s3://in/", format="csv", multiline=multiline)
    lines = Lines(given, (("a", "VARCHAR"),), store, unpack_ratio=2000)
    with pytest.raises(LimitMet, match=r"a.csv.bz2: limits.unpack_ratio: its 55 bytes"):
        for _ in lines.of(list(cut("in", info, 1 << 20, False))):
            pass


# -- chains ------------------------------------------------------------------------------------------------


def come_back(simulation: Simulation, name: str) -> str:
    """The newest run's part appears in the input, as a replication or somebody's copy would bring it; its mark."""
    parts = [info for info in simulation.memory.list(OUT) if "/part-" in info.key]
    newest = max(parts, key=lambda info: info.etag)
    found = Loc("out", newest.key)
    body, mark = simulation.memory.get(found), simulation.memory.head(found).mark
    simulation.add = lambda key, body: simulation.memory.put(IN.child(key), body, mark)  # type: ignore[method-assign]
    simulation.drop(name, body)
    simulation.run()
    return mark


@pytest.mark.parametrize("by", ["", "0"])
def test_runs_that_start_each_other_come_to_an_end(by: str, tmp_path: Path) -> None:
    simulation = world(tmp_path, LimitsSpec(max_chain=2), output={"by": by})
    simulation.drop("0.txt", b"x\n")
    simulation.run()
    marks = [come_back(simulation, f"{number}.txt") for number in range(1, 4)]
    assert [mark.split("/")[0] for mark in marks] == ["job"] * 3
    assert [mark.split("/")[2] for mark in marks] == ["1", "2", "3"]
    assert ends(simulation) == ["_FAILED"] + ["_SUCCESS"] * 3
    (key,) = [info.key for info in simulation.memory.list(OUT) if info.key.endswith("_FAILED")]
    told = simulation.memory.get(Loc("out", key)).decode()
    assert (
        "limits.max_chain: s3://in/data/3.txt is the result of 3 runs that started each other in a row"
        in told
    )


@pytest.mark.parametrize("trigger", ["success", "marker"])
def test_a_marker_or_a_manifest_is_part_of_a_chain_too(trigger: Any, tmp_path: Path) -> None:
    simulation = world(tmp_path, LimitsSpec(max_chain=2), trigger=trigger)
    name = {"success": "_SUCCESS", "marker": "list.manifest"}[trigger]
    part, end = IN.child("r/part-0"), IN.child(f"r/{name}")
    simulation.memory.put(part, b"x\n", "other/r/3" if trigger == "marker" else "")
    etag = simulation.memory.put(end, part.url.encode(), "other/r/3" if trigger == "success" else "")
    simulation.add = lambda key, body: etag  # type: ignore[method-assign]
    simulation.drop(f"r/{name}", b"")
    simulation.run()
    assert "limits.max_chain" in failed(simulation)


def test_a_step_s_own_parts_are_no_link_of_a_chain(tmp_path: Path) -> None:
    simulation = world(tmp_path, LimitsSpec(max_chain=1))
    simulation.drop("0.txt", b"x\n")
    simulation.run()
    assert {simulation.memory.head(Loc("work", info.key)).mark for info in simulation.memory.list(WORK)} == {
        ""
    }
    marks = {info.key.rpartition("/")[2]: simulation.memory.head(Loc("out", info.key)).mark
             for info in simulation.memory.list(OUT)}  # fmt: skip
    assert marks["_manifest.json"] == ""
    assert marks["_SUCCESS"] == marks["part-00000.tsv"] != ""


@pytest.mark.parametrize(
    ("mark", "chain"),
    [("", 0), ("job/run/7", 7), ("job/run/", 0), ("job/run/-7", 0), ("job/run/٧", 0), ("/run/7", 0), ("x", 0),
     ("a/b/c/7", 0), ("job/run/99999999999", 0)],
)  # fmt: skip
def test_marks_of_another_kind_say_nothing(mark: str, chain: int) -> None:
    assert chain_of(mark) == chain
