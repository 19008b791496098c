"""One map attempt: at once or in pieces, first or second; what it leaves, and what its marker says."""

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
from chalicelib.core.tasks import Continuation, Piece, Position, TaskCall
from chalicelib.functions.attempt import pieces
from chalicelib.mapreduce.guard.deadline import StepTooLong
from tests.worlds.one_run import OneRun

LINES = [f"w{number % 5} line {number}" for number in range(10)]
TEXT = "".join(f"{line}\n" for line in LINES).encode()
PAIRS = [(line.split()[0], line) for line in LINES]
SET_ASIDE = BadRecordsSpec(policy="quarantine", max=10, max_fraction=1.0)


class Lines(Job):
    """The first word of a line -> the line. `each` is called with every line first."""

    each: Callable[[str], object] = staticmethod(lambda line: None)

    def mapper(self, _: Any, line: str) -> Any:
        self.each(line)
        self.count("lines")
        yield line.split()[0], line

    def reducer(self, key: str, values: Any) -> Any:
        yield key, list(values)


class Rows(Job):
    """The same without a shuffle."""

    shuffle = False
    each: Callable[[str], object] = staticmethod(lambda line: None)

    def mapper(self, _: Any, line: str) -> Any:
        self.each(line)
        self.count("lines")
        yield line.split()[0], line


class Host:
    """A new process of 512 MiB, of which 300 were used."""

    memory, cold, init = 512, True, 1.5

    def peak(self) -> int:
        return 300


def run(job: type[Job], scratch: Path, **figures: Any) -> OneRun:
    return OneRun(job, TEXT, scratch, **figures)


def slow_run(job: type[Job], scratch: Path, seconds: float = 3.0, **figures: Any) -> OneRun:
    """A run whose mapper takes so long for a record, of the 10 seconds of an invocation."""
    made: list[OneRun] = []

    def each(line: str) -> None:
        made[0].time += seconds
        if line == "bad":
            raise ValueError("said the test")

    made.append(run(type("Slow", (job,), {"each": staticmethod(each)}), scratch, **figures))
    return made[0]


def written(world: OneRun) -> list[tuple[Any, Any]]:
    """What the marker's run files hold."""
    marker = world.map_marker()
    files = [*(piece.run_file for piece in marker.earlier), marker.run_file]
    return [pair for key in files for pair in world.pairs(key)]


# ---------------------------------------------------------------------------------------------------
# At once


def test_an_attempt_with_time_enough_is_one_run_file_and_its_marker(tmp_path: Path) -> None:
    world = run(Lines, tmp_path, partitions=1)
    before = world.names()
    assert world.finish("map", world.root) == 1
    marker = world.map_marker()
    assert sorted({*world.names()} - {*before}) == ["map/000000.0.t2.run", "map/000000.done"]
    assert (marker.run_file, marker.earlier) == (world.keys.run_file(0, 0, "t2").key, ())
    assert written(world) == sorted(PAIRS, key=lambda pair: pair[0])
    size = len(world.store.get(Loc("work", marker.run_file)))
    assert world.map_offsets() == (0, size)
    assert (marker.task, marker.attempt, marker.token, marker.key_types) == (0, 0, "t2", ("str",))
    assert (marker.bad, marker.quarantine, marker.counters) == (0, "", {"lines": 10})
    stats = marker.stats
    assert (stats.records_in, stats.records_out, stats.bytes_in, stats.bytes_out) == (10, 10, len(TEXT), size)


def test_the_marker_tells_where_the_time_went_and_what_the_process_was_like(tmp_path: Path) -> None:
    world = slow_run(Lines, tmp_path, seconds=0.5)
    world.host = Host()
    world.finish("map", world.root)
    stats = world.map_marker().stats
    assert (stats.starts, stats.cold, stats.init, stats.memory, stats.peak) == (1, 1, 1.5, 512, 300)
    assert (stats.starting, stats.reading, stats.code, stats.seconds) == (0, 0, 5.0, 5.0)


def test_invocations_of_one_attempt_are_added_up(tmp_path: Path) -> None:
    world = slow_run(Lines, tmp_path)
    world.host = Host()
    invocations = world.finish("map", world.root)
    stats = world.map_marker().stats
    assert invocations > 1
    assert (stats.starts, stats.memory, stats.peak, stats.code) == (invocations, 512, 300, 30.0)


