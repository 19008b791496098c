"""Parquet in and out of jobs in Python, against DuckDB's own reading and writing of the same files."""

from __future__ import annotations

import datetime
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from chalicelib import Job, Range, Sum
from chalicelib.core.plan import Split
from chalicelib.core.ports import Loc
from chalicelib.core.spec import BadRecordsSpec, InputSpec, TimeoutSpec
from chalicelib.mapreduce.input.parquet import read_groups
from chalicelib.stores.disk import LocalDisk
from chalicelib.stores.memory import MemoryStore
from tests.features.io.runs import failed, job_spec, run
from tests.features.io.test_outputs import parts
from tests.worlds.simulation import Simulation

ROOT = Path(__file__).resolve().parents[3]
QUERY = """
SELECT i AS id, i % 7 AS day, ['Oslo', 'Rio', NULL, 'größe'][i % 4 + 1] AS city,
    (i * 37 % 1000) / 8 AS x,
    ((i % 500) * 0.01)::DECIMAL(12, 2) AS price, DATE '2026-01-01' + (i % 60)::INTEGER AS day_of,
    TIMESTAMPTZ '2026-01-01 12:00:00+00' AS seen, i % 3 = 0 AS flag, encode('b' || i) AS raw,
    CASE WHEN i % 5 = 0 THEN NULL ELSE i END AS maybe, {'a': i, 'b': [i, 1]} AS nested
FROM range({rows}) made(i)
"""


def made(folder: Path, rows: int, group: int = 2048, query: str = QUERY) -> bytes:
    """A Parquet file of DuckDB's, with row groups of `group` rows (a multiple of 2 048)."""
    path = folder / "made.parquet"
    text = query.replace("{rows}", str(rows))
    with duckdb.connect() as database:
        database.execute("SET threads = 1")
        database.execute(f"COPY ({text}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE {group})")
    body = path.read_bytes()
    path.unlink()
    return body


def table(files: list[bytes], folder: Path, query: str) -> list[Any]:
    """DuckDB's answer to a query over the table `made`."""
    paths = []
    for number, body in enumerate(files):
        paths.append(str(folder / f"asked-{number}.parquet"))
        Path(paths[-1]).write_bytes(body)
    with duckdb.connect() as database:
        database.execute(f"CREATE VIEW made AS FROM read_parquet({paths})")
        return database.execute(query).fetchall()


def rows_of(lists: Iterator[Any]) -> list[dict[str, Any]]:
    return [row for some in lists for row in some]


