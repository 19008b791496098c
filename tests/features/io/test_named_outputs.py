"""Several outputs of one job, and parts in a format of its own: committed together, the same bytes on every engine."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile, ZipInfo

import duckdb
import pytest

from chalicelib import Job, Sum
from chalicelib.config.check import problems
from chalicelib.core.errors import ConfigError, UserError
from chalicelib.core.keys import parse_continuation
from chalicelib.core.ports import Loc
from chalicelib.core.spec import JobSpec, SqlSpec, TimeoutSpec
from chalicelib.run.job_code import check
from chalicelib.testing import run_job
from tests.features.io.runs import failed, job_spec, run
from tests.features.steps.test_local import Folder
from tests.strategies import places
from tests.worlds.simulation import Simulation

LINES = [f"{name},{number}" for number in range(90) for name in ("a", "b", "c")[: number % 4]] + ["a,x", "d,"]
TEXT = "\n".join(LINES).encode()
OUTPUTS: dict[str, Any] = {
    "errors": {"format": "jsonl"},
    "large": {"format": "csv", "columns": "name, total"},
}


class Totals(Job):
    """Totals by name; what is no number, and large totals once more, elsewhere."""

    def mapper(self, _: None, line: str) -> Iterator[Any]:
        name, _, number = line.partition(",")
        yield name, number

    def reducer(self, name: str, numbers: Iterator[str]) -> Iterator[Any]:
        total = 0
        for number in numbers:
            if number.isdigit():
                total += int(number)
            else:
                yield self.output("errors", name), number
        if total > 1000:
            yield self.output("large", name), total
        yield name, total

    def having(self, name: str, total: int) -> bool:
        assert type(name) is str, "it judges the main output alone"
        return total > 0


def oracle() -> tuple[dict[str, int], list[tuple[str, str]]]:
    totals, errors = Counter[str](), []
    for line in LINES:
        name, _, number = line.partition(",")
        if number.isdigit():
            totals[name] += int(number)
        else:
            errors.append((name, number))
    return dict(totals), sorted(errors)


def found(files: dict[str, bytes]) -> tuple[dict[str, int], list[tuple[str, str]], dict[str, int]]:
    """(main, errors, large) of a run's objects."""
    main, errors, large = {}, [], {}
    for name, body in sorted(files.items()):
        if name.startswith("part-"):
            main |= {row.split("\t")[0]: int(row.split("\t")[1]) for row in body.decode().splitlines()}
        elif name.startswith("output=errors/part-"):
            rows = map(json.loads, body.splitlines())
            errors += [(row["key"], row["value"]) for row in rows]
        elif name.startswith("output=large/part-"):
            large |= {row[0]: int(row[1]) for row in csv.reader(io.StringIO(body.decode()))}
        else:
            assert name in ("_SUCCESS", "_manifest.json"), name
    return main, sorted(errors), large


def right(files: dict[str, bytes]) -> None:
    totals, errors = oracle()
    assert found(files) == (totals, errors, {name: total for name, total in totals.items() if total > 1000})
    manifest = json.loads(files["_manifest.json"])
    there = {name for name in files if "part-" in name}
    listed = [part["key"] for part in manifest["parts"]]
    assert len(listed) == len(there)
    assert all(any(key.endswith(name) for key in listed) for name in there)
    assert manifest["records"] == len(totals) + len(errors) + sum(total > 1000 for total in totals.values())
    assert manifest["bytes"] == sum(len(files[name]) for name in there)


CUTS: list[dict[str, Any]] = [{}, {"partitions": 5, "reduce_size": 1}, {"split_size": 100, "partitions": 2}]


@pytest.mark.parametrize("cut", CUTS)
def test_each_row_is_where_it_belongs(cut: dict[str, Any], tmp_path: Path) -> None:
    right(run(Totals, job_spec(outputs=OUTPUTS, **cut), {"a.csv": TEXT}, tmp_path).output())


