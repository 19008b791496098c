"""DuckDB, shut in: one thread's share of memory, one folder, no extensions, no settings that a query could change."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ...core.errors import ConfigError, DiskError, JobCodeError
from ...core.spec import MIB, JobSpec

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

#: Names and types of columns, in order.
Columns = tuple[tuple[str, str], ...]

#: DuckDB cannot read a file in less memory than this.
LEAST_MEMORY = 128 * MIB
#: Lambda's memory, in MB, that comes with one whole processor.
_MB_A_CPU = 1769
_LONGEST_MESSAGE = 600
_NO_TABLE = "Catalog Error: Table with name"
#: What DuckDB says when the local disk is full, or when it has used all of it that it allows itself.
_DISK_FULL = ("No space left on device", "Disk quota exceeded", "'max_temp_directory_size'")


def version() -> str:
    """The version of DuckDB that is installed. Raises ConfigError if none is."""
    return str(_duckdb().__version__)


def _duckdb() -> Any:
    try:
        return _library()
    except ImportError as error:
        raise ConfigError(
            "SQL and Parquet need DuckDB, which is not installed: pip install -r requirements-sql.txt"
        ) from error


def _library() -> Any:
    """DuckDB without its package, of which we use nothing else: that takes three times as long to start."""
    if "duckdb" not in sys.modules:
        with suppress(ImportError):
            import _duckdb

            return _duckdb
    import duckdb

    return duckdb


def threads(memory: int) -> int:
    """Threads worth having in a function of `memory` MB."""
    return max(1, memory // _MB_A_CPU)


@contextmanager
def opened(
    folder: Path,
    memory: int,
    threads: int,
    variables: Mapping[str, Any],
    *,
    in_order: bool = False,
    files: Iterable[Path] = (),
) -> Iterator[Connection]:
    """A database in memory that may use `memory` bytes and read and write `files`, and files in `folder`: nothing else.

    `variables` are there for `getvariable('name')`. What does not fit into the memory is spilled to `folder`.
    `in_order`: rows stay in the order of a subquery that sorts them.
    """
    duckdb = _duckdb()
    connection = duckdb.connect(
        config={"threads": threads, "memory_limit": f"{max(memory, LEAST_MEMORY) // MIB}MiB"}
    )
    try:
        for name, value in variables.items():
            connection.execute(f"SET VARIABLE {quoted(name)} = $value", {"value": value})
        for setting in (
            "TimeZone = 'UTC'",
            f"preserve_insertion_order = {in_order}",
            f"temp_directory = {literal(str(folder / 'spill'))}",
            "autoinstall_known_extensions = false",
            "autoload_known_extensions = false",
            "allow_community_extensions = false",
            f"allowed_directories = [{literal(f'{folder}/')}]",
            f"allowed_paths = [{', '.join(literal(str(path)) for path in files)}]",
            "enable_external_access = false",
            "lock_configuration = true",
        ):
            connection.execute(f"SET {setting}")
        yield connection
    finally:
        connection.close()


def task_database(
    spec: JobSpec,
    folder: Path,
    function: Literal["mapper", "reducer"],
    processors: int = 0,
    files: Iterable[Path] = (),
) -> AbstractContextManager[Connection]:
    """The database of a map or reduce task; it may use so many `processors`, by default those of a Lambda's memory."""
    memory: int = getattr(spec.memory, function)
    return opened(
        folder,
        spec.budget(function),
        processors or threads(memory),
        spec.params,
        in_order=function == "reducer",
        files=files,
    )


def quoted(name: str) -> str:
    """A column's or table's name as SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL."""
    return "'" + text.replace("'", "''") + "'"


def subquery(query: str) -> str:
    """A user's query in parentheses; it may end in a semicolon or a comment."""
    return f"(\n{query.strip().rstrip(';')}\n)"


def described(connection: Connection, query: str) -> Columns:
    """Names and types of a query's columns."""
    return tuple((row[0], row[1]) for row in connection.execute(f"DESCRIBE {query}").fetchall())


def count(connection: Connection, query: str) -> int:
    """The one number that a query gives."""
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def duckdb_error() -> type[Exception]:
    """What DuckDB raises."""
    error: type[Exception] = _duckdb().Error
    return error


@contextmanager
def blamed(where: str, reads: Sequence[str] = ()) -> Iterator[None]:
    """Turn what DuckDB says about a query into an error that says whose it is.

    `reads`: the tables that there are for the query, which it is told of if it names another one.
    """
    try:
        yield
    except duckdb_error() as error:
        refuse_full_disk(error)
        unknown = reads and str(error).startswith(_NO_TABLE)
        tables = f" (there is FROM {' and FROM '.join(reads)})" if unknown else ""
        raise JobCodeError(f"{where}: {explained(error)}{tables}") from error


def refuse_full_disk(error: Exception) -> None:
    """Raise DiskError if what DuckDB met is a full disk."""
    if any(text in str(error) for text in _DISK_FULL):
        raise DiskError(
            "no space left on the local disk: give the function more ephemeral storage or memory, or make"
            f" split_size or reduce_size smaller: {explained(error)}"
        ) from error


def explained(error: Exception) -> str:
    """DuckDB's message on one line, without its hints on how it is configured."""
    kept = []
    for line in str(error).splitlines():
        if line.startswith(("Possible ", "See also", "  file =")):
            break
        kept.append(line.strip())
    return " ".join(" ".join(kept).split())[:_LONGEST_MESSAGE]
