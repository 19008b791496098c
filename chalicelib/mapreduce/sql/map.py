"""One map attempt of a SQL job: splits to the map query, its rows to partitions. No protocol in here."""

# ruff: noqa: S608 - the queries are the job owner's; names and paths in them are quoted

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ...core.errors import CorruptData, InputError, JobCodeError
from ...core.plan import Plan, Split
from ...core.ports import Runtime, Streams
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
from .feed import Feed, Lines, locate
from .partition_file import frames_of
from .tables import PARTITION, partitioned, scan, stored, tagged

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

_MAPPED = "sluice_mapped"
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

    def __init__(self, runtime: Runtime, plan: Plan, pace: Pace) -> None:
        if plan.sql is None:
            raise CorruptData(f"job {plan.job}, run {plan.run}: its plan has no tables")
        self._store = runtime.store
        self._disk = runtime.disk
        self._plan = plan
        self._spec = plan.spec
        self._tables = plan.sql
        self._pace = pace
        self.records = 0
        self.bytes = 0
        self.spilled = 0

    def run(self, splits: Sequence[Split], writer: RunWriter) -> Position | None:
        """Map the splits and write their rows; where to go on, if time ran out before the end.

        Raises InputError for rows that DuckDB cannot read, JobCodeError for a query that fails.
        """
        with (
            located(self._where(splits)),
            self._disk.folder("sluice-sql-") as folder,
            task_database(self._spec, folder, "mapper") as database,
            ReadAhead(self._store, splits, self._first_read) as store,
        ):
            inputs = [(tag, list(some)) for tag, some in groupby(splits, lambda split: split.tag)]
            if not inputs and self._tables.tagged:
                return None  # an attempt that goes on behind the last record
            if len(inputs) > 1:
                return self._map_together(database, store, folder, inputs, writer)
            tag = inputs[0][0] if inputs else ""
            return self._map(
                database, store, folder, splits, lambda: self._write(database, folder, writer, tag)
            )

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
            into = f"INSERT INTO {_MAPPED} BY NAME" if before else f"CREATE TEMP TABLE {_MAPPED} AS"
            statement = f"{into} {self._rows(tag)} {self._in_order}"
            stopped = self._map(database, store, folder, splits, lambda: database.execute(statement))  # noqa: B023
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

    @property
    def _in_order(self) -> str:
        return f"ORDER BY {quoted(PARTITION)}" if self._plan.partitions > 1 else ""

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
        write: Callable[[], object],
    ) -> Position | None:
        """Run `write` while there is a table `input` over splits of one input; where to go on, if time ran out."""
        tag = splits[0].tag if splits else ""
        if self._input(tag).format == "parquet":
            self._map_files(database, store, folder, splits, write)
            return None
        return self._map_lines(database, store, folder, splits, write)

    def _map_files(
        self,
        database: Connection,
        store: Streams,
        folder: Path,
        splits: Sequence[Split],
        write: Callable[[], object],
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
            write()
        database.execute("DROP VIEW input")

    def _map_lines(
        self,
        database: Connection,
        store: Streams,
        folder: Path,
        splits: Sequence[Split],
        write: Callable[[], object],
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
                    write()
                database.execute("DROP VIEW input")
            else:
                database.execute("DROP VIEW input")
                with Feed(fifo, lines.of(splits)):
                    database.execute(f"CREATE TABLE input AS {source}")
                write()
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

    def _write(self, database: Connection, folder: Path, writer: RunWriter, tag: str) -> None:
        """Run the map query of one input and write its rows, partition after partition."""
        if self._plan.partitions == 1:
            self._copy(database, self._rows(tag), folder, writer, 0)
            return
        database.execute(f"CREATE TEMP TABLE {_MAPPED} AS {self._rows(tag)} {self._in_order}")
        self._append_all(database, folder, writer)

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
        path = folder / "stretch.parquet"
        rows = count(database, f"COPY ({query}) TO {literal(str(path))} (FORMAT parquet)")
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
