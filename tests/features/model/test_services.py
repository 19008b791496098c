"""What a task offers: counters, chance, side files, a log, what is being read; the same on every attempt."""

from __future__ import annotations

import gzip
import json
import logging
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Each, Job, Sum
from chalicelib.core.errors import ConfigError, DataTypeError, UserError
from chalicelib.core.ports import Loc
from chalicelib.core.spec import BadRecordsSpec
from chalicelib.job.load_class import job_loader
from chalicelib.job.side_files import brought
from chalicelib.stores.disk import LocalDisk
from chalicelib.stores.memory import MemoryStore
from chalicelib.testing import run_job
from tests.features.model import pieces, slowed
from tests.worlds.simulation import Simulation, spec

TEXT = "".join(f"line {number} ü\n" for number in range(400))
LENIENT = BadRecordsSpec(policy="quarantine", max=1000, max_fraction=0.6)


def manifest(world: Simulation) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(world.output()["_manifest.json"])
    return found


# ---------------------------------------------------------------------------------------------------
# Counters


class Counting(Job):
    """Counts every line that is mapped and every group and value that is reduced."""

    def mapper(self, _: Any, line: str) -> Any:
        self.count("lines")
        self.count("characters", len(line))
        number = int(line.split()[1])
        if number % 10 == 3 and self.params.get("poison"):
            raise ValueError("poisoned")
        yield number % 7, 1

    def reducer(self, key: int, values: Any) -> Any:
        self.count("groups")
        for _ in values:
            self.count("values")
        yield key, None


class Chunks(Counting):
    mapper = Job.mapper

    def mapper_chunk(self, text: str) -> Any:
        for line in text.splitlines():
            yield from Counting.mapper(self, None, line)


@pytest.mark.parametrize("job", [Counting, Chunks])
@pytest.mark.parametrize("poison", [False, True])
@pytest.mark.parametrize("seed", [None, 1, 2])
@pytest.mark.parametrize("seconds", [0.0, 0.7])
def test_counters_are_exact(
    job: type[Job], poison: bool, seed: int | None, seconds: float, tmp_path: Path
) -> None:
    """Though attempts die, come twice and run out of time; what a bad record counted does not count."""
    place: list[Simulation] = []
    world = Simulation(
        slowed(job, place, seconds),
        spec(split_size=900, partitions=3, bad_records=LENIENT, params={"poison": poison}),
        tmp_path,
        seed=seed,
        duplicates=seed is not None,
        kill_at=(40, 77, 120) if seed else (),
        lifetime=10.0 if seconds else 300.0,
    )
    place.append(world)
    world.drop("a.txt", TEXT.encode())
    world.run()
    good = [line for line in TEXT.splitlines() if not (poison and int(line.split()[1]) % 10 == 3)]
    assert manifest(world)["counters"] == {
        "lines": len(good),
        "characters": sum(map(len, good)),
        "groups": 7,
        "values": len(good),
    }
    assert pieces(world) > 0 if job is Counting and seconds else seconds or not pieces(world)


def test_run_job_tells_and_adds_up() -> None:
    found = {"lines": 1}
    run_job(Counting, TEXT, counters=found, split_size=500)
    assert found == {"lines": 401, "characters": len(TEXT) - 400, "groups": 7, "values": 400}


@pytest.mark.parametrize(("name", "n"), [(1, 1), ("a", "b"), ("a", 1.5)])
def test_what_is_no_counter_is_told(name: Any, n: Any) -> None:
    class Wrong(Counting):
        def mapper(self, _: Any, line: str) -> Any:
            self.count(name, n)
            return ()

    with pytest.raises(DataTypeError, match="expected a name and an int"):
        run_job(Wrong, ["a"])


# ---------------------------------------------------------------------------------------------------
# Chance


class Chance(Job):
    def mapper(self, _: Any, line: str) -> Any:
        yield line, self.random.random()


def test_chance_is_the_same_on_every_attempt(tmp_path: Path) -> None:
    outputs = set()
    for seed in (None, 5):
        world = Simulation(
            Chance,
            spec(split_size=100, partitions=1),
            tmp_path,
            seed=seed,
            duplicates=bool(seed),
            kill_at=(30, 60) if seed else (),
        )
        world.drop("a.txt", b"".join(b"%02d\n" % number for number in range(90)))
        world.run()
        outputs.add(world.text())
    assert len(outputs) == 1
    drawn = [float(line.split(b"\t")[1]) for line in outputs.pop().splitlines()]
    assert len(set(drawn)) == 90, "tasks draw alike"
    first = random.Random("job/0/map/0/0")
    assert drawn[:30] == [first.random() for _ in range(30)]


