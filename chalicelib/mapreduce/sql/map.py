"""One map attempt of a SQL job: splits to the map query, its rows to partitions. No protocol in here."""

# ruff: noqa: S608 - the queries are the job owner's; names and paths in them are quoted

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.errors import CorruptData, InputError, JobCodeError
from ...core.plan import Plan, Split
from ...core.ports import Runtime, Streams
from ...core.tasks import Position
from ..guard.deadline import Pace
from ..guard.location import located
from ..input.blocks import whole_object
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
from ..input.read_ahead import ReadAhead
from ..shuffle.run_file import RunWriter
from .feed import Feed, Lines, locate
from .partition_file import frames_of
from .tables import PARTITION, partitioned, scan, stored

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
            ReadAhead(self._store, splits) as store,
        ):
            if self._spec.input.format == "parquet":
                self._map_files(database, store, folder, splits, writer)
                return None
            return self._map_lines(database, store, folder, splits, writer)

    def _where(self, splits: Sequence[Split]) -> str:
        some = f"{splits[0].loc.url} and {len(splits) - 1} more" if splits else "no input"
        return f"job {self._plan.job}: {some}"

    def _map_files(
        self, database: Connection, store: Streams, folder: Path, splits: Sequence[Split], writer: RunWriter
    ) -> None:
        """Parquet has its table of contents at the end: objects are copied to disk first."""
        paths = []
        for number, split in enumerate(splits):
            path = folder / f"object-{number}"
            with self._disk.open(path, "wb", split.size) as file:
                for chunk in whole_object(store, split):
                    file.write(chunk)
                    self.bytes += len(chunk)
            paths.append(str(path))
        source = scan(self._spec.input, self._tables.input, paths)
        with blamed(self._where(splits)):
            self.records = count(database, f"SELECT count(*) FROM {subquery(source)}")
            database.execute(f"CREATE VIEW input AS {source}")
        with blamed(f"job {self._plan.job}: sql.map"):
            self._write(database, folder, writer)

    def _map_lines(
        self, database: Connection, store: Streams, folder: Path, splits: Sequence[Split], writer: RunWriter
    ) -> Position | None:
        spec = self._spec.input
        ratio = self._spec.limits.unpack_ratio
        lines = Lines(spec, self._tables.input, store, lambda: self._pace.out_of_time, ratio)
        fifo = folder / "input"
        fifo.touch()  # what a query is bound over may be opened, and nobody feeds it yet
        source = scan(spec, self._tables.input, [str(fifo)])
        try:
            database.execute(f"CREATE VIEW input AS {source}")
            if self._reads_once(database):
                with Feed(fifo, lines.of(splits)):
                    self._write(database, folder, writer)
            else:
                database.execute("DROP VIEW input")
                with Feed(fifo, lines.of(splits)):
                    database.execute(f"CREATE TABLE input AS {source}")
                self._write(database, folder, writer)
        except duckdb_error() as error:
            raise self._explained(error, splits) from error
        self.bytes = lines.bytes
        return lines.stopped

    def _reads_once(self, database: Connection) -> bool:
        """Whether the map query goes through `input` once, as a FIFO wants it: it is held in a table if not."""
        rows = database.execute(
            f"EXPLAIN (FORMAT json) SELECT * FROM {subquery(self._spec.sql.map)}"
        ).fetchall()
        plan = str(rows)
        return len(_SCAN.findall(plan)) == 1 and not _REPEATING.search(plan)

    def _write(self, database: Connection, folder: Path, writer: RunWriter) -> None:
        """Run the map query and write its rows, partition after partition."""
        query, columns = self._spec.sql.map, self._tables.shuffled
        path = folder / "stretch.parquet"
        if self._plan.partitions == 1:
            rows = count(database, _copy(f"SELECT {stored(columns)} FROM {subquery(query)}", path))
            self._append(writer, 0, path, rows)
            return
        numbered = partitioned(query, columns, self._spec.sql.keys, self._plan.partitions)
        number = quoted(PARTITION)
        database.execute(f"CREATE TEMP TABLE {_MAPPED} AS {numbered} ORDER BY {number}")
        found = f"SELECT {number} FROM {_MAPPED} GROUP BY ALL ORDER BY ALL"
        for (partition,) in database.execute(found).fetchall():
            own = f"SELECT * EXCLUDE ({number}) FROM {_MAPPED} WHERE {number} = {partition}"
            self._append(writer, partition, path, count(database, _copy(own, path)))

    def _append(self, writer: RunWriter, partition: int, path: Path, rows: int) -> None:
        if rows:
            with self._disk.open(path, "rb") as file:
                writer.add_raw(partition, frames_of(file), rows)
        self._disk.remove(path)

    def _explained(self, error: Exception, splits: Sequence[Split]) -> Exception:
        """What DuckDB says, with the place in the input if it is about a row of it."""
        where, text = f"job {self._plan.job}: sql.map", explained(error)
        refuse_full_disk(error)
        row = _ROW.search(str(error))
        if row is None:
            return JobCodeError(f"{where}: {text}")
        again = Lines(self._spec.input, self._tables.input, self._store)
        place = locate(again, splits, int(row[1] or row[2]))
        return InputError(f"job {self._plan.job}: {place}: {text}")


def _copy(query: str, path: Path) -> str:
    return f"COPY ({query}) TO {literal(str(path))} (FORMAT parquet)"
