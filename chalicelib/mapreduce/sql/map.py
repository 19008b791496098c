"""One map attempt of a SQL job: splits to the map query, its rows to partitions. No protocol in here."""

# ruff: noqa: S608 - the queries are the job owner's; names and paths in them are quoted

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ...core.errors import CorruptData, InputError, JobCodeError, StoreError
from ...core.plan import Plan, Split
from ...core.ports import Files, Loc, Runtime, Streams
from ...core.spec import InputSpec
from ...core.tasks import Position
from ..guard.deadline import Pace
from ..guard.location import located
from ..input.blocks import first_read, whole_object
from ..input.duckdb import (
    blamed,
    count,
    duckdb_error,
    explained,
    literal,
    quoted,
    refuse_full_disk,
    subquery,
    task_database,
)
from ..input.read_ahead import ReadAhead, Span
from ..shuffle.run_file import RunWriter
from . import in_place
from .feed import Feed, Lines, locate
from .partition_file import frames_of
from .tables import PARTITION, partitioned, scan, stored, tagged

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

_MAPPED = "sluice_mapped"
#: The file in which rows of one partition are on their way to the run file.
_STRETCH = "stretch.parquet"
#: So many times a table is gone through faster than it is sorted.
_GONE_THROUGH = 16
#: What reads `input`, in DuckDB's plan of a query, and what may do so more often than it is named there.
_SCAN = re.compile(r'"Function": "READ_')
_REPEATING = re.compile(r"\bREC(?:URSIVE)?_")
#: The row that DuckDB complains of.
_ROW = re.compile(r"CSV Error on Line: (\d+)|Malformed JSON .* in line (\d+)")


