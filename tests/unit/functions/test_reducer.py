"""One reduce attempt: at once or in pieces, first or second; what it leaves, what its marker says, who ends the run."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib import Job
from chalicelib.core.keys import parse_continuation
from chalicelib.core.messages import Stats, decode, encode
from chalicelib.core.ports import Loc
from chalicelib.core.spec import BadRecordsSpec
from chalicelib.core.tasks import ReduceContinuation, ReducePosition, TaskCall
from chalicelib.functions.attempt import pieces
from chalicelib.mapreduce.guard.deadline import StepTooLong
from tests.worlds.one_run import OneRun

WORDS = [f"w{number % 7}" for number in range(20)]
TEXT = "".join(f"{word}\n" for word in WORDS).encode()
COUNTS = {word: WORDS.count(word) for word in sorted(set(WORDS))}
ROWS = "".join(f"{word}\t{count}\n" for word, count in COUNTS.items()).encode()
SET_ASIDE = BadRecordsSpec(policy="quarantine", max=10, max_fraction=1.0)


class Counted(Job):
    """Word -> how often it comes. `each` is called with every word first."""

    each: Callable[[str], object] = staticmethod(lambda word: None)

    def mapper(self, _: Any, line: str) -> Any:
        yield line, 1

    def reducer(self, word: str, numbers: Any) -> Any:
        self.each(word)
        self.count("groups")
        yield word, sum(numbers)


def nothing(word: str) -> None:
    """A reducer that has no trouble."""


def fails_at(*words: str) -> Callable[[str], object]:
    def each(word: str) -> None:
        if word in words:
            raise ValueError("said the test")

    return each


def mapped(
    scratch: Path, each: Callable[[str], object] = nothing, *, seconds: float = 0.0, **figures: Any
) -> tuple[OneRun, TaskCall]:
    """A run whose maps are done, and the call of the reduce phase's root.

    Its reducer takes so many seconds for a group, of the 10 that an invocation has.
    """
    place: list[OneRun] = []

    def timed(word: str) -> None:
        place[0].time += seconds
        each(word)

    job = type("Timed", (Counted,), {"each": staticmethod(timed)})
    world = OneRun(job, TEXT, scratch, **{"partitions": 1, **figures})
    place.append(world)
    return world, world.map_all()


def word_of(world: OneRun, key: str) -> ReduceContinuation:
    loc = Loc("work", key)
    return decode(ReduceContinuation, world.store.get(loc), loc.url)


def words(world: OneRun) -> list[ReduceContinuation]:
    """What each invocation left that ran out of time, in order."""
    names = sorted(world.names(".next"), key=lambda name: int((parse_continuation(name) or (0, "t0"))[1][1:]))
    return [word_of(world, world.keys.root.child(name).key) for name in names]


def has_pieces(world: OneRun, count: int) -> Callable[[TaskCall], bool]:
    return lambda call: len(word_of(world, call.resume).pieces) == count


def bad_records(world: OneRun) -> list[dict[str, Any]]:
    """Of the one object that lists them, which the marker names."""
    (name,) = [name for name in world.names() if name.startswith("quarantine/")]
    loc = world.keys.root.child(name)
    assert world.reduce_marker().quarantine == loc.key
    return [json.loads(line) for line in world.store.get(loc).splitlines()]


# ---------------------------------------------------------------------------------------------------
# At once


@pytest.mark.parametrize("compression", ["none", "gz", "zst"])
def test_an_attempt_with_time_enough_writes_its_part_at_once(compression: str, tmp_path: Path) -> None:
    world, root = mapped(tmp_path, output={"compression": compression})
    before = world.names()
    assert world.finish("reduce", root) == 1
    assert sorted({*world.names()} - {*before}) == ["reduce/00000.done", "run.done"]
    marker = world.reduce_marker()
    ((key, body),) = world.results().items()
    assert (marker.part, marker.bytes, marker.records, marker.folders) == (key, len(body), 7, None)
    if compression == "none":
        assert body == ROWS
    if compression == "gz":
        assert gzip.decompress(body) == ROWS
    assert (marker.task, marker.attempt, marker.bad, marker.quarantine) == (0, 0, 0, "")
    assert marker.counters == {"groups": 7}
    stats = marker.stats
    assert (stats.records_in, stats.records_out, stats.bytes_out) == (20, 7, len(body))
    assert stats.bytes_in == world.map_offsets()[-1]


def test_only_the_last_task_ends_the_run(tmp_path: Path) -> None:
    world, root = mapped(tmp_path, partitions=4, reduce_size=1, reducers=4)
    tasks = [replace(root, lo=number, hi=number + 1) for number in range(root.hi)]
    assert len(tasks) > 1
    for task in tasks:
        assert not world.names("run.done")
        world.deliver("reduce", task)
    assert world.names("run.done") == ["run.done"]
    assert sorted(b"".join(world.results().values()).splitlines()) == sorted(ROWS.splitlines())
    assert world.store.head(Loc("out", "_SUCCESS"))


def test_a_part_that_is_there_already_is_adopted_as_it_is(tmp_path: Path) -> None:
    """The user's code may not be a function of its input; then the marker tells of what is there."""
    world, root = mapped(tmp_path)
    world.store.put(Loc("out", "part-00000.tsv"), b"another\t1\nand\t2\n")
    world.deliver("reduce", root)
    marker = world.reduce_marker()
    assert (marker.bytes, marker.records, marker.stats.records_out) == (16, 2, 2)
    assert [*world.results().values()] == [b"another\t1\nand\t2\n"]


