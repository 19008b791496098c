"""Files that DuckDB reads where they are give the rows that it reads of lines handed to it, or are not read so."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core.errors import SluiceError
from chalicelib.core.plan import SqlTables
from chalicelib.core.ports import Loc
from chalicelib.core.spec import InputSpec, SqlSpec
from chalicelib.local.local_run import LocalFiles
from chalicelib.mapreduce.guard.deadline import Pace, endless
from chalicelib.mapreduce.input.splits import cut
from chalicelib.mapreduce.shuffle.run_file import RunWriter
from chalicelib.mapreduce.sql import in_place, tables
from chalicelib.mapreduce.sql.map import SqlMap
from chalicelib.mapreduce.sql.partition_file import each_file
from chalicelib.stores.disk import LocalDisk
from chalicelib.stores.folder import FolderStore
from tests.worlds import simulation

ROOT = Path(__file__).resolve().parents[4]
TEXT = (("line", "VARCHAR"),)
TWO = (("a", "VARCHAR"), ("b", "VARCHAR"))


class Counted(LocalFiles):
    """Counts the splits whose path is asked for."""

    asked = 0

    def path(self, loc: Loc) -> Path | None:
        type(self).asked += 1
        return super().path(loc)


def mapped(folder: Path, bodies: list[bytes], files: LocalFiles | None, pace: Pace, **given: Any) -> Any:
    """(sorted rows of the map query, bytes, records) of one task over files of these bodies; or what it raises."""
    columns = TEXT if given["format"] == "text" else TWO
    kinds = "" if given["format"] == "text" else "a VARCHAR, b VARCHAR"
    names = ", ".join(name for name, _ in columns)
    spec = simulation.spec(
        "", sql=SqlSpec(map=f"SELECT {names} FROM input"), input={"columns": kinds, **given}
    )
    plan = SimpleNamespace(job="j", run="r", spec=spec, partitions=1, tasks=1)
    plan.sql = SqlTables(input=columns, shuffled=columns)
    store, splits = FolderStore([Path("/")]), []
    for number, body in enumerate(bodies):
        path = folder / f"{number}.{given['format']}"
        path.write_bytes(body)
        splits += cut("/", store.head(Loc("/", str(path)[1:])), 1 << 40, True)
    scratch, written = folder / "scratch", bytearray()
    scratch.mkdir(exist_ok=True)
    writer = RunWriter(written.extend, 1)
    runtime: Any = SimpleNamespace(store=store, disk=LocalDisk(scratch))
    task = SqlMap(runtime, plan, pace, files)  # type: ignore[arg-type]
    try:
        task.run(splits, writer)
    except SluiceError as error:
        return type(error), re.sub(r"sluice-sql-\w+", "", str(error))
    rows = []
    for payloads in each_file(iter([bytes(written)]), len(written), "here"):
        (folder / "rows.parquet").write_bytes(b"".join(payloads))
        rows += duckdb.sql(f"FROM read_parquet('{folder}/rows.parquet')").fetchall()
    return sorted(rows, key=repr), task.bytes, task.records


#: What files are made of: fields and line ends that are read alike, and such as need care.
PIECES = {
    "csv": (
        b"a",
        b",",
        b"\n",
        b'"x,y"',
        b"1",
        "ö".encode(),
        b'"q""q"',
        b'"',
        b"\r\n",
        b"\r",
        b'"n\nn"',
        b"\xff",
    ),
    "text": (
        b"a",
        b"#",
        b"\n",
        b"\n\n",
        b'"',
        b"\x01",
        b"\x02",
        b"\r\n",
        "ö".encode(),
        b"\xff",
        "\ufeff".encode(),
    ),
    "jsonl": (b'{"a": "1", "b": "x"}', b"\n", b"\r\n", b'{"b": "\\u00f6"}', b"{}", b"null", b"{", b" "),
}


@settings(max_examples=40, deadline=None)
@given(form=st.sampled_from(sorted(PIECES)), seed=st.integers(0, 1 << 20), comment=st.booleans())
def test_in_place_is_as_by_lines(
    form: str, seed: int, comment: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    chance, folder = random.Random(seed), tmp_path_factory.mktemp("files")
    pieces = PIECES[form][: chance.randint(3, len(PIECES[form]))]

    def line() -> bytes:
        row = b"".join(chance.choices(pieces, k=chance.randint(0, 4)))
        return (b"a,1\n" if form == "csv" and chance.random() < 0.7 else row) + b"\n" * (
            chance.random() < 0.9
        )

    bodies = [b"".join(line() for _ in range(chance.randint(1, 9))) for _ in range(2)]
    given = {"format": form, "comment": "#" if comment else ""}
    by_lines = mapped(folder, bodies, None, endless(), **given)
    assert mapped(folder, bodies, LocalFiles(2), endless(), **given) == by_lines


@pytest.mark.parametrize(
    ("given", "body", "plain"),
    [
        ({"format": "csv"}, b'a,b\n"x,y",""\n', True),
        ({"format": "csv"}, b"a,b\r\n", False),
        ({"format": "csv"}, b'a,"b\nc"\n', False),
        ({"format": "csv"}, b'a,5" pipe\nc,d\n', False),
        ({"format": "csv"}, b"\xef\xbb\xbfa,b\n", False),
        ({"format": "csv", "header": True}, b"a,B\n1,2\n", True),
        ({"format": "csv", "header": True}, b"b,a\n1,2\n", False),
        ({"format": "csv", "header": True}, b'"a",b\n1,2\n', False),
        ({"format": "csv"}, b"a,b\n" + b"x" * (tables.MAX_LINE // 2 - 1) + b",\n", True),
        ({"format": "csv"}, b"a,b\n" + b"x" * (tables.MAX_LINE // 2 + 9) + b",\n", False),
        ({"format": "csv"}, b"a,b\n" * 300_000 + b'"\n"', False),  # over the edge of a block
        ({"format": "text"}, b'one"\n\ntwo', True),
        ({"format": "text"}, b"one\x01\n", False),
        ({"format": "jsonl"}, b'{"a": "\r"}\r\n', True),
    ],
)
def test_what_needs_care_is_seen(given: dict[str, Any], body: bytes, plain: bool, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(body)
    assert in_place.is_plain(InputSpec(url="s3://in/", **given), TWO, path) is plain


def test_what_is_read_in_place_is_whole_and_has_all_the_time_there_is(tmp_path: Path) -> None:
    body = b"x,1\n" * 1000
    for pace, asked in ((endless(), 1), (Pace(lambda: 0.0, lambda: 900.0), 0)):
        Counted.asked = 0
        rows, size, _ = mapped(tmp_path, [body], Counted(2), pace, format="csv")
        assert (len(rows), size, Counted.asked) == (1000, len(body), asked)


def test_which_inputs_may_be_read_so() -> None:
    csv = InputSpec(url="s3://in/", format="csv")
    assert in_place.readable(csv, "a/b.csv")
    for key, more in (
        ("a.csv.gz", {}), ("a*.csv", {}), ("a", {"multiline": True}), ("a", {"comment": "#"}),
        ("a", {"encoding": "latin-1"}), ("a", {"errors": "replace"}), ("a", {"format": "pairs"}),
    ):  # fmt: skip
        given = InputSpec(**{"url": "s3://in/", "format": "csv", **more})  # type: ignore[arg-type]
        assert not in_place.readable(given, key)


def test_a_run_here_is_one_map_task_and_gives_the_bytes_of_several(tmp_path: Path) -> None:
    """Also where a file of many turns out to want care: then its task is done by lines."""
    for number in range(20):
        rows = "".join(f"{n % 90},{n}\n" for n in range(number, 400))
        (tmp_path / f"{number:02}.csv").write_text(rows.replace("\n", "\r\n") if number == 18 else rows)
    job = tmp_path / "job.yml"
    job.write_text(
        "input: {format: csv, columns: {k: INTEGER, n: BIGINT}}\npartitions: 4\nsql:\n  key: k\n"
        "  map: SELECT k, sum(n) AS n FROM input GROUP BY 1\n  reduce: SELECT k, sum(n) AS n FROM shuffled GROUP BY 1\n"
    )

    def run(which: str, *options: str) -> tuple[Any, bytes]:
        out = tmp_path / "out"
        names = sorted(map(str, tmp_path.glob(which)))
        command = [sys.executable, str(ROOT / "scripts/run.py"), str(job), *names, "--output", str(out)]
        subprocess.run([*command, "--workers", "2", "--force", *options], check=True, capture_output=True)
        found = json.loads((out / "_manifest.json").read_bytes())
        return found["map_tasks"], b"".join(path.read_bytes() for path in sorted(out.glob("part-*")))

    for which in ("0*.csv", "*.csv"):
        (tasks, one), (more, several) = run(which), run(which, "--set", "split_size=8KiB")
        assert (tasks, one) == (1, several)
        assert more > 1


def test_a_lone_reduce_task_here_has_all_processors(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("a\n")
    job, out = tmp_path / "job.yml", tmp_path / "out"
    job.write_text(
        "input: {format: text}\nsql:\n  map: SELECT line FROM input\n"
        "  reduce: SELECT current_setting('threads') AS threads FROM shuffled\n"
    )
    command = [sys.executable, str(ROOT / "scripts/run.py"), str(job), str(tmp_path / "in.txt")]
    subprocess.run([*command, "--output", str(out), "--workers", "3"], check=True, capture_output=True)
    assert (out / "part-00000.tsv").read_text() == "3\n"


@pytest.mark.parametrize(("files", "packed"), [(LocalFiles(2), "UNCOMPRESSED"), (None, "SNAPPY")])
def test_what_goes_over_a_network_is_compressed(
    files: LocalFiles | None, packed: str, tmp_path: Path
) -> None:
    mapped(tmp_path, [b"a\n"], files, endless(), format="text")
    (found,) = duckdb.sql(
        f"SELECT DISTINCT compression FROM parquet_metadata('{tmp_path}/rows.parquet')"
    ).fetchall()
    assert found == (packed,)