class SqlMap:
    """Runs the map query over the splits of one task.

    After `run`, `bytes` says what was read, `writer` what was written. `records` is of Parquet only: to count
    lines would cost more than a tenth of what DuckDB needs for them.
    """

    def __init__(self, runtime: Runtime, plan: Plan, pace: Pace, files: Files | None = None) -> None:
        if plan.sql is None:
            raise CorruptData(f"job {plan.job}, run {plan.run}: its plan has no tables")
        self._store = runtime.store
        self._disk = runtime.disk
        self._plan = plan
        self._spec = plan.spec
        self._tables = plan.sql
        self._pace = pace
        #: Input that may be read where it is, and by how many threads; a query over it cannot be stopped half way.
        self._files = files if files and pace.endless else None
        self._paths: Mapping[Loc, Path] = {}
        self._rows_out = 0
        self.records = 0
        self.bytes = 0
        self.spilled = 0

    def run(self, splits: Sequence[Split], writer: RunWriter) -> Position | None:
        """Map the splits and write their rows; where to go on, if time ran out before the end.

        Raises InputError for rows that DuckDB cannot read, JobCodeError for a query that fails.
        """
        self._paths = in_place.paths_of(self._files, splits, self._input)
        threads = max(1, self._files.processors // self._plan.tasks) if self._files else 0
        with (
            located(self._where(splits)),
            self._disk.folder("sluice-sql-") as folder,
            task_database(self._spec, folder, "mapper", threads, self._paths.values()) as database,
            ReadAhead(self._store, splits, self._first_read) as store,
        ):
            inputs = [(tag, list(some)) for tag, some in groupby(splits, lambda split: split.tag)]
            if not inputs and self._tables.tagged:
                return None  # an attempt that goes on behind the last record
            if len(inputs) > 1:
                return self._map_together(database, store, folder, inputs, writer)
            tag = inputs[0][0] if inputs else ""
            if self._plan.partitions > 1:
                stopped = self._map(database, store, folder, splits, self._into_table(tag, new=True))
                self._append_all(database, folder, writer)
                return stopped
            stopped = self._map(database, store, folder, splits, self._into_file(self._rows(tag), folder))
            self._append(folder, writer, 0, self._rows_out)
            return stopped

    def _map_together(
        self,
        database: Connection,
        store: Streams,
        folder: Path,
        inputs: Sequence[tuple[str, Sequence[Split]]],
        writer: RunWriter,
    ) -> Position | None:
        """Map splits of several inputs by a query each, and write their rows together."""
        stopped = None
        before = 0
        for tag, splits in inputs:
            stopped = self._map(database, store, folder, splits, self._into_table(tag, new=not before))
            if stopped:
                stopped = replace(stopped, split=before + stopped.split)
                break
            before += len(splits)
        self._append_all(database, folder, writer)
        return stopped

    def _rows(self, tag: str) -> str:
        """The query that gives the stored rows of an input, each with its partition if there are several."""
        tables, partitions = self._tables, self._plan.partitions
        columns = tables.tagged[tag].mapped if tag else tables.shuffled
        rows = f"SELECT {stored(columns)} FROM {subquery(self._query(tag))}"
        if partitions > 1:
            rows = partitioned(self._query(tag), columns, self._spec.sql.keys, partitions)
        return tagged(rows, tag, tables.mapped, numbered=partitions > 1) if tag else rows

    def _into_table(self, tag: str, *, new: bool) -> str:
        """The statement that has the rows of an input wait in a table."""
        into = f"CREATE TEMP TABLE {_MAPPED} AS" if new else f"INSERT INTO {_MAPPED} BY NAME"
        in_order = f"ORDER BY {quoted(PARTITION)}" if self._plan.partitions > _GONE_THROUGH else ""
        return f"{into} {self._rows(tag)} {in_order}"

    def _where(self, splits: Sequence[Split]) -> str:
        some = f"{splits[0].loc.url} and {len(splits) - 1} more" if splits else "no input"
        return f"job {self._plan.job}: {some}"

    def _first_read(self, split: Split) -> Span | None:
        spec = self._input(split.tag)
        if spec.format == "parquet":  # whose objects are copied
            return Span(split.loc, 0, split.size, split.etag)
        return first_read(spec, split)

    def _input(self, tag: str) -> InputSpec:
        return next(given for given in self._spec.inputs if given.tag == tag) if tag else self._spec.input

    def _query(self, tag: str) -> str:
        return self._spec.map_query(self._input(tag))

    def _query_key(self, tag: str) -> str:
        """Where the query stands in the job's file, for messages."""
        return f"input.{tag}.map" if tag and self._input(tag).map else "sql.map"

    def _map(
        self,
        database: Connection,
        store: Streams,
        folder: Path,
        splits: Sequence[Split],
        statement: str,
    ) -> Position | None:
        """Run `statement` while there is a table `input` over splits of one input; where to go on, if time ran out.

        Its number of rows is then in `_rows_out`.
        """
        tag = splits[0].tag if splits else ""
        if splits and self._map_in_place(database, splits, statement):
            return None
        if self._input(tag).format == "parquet":
            self._map_files(database, store, folder, splits, statement)
            return None
        return self._map_lines(database, store, folder, splits, statement)

    def _map_in_place(self, database: Connection, splits: Sequence[Split], statement: str) -> bool:
        """Run the statement over files where they are. False, with nothing done, if it comes to nothing that way."""
        paths = [self._paths[split.loc] for split in splits if split.loc in self._paths]
        if len(paths) < len(splits) or not self._unchanged(splits):
            return False
        tag = splits[0].tag
        source = scan(self._input(tag), self._tables.columns_of(tag), list(map(str, paths)), in_place=True)
        database.execute("BEGIN")
        with self._looked_at(tag, paths, database) as plain:
            try:
                records = self._rows_of_files(database, tag, source)
                database.execute(f"CREATE VIEW input AS {source}")
                self._rows_out = count(database, statement)
                database.execute("DROP VIEW input")
                good = plain() and self._unchanged(splits)
            except duckdb_error():  # what is wrong is found out, and told, over lines
                good = False
        database.execute("COMMIT" if good else "ROLLBACK")
        if good:
            self.records += records
            self.bytes += sum(split.size for split in splits)
        return good

    def _rows_of_files(self, database: Connection, tag: str, source: str) -> int:
        """The rows of Parquet files; of others they are not counted."""
        if self._input(tag).format != "parquet":
            return 0
        return count(database, f"SELECT count(*) FROM {subquery(source)}")

    @contextmanager
    def _looked_at(
        self, tag: str, paths: Sequence[Path], database: Connection
    ) -> Iterator[Callable[[], bool]]:
        """Beside a query, a look through the files that it reads; gives what waits for its outcome."""
        given, columns = self._input(tag), self._tables.columns_of(tag)
        over = Event()

        def look() -> bool:
            if all(in_place.is_plain(given, columns, path, over.is_set) for path in paths):
                return True
            database.interrupt()
            return False

        with ThreadPoolExecutor(1, "sluice-look") as pool:
            try:
                yield (lambda: True) if given.format == "parquet" else pool.submit(look).result
            finally:
                over.set()

    def _unchanged(self, splits: Sequence[Split]) -> bool:
        with suppress(StoreError):
            return all(self._store.head(split.loc).etag == split.etag for split in splits)
        return False

    def _map_files(
        self,
        database: Connection,
        store: Streams,
        folder: Path,
        splits: Sequence[Split],
        statement: str,
    ) -> None:
        """Parquet has its table of contents at the end: objects are copied to disk first."""
        paths, tag = [], splits[0].tag
        for number, split in enumerate(splits):
            path = folder / _named("object", tag, number)
            with self._disk.open(path, "wb", split.size) as file:
                for chunk in whole_object(store, split):
                    file.write(chunk)
                    self.bytes += len(chunk)
            paths.append(str(path))
        source = scan(self._input(tag), self._tables.columns_of(tag), paths)
        with blamed(self._where(splits)):
            self.records += count(database, f"SELECT count(*) FROM {subquery(source)}")
            database.execute(f"CREATE VIEW input AS {source}")
        with blamed(f"job {self._plan.job}: {self._query_key(tag)}"):
            self._rows_out = count(database, statement)
        database.execute("DROP VIEW input")

    def _map_lines(
        self,
        database: Connection,
        store: Streams,
        folder: Path,
        splits: Sequence[Split],
        statement: str,
    ) -> Position | None:
        tag = splits[0].tag if splits else ""
        spec, columns = self._input(tag), self._tables.columns_of(tag)
        ratio = self._spec.limits.unpack_ratio
        lines = Lines(spec, columns, store, lambda: self._pace.out_of_time, ratio)
        fifo = folder / _named("input", tag)
        fifo.touch()  # what a query is bound over may be opened, and nobody feeds it yet
        source = scan(spec, columns, [str(fifo)])
        try:
            database.execute(f"CREATE VIEW input AS {source}")
            if self._reads_once(database, tag):
                with Feed(fifo, lines.of(splits)):
                    self._rows_out = count(database, statement)
                database.execute("DROP VIEW input")
            else:
                database.execute("DROP VIEW input")
                with Feed(fifo, lines.of(splits)):
                    database.execute(f"CREATE TABLE input AS {source}")
                self._rows_out = count(database, statement)
                database.execute("DROP TABLE input")
        except duckdb_error() as error:
            raise self._explained(error, splits) from error
        self.bytes += lines.bytes
        return lines.stopped

    def _reads_once(self, database: Connection, tag: str) -> bool:
        """Whether the map query goes through `input` once, as a FIFO wants it: it is held in a table if not."""
        rows = database.execute(
            f"EXPLAIN (FORMAT json) SELECT * FROM {subquery(self._query(tag))}"
        ).fetchall()
        plan = str(rows)
        return len(_SCAN.findall(plan)) == 1 and not _REPEATING.search(plan)

    def _append_all(self, database: Connection, folder: Path, writer: RunWriter) -> None:
        """Write the rows that wait in a table, partition after partition."""
        if self._plan.partitions == 1:
            self._copy(database, f"FROM {_MAPPED}", folder, writer, 0)
            return
        number = quoted(PARTITION)
        found = f"SELECT {number} FROM {_MAPPED} GROUP BY ALL ORDER BY ALL"
        for (partition,) in database.execute(found).fetchall():
            own = f"SELECT * EXCLUDE ({number}) FROM {_MAPPED} WHERE {number} = {partition}"
            self._copy(database, own, folder, writer, partition)

    def _copy(
        self, database: Connection, query: str, folder: Path, writer: RunWriter, partition: int
    ) -> None:
        """Write the rows of a query as a partition, unless there are none."""
        self._append(folder, writer, partition, count(database, self._into_file(query, folder)))

    def _into_file(self, query: str, folder: Path) -> str:
        """The statement that has the rows of a query in the file of a stretch.

        To pack them takes longer than to write them to a disk and to read them; not so where they go over a network.
        """
        packed = "uncompressed" if self._files else "snappy"
        return f"COPY ({query}) TO {literal(str(folder / _STRETCH))} (FORMAT parquet, COMPRESSION {packed})"

    def _append(self, folder: Path, writer: RunWriter, partition: int, rows: int) -> None:
        """Write the rows that are in a file as a partition, unless there are none."""
        path = folder / _STRETCH
        if rows:
            with self._disk.open(path, "rb") as file:
                writer.add_raw(partition, frames_of(file), rows)
        self._disk.remove(path)

    def _explained(self, error: Exception, splits: Sequence[Split]) -> Exception:
        """What DuckDB says, with the place in the input if it is about a row of it."""
        tag = splits[0].tag if splits else ""
        where, text = f"job {self._plan.job}: {self._query_key(tag)}", explained(error)
        refuse_full_disk(error)
        row = _ROW.search(str(error))
        if row is None:
            return JobCodeError(f"{where}: {text}")
        again = Lines(self._input(tag), self._tables.columns_of(tag), self._store)
        place = locate(again, splits, int(row[1] or row[2]))
        return InputError(f"job {self._plan.job}: {place}: {text}")


def _named(*parts: object) -> str:
    """A name that no other input has: DuckDB remembers what it has read of a file."""
    return "-".join(str(part) for part in parts if part != "")