def test_an_attempt_that_fails_tells_it_too(tmp_path: Path) -> None:
    world = OneRun(Lines, b"\xff\n", tmp_path)
    world.host = Host()
    world.deliver("map", world.root)
    stats = world.failure("map").stats
    assert (stats.starts, stats.cold, stats.peak) == (1, 1, 300)


def test_of_a_process_that_nobody_knows_nothing_is_told(tmp_path: Path) -> None:
    world = run(Lines, tmp_path)
    world.finish("map", world.root)
    stats = world.map_marker().stats
    assert (stats.starts, stats.cold, stats.memory, stats.peak) == (0, 0, 0, 0)


def test_a_node_starts_its_subtrees_and_does_its_first_task(tmp_path: Path) -> None:
    world = run(Lines, tmp_path, split_size=40)
    assert (world.root.lo, world.root.hi) == (0, 3)
    world.deliver("map", world.root)
    assert [(function, call.lo, call.hi, call.hop) for function, call in world.invoked] == [
        ("mapper", 1, 2, 1),
        ("mapper", 2, 3, 1),
    ]
    assert world.names(".done") == ["map/000000.done", "plan.done"]


@pytest.mark.parametrize("compression", ["none", "gz"])
def test_without_a_shuffle_the_part_is_written_at_once(compression: str, tmp_path: Path) -> None:
    world = run(Rows, tmp_path, output={"compression": compression})
    before = world.names()
    assert world.finish("map", world.root) == 1
    assert sorted({*world.names()} - {*before}) == ["map/000000.done"]
    marker = world.map_marker()
    assert (marker.run_file, marker.offsets, marker.earlier, marker.key_types) == ("", (), (), ())
    ((key, body),) = world.results().items()
    assert marker.part is not None
    assert (marker.part.key, marker.part.records, marker.part.bytes) == (key, 10, len(body))
    assert (marker.stats.records_out, marker.stats.bytes_out) == (10, len(body))
    text = gzip.decompress(body) if compression == "gz" else body
    assert text.decode() == "".join(f"{key}\t{line}\n" for key, line in PAIRS)


def test_a_part_that_is_there_already_is_adopted_as_it_is(tmp_path: Path) -> None:
    """The user's code may not be a function of its input; then the marker tells of what is there."""
    world = run(Rows, tmp_path)
    loc = Loc("out", "part-00000.tsv")
    world.store.put(loc, b"another\tone\n")
    world.deliver("map", world.root)
    part = world.map_marker().part
    assert part is not None
    assert (part.bytes, part.records) == (12, 1)
    assert world.store.get(loc) == b"another\tone\n"


# ---------------------------------------------------------------------------------------------------
# Out of time


def test_one_that_runs_out_of_time_leaves_word_and_goes_on(tmp_path: Path) -> None:
    """Three records an invocation: four run files, which the marker names in order."""
    world = slow_run(Lines, tmp_path, partitions=1)
    world.deliver("map", world.root)
    ((function, call),) = world.invoked
    assert function == "mapper"
    (word,) = world.names(".next")
    assert parse_continuation(word) == (0, "t2")
    assert call == replace(world.root, resume=world.keys.root.child(word).key)
    assert world.names("000000.done") == []
    assert world.finish("map", world.next_call()) == 3
    marker = world.map_marker()
    keys = (*(piece.run_file for piece in marker.earlier), marker.run_file)
    assert [sorted(line for _, line in world.pairs(key)) for key in keys] == [
        sorted(LINES[:3]),
        sorted(LINES[3:6]),
        sorted(LINES[6:9]),
        LINES[9:],
    ]
    assert len(world.names(".run")) == len(marker.earlier) + 1 == 4
    assert (marker.started, marker.finished) == (1000.0, 1030.0)
    assert (marker.stats.records_in, marker.stats.records_out, marker.counters) == (10, 10, {"lines": 10})
    assert (marker.stats.seconds, marker.token) == (30.0, "t5")