# ---------------------------------------------------------------------------------------------------
# Out of time


def test_one_that_runs_out_of_time_begins_again_in_pieces(tmp_path: Path) -> None:
    """Three groups an invocation: once in vain, three pieces, and the join."""
    world, root = mapped(tmp_path, seconds=3.0)
    began = world.time
    world.deliver("reduce", root)
    ((function, call),) = world.invoked
    assert function == "reducer"
    (name,) = world.names(".next")
    word = world.keys.root.child(name).key
    assert call == replace(root, resume=word)
    assert word_of(world, word) == ReduceContinuation(stats=Stats(), started=began)
    assert world.results() == {}
    assert world.finish("reduce", world.next_call()) == 4
    (_, first, second, third) = words(world)
    assert [len(each.pieces) for each in (first, second, third)] == [1, 2, 3]
    assert [each.records for each in (first, second, third)] == [3, 6, 7]
    assert [each.joining for each in (first, second, third)] == [False, False, True]
    bodies = [world.store.get(Loc("work", key)) for key in third.pieces]
    rows = ROWS.splitlines(keepends=True)
    assert bodies == [b"".join(rows[:3]), b"".join(rows[3:6]), b"".join(rows[6:])]
    assert [*world.results().values()] == [ROWS]
    marker = world.reduce_marker()
    assert (marker.started, marker.finished, marker.counters) == (began, world.time, {"groups": 7})
    assert (marker.records, marker.bytes) == (7, len(ROWS))
    assert (marker.stats.records_out, marker.stats.bytes_out) == (7, len(ROWS))
    assert world.names("run.done") == ["run.done"]


FORMATS: list[dict[str, Any]] = [
    {},
    {"format": "jsonl", "compression": "gz"},
    {"format": "csv", "header": True, "columns": "word, count"},
    {"format": "csv", "by": "word", "columns": "word, count"},
]
by_format = pytest.mark.parametrize(
    "output", FORMATS, ids=lambda output: "-".join(map(str, output.values())) or "tsv"
)


