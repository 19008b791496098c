"""The tables that queries see: how `input` is scanned, how `shuffled` is stored and cut into partitions.

Rows are shuffled as Parquet, which keeps most types exactly. Those it would change are stored as another that
holds the same values, and become what they were when they are read.
"""

# ruff: noqa: S608 - the queries are the job owner's; names and paths in them are quoted

from __future__ import annotations

import re
from collections.abc import Mapping

from ...core.errors import ConfigError
from ...core.plan import SqlTables
from ...core.spec import InputSpec
from ..input.duckdb import Columns, literal, quoted, subquery

#: What a line of text may not hold as it is: the delimiter, and the quote around a line that holds one of them.
DELIMITER, QUOTE = "\x01", "\x02"
#: The longest line, and DuckDB's buffer, which it must be well below: a longer one is lost without a word.
MAX_LINE = 4 << 20
_BUFFER = 8 << 20
TEXT_COLUMNS: Columns = (("line", "VARCHAR"),)

#: The column of the partition's number, beside those of the map query.
PARTITION = "sluice partition"
#: The column of the input's tag, where rows of several inputs are shuffled in one table.
TAG = "sluice tag"
#: The table that the reduce query sees, unless there is one for each input.
SHUFFLED = "shuffled"
#: Hexadecimal digits of the key's MD5 that choose the partition; as a number they fit into 32 bits.
_DIGITS = 7

#: Types that come out of Parquet as they went in, alone or in lists, structs and maps.
_EXACT = re.compile(
    r"(?:BOOLEAN|U?(?:TINYINT|SMALLINT|INTEGER|BIGINT)|FLOAT|DOUBLE|DECIMAL|VARCHAR|BLOB|UUID|DATE|TIME"
    r"|TIMESTAMP|TIMESTAMP WITH TIME ZONE)(?:\(\d+,\d+\))?"
)
#: Single values that Parquet would change, and what holds them.
_STORED = (
    (re.compile(r"HUGEINT"), "DECIMAL(38,0)"),
    (
        re.compile(r"UHUGEINT|INTERVAL|BIT|TIME WITH TIME ZONE|TIMESTAMP_(?:S|MS|NS)|JSON|BIGNUM|ENUM\(.*\)"),
        "VARCHAR",
    ),
)
_NESTED = re.compile(r'STRUCT\(|MAP\(|\[\d*\]|[(),]|"(?:[^"]|"")*"|[A-Za-z_][A-Za-z0-9_]* (?=[A-Z])')


def scan(spec: InputSpec, columns: Columns, paths: list[str], *, in_place: bool = False) -> str:
    """The query that reads prepared input (see `feed.py`) from a FIFO or files, or from objects `in_place`."""
    names = ", ".join(quoted(name) for name, _ in columns)
    files = f"[{', '.join(map(literal, paths))}]"
    if spec.format == "parquet":
        casts = ", ".join(f"CAST({quoted(name)} AS {kind}) AS {quoted(name)}" for name, kind in columns)
        return f"SELECT {casts} FROM read_parquet({files})"
    types = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in columns)
    if spec.format == "jsonl":
        # Without `records` DuckDB opens the file to find out whether the one column there is, is the document.
        form = (
            f"format='newline_delimited', records=true, columns={{{types}}}, maximum_object_size={MAX_LINE}"
        )
        return f"SELECT {names} FROM read_json({files}, {form})"
    common = (
        f"auto_detect=false, header={in_place and spec.header}, new_line='\\n', columns={{{types}}},"
        f" buffer_size={_BUFFER}, max_line_size={MAX_LINE}"
    )
    if spec.format == "text":
        # An empty line is NULL to DuckDB, and nothing else is, because quoted ones are not.
        marks = f"delim={literal(DELIMITER)}, quote={literal(QUOTE)}, escape={literal(QUOTE)}"
        kept = f" WHERE NOT starts_with(coalesce(line, ''), {literal(spec.comment)})"
        lines = f"read_csv({files}, {common}, {marks}, allow_quoted_nulls=false)"
        return f"SELECT coalesce(line, '') AS line FROM {lines}{kept if in_place and spec.comment else ''}"
    marks = f"""delim={literal(delimiter(spec))}, quote='"', escape='"'"""
    return f"SELECT {names} FROM read_csv({files}, {common}, {marks})"


def delimiter(spec: InputSpec) -> str:
    return spec.delimiter or ("\t" if spec.format == "tsv" else ",")


def stored(columns: Columns) -> str:
    """Select list: the columns of the map query as they are written."""
    return ", ".join(_cast(name, kind, _storage(kind)) for name, kind in columns)


