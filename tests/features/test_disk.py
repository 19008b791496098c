"""A local disk that is full, slow or failing costs an attempt at most: nothing is left on it, and no result changes."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest
from msgspec.structs import replace

from chalicelib import Job, Sum
from chalicelib.core.ports import Disk, Loc
from chalicelib.core.spec import BadRecordsSpec, InputSpec, JobSpec, SqlSpec
from chalicelib.join import Join
from tests.worlds.disks import FailingDisk, SlowDisk, SmallDisk
from tests.worlds.simulation import Simulation, spec

WORDS = [f"word{number:05d}" for number in random.Random(7).choices(range(3000), k=12_000)]
LINES = "".join(f"{word}\n" for word in WORDS).encode()
COUNTS = sorted(Counter(WORDS).items())
COUNTED = "".join(f"{word}\t{count}\n" for word, count in COUNTS).encode()
ROWS = "".join(f"{word},{number % 7}\n" for number, word in enumerate(WORDS)).encode()
SUMS: defaultdict[str, int] = defaultdict(int)
for _number, _word in enumerate(WORDS):
    SUMS[_word] += _number % 7
SUMMED = "".join(f"{word}\t{total}\n" for word, total in sorted(SUMS.items())).encode()


class Count(Job):
    def mapper(self, _: Any, line: str) -> Any:
        yield line, 1

    reducer = Sum()


class Listed(Job):
    """Pairs reach the reducer as they are, so that it is the reducer that spills."""

    def mapper(self, _: Any, line: str) -> Any:
        yield line, 1

    def reducer(self, key: str, values: Iterator[int]) -> Any:
        yield key, sum(values)


class Raw(Job):
    def mapper_raw(self, path: str) -> Any:
        for line in Path(path).read_text().splitlines():
            yield line, 1

    reducer = Sum()


class Sided(Count):
    def mapper_init(self) -> None:
        assert self.file("side.txt").read_bytes() == LINES


class Late(Count):
    """Asks for its file only when it has a record in hand."""

    def mapper(self, _: Any, line: str) -> Any:
        assert self.file("side.txt").stat().st_size == len(LINES)
        yield line, 1


class Table(Job):
    def mapper(self, _: Any, row: dict[str, Any]) -> Any:
        yield row["word"], 1

    reducer = Sum()


class Foldered(Job):
    def mapper(self, _: Any, line: str) -> Any:
        yield line, 1

    def reducer(self, key: str, values: Iterator[int]) -> Any:
        yield key, (int(key[-1]) % 2, sum(values))


class Joined(Join):
    left, right = "one", "two"

    def key(self, tag: str, record: str) -> Any:
        return "all"

    def row(self, key: str, left: str, right: str) -> Any:
        yield left, right


def parquet_file() -> bytes:
    with duckdb.connect() as database, TemporaryDirectory() as folder:
        path = Path(folder) / "words.parquet"
        values = ", ".join(f"('{word}')" for word in WORDS)
        query = f"SELECT * FROM (VALUES {values}) words (word)"
        database.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 4096)")
        return path.read_bytes()


def text_of(world: Simulation) -> bytes:
    return world.text()


def table_of(world: Simulation) -> bytes:
    """Parquet parts as the text that the same result would be."""
    (body,) = (body for name, body in world.output().items() if name.endswith(".parquet"))
    with duckdb.connect() as database, TemporaryDirectory() as folder:
        path = Path(folder) / "part.parquet"
        path.write_bytes(body)
        found = database.execute(f"SELECT key, value FROM '{path}' ORDER BY ALL").fetchall()
    return "".join(f"{key}\t{value}\n" for key, value in found).encode()


def folders_of(world: Simulation) -> bytes:
    parts = [body for name, body in sorted(world.output().items()) if "/part-" in name]
    rows = sorted(line.split("\t") for body in parts for line in body.decode().splitlines())
    return "".join(f"{key}\t{json.loads(value)[1]}\n" for key, value in rows).encode()


@dataclass(kw_only=True)
class Case:
    """A job, what it needs local disk for, and what must come of it."""

    job: type[Any]
    #: What the error of a full disk must name besides job, folder and advice.
    names: tuple[str, ...]
    files: Mapping[str, bytes] = field(default_factory=lambda: {"a.txt": LINES})
    figures: Mapping[str, Any] = field(default_factory=dict)
    expected: bytes = COUNTED
    shown: Callable[[Simulation], bytes] = text_of
    phase: str = "map"
    #: Files that stay on the disk when all is done.
    stays: int = 0


SQL = SqlSpec(
    map="SELECT word, n FROM input", key="word", reduce="SELECT word, sum(n) FROM shuffled GROUP BY 1"
)
CASES = {
    "map spill": Case(
        job=Count,
        figures={"memory_budget": 1000, "split_size": 40_000},
        names=("s3://in/data/a.txt", "sluice-map-", "spill-"),
    ),
    "reduce spill": Case(
        job=Listed, figures={"memory_budget": 1000}, phase="reduce",
        names=("reducer", "sluice-reduce-", "spill-"),
    ),
    "whole object": Case(
        job=Raw, names=("s3://in/data/a.txt", "object-a.txt", f"needs {len(LINES)} bytes"),
    ),
    "whole packed object": Case(
        job=Raw, files={"a.txt.gz": gzip.compress(LINES, mtime=0)},
        names=("s3://in/data/a.txt.gz", "object-a.txt.gz", "bytes long so far"),
    ),
    "side file": Case(
        job=Sided, figures={"files": "s3://in/side/side.txt"}, stays=1,
        names=("mapper_init", "files: s3://in/side/side.txt", "sluice-file-"),
    ),
    "parquet input": Case(
        job=Table, files={"a.parquet": parquet_file()}, figures={"input": {"format": "parquet"}},
        names=("s3://in/data/a.parquet", "sluice-map-"),
    ),
    "parquet output": Case(
        job=Count, figures={"output": {"format": "parquet"}}, phase="reduce", shown=table_of,
        names=("reducer", "sluice-part-"),
    ),
    "folders": Case(
        job=Foldered, figures={"output": {"by": "1"}}, phase="reduce", shown=folders_of,
        names=("reducer", "sluice-part-"),
    ),
    "sql map": Case(
        job=object, files={"a.parquet": parquet_file()},
        figures={
            "input": {"format": "parquet", "columns": "word VARCHAR"},
            "sql": replace(SQL, map="SELECT word, 1 AS n FROM input"),
        },
        names=("s3://in/data/a.parquet", "object-0", "bytes"),
    ),
    "sql reduce": Case(
        job=object, files={"a.csv": ROWS}, expected=SUMMED, phase="reduce",
        figures={"input": {"format": "csv", "columns": "word VARCHAR, n BIGINT"}, "sql": SQL},
        names=("sql.reduce", "sluice-sql-", "shuffled-0-0-0.parquet"),
    ),
}  # fmt: skip


def started(case: Case, scratch: Path, disk: Disk | None = None, **figures: Any) -> Simulation:
    """A world in which the run is about to begin; `_READY` stands for all files."""
    scratch.mkdir(exist_ok=True)
    given = {"partitions": 1, "trigger": "marker", **case.figures, **figures}
    world = Simulation(case.job, spec(**given), scratch, disk=disk)
    world.memory.put(Loc("in", "side/side.txt"), LINES)
    for name, body in case.files.items():
        world.add(name, body)
    world.drop("_READY", b"")
    return world


def failures(world: Simulation) -> list[dict[str, Any]]:
    bodies = world.objects().items()
    return [json.loads(body) for name, body in bodies if name.endswith(".failed")]


def left_on(disk: Disk) -> list[Path]:
    return [path for path in disk.root.rglob("*") if path.is_file()]


def shrink(world: Simulation, disk: SmallDisk, phase: str, capacity: int) -> None:
    """Let the disk have so little room as soon as the phase begins."""
    if phase == "map":
        disk.capacity = capacity
        return

    def now() -> None:
        disk.capacity = capacity

    world.when(lambda: any(name.endswith("reduce/started") for name in world.names()), now)


@pytest.mark.parametrize("capacity", [0, 3000])
@pytest.mark.parametrize("name", CASES)
def test_a_full_disk_fails_the_attempt_and_the_next_one_with_room_succeeds(
    name: str, capacity: int, tmp_path: Path
) -> None:
    case = CASES[name]
    disk = SmallDisk(tmp_path / "scratch", 1 << 30)
    world = started(case, disk.root, disk)
    shrink(world, disk, case.phase, capacity)
    left: list[list[Path]] = []

    def clear() -> None:
        left.append(left_on(disk))
        disk.capacity = 1 << 30

    world.when(lambda: any(name.endswith(".failed") for name in world.names()), clear)
    world.run()
    assert left == [[]], "an attempt that failed left files behind"
    assert case.shown(world) == case.expected
    assert len(left_on(disk)) == case.stays
    failed = failures(world)
    assert failed
    for failure in failed:
        assert (failure["error"], failure["fatal"]) == ("DiskError", False)
        for part in (
            "job job",
            "no space left on the local disk",
            "are free",
            "ephemeral storage",
            *case.names,
        ):
            assert part in failure["message"], failure["message"]
        assert failure["message"].count("job job") == 1


@pytest.mark.parametrize("name", ["map spill", "whole object", "sql reduce"])
def test_a_disk_that_stays_full_fails_the_run(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    disk = SmallDisk(tmp_path / "scratch", 1 << 30)
    world = started(case, disk.root, disk, max_attempts=2)
    shrink(world, disk, case.phase, 100)
    world.run()
    reason = world.output()["_FAILED"].decode()
    assert f"{case.phase} task 0 (tried 2 times)" in reason
    for part in ("job job", "no space left on the local disk", "ephemeral storage", *case.names):
        assert part in reason, reason
    assert left_on(disk) == []


@pytest.mark.parametrize(("job", "figures"), [(Raw, {}), (Late, {"files": "s3://in/side/side.txt"})])
def test_a_full_disk_is_no_records_fault(job: type[Job], figures: dict[str, Any], tmp_path: Path) -> None:
    """Where bad records are set aside, an attempt that finds no room fails all the same, and nothing is lost."""
    aside = BadRecordsSpec(policy="quarantine", max=1_000_000, max_fraction=1.0)
    case = Case(job=job, names=(), figures={**figures, "bad_records": aside})
    disk = SmallDisk(tmp_path / "scratch", 0)
    world = started(case, disk.root, disk)

    def clear() -> None:
        disk.capacity = 1 << 30

    world.when(lambda: any(name.endswith(".failed") for name in world.names()), clear)
    world.run()
    assert world.text() == COUNTED
    assert not any("quarantine/" in name for name in world.names())


@pytest.mark.parametrize("name", CASES)
def test_a_slow_disk_changes_nothing(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    sound = started(case, tmp_path / "sound")
    sound.run()

    def wait() -> None:
        slow.time += 0.01

    disk = SlowDisk(tmp_path / "slow", wait)
    slow = started(case, disk.root, disk)
    slow.run()
    assert case.shown(slow) == case.shown(sound) == case.expected
    assert len(left_on(disk)) == case.stays
    assert failures(slow) == []


@pytest.mark.parametrize("turn", [0, 1, 7])
def test_an_error_of_the_device_fails_the_attempt(turn: int, tmp_path: Path) -> None:
    case = CASES["map spill"]
    disk = FailingDisk(tmp_path / "scratch", [turn])
    world = started(case, disk.root, disk)
    world.run()
    (failure,) = failures(world)
    assert "the local disk failed: Input/output error" in failure["message"]
    assert "job job: s3://in/data/a.txt" in failure["message"] or "sort and combine" in failure["message"]
    assert world.text() == COUNTED
    assert left_on(disk) == []


def test_a_key_of_a_join_that_does_not_fit_names_the_job(tmp_path: Path) -> None:
    inputs = [InputSpec(tag=tag, url=f"s3://in/data/{tag}/") for tag in ("one", "two")]
    job_spec: JobSpec = replace(
        spec(trigger="marker", partitions=1, memory_budget=1 << 16), input=inputs[0], more_inputs=(inputs[1],)
    )
    disk = SmallDisk(tmp_path, 1 << 30)
    world = Simulation(Joined, job_spec, tmp_path, disk=disk)
    shrink(world, disk, "reduce", 0)
    world.add("one/a.txt", LINES)
    world.add("two/a.txt", b"x\n")
    world.drop("_READY", b"")

    def clear() -> None:
        disk.capacity = 1 << 30

    world.when(lambda: any(name.endswith(".failed") for name in world.names()), clear)
    world.run()
    assert sorted(world.text().splitlines()) == sorted(f"{word}\tx".encode() for word in WORDS)
    (failure,) = failures(world)
    assert failure["message"].startswith("job job: reducer: ")
    assert left_on(disk) == []
