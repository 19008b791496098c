"""Rows into a table of DuckDB: `executemany` takes a millisecond for each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import duckdb

#: Values in one statement.
AT_ONCE = 2_000


def fill(database: duckdb.DuckDBPyConnection, table: str, rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows that have a value for each column."""
    todo = [*rows]
    while todo:
        width = len(todo[0])
        now, todo = todo[: AT_ONCE // width], todo[AT_ONCE // width :]
        marks = ", ".join([f"({', '.join('?' * width)})"] * len(now))
        database.execute(f"INSERT INTO {table} VALUES {marks}", [*chain.from_iterable(now)])
