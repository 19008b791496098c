"""Before a SQL job's first task: the columns of its tables, and a look at its queries over empty ones."""

# ruff: noqa: S608 - the queries are the job owner's; names and paths in them are quoted

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from msgspec import json

from ...config.problem import input_key
from ...core.errors import ConfigError, InputError, JobCodeError
from ...core.plan import Split, SqlInput, SqlTables
from ...core.ports import Loc, ObjectInfo, Runtime
from ...core.spec import MIB, InputSpec, JobSpec
from ..input.compression import compression
from ..input.duckdb import (
    Columns,
    blamed,
    described,
    duckdb_error,
    explained,
    literal,
    opened,
    quoted,
    subquery,
)
from ..input.rows import Header, header_names
from .feed import Lines
from .reduce import sorted_query
from .tables import (
    MAX_LINE,
    TEXT_COLUMNS,
    check_storable,
    definitions,
    delimiter,
    shuffled_tables,
    together,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

#: Bytes of the first object that undeclared columns are found out from.
_SAMPLE = 4 * MIB
_MEMORY = 256 * MIB
_FOOTER = 8
#: What queries came to that were looked at in this process, by all that it depends on: a run here looks at them twice.
_LOOKED_AT: dict[bytes, SqlTables] = {}

#: An object and the bucket it is in.
Input = tuple[str, ObjectInfo]


def prepare(
    runtime: Runtime,
    job: str,
    spec: JobSpec,
    inputs: Sequence[Input],
    input_of: Callable[[str, ObjectInfo], InputSpec],
) -> SqlTables:
    """The tables of a run over `inputs`; `input_of` says which of the job's inputs an object is of.

    Raises ConfigError or InputError for what could not run.
    """
    known = _LOOKED_AT.get(_asked(spec))
    if known is not None:
        return known
    with (
        runtime.disk.folder("sluice-sql-") as folder,
        opened(folder, _MEMORY, 1, spec.params) as database,
    ):
        try:
            columns = {}
            for given in spec.inputs:
                own = (one for one in inputs if input_of(*one) == given)
                columns[given.tag] = _declared(database, spec, given) or _found(
                    database, runtime, spec, given, own, folder
                )
            return _checked(database, spec, columns)
        except JobCodeError as error:
            raise ConfigError(f"job {job}: {error}") from error


def check(job: str, spec: JobSpec, folder: Path) -> None:
    """What can be found wrong with the queries before there is input. Raises ConfigError."""
    with (
        TemporaryDirectory(prefix="sluice-sql-", dir=folder) as own,
        opened(Path(own), _MEMORY, 1, spec.params) as database,
    ):
        try:
            _check_singles(database, spec)
            columns = {given.tag: _declared(database, spec, given) for given in spec.inputs}
            if all(columns.values()):
                tables = _checked(database, spec, columns)
                _LOOKED_AT.clear()
                _LOOKED_AT[_asked(spec)] = tables
        except JobCodeError as error:
            raise ConfigError(f"job {job}: {error}") from error


def _asked(spec: JobSpec) -> bytes:
    """All that the tables of a job with declared columns depend on."""
    return json.encode((spec.sql, spec.inputs, spec.params))


# The columns of `input`


def _declared(database: Connection, spec: JobSpec, given: InputSpec) -> Columns:
    """What the configuration says; nothing if it says nothing."""
    if given.format == "text":
        return TEXT_COLUMNS
    if not given.columns:
        return ()
    with blamed(input_key(spec, given, "columns")):
        database.execute(f"CREATE OR REPLACE TABLE declared (\n{given.columns}\n)")
        return described(database, "declared")


def _found(
    database: Connection,
    runtime: Runtime,
    spec: JobSpec,
    given: InputSpec,
    inputs: Iterable[Input],
    folder: Path,
) -> Columns:
    """What the first object that has any bytes holds."""
    key = input_key(spec, given, "columns")
    first = next(((Loc(bucket, info.key), info) for bucket, info in inputs if info.size), None)
    if first is None:
        which = f"no input of {given.tag}" if given.tag else "no input"
        raise InputError(f"{which} has any bytes, so its columns cannot be found out: declare {key}")
    loc, info = first
    path = folder / f"sample-{given.tag}"
    try:
        if given.format == "parquet":
            _footer_only(runtime, loc, info.size, path)
            return described(database, f"SELECT * FROM read_parquet({literal(str(path))})")
        return _sniffed(database, runtime, given, loc, info, path)
    except duckdb_error() as error:
        raise InputError(
            f"{loc.url}: its columns cannot be found out: declare {key}: {explained(error)}"
        ) from error


def _sniffed(
    database: Connection, runtime: Runtime, spec: InputSpec, loc: Loc, info: ObjectInfo, path: Path
) -> Columns:
    whole = spec.multiline or compression(info.key) is not None
    stop = info.size if whole else min(info.size, _SAMPLE)
    split = Split(bucket=loc.bucket, key=loc.key, etag=info.etag, start=0, stop=stop, size=info.size)
    names: list[str] = []
    if spec.header:
        with_header = Lines(_headless(spec), (), runtime.store)
        first = next((data for _, data in with_header.located(split)), b"")
        names = header_names(spec, Header(0, first.partition(b"\n")[0]), loc.url)
    lines = Lines(spec, tuple((name, "") for name in names), runtime.store)
    with runtime.disk.open(path, "wb") as file:
        for block in lines.of([split]):
            file.write(block)
            if file.tell() >= _SAMPLE:
                break
    source = literal(str(path))
    if spec.format == "jsonl":
        return described(database, f"SELECT * FROM read_json({source}, format='newline_delimited')")
    found = described(
        database,
        f"SELECT * FROM read_csv({source}, header=false, delim={literal(delimiter(spec))}, quote='\"',"
        f" escape='\"', max_line_size={MAX_LINE})",
    )
    if not names:
        return found
    if len(found) != len(names):
        raise InputError(f"{loc.url}: its header has {len(names)} names, but its rows {len(found)} fields")
    return tuple((name, kind) for name, (_, kind) in zip(names, found, strict=True))


def _headless(spec: InputSpec) -> InputSpec:
    from msgspec.structs import replace

    return replace(spec, header=False)


def _footer_only(runtime: Runtime, loc: Loc, size: int, path: Path) -> None:
    """A Parquet file's table of contents where it belongs, in a file with holes for the rest."""
    tail = runtime.store.get(loc, max(size - _FOOTER, 0), size)
    length = int.from_bytes(tail[:4], "little") + _FOOTER
    if tail[4:] != b"PAR1" or length > size:
        raise InputError(f"{loc.url}: not a Parquet file: its last bytes are {tail!r}")
    with runtime.disk.open(path, "wb") as file:
        file.write(b"PAR1")
        file.seek(size - length)
        file.write(runtime.store.get(loc, size - length, size))


# The queries


def _checked(database: Connection, spec: JobSpec, columns: Mapping[str, Columns]) -> SqlTables:
    """The tables of inputs with these columns, by tag. Raises ConfigError or JobCodeError for what cannot run."""
    _check_singles(database, spec)
    mapped = {given.tag: _mapped(database, spec, given, columns[given.tag]) for given in spec.inputs}
    if spec.more_inputs:
        _check_key_types(spec, mapped)
        inputs = {tag: SqlInput(input=columns[tag], mapped=own) for tag, own in mapped.items()}
        tables = SqlTables(input=(), shuffled=together(mapped), tagged=inputs)
    else:
        tables = SqlTables(input=columns[spec.input.tag], shuffled=mapped[spec.input.tag])
    shuffled = shuffled_tables(tables)
    with blamed("sql.reduce", list(shuffled)):
        for name, own in shuffled.items():
            database.execute(f"CREATE TABLE {quoted(name)} ({definitions(own)})")
        result = described(database, subquery(spec.sql.reduce))
    _check_names("sql.reduce", result)
    with blamed("sql.order_by"):
        database.execute(f"EXPLAIN {sorted_query(spec.sql.reduce, result, spec.sql.order_by, spec.sql.keys)}")
    return tables


def _mapped(database: Connection, spec: JobSpec, given: InputSpec, columns: Columns) -> Columns:
    """The columns of what the map query gives for an input."""
    where = _map_key(spec, given)
    with blamed(where, ["input"]):
        database.execute(f"CREATE TABLE input ({definitions(columns)})")
        # A column of nothing but NULL has no type; one must be written.
        found = described(database, subquery(spec.map_query(given)))
        database.execute("DROP TABLE input")
    mapped = tuple((name, "INTEGER" if kind == '"NULL"' else kind) for name, kind in found)
    _check_names(where, mapped)
    check_storable(where, mapped)
    names = {name.lower() for name, _ in mapped}
    for key in spec.sql.keys:
        if key.lower() not in names:
            there = ", ".join(name for name, _ in mapped)
            raise ConfigError(f"sql.key: no column {key} in the result of {where}, which has {there}")
    return mapped


def _check_key_types(spec: JobSpec, mapped: Mapping[str, Columns]) -> None:
    """Rows meet whose keys have the same text, so equal keys have to be of one type."""
    for key in spec.sql.keys:
        kinds = {tag: dict(_lower(columns))[key.lower()] for tag, columns in mapped.items()}
        if len(set(kinds.values())) > 1:
            told = ", ".join(f"{kind} of {tag}" for tag, kind in kinds.items())
            raise ConfigError(f"sql.key: {key} is {told}: cast it to one type in the map queries")


def _lower(columns: Columns) -> Columns:
    return tuple((name.lower(), kind) for name, kind in columns)


def _map_key(spec: JobSpec, given: InputSpec) -> str:
    """Where the map query of an input stands in the job's file."""
    return input_key(spec, given, "map") if given.map else "sql.map"


def _check_singles(database: Connection, spec: JobSpec) -> None:
    for given in spec.inputs:
        _single(database, _map_key(spec, given), spec.map_query(given))
    _single(database, "sql.reduce", spec.sql.reduce)


def _single(database: Connection, where: str, query: str) -> None:
    """Raises unless the text is one SELECT."""
    with blamed(where):
        kinds = [statement.type.name for statement in database.extract_statements(query)]
    if kinds != ["SELECT"]:
        raise ConfigError(f"{where}: expected one SELECT statement, got {', '.join(kinds) or 'nothing'}")


def _check_names(where: str, columns: Columns) -> None:
    """Two columns of one name cannot be told apart by what reads them."""
    names = [name.lower() for name, _ in columns]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"{where}: two columns are named {twice}: name one of them with AS")