def test_a_word_of_an_older_version_is_understood(tmp_path: Path) -> None:
    """What it does not say has a default."""
    world = run(Lines, tmp_path, partitions=1)
    loc = world.keys.phase("map").child("000000.0.old.next")
    half = len("".join(f"{line}\n" for line in LINES[:4]))
    world.store.put(loc, b'{"position":{"split":0,"offset":%d},"stats":{}}' % half)
    world.time = 1234.0
    world.deliver("map", replace(world.root, hi=1, resume=loc.key))
    assert sorted(written(world)) == sorted(PAIRS[4:])
    assert world.map_marker().started == 1234.0


FORMATS: list[dict[str, Any]] = [
    {},
    {"format": "jsonl", "compression": "gz"},
    {"format": "csv", "header": True, "columns": "word, line"},
    {"format": "csv", "by": "word", "columns": "word, line"},
]


@pytest.mark.parametrize("output", FORMATS, ids=lambda output: "-".join(map(str, output.values())) or "tsv")
def test_pieces_are_joined_into_the_part_that_is_written_at_once(
    output: dict[str, Any], tmp_path: Path
) -> None:
    calm = run(Rows, tmp_path, output=output)
    calm.finish("map", calm.root)
    world = slow_run(Rows, tmp_path, output=output)
    # At once, in vain; four pieces; and the join.
    assert world.finish("map", world.root) == 6
    assert world.results() == calm.results()
    part, expected = world.map_marker().part, calm.map_marker().part
    assert part == expected
    assert len(world.names(".run")) == 4
    marker = world.map_marker()
    assert (marker.run_file, marker.earlier, marker.counters) == ("", (), {"lines": 10})
    assert (marker.started, marker.stats.records_in) == (1000.0, 10)


def test_nothing_of_a_part_is_seen_before_all_of_it_is_there(tmp_path: Path) -> None:
    world = slow_run(Rows, tmp_path)
    calls = 0
    while not world.names("000000.done"):
        assert world.results() == {}
        world.deliver("map", world.next_call() if calls else world.root)
        calls += 1
    assert len(world.results()) == 1


def test_an_attempt_that_would_go_on_for_ever_fails(tmp_path: Path) -> None:
    world = slow_run(Lines, tmp_path)
    word = world.keys.phase("map").child("000000.0.t.next")
    earlier = tuple(Piece(run_file=f"r{number}", offsets=(0, 0)) for number in range(pieces.MAX_PIECES))
    position = Position(split=0, offset=0)
    world.store.put(
        word, encode(Continuation(earlier=earlier, position=position, stats=Stats(), started=1.0))
    )
    world.deliver("map", replace(world.root, resume=word.key))
    assert world.invoked == []
    assert world.failure("map").message == (
        "job job: map task 0 ran out of time 1001 times: make split_size smaller or raise timeout.mapper"
    )


# ---------------------------------------------------------------------------------------------------
# The alarm


class Stuck(Lines):
    """Where the alarm goes off."""

    def mapper(self, _: Any, line: str) -> Any:
        if line == LINES[4]:
            raise StepTooLong
        yield from super().mapper(_, line)


class StuckRows(Rows):
    def mapper(self, _: Any, line: str) -> Any:
        if line == LINES[4]:
            raise StepTooLong
        yield from super().mapper(_, line)


@pytest.mark.parametrize("job", [Stuck, StuckRows])
def test_after_the_alarm_it_goes_carefully_and_sets_the_record_aside(job: type[Job], tmp_path: Path) -> None:
    world = run(job, tmp_path, partitions=1, bad_records=SET_ASIDE)
    # Without a shuffle one invocation tries to write the part at once, and the last one joins.
    assert world.finish("map", world.root) == (2 if job is Stuck else 4)
    words = [_word(world, name) for name in world.names(".next")]
    assert [word.careful for word in words if not word.earlier] == ([True] if job is Stuck else [False, True])
    marker = world.map_marker()
    assert marker.bad == 1
    (record,) = _bad_records(world)
    assert record["text"] == f"{LINES[4]}\n"
    assert marker.counters == {"lines": 9}
    rest = [pair for pair in PAIRS if pair[1] != LINES[4]]
    if job is Stuck:
        assert sorted(written(world)) == sorted(rest)
    else:
        assert [*world.results().values()] == ["".join(f"{key}\t{line}\n" for key, line in rest).encode()]