@by_format
def test_pieces_are_joined_into_the_part_that_is_written_at_once(
    output: dict[str, Any], tmp_path: Path
) -> None:
    calm, root = mapped(tmp_path, output=output)
    calm.finish("reduce", root)
    world, root = mapped(tmp_path, seconds=3.0, output=output)
    assert world.finish("reduce", root) == 5
    assert world.results() == calm.results()
    told = [(made.part, made.bytes, made.records, made.folders) for made in _markers(world, calm)]
    assert told[0] == told[1]


def _markers(*worlds: OneRun) -> list[Any]:
    return [world.reduce_marker() for world in worlds]


def test_an_attempt_that_would_go_on_for_ever_fails(tmp_path: Path) -> None:
    world, root = mapped(tmp_path, seconds=3.0)
    loc = world.keys.phase("reduce").child("00000.0.t.next")
    many = tuple(f"p{number}" for number in range(pieces.MAX_PIECES))
    position = ReducePosition(partition=0)
    world.store.put(
        loc, encode(ReduceContinuation(pieces=many, position=position, stats=Stats(), started=1.0))
    )
    world.deliver("reduce", replace(root, resume=loc.key))
    assert world.invoked == []
    assert world.failure("reduce").message == (
        "job job: reduce task 0 ran out of time 1001 times: make reduce_size smaller or raise timeout.reducer"
    )


# ---------------------------------------------------------------------------------------------------
# The alarm


def stuck(word: str) -> None:
    """Where the alarm goes off."""
    if word == "w4":
        raise StepTooLong


def test_after_the_alarm_it_goes_carefully_and_sets_the_group_aside(tmp_path: Path) -> None:
    world, root = mapped(tmp_path, stuck, bad_records=SET_ASIDE)
    # At once, in vain; a piece, in vain; the same, carefully; and the join.
    assert world.finish("reduce", root) == 4
    assert [(word.careful, len(word.pieces)) for word in words(world)] == [(False, 0), (True, 0), (True, 1)]
    assert [*world.results().values()] == [b"".join(row for row in ROWS.splitlines(True) if b"w4" not in row)]
    (record,) = bad_records(world)
    assert record["source"] == "'w4'"
    assert "longer than half the function's time" in record["error"]
    marker = world.reduce_marker()
    assert (marker.bad, marker.records, marker.counters) == (1, 6, {"groups": 6})


def test_a_group_that_alone_takes_too_long_is_named(tmp_path: Path) -> None:
    world, root = mapped(tmp_path, stuck)
    assert world.finish("reduce", root) == 3
    failure = world.failure("reduce")
    assert failure.message == (
        "job job: reducer, at key 'w4': this group alone took longer than half the function's time:"
        " raise timeout.reducer"
    )
    assert failure.fatal
    assert world.names(".piece") == []
    assert world.results() == {}


def test_bad_groups_of_all_pieces_are_listed_once_in_one_object(tmp_path: Path) -> None:
    world, root = mapped(tmp_path, fails_at("w1", "w3", "w6"), seconds=3.0, bad_records=SET_ASIDE)
    assert world.finish("reduce", root) == 5
    records = bad_records(world)
    assert [record["source"] for record in records] == ["'w1'", "'w3'", "'w6'"]
    assert all("said the test" in record["traceback"] for record in records)
    assert world.reduce_marker().bad == 3


# ---------------------------------------------------------------------------------------------------
# Late and second


def rival(world: OneRun, root: TaskCall) -> None:
    """Another attempt commits the task."""
    world.lifetime, before = 10_000.0, world.lifetime
    world.deliver("reduce", replace(root, attempt=7))
    world.lifetime = before


@pytest.mark.parametrize("attempt", [0, 1])
def test_one_that_goes_on_late_deletes_what_it_wrote(attempt: int, tmp_path: Path) -> None:
    world, root = mapped(tmp_path, seconds=3.0)
    world.finish("reduce", replace(root, attempt=attempt), until=has_pieces(world, 2))
    call = world.next_call()
    rival(world, root)
    marker = world.reduce_marker()
    assert len(world.names(".piece")) == 2
    world.deliver("reduce", call)
    assert world.invoked == []
    assert world.names(".piece") == []
    assert world.reduce_marker() == marker
    assert [*world.results().values()] == [ROWS]
    assert world.names(".failed") == []