def test_this_machine_and_the_cloud_write_the_same_bytes(tmp_path: Path) -> None:
    cut: dict[str, Any] = {"partitions": 4, "reduce_size": 1, "split_size": 40}
    world = run(Totals, job_spec(outputs=OUTPUTS, **cut), {"a.txt": TEXT}, tmp_path / "s")
    here = Folder(tmp_path)
    here.run(Totals, TEXT, outputs=OUTPUTS)
    files = {
        str(path.relative_to(here.output)): path.read_bytes()
        for path in here.output.rglob("*")
        if path.is_file()
    }
    right(files)
    for name in ("errors", "large"):
        theirs = [body for path, body in sorted(world.output().items()) if f"output={name}/" in path]
        ours = [body for path, body in sorted(files.items()) if f"output={name}/" in path]
        assert b"".join(ours) == b"".join(theirs)


@pytest.mark.parametrize("before", [True, False])
def test_a_kill_at_any_call_changes_nothing(before: bool, tmp_path: Path) -> None:
    spec = job_spec(outputs=OUTPUTS, trigger="each")
    calm = _dropped(spec, tmp_path)
    for number in places(calm.calls, 6, 1 + before):
        killed = _dropped(spec, tmp_path, kill_at=[number], before=before)
        assert len(killed.killed) == 1
        ours, theirs = killed.output(), calm.output()
        assert {name: body for name, body in ours.items() if "part-" in name} == {
            name: body for name, body in theirs.items() if "part-" in name
        }
        assert "_SUCCESS" in ours


def _dropped(spec: JobSpec, scratch: Path, **how: Any) -> Simulation:
    world = Simulation(Totals, spec, scratch, **how)
    world.drop("a.csv", TEXT)
    world.run()
    return world


def test_a_reducer_out_of_time_goes_on_and_joins_them(tmp_path: Path) -> None:
    place: list[Simulation] = []

    class Slow(Totals):
        def reducer(self, name: str, numbers: Iterator[str]) -> Iterator[Any]:
            place[0].time += 4.0
            yield from super().reducer(name, numbers)

    many = "\n".join(
        f"{name}{number},{number if number % 5 else 'x'}" for number in range(20) for name in "ab"
    )
    spec = job_spec(outputs=OUTPUTS, timeout=TimeoutSpec(reducer=10), trigger="each", partitions=1)
    place.append(Simulation(Slow, spec, tmp_path, lifetime=10.0))
    place[0].drop("a.csv", many.encode())
    place[0].run()
    files = place[0].output()
    assert "_SUCCESS" in files
    main, errors, _ = found(files)
    assert main == {f"{name}{number}": number for number in range(20) for name in "ab" if number % 5}
    assert errors == sorted((f"{name}{number}", "x") for number in range(0, 20, 5) for name in "ab")
    assert [info for info in place[0].memory.list(Loc("work", "")) if parse_continuation(info.key)]


class Sorted(Job):
    """Map-only: lines by their kind."""

    shuffle = False

    def mapper(self, _: None, line: str) -> Iterator[Any]:
        if line.endswith(("x", ",")):
            yield self.output("errors", line), None
        else:
            yield line, None


def test_map_only(tmp_path: Path) -> None:
    spec = job_spec(output={"format": "text"}, outputs={"errors": {"format": "text"}}, split_size=100)
    files = run(Sorted, spec, {"a.csv": TEXT}, tmp_path).output()
    rows = b"".join(body for name, body in sorted(files.items()) if name.startswith("part-"))
    bad = b"".join(body for name, body in sorted(files.items()) if name.startswith("output=errors/"))
    assert rows.decode().splitlines() == LINES[:-2]
    assert bad.decode().splitlines() == LINES[-2:]