# ---------------------------------------------------------------------------------------------------
# What is being read


class Places(Job):
    def mapper(self, _: Any, record: Any) -> Any:
        where = self.input
        yield where.offset, (where.url, where.key, where.tag, where.size, bool(where.etag), record)


def offsets(body: bytes) -> list[int]:
    found, at = [], 0
    for line in body.splitlines(keepends=True):
        found.append(at)
        at += len(line)
    return found


@pytest.mark.parametrize("split_size", [1 << 20, 50])
def test_a_mapper_knows_its_record_s_place(split_size: int, tmp_path: Path) -> None:
    body = TEXT.encode()
    world = Simulation(Places, spec(split_size=split_size, output={"format": "jsonl"}), tmp_path)
    world.drop("a.txt", body)
    world.run()
    rows = [json.loads(line) for line in world.text().splitlines()]
    assert [row["key"] for row in rows] == offsets(body)
    assert {tuple(row["value"][:5]) for row in rows} == {
        ("s3://in/data/a.txt", "data/a.txt", "", len(body), True)
    }


def test_offsets_of_other_formats() -> None:
    csv = {"format": "csv", "header": True, "comment": "#"}
    body = 'n,m\n#1\n1,"a,b"\n\n2,\n'
    assert [key for key, _ in run_job(Places, body, input=csv)] == [body.index('1,"'), body.index("2,")]
    assert [key for key, _ in run_job(Places, '{"a":1}\n\n{}\n', input={"format": "jsonl"})] == [0, 9]
    assert [key for key, _ in run_job(Places, b"abcdef", input={"format": "fixed", "record_bytes": 2})] == [
        0,
        2,
        4,
    ]
    assert [key for key, _ in run_job(Places, b"abc", input={"format": "whole_file"})] == [0]


def test_a_chunk_s_place() -> None:
    class Chunk(Job):
        def mapper_chunk(self, text: str) -> Any:
            return Each([self.input.offset], len(text))

    assert run_job(Chunk, TEXT) == [(0, len(TEXT))]


def test_tags_of_several_inputs() -> None:
    class Tags(Job):
        def mapper(self, _: Any, record: Any) -> Any:
            yield self.input.tag, record

    found = run_job(Tags, {"left": ["1,2"], "right": "x"}, input={"left": {"format": "csv"}}, split_size=2)
    assert found == [("left", ["1", "2"]), ("right", "x")]
    with pytest.raises(ConfigError, match="settings by tag"):
        run_job(Tags, {"left": []}, input={"format": "csv"})


@pytest.mark.parametrize("method", ["mapper_init", "mapper_final", "reducer"])
def test_nothing_is_read_elsewhere(method: str) -> None:
    def look(self: Job, *_: Any) -> Any:
        yield self.input.url, 1

    job = type("Made", (Job,), {"mapper": lambda self, _, line: [(line, 1)], method: look})
    with pytest.raises(UserError, match="it is for mappers only"):
        run_job(job, ["a"])


# ---------------------------------------------------------------------------------------------------
# Side files

STOP = """
from chalicelib import Job, Sum


class Words(Job):
    def mapper_init(self):
        self.stop = set(self.file("stop.txt").read_text().split())

    def mapper(self, _, line):
        return [(word, 1) for word in line.split() if word not in self.stop]

    reducer = Sum()
"""


@pytest.fixture
def words(tmp_path: Path) -> Any:
    folder = tmp_path / "jobs"
    folder.mkdir()
    (folder / "words_with_stops.py").write_text(STOP)
    (folder / "stop.txt").write_text("a the")
    return job_loader(folder)("words_with_stops:Words")


def scratch(tmp_path: Path) -> Path:
    found = tmp_path / "scratch"
    found.mkdir()
    return found


def test_a_file_beside_the_job_file(words: Any, tmp_path: Path) -> None:
    world = Simulation(words, spec(files="stop.txt"), scratch(tmp_path))
    world.drop("a.txt", b"the cat\na dog\n")
    world.run()
    assert world.text() == b"cat\t1\ndog\t1\n"


def test_an_object(words: Any, tmp_path: Path) -> None:
    """It is fetched once by each process, and goes from the same place whatever the attempt."""
    world = Simulation(words, spec(files="s3://in/side/stop.txt", split_size=4), scratch(tmp_path))
    world.memory.put(Loc("in", "side/stop.txt"), b"cat dog")
    world.drop("a.txt", b"the cat\na dog\n")
    world.run()
    assert world.text() == b"a\t1\nthe\t1\n"
    assert len(list((tmp_path / "scratch").rglob("stop.txt*"))) == 1