def restored(columns: Columns) -> str:
    """Select list: stored columns as the map query gave them."""
    return ", ".join(_cast(name, _storage(kind), kind) for name, kind in columns)


def definitions(columns: Columns) -> str:
    """The columns as in CREATE TABLE."""
    return ", ".join(f"{quoted(name)} {kind}" for name, kind in columns)


def check_storable(where: str, columns: Columns) -> None:
    """Raises ConfigError, naming the query's place, for a type that the shuffle would change."""
    for name, kind in columns:
        if _storage(kind) == kind and not _is_exact(kind):
            raise ConfigError(
                f"{where}: column {name} is {kind}, which cannot be shuffled as it is: cast it, to VARCHAR for instance"
            )


def partitioned(query: str, columns: Columns, keys: tuple[str, ...], partitions: int) -> str:
    """The query that gives the stored rows of a map query, each with its partition."""
    kinds = {name.lower(): kind for name, kind in columns}
    texts = ", ".join(_text(key, kinds[key.lower()]) for key in keys)
    text = texts if len(keys) == 1 else f"concat_ws(chr(31), {texts})"
    number = f"('0x' || left(md5({text}), {_DIGITS}))::INTEGER % {partitions}"
    return f"SELECT {stored(columns)}, {number} AS {quoted(PARTITION)} FROM {subquery(query)}"


def together(mapped: Mapping[str, Columns]) -> Columns:
    """The columns of the one table in which the rows of several inputs are shuffled: a tag, and those of each input.

    A row has NULL in the columns of the others, which costs Parquet next to nothing.
    """
    own = ((_column_of(tag, name), kind) for tag, columns in mapped.items() for name, kind in columns)
    return ((TAG, "VARCHAR"), *own)


def tagged(rows: str, tag: str, mapped: Mapping[str, Columns], *, numbered: bool) -> str:
    """The query that gives the stored rows of one input as rows of the one table; `numbered`: with their partition."""
    mine = ", ".join(f"{quoted(name)} AS {quoted(_column_of(tag, name))}" for name, _ in mapped[tag])
    nothing = [
        f"NULL::{_storage(kind)} AS {quoted(_column_of(other, name))}"
        for other, columns in mapped.items()
        if other != tag
        for name, kind in columns
    ]
    rest = "".join(f", {column}" for column in [*nothing, *[quoted(PARTITION)] * numbered])
    return f"SELECT {literal(tag)} AS {quoted(TAG)}, {mine}{rest} FROM {subquery(rows)}"


def shuffled_tables(tables: SqlTables) -> dict[str, Columns]:
    """The tables that the reduce query sees, with their columns."""
    return tables.mapped or {SHUFFLED: tables.shuffled}


def unshuffled(tables: SqlTables, paths: list[str]) -> dict[str, str]:
    """The same tables as queries that read them from the files of a partition."""
    files = f"read_parquet([{', '.join(map(literal, paths))}])"
    found = {}
    for tag, given in tables.tagged.items():
        names = ", ".join(
            f"CAST({quoted(_column_of(tag, name))} AS {kind}) AS {quoted(name)}"
            for name, kind in given.mapped
        )
        found[tag] = f"SELECT {names} FROM {files} WHERE {quoted(TAG)} = {literal(tag)}"
    return found or {SHUFFLED: f"SELECT {restored(tables.shuffled)} FROM {files}"}


def _column_of(tag: str, name: str) -> str:
    """What a column of one input is called in the one table. Tags have no dots."""
    return f"{tag}.{name}"


def _text(key: str, kind: str) -> str:
    """A key as the text that chooses its partition: equal keys have equal texts, on every machine."""
    column = quoted(key)
    if kind in ("DOUBLE", "FLOAT"):
        column = f"({column} + 0)"  # -0.0 equals 0.0
    return f"coalesce({column}::VARCHAR, '')"


def _cast(name: str, before: str, after: str) -> str:
    column = quoted(name)
    return column if before == after else f"CAST({column} AS {after}) AS {column}"


def _storage(kind: str) -> str:
    return next((other for pattern, other in _STORED if pattern.fullmatch(kind)), kind)


def _is_exact(kind: str) -> bool:
    """Whether a type, and all that it is made of, is exact in Parquet."""
    if _EXACT.fullmatch(kind):
        return True
    words = [
        word.strip() for word in _NESTED.sub("\n", re.sub(r"DECIMAL\(\d+,\d+\)", "DECIMAL", kind)).split("\n")
    ]
    nested = kind.startswith(("STRUCT(", "MAP(")) or kind.endswith("[]")
    return nested and all(_EXACT.fullmatch(word) for word in words if word)
