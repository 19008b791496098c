"""One reduce attempt of a SQL job: slices of run files to the reduce query, its rows to one part."""

# ruff: noqa: S608 - the queries are the job owner's; names and paths in them are quoted

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.errors import CorruptData
from ...core.plan import Plan
from ...core.ports import Runtime
from ...core.tasks import ReducePosition, ReduceTask
from ..guard.deadline import Pace
from ..guard.location import located
from ..input.duckdb import Columns, blamed, count, described, literal, quoted, subquery, task_database
from ..shuffle.fetch_slices import Frames, SliceReader
from ..shuffle.index import Slices
from .partition_file import each_file
from .tables import definitions, shuffled_tables, stored, unshuffled

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

Write = Callable[[bytes], object]

_RESULT = "sluice_result"
#: The part of the budget that fetched, still framed slices may take.
_FETCHED_SHARE = 8
_BLOCK = 1 << 20
_COPY = {
    "tsv": "FORMAT csv, HEADER false, DELIMITER '\t', QUOTE '', ESCAPE ''",
    "csv": "FORMAT csv, HEADER false",
    "jsonl": "FORMAT json",
    "parquet": "FORMAT parquet",
}


class SqlReduce:
    """Runs the reduce query over the partitions of one reduce task, one after the other.

    A partition is the unit, not the task: what the query gives must not depend on how many partitions a
    task has. After `run`, `records`, `bytes_in`, `pairs_in` and `spilled` say what was done.
    """

    #: For the message of an attempt that runs out of time.
    current: Any = None

    def __init__(
        self, runtime: Runtime, plan: Plan, work_bucket: str, pace: Pace, processors: int = 0
    ) -> None:
        """`processors`: how many the task may use, by default those of a Lambda's memory."""
        if plan.sql is None:
            raise CorruptData(f"job {plan.job}, run {plan.run}: its plan has no tables")
        self._store = runtime.store
        self._disk = runtime.disk
        self._bucket = work_bucket
        self._plan = plan
        self._spec = plan.spec
        self._tables = plan.sql
        self._pace = pace
        self._processors = processors
        self._where = f"job {plan.job}: sql.reduce"
        self.records = 0
        self.bytes_in = 0
        self.pairs_in = 0
        self.spilled = 0

    def run(
        self,
        task: ReduceTask,
        slices: Slices,
        _rows: object,
        write: Write,
        after: ReducePosition | None = None,
    ) -> ReducePosition | None:
        """Write the rows of all partitions of `task` from `after` on, in order.

        Returns where to go on if time ran out before the end; parquet must be written at once.
        """
        parquet = self._spec.output.format == "parquet"
        first = after.partition if after else 0
        stopped = None
        with (
            located(self._where),
            self._disk.folder("sluice-sql-") as folder,
            task_database(self._spec, folder, "reducer", self._processors) as database,
        ):
            query = self._prepared(database, parquet)
            for number, paths in self._partitions(task, slices, first, folder):
                self._reduce(database, query, paths, folder / "part", write)
                if self._pace.out_of_time and not parquet and number + 1 < task.last - task.first:
                    stopped = ReducePosition(partition=number + 1)
                    break
            if parquet:
                self._copy(database, f"FROM {_RESULT}", folder / "part", write)
        return stopped

    def _prepared(self, database: Connection, parquet: bool) -> str:
        """The reduce query, sorted by `order_by` or else by the key, and then by all columns.

        For parquet also an empty table like its result, to collect the rows of all partitions in.
        """
        text = self._spec.sql.reduce
        with blamed(self._where):
            self._empty_tables(database)
            columns = described(database, subquery(text))
            query = sorted_query(text, columns, self._spec.sql.order_by, self._spec.sql.keys)
            if parquet:
                query = f"SELECT {stored(columns)} FROM ({query})"
                database.execute(f"CREATE TEMP TABLE {_RESULT} AS {query} LIMIT 0")
            for name in shuffled_tables(self._tables):
                database.execute(f"DROP TABLE {quoted(name)}")
        return query

    def _empty_tables(self, database: Connection) -> None:
        for name, columns in shuffled_tables(self._tables).items():
            database.execute(f"CREATE TABLE {quoted(name)} ({definitions(columns)})")

    def _reduce(self, database: Connection, query: str, paths: list[Path], out: Path, write: Write) -> None:
        with blamed(self._where):
            if paths:
                for name, source in unshuffled(self._tables, [str(path) for path in paths]).items():
                    database.execute(f"CREATE OR REPLACE VIEW {quoted(name)} AS {source}")
                    self.pairs_in += count(database, f"SELECT count(*) FROM {quoted(name)}")
            else:  # the only partition there is
                self._empty_tables(database)
            if self._spec.output.format == "parquet":
                database.execute(f"INSERT INTO {_RESULT} {query}")
            else:
                self._copy(database, query, out, write)
        for path in paths:
            self._disk.remove(path)

    def _copy(self, database: Connection, query: str, out: Path, write: Write) -> None:
        form = self._spec.output.format
        if form == "tsv":
            query = as_tsv(query, described(database, query))
        self.records += count(database, f"COPY ({query}) TO {literal(str(out))} ({_COPY[form]})")
        with self._disk.open(out, "rb") as file:
            while block := file.read(_BLOCK):
                write(block)
        self._disk.remove(out)

    def _partitions(
        self, task: ReduceTask, slices: Slices, first: int, folder: Path
    ) -> Iterator[tuple[int, list[Path]]]:
        """From partition `first` on, each that has rows (or is the only one): its Parquet files on disk."""
        share = self._spec.budget("reducer") // _FETCHED_SHARE
        count, empty = task.last - task.first, self._plan.partitions == 1
        with SliceReader(self._store, self._bucket, slices, share) as reader:
            try:
                for number, frames in reader.frames(first, count):
                    empty = False
                    yield number, [path for one in frames for path in self._staged(one, number, folder)]
            finally:
                self.bytes_in += reader.bytes
        if empty and first < count:
            yield first, []

    def _staged(self, frames: Frames, number: int, folder: Path) -> Iterator[Path]:
        """The files of one partition in one run file."""
        for which, pieces in enumerate(each_file(frames.chunks, frames.size, frames.loc.url)):
            # DuckDB remembers what it has read of a file: no name may come twice.
            path = folder / f"shuffled-{number}-{frames.number}-{which}.parquet"
            with self._disk.open(path, "wb", frames.size) as file:
                for piece in pieces:
                    file.write(piece)
            yield path


