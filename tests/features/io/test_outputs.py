"""Kinds of output: csv with names, compressed parts, one file, folders by a column, rows of the user's own."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from backports import zstd

from chalicelib import Avg, Count, Job, Record, Sum
from chalicelib.core.outcome import Manifest
from chalicelib.core.ports import Loc
from chalicelib.core.spec import SqlSpec, TimeoutSpec
from chalicelib.mapreduce.output.text import unescape
from tests.features.io.runs import failed, job_spec, run
from tests.worlds.simulation import Simulation

LINES = [f"{('Oslo', 'Rio', 'größe', 'a/b', '')[number % 5]},{number % 7},{number}" for number in range(300)]
TEXT = "\n".join(LINES).encode()
FILES = {"a.csv": TEXT[: TEXT.index(b"\n", 2000) + 1], "b.csv": TEXT[TEXT.index(b"\n", 2000) + 1 :]}
#: One task, several partitions and parts, many tasks.
CUTS: list[dict[str, Any]] = [
    {},
    {"partitions": 5, "reduce_size": 1},
    {"split_size": 300, "partitions": 3},
]


class Cities(Job):
    """Totals of each city and day, several at once."""

    def mapper(self, _: Any, line: str) -> Any:
        city, day, n = line.split(",")
        yield (city, int(day)), int(n)

    reducer = Record(total=Sum(), mean=Avg(), rows=Count())


def totals() -> dict[tuple[str, int], dict[str, Any]]:
    """The same by hand."""
    values = defaultdict(list)
    for line in LINES:
        city, day, n = line.split(",")
        values[city, int(day)].append(int(n))
    return {
        key: {"total": sum(some), "mean": sum(some) / len(some), "rows": len(some)}
        for key, some in values.items()
    }


class Words(Job):
    def mapper(self, _: Any, line: str) -> Any:
        yield line.split(",")[0], 1

    reducer = Sum()


def words() -> Counter[str]:
    return Counter(line.split(",")[0] for line in LINES)


def parts(world: Simulation) -> dict[str, bytes]:
    return {key: body for key, body in sorted(world.output().items()) if "part-" in key}


def manifest(world: Simulation) -> Manifest:
    import msgspec

    return msgspec.json.decode(world.output()["_manifest.json"], type=Manifest)


def check_manifest(world: Simulation) -> None:
    """The manifest lists what there is, no more and no less."""
    listed = {part.key.partition("/")[2]: part.bytes for part in manifest(world).parts}
    assert listed == {key: len(body) for key, body in parts(world).items()}


# -- csv with names ------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", CUTS)
def test_csv_has_a_header_and_a_column_for_each_of_a_records_figures(
    cut: dict[str, Any], tmp_path: Path
) -> None:
    spec = job_spec(output={"format": "csv", "header": True}, **cut)
    world = run(Cities, spec, FILES, tmp_path)
    found = {}
    for body in parts(world).values():
        for row in csv.DictReader(io.StringIO(body.decode(), newline="")):
            figures = {"total": int(row["total"]), "mean": float(row["mean"]), "rows": int(row["rows"])}
            found[row["key_0"], int(row["key_1"])] = figures
    assert found == totals()
    check_manifest(world)


def test_columns_are_called_what_the_configuration_says(tmp_path: Path) -> None:
    spec = job_spec(output={"format": "csv", "header": True, "columns": 'city, "the day", rows, total, mean'})
    (body,) = parts(run(Cities, spec, FILES, tmp_path)).values()
    rows = list(csv.DictReader(io.StringIO(body.decode(), newline="")))
    assert list(rows[0]) == ["city", "the day", "rows", "total", "mean"]
    assert {(row["city"], int(row["the day"])): int(row["total"]) for row in rows} == {
        key: figures["total"] for key, figures in totals().items()
    }


class Ragged(Job):
    def mapper(self, _: Any, line: str) -> Any:
        city, _day, n = line.split(",")
        yield city, {"n": n, "odd": 1} if n == "7" else {"n": n}


def test_rows_of_different_columns_are_refused_with_the_key(tmp_path: Path) -> None:
    message = failed(Ragged, job_spec(output={"format": "csv", "header": True}), FILES, tmp_path)
    assert "result of key 'größe': its row has n, odd; expected key, n as in the first result" in message


def test_declared_columns_may_be_missing_in_a_row(tmp_path: Path) -> None:
    spec = job_spec(output={"format": "csv", "header": True, "columns": "city, n, odd"})
    (body,) = parts(run(Ragged, spec, FILES, tmp_path)).values()
    rows = list(csv.DictReader(io.StringIO(body.decode(), newline="")))
    assert [row["n"] for row in rows if row["odd"]] == ["7"]
    assert Counter(row["city"] for row in rows) == words()


class Nothing(Job):
    def mapper(self, _: Any, line: str) -> Any:
        return ()


def test_a_part_without_rows_has_its_header_if_it_is_known(tmp_path: Path) -> None:
    spec = job_spec(output={"format": "csv", "header": True, "columns": "a, b"})
    assert list(parts(run(Nothing, spec, FILES, tmp_path)).values()) == [b"a,b\n"]
    unknown = job_spec(output={"format": "csv", "header": True})
    assert list(parts(run(Nothing, unknown, FILES, tmp_path)).values()) == [b""]


# -- compressed ----------------------------------------------------------------------------------------

UNPACK: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.decompress, "zst": zstd.decompress}


@pytest.mark.parametrize("kind", ["gz", "zst"])
@pytest.mark.parametrize("form", ["tsv", "jsonl", "csv", "text"])
@pytest.mark.parametrize("cut", CUTS)
def test_compressed_parts_hold_the_rows_of_plain_ones(
    kind: str, form: str, cut: dict[str, Any], tmp_path: Path
) -> None:
    plain = parts(run(Words, job_spec(output={"format": form}, **cut), FILES, tmp_path))
    world = run(Words, job_spec(output={"format": form, "compression": kind}, **cut), FILES, tmp_path)
    packed = parts(world)
    assert {f"{key}.{kind}": body for key, body in plain.items()} == {
        key: UNPACK[kind](body) for key, body in packed.items()
    }
    check_manifest(world)
    again = run(Words, job_spec(output={"format": form, "compression": kind}, **cut), FILES, tmp_path)
    assert parts(again) == packed
    assert manifest(world).records == len(words())


def test_gzip_has_no_time_and_no_name(tmp_path: Path) -> None:
    (body,) = parts(run(Words, job_spec(output={"compression": "gz"}), FILES, tmp_path)).values()
    assert body[4:8] == bytes(4)
    assert body[3] == 0


# -- one file ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split_size", [200, 100_000])
def test_one_file_is_one_part_sorted_from_end_to_end(split_size: int, tmp_path: Path) -> None:
    spec = job_spec(output={"one_file": True}, split_size=split_size, reduce_size=1)
    found = parts(run(Words, spec, FILES, tmp_path))
    assert list(found) == ["part-00000.tsv"]
    keys = [line.partition("\t")[0] for line in found["part-00000.tsv"].decode().splitlines()]
    assert keys == sorted(words())


# -- folders by a column -------------------------------------------------------------------------------

FOLDERS = {"Oslo": "Oslo", "Rio": "Rio", "größe": "gr%C3%B6%C3%9Fe", "a/b": "a%2Fb", "": ""}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(
    ("form", "by", "name"),
    [("tsv", "0", "by"), ("csv", "city", "city"), ("jsonl", "key_0", "key_0"), ("csv", "0", "city")],
)
def test_rows_go_to_the_folder_of_their_value(
    form: str, by: str, name: str, cut: dict[str, Any], tmp_path: Path
) -> None:
    columns = "city, day, total, mean, rows" if name == "city" else ""
    spec = job_spec(output={"format": form, "by": by, "columns": columns}, **cut)
    world = run(Cities, spec, FILES, tmp_path)
    folders: defaultdict[str, int] = defaultdict(int)
    for key, body in parts(world).items():
        folder, _, _ = key.partition("/")
        folders[folder] += body.count(b"\n")
        city = next(value for value, text in FOLDERS.items() if f"{name}={text}" == folder)
        first = {
            "tsv": lambda line: json.loads(line.partition("\t")[0])[0],
            "jsonl": lambda line: json.loads(line)["key"][0],
            "csv": lambda line: next(csv.reader([line]))[0],
        }[form]
        assert {first(line) for line in body.decode().splitlines()} == {city}
    wanted = Counter(f"{name}={FOLDERS[city]}" for city, _ in totals())
    assert folders == wanted
    check_manifest(world)
    assert manifest(world).records == len(totals())


class ByWeekday(Job):
    def mapper(self, _: Any, line: str) -> Any:
        _, day, n = line.split(",")
        yield int(n), {"day": None if day == "3" else day, "n": int(n)}


def test_folders_by_the_name_in_a_dict_with_a_header_and_compression(tmp_path: Path) -> None:
    spec = job_spec(output={"format": "csv", "by": "day", "header": True, "compression": "gz"}, partitions=3)
    world = run(ByWeekday, spec, FILES, tmp_path)
    found = Counter()
    for key, body in parts(world).items():
        assert key.endswith(".csv.gz")
        rows = list(csv.DictReader(io.StringIO(gzip.decompress(body).decode(), newline="")))
        folder = key.partition("/")[0]
        for row in rows:
            assert folder == f"day={row['day'] or '__HIVE_DEFAULT_PARTITION__'}"
        found[folder] += len(rows)
    days = Counter(line.split(",")[1] for line in LINES)
    assert found == {
        f"day={'__HIVE_DEFAULT_PARTITION__' if day == '3' else day}": n for day, n in days.items()
    }


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    message = failed(Cities, job_spec(output={"by": "country"}), FILES, tmp_path)
    assert "output.by: result of key ('', 0) has no column country" in message


@pytest.mark.parametrize("kill", range(1, 60, 3))
def test_an_attempt_that_dies_among_its_folders_changes_nothing(kill: int, tmp_path: Path) -> None:
    spec = job_spec(output={"by": "0"}, partitions=2, reduce_size=1)
    calm = parts(run(Cities, spec, FILES, tmp_path))
    world = run(Cities, spec, FILES, tmp_path, kill_at=(kill,), before=kill % 2 == 0)
    assert parts(world) == calm
    check_manifest(world)


# -- rows of the user's own ----------------------------------------------------------------------------


class Own(Words):
    def writer(self, key: str, value: int) -> str | bytes:
        return f"{key}: {value}" if value % 2 else f"{key}; {value}\n".encode()


def test_a_writer_makes_the_rows(tmp_path: Path) -> None:
    (body,) = parts(run(Own, job_spec(output={"format": "text"}), FILES, tmp_path)).values()
    assert body.decode().splitlines() == [
        f"{key}: {n}" if n % 2 else f"{key}; {n}" for key, n in sorted(words().items())
    ]


class Wrong(Words):
    def writer(self, key: str, value: int) -> Any:
        return value if key == "Rio" else 1 / 0 if key == "x" else key


def test_a_writer_must_give_text(tmp_path: Path) -> None:
    message = failed(Wrong, job_spec(), FILES, tmp_path)
    assert "writer, at key 'Rio': expected a row as str or bytes, got 60" in message


class Raises(Words):
    def writer(self, key: str, value: int) -> str:
        return key[value]


def test_what_a_writer_raises_is_told_with_the_key(tmp_path: Path) -> None:
    assert "writer, at key '': IndexError" in failed(Raises, job_spec(), FILES, tmp_path)


# -- time-outs -----------------------------------------------------------------------------------------


def slow(job: type[Job], place: list[Simulation]) -> type[Job]:
    """The same job with a reducer for which time passes."""

    class Slow(job):  # type: ignore[misc, valid-type]
        def reducer(self, key: Any, values: Any) -> Any:
            place[0].time += 1.5
            for value in values:
                yield key, value

    return Slow


class Plain(Job):
    def mapper(self, _: Any, line: str) -> Any:
        city, day, n = line.split(",")
        yield (city, int(day)), {"n": int(n)}


@pytest.mark.parametrize(
    "output",
    [
        {"format": "csv", "header": True},
        {"format": "tsv", "compression": "zst"},
        {"format": "csv", "by": "0", "header": True},
        {"format": "jsonl", "by": "n", "compression": "gz"},
    ],
)
def test_parts_made_in_pieces_are_the_same_bytes(output: dict[str, Any], tmp_path: Path) -> None:
    spec = job_spec(output=output, partitions=2, timeout=TimeoutSpec(reducer=10))
    place: list[Simulation] = []
    calm = parts(run(Plain, spec, FILES, tmp_path))
    world = Simulation(slow(Plain, place), spec, tmp_path, lifetime=10.0)
    place.append(world)
    for name, body in FILES.items():
        world.add(name, body)
    world.drop("_READY", b"")
    world.run()
    assert "_SUCCESS" in world.output(), world.output()["_FAILED"]
    assert [info.key for info in world.memory.list(Loc("work", "")) if info.key.endswith(".piece")]
    assert parts(world) == calm
    check_manifest(world)


def test_cells_come_back(tmp_path: Path) -> None:
    """Nothing above changes what plain tsv is."""
    (body,) = parts(run(Words, job_spec(), FILES, tmp_path)).values()
    rows = (line.split("\t") for line in body.decode().splitlines())
    assert {unescape(key): int(n) for key, n in rows} == words()


# -- without a shuffle ---------------------------------------------------------------------------------


class Passed(Job):
    shuffle = False

    def mapper(self, _: Any, line: str) -> Any:
        city, day, n = line.split(",")
        yield city, {"day": day, "n": int(n)}


@pytest.mark.parametrize("split_size", [500, 100_000])
def test_map_tasks_write_every_kind_of_part(split_size: int, tmp_path: Path) -> None:
    for output in ({"header": True}, {"compression": "gz", "header": True}, {"by": "day", "header": True}):
        world = run(
            Passed, job_spec(output={"format": "csv", **output}, split_size=split_size), FILES, tmp_path
        )
        found = []
        for key, body in parts(world).items():
            text = gzip.decompress(body) if key.endswith(".gz") else body
            rows = list(csv.DictReader(io.StringIO(text.decode(), newline="")))
            assert key.startswith("part-") or {f"day={row['day']}" for row in rows} == {key.partition("/")[0]}
            found += [(row["key"], row["day"], row["n"]) for row in rows]
        assert sorted(found) == sorted(tuple(line.split(",")) for line in LINES)
        check_manifest(world)
        assert (manifest(world).map_tasks == 1) == (split_size > 10_000)


class SlowlyPassed(Passed):
    place: ClassVar[list[Simulation]] = []

    def mapper(self, _: Any, line: str) -> Any:
        self.place[0].time += 0.1
        yield from super().mapper(_, line)


@pytest.mark.parametrize("more", [{"header": True}, {"by": "0"}, {"compression": "zst"}])
def test_parts_of_map_tasks_made_in_pieces_are_the_same_bytes(more: dict[str, Any], tmp_path: Path) -> None:
    spec = job_spec(output={"format": "csv", **more}, timeout=TimeoutSpec(mapper=10))
    calm = parts(run(Passed, spec, FILES, tmp_path))
    world = Simulation(SlowlyPassed, spec, tmp_path, lifetime=10.0)
    SlowlyPassed.place[:] = [world]
    for name, body in FILES.items():
        world.add(name, body)
    world.drop("_READY", b"")
    world.run()
    assert "_SUCCESS" in world.output(), world.output()["_FAILED"]
    assert [key for key in world.work() if key.endswith(".next")]
    assert parts(world) == calm


class Ranked(Words):
    order_by = "-value"
    limit = 3


def test_a_ranking_has_a_header_too(tmp_path: Path) -> None:
    spec = job_spec(output={"format": "csv", "header": True, "columns": "city, n"})
    (body,) = parts(run(Ranked, spec, FILES, tmp_path)).values()
    wanted = sorted(words().items(), key=lambda row: (-row[1], row[0]))[:3]
    assert list(csv.reader(io.StringIO(body.decode(), newline=""))) == [
        ["city", "n"],
        *([city, str(n)] for city, n in wanted),
    ]


# -- jobs in SQL ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["tsv", "csv", "jsonl"])
def test_parts_of_jobs_in_sql_are_compressed_too(form: str, tmp_path: Path) -> None:
    sql = SqlSpec(map="SELECT line, count(*) AS n FROM input GROUP BY ALL", key="line")
    found = []
    for kind in ("none", "gz"):
        spec = job_spec(
            job="", sql=sql, output={"format": form, "compression": kind}, partitions=3, reduce_size=1
        )
        found.append(parts(run(object, spec, FILES, tmp_path)))
    plain, packed = found
    assert {f"{key}.gz": body for key, body in plain.items()} == {
        key: gzip.decompress(body) for key, body in packed.items()
    }
    assert sum(body.count(b"\n") for body in plain.values()) == len(LINES)