def test_a_second_attempt_that_finds_the_marker_does_nothing(tmp_path: Path) -> None:
    world, root = mapped(tmp_path)
    rival(world, root)
    before = world.store.requests.copy()
    world.deliver("reduce", replace(root, attempt=1))
    assert dict(world.store.requests - before) == {"list": 1}


def test_the_loser_of_the_race_deletes_what_only_it_wrote(tmp_path: Path) -> None:
    """A call is delivered twice, and both executions get to their marker. The part is of both, and stays."""
    world, root = mapped(tmp_path, fails_at("w1"), seconds=3.0, bad_records=SET_ASIDE)
    world.finish("reduce", root, until=has_pieces(world, 2))
    call = world.next_call()
    shared = {*world.names(".piece")}
    world.store.race = lambda: world.finish("reduce", call)
    world.finish("reduce", call)
    assert world.store.race is None
    assert not shared & {*world.names(".piece")}
    assert [record["source"] for record in bad_records(world)] == ["'w1'"]
    assert len(world.results()) == 1
    assert world.names("run.done") == ["run.done"]


def test_the_loser_of_the_race_ends_the_run_as_well(tmp_path: Path) -> None:
    """The winner may have died behind its marker."""
    world, root = mapped(tmp_path)
    token = "another"

    def win() -> None:
        world.deliver("reduce", root)
        marker = world.reduce_marker()
        world.store.put(world.keys.done("reduce", 0), encode(replace(marker, token=token)))
        world.store.delete("work", [world.keys.run_done.key])

    world.store.race = win
    world.deliver("reduce", root)
    assert world.reduce_marker().token == token
    assert world.names("run.done") == ["run.done"]


# ---------------------------------------------------------------------------------------------------
# Failures


def test_a_failure_is_written_down_with_the_traceback_of_the_user_s_code(tmp_path: Path) -> None:
    world, root = mapped(tmp_path, fails_at("w4"))
    before = world.names()
    world.deliver("reduce", replace(root, attempt=2))
    assert sorted({*world.names()} - {*before}) == ["reduce/00000.2.failed"]
    failure = world.failure("reduce", 2)
    assert (failure.task, failure.attempt, failure.error, failure.fatal) == (0, 2, "ValueError", True)
    assert failure.message == "job job: reducer, at key 'w4': ValueError: said the test"
    assert 'raise ValueError("said the test")' in failure.detail
    assert world.results() == {}


@by_format
def test_pieces_of_other_bytes_than_were_written_are_refused(output: dict[str, Any], tmp_path: Path) -> None:
    world, root = mapped(tmp_path, seconds=3.0, output=output)
    world.finish("reduce", root, until=lambda call: word_of(world, call.resume).joining)
    call = world.next_call()
    word = word_of(world, call.resume)
    last = Loc("work", word.pieces[-1])
    world.store.put(last, world.store.get(last)[:-1])
    world.deliver("reduce", call)
    failure = world.failure("reduce")
    size = word.stats.bytes_out
    assert failure.error == "CorruptData"
    assert failure.message == f"{', '.join(word.pieces)}: {size - 1} bytes in all, expected {size}"
    assert world.results() == {}
    assert world.names("reduce/00000.done") == []


def test_a_word_that_is_none_is_refused_by_name(tmp_path: Path) -> None:
    world, root = mapped(tmp_path)
    loc = world.keys.phase("reduce").child("00000.0.t.next")
    world.store.put(loc, b"{}")
    world.deliver("reduce", replace(root, resume=loc.key))
    assert world.failure("reduce").message.startswith(f"{loc.url}: expected a ReduceContinuation")