def sorted_query(query: str, columns: Columns, order_by: str, keys: Sequence[str]) -> str:
    """A query in an order that leaves nothing open."""
    names = {name.lower(): place for place, (name, _) in enumerate(columns, start=1)}
    by_key = [names[key.lower()] for key in keys if key.lower() in names]
    rest = [place for place in names.values() if place not in by_key]
    terms = [order_by] if order_by else []
    return f"SELECT * FROM {subquery(query)} ORDER BY {', '.join([*terms, *map(str, [*by_key, *rest])])}"


def as_tsv(query: str, columns: Columns) -> str:
    """A sorted query whose columns are cells of text as in the tsv of other jobs."""
    cells = ", ".join(f"{_cell(quoted(name), kind)} AS {quoted(name)}" for name, kind in columns)
    return f"SELECT {cells} FROM ({query})"


def _cell(column: str, kind: str) -> str:
    """A value as the text of a tsv cell; few hold what must be escaped, and looking is cheaper than replacing."""
    text = f"CAST({column} AS VARCHAR)"
    if kind == "VARCHAR" or not kind.isupper() or "(" in kind or "[" in kind:
        odd = " OR ".join(f"contains({text}, {letter})" for letter in (r"'\'", "chr(9)", "chr(10)"))
        escaped = rf"replace(replace(replace({text}, '\', '\\'), chr(9), '\t'), chr(10), '\n')"
        text = f"CASE WHEN {odd} THEN {escaped} ELSE {text} END"
    return f"coalesce({text}, 'null')"