@pytest.mark.parametrize("output", [{"format": "csv", "by": "key"}, {"format": "parquet"}])
def test_beside_folders_and_parquet(output: dict[str, Any], tmp_path: Path) -> None:
    outputs = {"errors": {"format": "parquet"}, "large": {"compression": "gz"}}
    files = run(Totals, job_spec(output=output, outputs=outputs), {"a.csv": TEXT}, tmp_path / "s").output()
    (part,) = [name for name in files if name.startswith("output=errors/")]
    path = tmp_path / "errors.parquet"
    path.write_bytes(files[part])
    with duckdb.connect() as database:
        assert sorted(database.execute(f"SELECT * FROM '{path}'").fetchall()) == oracle()[1]
    folders = {name.partition("/")[0] for name in files if "part-" in name}
    assert folders >= ({"key=a", "key=b", "key=c"} if "by" in output else {"part-00000.parquet"})


def test_run_job_gives_them_by_name() -> None:
    outputs: dict[str, list[Any]] = {"errors": [], "large": []}
    totals, errors = oracle()
    assert run_job(Totals, LINES, outputs=outputs) == sorted(totals.items())
    assert sorted(outputs["errors"]) == errors
    with pytest.raises(ConfigError, match=r"self\.output\('errors'\): the job file lists large: add it"):
        run_job(Totals, LINES, outputs={"large": []})


class TooEarly(Job):
    def mapper(self, _: None, line: str) -> Iterator[Any]:
        yield self.output("errors", line), 1

    reducer = Sum()


class Top(Totals):
    order_by = "-value"


def test_where_no_results_are_written_there_is_no_other_output(tmp_path: Path) -> None:
    for job in (TooEarly, Top):
        said = failed(job, job_spec(outputs=OUTPUTS), {"a.csv": TEXT}, tmp_path)
        assert "self.output('errors'): only what writes results has other outputs" in said
    with pytest.raises(UserError, match="whose file lists them under `outputs:`"):
        run_job(Totals, LINES)


@pytest.mark.parametrize(
    ("figures", "problem"),
    [
        (
            {"outputs": {"Big": {}}},
            ("outputs", "'Big': expected a name of a-z, 0-9 and _, beginning with a letter"),
        ),
        (
            {"outputs": {"a": {"by": "x"}}},
            ("outputs.a", "expected a mapping of format, columns, header, compression, got 'by'"),
        ),
        (
            {"outputs": {"a": "csv"}},
            ("outputs.a", "expected a mapping of format, columns, header, compression, got 'csv'"),
        ),
        (
            {"outputs": {"a": {"header": True}}},
            ("outputs.a.header", "only csv has a header, got tsv; leave it out"),
        ),
        (
            {"outputs": {"a": {}}, "accumulate": True},
            ("outputs", "what one run yields beside its results is in no totals; leave out accumulate"),
        ),
        (
            {"outputs": {"a": {}}, "sql": SqlSpec(map="SELECT 1")},
            ("outputs", "a job in SQL has one output; leave it out"),
        ),
        (
            {"outputs": {"a": {}}, "output": {"by": "output", "format": "csv"}},
            ("output.by", "the folders output=... are those of `outputs`; give the column another name"),
        ),
        (
            {"outputs": {"a": {}}, "output": {"format": "pairs"}},
            ("outputs", "the parts of output.format: pairs are all for one job to read; leave it out"),
        ),
        (
            {"output": {"container": "Zip", "header": True, "format": "csv"}},
            ("output.container", "writes parts by itself; leave out output.header"),
        ),
        (
            {"output": {"container": "Zip"}, "sql": SqlSpec(map="SELECT 1")},
            ("output.container", "a job in SQL writes tables; leave it out"),
        ),
    ],
)
def test_what_does_not_go_together(figures: dict[str, Any], problem: tuple[str, str]) -> None:
    assert problem in problems(job_spec(**figures), "a", places=False)


def test_a_format_that_there_is_not() -> None:
    (found_here,) = problems(job_spec(outputs={"a": {"format": "xml"}}), "a", places=False)
    assert found_here.key == "outputs.a"
    assert "Invalid enum value 'xml'" in found_here.text