def test_a_record_that_alone_takes_too_long_is_named(tmp_path: Path) -> None:
    world = run(Stuck, tmp_path)
    assert world.finish("map", world.root) == 2
    at = len("".join(f"{line}\n" for line in LINES[:4]))
    failure = world.failure("map")
    assert f"s3://in/data/a.txt, line at byte {at}: the mapper alone took longer" in failure.message
    assert failure.fatal
    assert world.names(".run") == []


def test_what_no_record_is_to_blame_for_is_told(tmp_path: Path) -> None:
    class SlowInit(Lines):
        def mapper_init(self) -> None:
            raise StepTooLong

    world = run(SlowInit, tmp_path)
    assert world.finish("map", world.root) == 2
    assert world.failure("map").message == (
        "job job: mapper_init or mapper_final took longer than the function's time: raise timeout.mapper"
    )


def _word(world: OneRun, name: str) -> Continuation:
    loc = world.keys.root.child(name)
    return decode(Continuation, world.store.get(loc), loc.url)


def _bad_records(world: OneRun) -> list[dict[str, Any]]:
    """Of the one object that lists them, which the marker names."""
    (name,) = [name for name in world.names() if name.startswith("quarantine/")]
    loc = world.keys.root.child(name)
    assert world.map_marker().quarantine == loc.key
    return [json.loads(line) for line in world.store.get(loc).splitlines()]


@pytest.mark.parametrize("job", [Lines, Rows])
def test_bad_records_of_all_pieces_are_listed_once_in_one_object(job: type[Job], tmp_path: Path) -> None:
    lines = [LINES[0], "bad", *LINES[1:4], "bad", *LINES[4:8], "bad", *LINES[8:]]
    text = "".join(f"{line}\n" for line in lines)
    places: list[OneRun] = []

    def each(line: str) -> None:
        places[0].time += 3.0
        if line == "bad":
            raise ValueError("said the test")

    slow = type("Slow", (job,), {"each": staticmethod(each)})
    places.append(OneRun(slow, text.encode(), tmp_path, bad_records=SET_ASIDE))
    world = places[0]
    assert world.finish("map", world.root) > 3
    records = _bad_records(world)
    starts = [len("".join(f"{line}\n" for line in lines[:place])) for place in (1, 5, 10)]
    assert [(record["text"], record["offset"]) for record in records] == [("bad\n", at) for at in starts]
    assert all("said the test" in record["traceback"] for record in records)
    marker = world.map_marker()
    assert (marker.bad, marker.stats.records_in, marker.counters) == (3, 13, {"lines": 10})


# ---------------------------------------------------------------------------------------------------
# Late and second


def rival(world: OneRun) -> bytes:
    """Another attempt commits the task; its marker's bytes."""
    time = world.time
    world.lifetime, before = 10_000.0, world.lifetime
    world.deliver("map", replace(world.root, attempt=7))
    world.time, world.lifetime = time, before
    return world.store.get(world.keys.done("map", 0))


@pytest.mark.parametrize("attempt", [0, 1])
@pytest.mark.parametrize("job", [Lines, Rows])
def test_one_that_goes_on_late_deletes_what_it_wrote(job: type[Job], attempt: int, tmp_path: Path) -> None:
    world = slow_run(job, tmp_path)
    world.finish("map", replace(world.root, attempt=attempt), until=_has_pieces(world, 2))
    call = world.next_call()
    marker = rival(world)
    parts = world.results()
    assert len([name for name in world.names(".run") if f".{attempt}." in name]) == 2
    world.deliver("map", call)
    assert world.invoked == []
    assert [name for name in world.names(".run") if f".{attempt}." in name] == []
    assert world.store.get(world.keys.done("map", 0)) == marker
    assert world.results() == parts
    assert world.names(".failed") == []
    if job is Lines:
        assert sorted(written(world)) == sorted(PAIRS)


def _has_pieces(world: OneRun, count: int) -> Callable[[TaskCall], bool]:
    return lambda call: len(_resumed(world, call).earlier) == count


