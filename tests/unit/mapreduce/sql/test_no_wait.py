"""No query waits for ever on its FIFO: each is run in a process of its own, which has so many seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[4]
#: Each takes well under a second; a query that waits would take for ever.
SECONDS = 60
LINES = {"text": b"1\n2\n", "csv": b"1\n2\n", "jsonl": b'{"a": 1}\n{"a": 2}\n'}

MAP = """
import json, sys
from pathlib import Path
from types import SimpleNamespace
from chalicelib.core.plan import SqlTables
from chalicelib.core.ports import Loc
from chalicelib.core.spec import SqlSpec
from chalicelib.mapreduce.guard.deadline import endless
from chalicelib.mapreduce.input.splits import cut
from chalicelib.mapreduce.shuffle.run_file import RunWriter
from chalicelib.mapreduce.sql.map import SqlMap
from chalicelib.stores.disk import LocalDisk
from chalicelib.stores.memory import MemoryStore
from tests.worlds import simulation

given = json.loads(sys.argv[1])
store = MemoryStore()
store.put(Loc("in", "x"), given["body"].encode())
spec = simulation.spec("", sql=SqlSpec(map=given["query"]), input={"format": given["format"]})
tables = SqlTables(input=((given["column"], "VARCHAR"),), shuffled=(("n", "BIGINT"),))
job = SimpleNamespace(job="j", run="r", spec=spec, sql=tables, partitions=1)
writer = RunWriter(lambda data: None, 1)
runtime = SimpleNamespace(store=store, disk=LocalDisk(Path(given["folder"])))
SqlMap(runtime, job, endless()).run(list(cut("in", store.head(Loc("in", "x")), 1 << 20, True)), writer)
print(writer.pairs)
"""

READ_TWICE = """
import json, sys
from pathlib import Path
from chalicelib.core.spec import InputSpec
from chalicelib.mapreduce.input.duckdb import opened
from chalicelib.mapreduce.sql.feed import Feed
from chalicelib.mapreduce.sql.tables import scan

given = json.loads(sys.argv[1])
folder = Path(given["folder"])
path = folder / "input"
path.touch()
source = scan(InputSpec(url="s3://in/", format=given["format"]), ((given["column"], "VARCHAR"),), [str(path)])
with opened(folder, 1 << 28, 1, {}) as database:
    try:
        with Feed(path, iter([given["body"].encode()])):
            database.execute(f"SELECT count(*) FROM ({source})").fetchall()
            database.execute(f"SELECT count(*) FROM ({source})").fetchall()
    except Exception as error:
        print(type(error).__name__)
"""


def told(script: str, folder: Path, format: str, **given: Any) -> str:
    """What the script prints. Fails if it takes too long."""
    column = "line" if format == "text" else "a"
    given |= {"format": format, "column": column, "body": LINES[format].decode(), "folder": str(folder)}
    command = [sys.executable, "-c", script, json.dumps(given)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT count(*) AS n FROM input", 1),
        ("SELECT 1 AS n FROM input LIMIT 1", 1),
        ("SELECT 1 AS n FROM input a, input b", 4),
        ("SELECT 1 AS n FROM input WHERE false", 0),
        ("SELECT 1 AS n", 1),
    ],
)
@pytest.mark.parametrize("format", LINES)
@pytest.mark.slow
def test_one_column_is_read_whatever_the_query(format: str, query: str, rows: int, tmp_path: Path) -> None:
    assert told(MAP, tmp_path, format, query=query) == str(rows)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", LINES)
def test_a_second_reading_is_refused_at_once(format: str, tmp_path: Path) -> None:
    assert told(READ_TWICE, tmp_path, format) == "IOException"
    assert list(tmp_path.iterdir()) == []