def test_an_object_that_changes_fails_the_run(words: Any, tmp_path: Path) -> None:
    world = Simulation(words, spec(files="s3://in/side/stop.txt"), scratch(tmp_path))
    place = Loc("in", "side/stop.txt")
    world.memory.put(place, b"cat dog")
    planned = lambda: any(name.endswith("plan.json") for name in world.names())  # noqa: E731
    world.when(planned, lambda: world.memory.put(place, b"other"))
    world.drop("a.txt", b"the cat\n")
    world.run()
    assert b"s3://in/side/stop.txt: was overwritten or deleted" in world.output()["_FAILED"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ("other.txt", "no such file in"),
        ("../stop.txt", "no such file in"),
        ("stop.txt, s3://in/x/stop.txt", "are both named stop.txt"),
        ("s3://in/none.txt", "no such object"),
        ("", r"self.file\('stop.txt'\): `files` in the job file lists none"),
    ],
)
def test_a_file_that_is_not_there_is_named(files: str, message: str, words: Any, tmp_path: Path) -> None:
    world = Simulation(words, spec(files=files), scratch(tmp_path))
    world.drop("a.txt", b"the cat\n")
    world.run()
    failed = world.output()["_FAILED"].decode()
    assert re.search(message, failed), failed


def test_run_job_has_files(words: Any, tmp_path: Path) -> None:
    for content in ("cat", b"cat", tmp_path / "other.txt"):
        (tmp_path / "other.txt").write_text("cat")
        assert run_job(words, ["the cat"], files={"stop.txt": content}) == [("the", 1)]


# ---------------------------------------------------------------------------------------------------
# Log


def test_the_log_names_the_task(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Talks(Job):
        def mapper(self, _: Any, line: str) -> Any:
            self.log.warning("odd line %r", line, extra={"length": len(line)})
            yield line, 1

        reducer = Sum()

    world = Simulation(Talks, spec(split_size=2), tmp_path)
    world.drop("a.txt", b"a\nbb\n")
    with caplog.at_level(logging.WARNING, logger="sluice"):
        world.run()
    told = [record for record in caplog.records if record.name == "sluice.job"]
    assert sorted(record.getMessage() for record in told) == ["odd line 'a'", "odd line 'bb'"]
    ids = Counter((record.task, record.phase, record.attempt, record.length) for record in told)  # type: ignore[attr-defined]
    assert ids == Counter([(0, "map", 0, 1), (1, "map", 0, 2)])
    assert {record.run for record in told} == {manifest(world)["run"]}  # type: ignore[attr-defined]


# ---------------------------------------------------------------------------------------------------
# Bad records: their line


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
@pytest.mark.parametrize("job", [Counting, Chunks])
def test_a_bad_record_has_its_line(job: type[Job], name: str, tmp_path: Path) -> None:
    """Where the task began at the object's start; elsewhere it is not known."""
    world = Simulation(
        job,
        spec(split_size=4000, bad_records=LENIENT, params={"poison": True}, input={"max_record_bytes": 100}),
        tmp_path,
    )
    lines = TEXT.splitlines()
    lines.insert(7, "x" * 200)  # too long, and so bad, too
    body = "\n".join(lines).encode()
    world.drop(name, gzip.compress(body) if name.endswith(".gz") else body)
    world.run()
    starts = offsets(body)
    found = [
        json.loads(line)
        for key in manifest(world)["quarantine"]
        for line in world.memory.get(Loc("work", key)).splitlines()
    ]
    assert len(found) == 41
    for record in found:
        assert record["offset"] in starts
        if record["line"] is not None:
            assert starts[record["line"] - 1] == record["offset"]
    known = sum(record["line"] is not None for record in found)
    assert known == 41 if name.endswith(".gz") else 10 < known < 41


def test_objects_become_files_for_an_engine_of_files(tmp_path: Path) -> None:
    store = MemoryStore()
    store.put(Loc("bucket", "a/stop.txt"), b"cat")
    found = brought(lambda: store, spec(files="own.txt, s3://bucket/a/stop.txt"), LocalDisk(tmp_path))
    own, other = found.side_files
    assert own == "own.txt"
    assert Path(other).read_bytes() == b"cat"
    assert Path(other).is_relative_to(tmp_path)

    def none() -> MemoryStore:
        raise AssertionError("nothing is to be fetched")

    assert brought(none, spec(files="own.txt, /tmp/x"), LocalDisk(tmp_path)).side_files == (
        "own.txt",
        "/tmp/x",
    )