def _resumed(world: OneRun, call: TaskCall) -> Continuation:
    return _word(world, call.resume.removeprefix(world.keys.root.key))


def test_a_second_attempt_that_finds_the_marker_does_nothing(tmp_path: Path) -> None:
    world = run(Lines, tmp_path)
    rival(world)
    before = world.names()
    requests = world.store.requests.copy()
    world.deliver("map", replace(world.root, attempt=1))
    assert world.names() == before
    assert dict(world.store.requests - requests) == {"list": 2}  # one is the test's own


@pytest.mark.parametrize("job", [Lines, Rows])
def test_the_loser_of_the_race_deletes_what_only_it_wrote(job: type[Job], tmp_path: Path) -> None:
    """A call is delivered twice, and both executions get to their marker: pieces that both know stay."""
    world = slow_run(job, tmp_path)
    world.finish("map", world.root, until=_has_pieces(world, 2))
    call = world.next_call()
    shared = {*world.names(".run")}
    world.store.race = lambda: world.finish("map", call)
    world.finish("map", call)
    assert world.store.race is None
    marker = world.map_marker()
    left = {*world.names(".run")}
    if job is Lines:
        assert left == {key.removeprefix(world.keys.root.key) for key in marker.work_objects} > shared
        assert sorted(written(world)) == sorted(PAIRS)
    else:
        assert not left & shared
        assert [*world.results().values()] == ["".join(f"{key}\t{line}\n" for key, line in PAIRS).encode()]


def test_the_loser_s_bad_records_are_not_listed(tmp_path: Path) -> None:
    world = OneRun(Lines, b"good\n\n", tmp_path, bad_records=SET_ASIDE)
    world.store.race = lambda: world.deliver("map", world.root)
    world.deliver("map", world.root)
    assert [record["offset"] for record in _bad_records(world)] == [5]
    assert len(world.names(".run")) == 1


# ---------------------------------------------------------------------------------------------------
# Failures


def test_a_failure_is_written_down_with_the_traceback_of_the_user_s_code(tmp_path: Path) -> None:
    class Fails(Lines):
        def mapper(self, _: Any, line: str) -> Any:
            raise ValueError("said the test")

    world = run(Fails, tmp_path)
    before = world.names()
    world.deliver("map", replace(world.root, attempt=2))
    assert sorted({*world.names()} - {*before}) == ["map/000000.2.failed"]
    failure = world.failure("map", 2)
    assert (failure.task, failure.attempt, failure.error, failure.fatal) == (0, 2, "ValueError", True)
    where = "job job: s3://in/data/a.txt, line at byte 0"
    assert failure.message == f"{where}: ValueError: said the test (line: 'w0 line 0')"
    assert 'raise ValueError("said the test")' in failure.detail
    assert "chalicelib/functions" not in failure.detail


def _spoil(world: OneRun, key: str) -> None:
    loc = Loc("work", key)
    world.store.put(loc, world.store.get(loc)[:-1])


@pytest.mark.parametrize("output", FORMATS, ids=lambda output: "-".join(map(str, output.values())) or "tsv")
def test_pieces_of_other_bytes_than_were_written_are_refused(output: dict[str, Any], tmp_path: Path) -> None:
    world = slow_run(Rows, tmp_path, output=output)
    joining = lambda call: _resumed(world, call).joining  # noqa: E731
    world.finish("map", world.root, until=joining)
    call = world.next_call()
    word = _resumed(world, call)
    _spoil(world, word.earlier[-1].run_file)
    world.deliver("map", call)
    failure = world.failure("map")
    assert failure.error == "CorruptData"
    size = word.stats.bytes_out
    assert failure.message == f"pieces of map task 0: {size - 1} bytes in all, expected {size}"
    assert world.results() == {}
    assert world.names("000000.done") == []


def test_a_word_that_is_none_is_refused_by_name(tmp_path: Path) -> None:
    world = run(Lines, tmp_path)
    loc = world.keys.phase("map").child("000000.0.t.next")
    world.store.put(loc, b"garbage")
    world.deliver("map", replace(world.root, resume=loc.key))
    assert world.failure("map").message.startswith(f"{loc.url}: expected a Continuation")