# -- reading -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split_size", [20_000, 10_000_000])
@pytest.mark.parametrize("rows", [0, 1, 2048, 9000])
def test_every_row_is_read_once_for_every_split_size(split_size: int, rows: int, tmp_path: Path) -> None:
    body = made(tmp_path, rows)
    store = MemoryStore()
    loc = Loc("in", "made.parquet")
    etag = store.put(loc, body)
    found, groups = [], 0
    for start in range(0, len(body), split_size):
        stop = min(start + split_size, len(body))
        split = Split(bucket="in", key=loc.key, etag=etag, start=start, stop=stop, size=len(body))
        spec = InputSpec(
            url="s3://in/", format="parquet", columns="id, city, x, price, day_of, flag, raw, maybe, nested"
        )
        for _, lists in read_groups(store, split, spec, LocalDisk(tmp_path), tmp_path):
            groups += 1
            found += rows_of(lists)
    wanted = table(
        [body], tmp_path, "SELECT id, city, x, price, day_of, flag, raw, maybe, nested FROM made ORDER BY id"
    )
    assert [tuple(row.values()) for row in found] == wanted
    assert groups == -(-rows // 2048)


def test_a_moment_with_a_time_zone_comes_in_utc(tmp_path: Path) -> None:
    store = MemoryStore()
    body = made(tmp_path, 3)
    etag = store.put(Loc("in", "a"), body)
    split = Split(bucket="in", key="a", etag=etag, start=0, stop=len(body), size=len(body))
    groups = read_groups(
        store, split, InputSpec(url="s3://in/", columns="seen"), LocalDisk(tmp_path), tmp_path
    )
    found = [row["seen"] for _, lists in groups for row in rows_of(lists)]
    assert found == [datetime.datetime(2026, 1, 1, 12)] * 3


class Prices(Job):
    def mapper(self, _: Any, row: dict[str, Any]) -> Any:
        yield (row["day"], row["city"] or "nowhere"), row["price"]

    reducer = Sum()


SPEC = InputSpec(url="s3://in/data/", format="parquet", columns="day, city, price")


@pytest.mark.parametrize("split_size", [30_000, 10_000_000])
@pytest.mark.parametrize("partitions", [1, 4])
def test_a_job_over_parquet_is_duckdbs_answer(split_size: int, partitions: int, tmp_path: Path) -> None:
    files = {"a.parquet": made(tmp_path, 9000), "b.parquet": made(tmp_path, 3000, 2048)}
    spec = job_spec(SPEC, split_size=split_size, partitions=partitions, reduce_size=1)
    world = run(Prices, spec, files, tmp_path / "scratch")
    tasks = len([key for key in world.work() if key.endswith(".run")])
    assert tasks == 1 if split_size > 1_000_000 else tasks > 5
    rows = [line.split("\t") for line in world.text().decode().splitlines()]
    query = "SELECT day, coalesce(city, 'nowhere'), sum(price)::VARCHAR FROM made GROUP BY ALL"
    wanted = {f'[{day},"{city}"]': total for day, city, total in table([*files.values()], tmp_path, query)}
    assert dict(rows) == wanted  # type: ignore[arg-type]


class Ids(Job):
    partitioner = Range()

    def mapper(self, _: Any, row: dict[str, Any]) -> Any:
        yield row["id"], None


def test_total_order_over_parquet_has_even_bounds(tmp_path: Path) -> None:
    spec = job_spec(
        InputSpec(url="s3://in/data/", format="parquet"), split_size=60_000, partitions=4, reduce_size=1
    )
    world = run(Ids, spec, {"a.parquet": made(tmp_path, 20_000)}, tmp_path / "scratch")
    assert [int(line.partition(b"\t")[0]) for line in world.text().splitlines()] == list(range(20_000))
    assert len(parts(world)) == 4


def test_an_attempt_goes_on_within_a_row_group(tmp_path: Path) -> None:
    place: list[Simulation] = []

    class Slow(Prices):
        def mapper(self, _: Any, row: dict[str, Any]) -> Any:
            place[0].time += 0.02
            yield from super().mapper(_, row)

    body = made(tmp_path, 3000)
    spec = job_spec(SPEC, timeout=TimeoutSpec(mapper=10))
    (tmp_path / "scratch").mkdir()
    world = Simulation(Slow, spec, tmp_path / "scratch", lifetime=10.0)
    place.append(world)
    world.add("a.parquet", body)
    world.drop("_READY", b"")
    world.run()
    assert "_SUCCESS" in world.output(), world.output()["_FAILED"]
    assert len([key for key in world.work() if key.endswith(".next")]) >= 3000 * 0.02 / 10 - 1
    calm = run(Prices, job_spec(SPEC), {"a.parquet": body}, tmp_path / "other")
    assert world.text() == calm.text()


class Picky(Job):
    def mapper(self, _: Any, row: dict[str, Any]) -> Any:
        if row["id"] % 1000 == 7:
            raise ValueError(f"no {row['id']}")
        yield row["day"], 1

    reducer = Sum()


def test_bad_rows_are_set_aside(tmp_path: Path) -> None:
    spec = job_spec(
        InputSpec(url="s3://in/data/", format="parquet"),
        bad_records=BadRecordsSpec(policy="quarantine", max_fraction=0.1),
    )
    world = run(Picky, spec, {"a.parquet": made(tmp_path, 5000)}, tmp_path / "scratch")
    counts = Counter(number % 7 for number in range(5000) if number % 1000 != 7)
    assert world.text().decode() == "".join(f"{day}\t{n}\n" for day, n in sorted(counts.items()))
    (bad,) = [body for key, body in world.objects().items() if "/quarantine/" in key]
    assert bad.count(b"\n") == 5


class Length(Job):
    def mapper(self, _: Any, row: dict[str, Any]) -> Any:
        yield row["id"], len(row["text"])


LONG = """
SELECT i AS id, repeat('x', CASE WHEN i IN (5, 2999) THEN 5000 ELSE i % 10 END) AS text FROM range({rows}) made(i)
"""


def test_a_row_that_is_too_long_is_a_bad_record(tmp_path: Path) -> None:
    source = InputSpec(url="s3://in/data/", format="parquet", max_record_bytes=4999)
    body = made(tmp_path, 3000, query=LONG)
    message = failed(Length, job_spec(source), {"a.parquet": body}, tmp_path / "failed")
    assert "s3://in/data/a.parquet: row group 0, at byte 4, row 5 of it: has 5000 bytes, more than" in message
    assert "input.max_record_bytes (4999): raise max_record_bytes" in message
    assert "tried" not in message
    aside = BadRecordsSpec(policy="quarantine", max_fraction=1.0)
    world = run(Length, job_spec(source, bad_records=aside), {"a.parquet": body}, tmp_path / "scratch")
    wanted = sorted((i, i % 10) for i in range(3000) if i not in (5, 2999))
    assert sorted(tuple(map(int, line.split(b"\t"))) for line in world.text().splitlines()) == wanted
    (bad,) = [body for key, body in world.objects().items() if "/quarantine/" in key]
    assert [b"row 5 of it" in bad, b"row group 1" in bad, bad.count(b"\n")] == [True, True, 2]


READ = r"""
import re, resource, sys
from pathlib import Path
from chalicelib.core.plan import Split
from chalicelib.core.ports import Loc
from chalicelib.core.spec import InputSpec
from chalicelib.mapreduce.input.parquet import read_groups
from chalicelib.stores.disk import LocalDisk
from chalicelib.stores.memory import MemoryStore

folder, body = Path(sys.argv[1]), Path(sys.argv[2]).read_bytes()
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
store = MemoryStore()
etag = store.put(Loc("in", "a"), body)
split = Split(bucket="in", key="a", etag=etag, start=0, stop=len(body), size=len(body))
read = 0
for _, lists in read_groups(store, split, InputSpec(url="s3://in/"), LocalDisk(folder), folder):
    for rows in lists:
        read += sum(len(row["text"]) for row in rows)
# Not getrusage: its peak is that of the process which started this one, if that was larger.
print(read, int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) >> 10)
"""


def test_a_small_file_of_large_rows_does_not_fill_the_memory(tmp_path: Path) -> None:
    """A text of 5 MB that the file holds once, and 512 rows of it: 2.5 GB."""
    query = "SELECT repeat('x', 5000000) AS text FROM range({rows}) made(i)"
    body = made(tmp_path, 512, query=query)
    assert len(body) < 1_000_000
    (tmp_path / "small").write_bytes(body)
    command = [sys.executable, "-c", READ, str(tmp_path), str(tmp_path / "small")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    read, mebibytes = map(int, done.stdout.split())
    assert read == 512 * 5_000_000
    assert mebibytes < 400


@pytest.mark.parametrize(
    "body", [b"", b"PAR1", b"no parquet at all", b"PAR1" + bytes(40) + b"\x20\0\0\0PAR1"]
)
def test_what_is_no_parquet_file_is_named(body: bytes, tmp_path: Path) -> None:
    if not body:  # an object without bytes has no splits
        assert run(Ids, job_spec(SPEC), {"a.parquet": body}, tmp_path / "scratch").text() == b""
        return
    message = failed(Ids, job_spec(SPEC), {"a.parquet": body}, tmp_path / "scratch")
    assert "s3://in/data/a.parquet: not " in message
    assert str(tmp_path) not in message
    assert "Parquet file" in message


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    spec = job_spec(InputSpec(url="s3://in/data/", format="parquet", columns="day, town"))
    message = failed(Prices, spec, {"a.parquet": made(tmp_path, 10)}, tmp_path / "scratch")
    assert "s3://in/data/a.parquet: has no column town; there are id, day, city" in message


# -- writing -------------------------------------------------------------------------------------------

LINES = [f"{number}" for number in range(500)]
FILES = {"a": "\n".join(LINES).encode()}


DAY = datetime.date(2026, 2, 28)
ZONE = datetime.timezone(datetime.timedelta(hours=5, minutes=30))


class Cells(Job):
    """One of every kind of value."""

    def mapper(self, _: Any, line: str) -> Any:
        n = int(line)
        chance = random.Random(n)
        yield (
            (n, f'key {n}\t"ü\\\n'),
            {
                "small": None if n % 9 == 0 else n - 250,
                "big": n * 10**30,
                "float": chance.choice([0.1 * n, 1e300, float("inf"), -0.0]),
                "either": n if n % 2 else n / 4,
                "flag": n % 2 == 0,
                "text": chance.choice(["", "a,b", "tab\t", "nul\0", "\\x41", None]),
                "raw": bytes([n % 256, 0, 92]),
                "exact": Decimal(n).scaleb(-(n % 4)),
                "list": [n, "x", None],
                "mixed": n if n % 2 else f"t{n}",
                "none": None,
                "day": DAY + datetime.timedelta(n),
                "moment": datetime.datetime(2026, 2, 28, 23, 59, 59, n),
                "seen": datetime.datetime(2026, 3, 1, n % 24, tzinfo=ZONE),
                "hour": datetime.time(n % 24, 0, 0, n),
                "zoned": datetime.time(n % 24, tzinfo=ZONE),
                "set": {n, 0},
            },
        )


def cells() -> list[tuple[Any, ...]]:
    found = []
    for line in LINES:
        for (number, text), row in Cells().mapper(None, line):
            row["either"] = float(row["either"])
            row["list"] = f'[{number},"x",null]'
            row["mixed"] = str(row["mixed"])
            row["seen"] = row["seen"].astimezone(datetime.UTC).isoformat()
            row["zoned"] = row["zoned"].isoformat()
            row["set"] = f"[0,{number}]" if number else "[0]"
            found.append((number, text, *row.values()))
    return found


@pytest.mark.parametrize("cut", [{}, {"split_size": 300, "partitions": 4, "reduce_size": 1}])
def test_values_come_back_from_parquet_as_they_were(cut: dict[str, Any], tmp_path: Path) -> None:
    world = run(Cells, job_spec(output={"format": "parquet"}, **cut), FILES, tmp_path / "scratch")
    files = [body for key, body in parts(world).items() if key.endswith(".parquet")]
    assert len(files) == (4 if cut else 1)
    utc = "strftime(timezone('UTC', seen), '%Y-%m-%dT%H:%M:%S+00:00')"
    found = table(files, tmp_path, f"SELECT * REPLACE ({utc} AS seen) FROM made ORDER BY key_0")
    assert found == cells()
    if not cut:
        kinds = dict(table(files, tmp_path, "SELECT column_name, column_type FROM (DESCRIBE made)"))
        assert kinds == {
            "key_0": "BIGINT",
            "key_1": "VARCHAR",
            "small": "BIGINT",
            "big": "DECIMAL(38,0)",
            "float": "DOUBLE",
            "either": "DOUBLE",
            "flag": "BOOLEAN",
            "text": "VARCHAR",
            "raw": "BLOB",
            "exact": "DECIMAL(38,3)",
            "list": "VARCHAR",
            "mixed": "VARCHAR",
            "none": "VARCHAR",
            "day": "DATE",
            "moment": "TIMESTAMP",
            "seen": "TIMESTAMP WITH TIME ZONE",
            "hour": "TIME",
            "zoned": "VARCHAR",
            "set": "VARCHAR",
        }


class Days(Job):
    def mapper(self, _: Any, line: str) -> Any:
        yield int(line), (f"2026-01-{int(line) % 28 + 1:02d}", int(line))


def test_declared_types_are_the_types_of_every_part(tmp_path: Path) -> None:
    columns = 'id INTEGER, "the day" DATE, price "DECIMAL(10, 2)"'.replace(
        '"DECIMAL(10, 2)"', "DECIMAL(10, 2)"
    )
    spec = job_spec(output={"format": "parquet", "columns": columns}, partitions=3, reduce_size=1)
    files = list(parts(run(Days, spec, FILES, tmp_path / "scratch")).values())
    for body in files:
        kinds = table([body], tmp_path, "SELECT column_name, column_type FROM (DESCRIBE made)")
        assert kinds == [("id", "INTEGER"), ("the day", "DATE"), ("price", "DECIMAL(10,2)")]
    rows = table(files, tmp_path, "FROM made ORDER BY id")
    assert rows == [(n, datetime.date(2026, 1, n % 28 + 1), Decimal(n)) for n in range(500)]


def test_values_that_are_not_of_the_declared_type_are_told(tmp_path: Path) -> None:
    spec = job_spec(output={"format": "parquet", "columns": "id INTEGER, day INTEGER, n INTEGER"})
    message = failed(Days, spec, FILES, tmp_path / "scratch")
    assert "output.columns: the result cannot be written so: " in message
    assert "2026-01-01" in message


class Nothing(Job):
    def mapper(self, _: Any, line: str) -> Any:
        return ()


def test_a_part_without_rows_is_a_table_without_rows(tmp_path: Path) -> None:
    spec = job_spec(output={"format": "parquet", "columns": "a INTEGER, b VARCHAR"})
    (body,) = parts(run(Nothing, spec, FILES, tmp_path / "scratch")).values()
    assert table([body], tmp_path, "SELECT column_name, column_type FROM (DESCRIBE made)") == [
        ("a", "INTEGER"),
        ("b", "VARCHAR"),
    ]
    assert table([body], tmp_path, "FROM made") == []


def test_folders_of_parquet_are_partitions_to_duckdb(tmp_path: Path) -> None:
    class Weekdays(Job):
        def mapper(self, _: Any, line: str) -> Any:
            yield int(line), {"weekday": ["Mo", "Tu/We", ""][int(line) % 3], "n": int(line)}

    spec = job_spec(output={"format": "parquet", "by": "weekday"}, partitions=2, reduce_size=1)
    world = run(Weekdays, spec, FILES, tmp_path / "scratch")
    for key, body in parts(world).items():
        path = tmp_path / "out" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    with duckdb.connect() as database:
        source = f"read_parquet('{tmp_path}/out/*/*.parquet', hive_partitioning=true)"
        rows = database.execute(
            f"SELECT weekday, sum(n), count(*) FROM {source} GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    numbers = {
        name: [n for n in range(500) if n % 3 == place] for place, name in enumerate(["Mo", "Tu/We", ""])
    }
    assert rows == sorted((name, sum(some), len(some)) for name, some in numbers.items())


def test_parquet_made_in_pieces_is_the_same_bytes(tmp_path: Path) -> None:
    place: list[Simulation] = []

    class Slow(Days):
        def reducer(self, key: Any, values: Any) -> Any:
            place[0].time += 0.1
            for value in values:
                yield key, value

    spec = job_spec(output={"format": "parquet"}, timeout=TimeoutSpec(reducer=10))
    calm = parts(run(Days, spec, FILES, tmp_path / "calm"))
    (tmp_path / "scratch").mkdir()
    world = Simulation(Slow, spec, tmp_path / "scratch", lifetime=10.0)
    place.append(world)
    world.add("a", FILES["a"])
    world.drop("_READY", b"")
    world.run()
    assert "_SUCCESS" in world.output(), world.output()["_FAILED"]
    assert [key for key in world.work() if key.endswith(".piece")]
    assert parts(world) == calm