# -- containers ------------------------------------------------------------------------------------------


class Zip:
    """A zip archive of a file for each key."""

    def __init__(self, stream: Any) -> None:
        self.archive = ZipFile(stream, "w")

    def write(self, key: str, value: Any) -> None:
        if key == "refuse":
            raise ValueError("no such file")
        self.archive.writestr(ZipInfo(f"{key}.txt"), str(value))

    def close(self) -> None:
        self.archive.close()


class Words(Job):
    def mapper(self, _: None, line: str) -> Iterator[Any]:
        yield line.partition(",")[0], 1

    reducer = Sum()


def unzipped(bodies: list[bytes]) -> dict[str, str]:
    archives = [ZipFile(io.BytesIO(body)) for body in bodies]
    return {name: archive.read(name).decode() for archive in archives for name in archive.namelist()}


COUNTS = {
    f"{name}.txt": str(count) for name, count in Counter(line.partition(",")[0] for line in LINES).items()
}
ZIPPED = {"container": "Zip", "suffix": "zip"}


@pytest.mark.parametrize("cut", CUTS)
def test_parts_in_a_format_of_their_own(cut: dict[str, Any], tmp_path: Path) -> None:
    files = run(Words, job_spec(output=ZIPPED, **cut), {"a.csv": TEXT}, tmp_path).output()
    parts = [body for name, body in files.items() if name.startswith("part-") and name.endswith(".zip")]
    assert unzipped(parts) == COUNTS
    manifest = json.loads(files["_manifest.json"])
    assert manifest["records"] == len(COUNTS)
    assert manifest["bytes"] == sum(map(len, parts))


def test_a_part_without_rows_is_a_whole_container(tmp_path: Path) -> None:
    files = run(Words, job_spec(output=ZIPPED | {"one_file": True}), {"a.csv": b""}, tmp_path).output()
    assert unzipped([body for name, body in files.items() if name.startswith("part-")]) == {}


def test_a_container_out_of_time_is_the_same_bytes(tmp_path: Path) -> None:
    place: list[Simulation] = []

    class Slow(Words):
        def reducer(self, key: str, values: Iterator[int]) -> Iterator[Any]:  # type: ignore[override]
            if place:
                place[0].time += 6.0
            yield key, sum(values)

    spec = job_spec(output=ZIPPED, timeout=TimeoutSpec(reducer=10), trigger="each", partitions=1)
    calm = Simulation(Slow, spec, tmp_path)
    calm.drop("a.csv", TEXT)
    calm.run()
    place.append(Simulation(Slow, spec, tmp_path, lifetime=10.0))
    place[0].drop("a.csv", TEXT)
    place[0].run()
    assert [info for info in place[0].memory.list(Loc("work", "")) if parse_continuation(info.key)]
    assert place[0].output()["part-00000.zip"] == calm.output()["part-00000.zip"]


def test_what_the_container_raises_names_it_and_the_key(tmp_path: Path) -> None:
    said = failed(Words, job_spec(output=ZIPPED), {"a.csv": b"refuse,1\n"}, tmp_path)
    assert "output.container: Zip, at key 'refuse': ValueError: no such file" in said


class Halved:
    def __init__(self, stream: Any) -> None: ...

    def write(self, key: Any, value: Any) -> None: ...


@pytest.mark.parametrize("name", ["Halved", "Nobody", "TEXT"])
def test_what_is_no_container(name: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"output\.container: {name}: expected a class in job\.py, made with a binary"
    ):
        check(lambda _: Words, "a", job_spec(output={"container": name}))


def test_a_writer_and_a_container_are_one_too_many() -> None:
    class Own(Words):
        def writer(self, key: Any, value: Any) -> str:
            return f"{key}{value}"

    Own.__module__ = __name__
    with pytest.raises(ConfigError, match=r"output\.container: Own\.writer writes rows of its own"):
        check(lambda _: Own, "a", job_spec(output=ZIPPED))
