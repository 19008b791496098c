"""Input that DuckDB may read where it is: whole files of this machine, by as many threads as there are to be had.

To DuckDB a file is what it is to us only if nothing in it wants the care of `feed.py`: a carriage return, a quoted
newline, a line that is too long. Whether there is such a thing is looked up beside the query; if so, what the query
gave does not count, and it is run again over lines from `feed.py`, which also words all errors.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ...core.errors import InputError
from ...core.plan import Split
from ...core.ports import Files, Loc
from ...core.spec import KIB, InputSpec
from ..input.blocks import MARK
from ..input.compression import compression
from ..input.duckdb import Columns
from ..input.rows import Header, header_names
from .tables import DELIMITER, MAX_LINE, QUOTE

UTF_8 = ("utf-8", "utf8", "utf_8")
#: In a file's name: what DuckDB takes for a pattern.
_PATTERN = frozenset("*?[]{}")
_BLOCK = 1 << 20
#: Bytes that tell, before a run begins, what the rest of a file is likely to be.
_HEAD = 64 * KIB


def readable(given: InputSpec, key: str) -> bool:
    """Whether files of an input may be read in place, as far as can be told without a look."""
    if given.format == "parquet":
        return not _PATTERN & set(key)
    return (
        given.format in ("text", "csv", "tsv", "jsonl")
        and given.encoding.lower() in UTF_8
        and given.errors == "strict"
        and not given.multiline
        and not (given.comment and given.format != "text")
        and not compression(key)
        and not _PATTERN & set(key)
    )


def likely(given: InputSpec, path: Path) -> bool:
    """Whether a file may be read in place, by its name and its beginning. False for one that cannot be opened."""
    if not readable(given, str(path)):
        return False
    with suppress(OSError):
        return given.format == "parquet" or is_plain(given, None, path, size=_HEAD)
    return False


def paths_of(
    files: Files | None, splits: Sequence[Split], given_of: Callable[[str], InputSpec]
) -> Mapping[Loc, Path]:
    """The files that splits are all of, of those whose input may be read in place."""
    found: dict[Loc, Path] = {}
    for split in splits if files else ():
        assert files is not None
        path = files.path(split.loc) if split.start == 0 and split.stop == split.size else None
        if path and readable(given_of(split.tag), str(real := Path(os.path.realpath(path)))):
            found[split.loc] = real  # DuckDB compares real paths with those that it may read
    return found


def is_plain(
    given: InputSpec,
    columns: Columns | None,
    path: Path,
    stopped: Callable[[], bool] = lambda: False,
    size: int | None = None,
) -> bool:
    """Whether DuckDB reads a file's lines as `feed.py` would hand them over; goes through `size` bytes, or all.

    `columns` are those that a header must name. `stopped` is asked between blocks, and means no.
    """
    odd = {"text": (DELIMITER.encode(), QUOTE.encode(), b"\r"), "jsonl": ()}.get(given.format, (b"\r",))
    quotes = _Quotes() if given.format in ("csv", "tsv") else None
    buffer, at, open_line = bytearray(_BLOCK), 0, 0
    with path.open("rb", buffering=0) as file:
        while (read := file.readinto(buffer)) and not stopped():
            data = buffer if read == _BLOCK else buffer[:read]
            if at == 0 and not _begins_plainly(given, columns, data, path):
                return False
            if any(byte in data for byte in odd) or (quotes and not quotes.closed_in(data)):
                return False
            newline = data.find(b"\n")
            if open_line + (newline if newline >= 0 else read) > MAX_LINE // 2:
                return False
            open_line = read - data.rfind(b"\n") - 1 if newline >= 0 else open_line + read
            at += read
            if size is not None and at >= size:
                return True
    return not read and (quotes is None or not quotes.inside)


def _begins_plainly(given: InputSpec, columns: Columns | None, data: bytearray, path: Path) -> bool:
    if data.startswith(MARK):
        return False
    if not given.header or columns is None:
        return True
    line = bytes(data[: max(data.find(b"\n"), 0)])
    if b'"' in line:
        return False
    with suppress(InputError):
        names = header_names(given, Header(0, line), str(path))
        return [name.lower() for name in names] == [name.lower() for name, _ in columns]
    return False


class _Quotes:
    """Whether any newline is inside quotes, of bytes that come block by block."""

    def __init__(self) -> None:
        self.inside = 0

    def closed_in(self, data: bytearray) -> bool:
        """False if there is a newline inside quotes in the next bytes."""
        if b'"' not in data:
            return not (self.inside and b"\n" in data)
        pieces = data.split(b'"')
        within = b"".join(pieces[1 - self.inside :: 2])
        self.inside = (self.inside + len(pieces) - 1) % 2
        return b"\n" not in within
