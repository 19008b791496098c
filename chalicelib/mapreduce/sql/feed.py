"""Input for DuckDB, which reads files and knows no byte ranges: the lines of splits, through a FIFO.

A FIFO costs a tenth of what a copy in memory does, needs no disk, and lets the next bytes arrive from S3 while
DuckDB works on the last. A thread writes it; what goes wrong there is raised when the query is over.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from ...core.errors import InputError
from ...core.plan import Split
from ...core.ports import Streams
from ...core.spec import InputSpec
from ...core.tasks import Position
from ..input.blocks import MARK, TextBlock, decode_text, line_blocks, split_lines, whole_object, without_mark
from ..input.duckdb import Columns
from ..input.lines import newline_split, without_comments
from ..input.rows import Header, header_names, read_header
from .in_place import UTF_8
from .tables import DELIMITER, MAX_LINE, QUOTE, delimiter

_ODD = (DELIMITER.encode(), QUOTE.encode(), b"\r")
#: Bytes a FIFO holds if the system allows it; Linux's default of 64 KiB means twice the switching.
_PIPE = 1 << 18
_F_SETPIPE_SZ = 1031


class Feed:
    """Makes `path` a FIFO into which it writes blocks while the `with` block reads it, once.

    Before, an empty file may stand there for DuckDB to find. The FIFO has a name only until both its ends are open: a
    reader waits for a writer that is on its way, or reads what the writer writes and sees an end when that is closed.
    Whoever comes later finds no file, where it would wait for ever.
    """

    def __init__(self, path: Path, blocks: Iterator[bytes]) -> None:
        self._path = path
        self._blocks = blocks
        self._pool = ThreadPoolExecutor(1, "sluice-feed")

    def __enter__(self) -> Self:
        self._path.unlink(missing_ok=True)
        os.mkfifo(self._path)
        self._fed = self._pool.submit(self._work)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while not self._fed.done():
            # A query that fails or needs no rows leaves the writer waiting for a reader: one that comes and goes
            # breaks the FIFO. In mid-block it is broken already, as its reader is gone.
            with suppress(FileNotFoundError):
                os.close(os.open(self._path, os.O_RDONLY | os.O_NONBLOCK))
            wait([self._fed], timeout=0.01)
        self._pool.shutdown()
        with suppress(BrokenPipeError):
            self._fed.result()

    def _work(self) -> None:
        with self._path.open("wb", buffering=0) as pipe:
            self._path.unlink()
            _enlarge(pipe.fileno())
            for block in self._blocks:
                view = memoryview(block)
                while view:
                    view = view[pipe.write(view) :]


def _enlarge(pipe: int) -> None:
    with suppress(ImportError, OSError):
        import fcntl

        fcntl.fcntl(pipe, _F_SETPIPE_SZ, _PIPE)


class Lines:
    """The lines of a task's splits as DuckDB is to read them; counts their bytes.

    `stop` is asked between blocks; when it says so, `stopped` tells where to go on.
    """

    def __init__(
        self,
        spec: InputSpec,
        columns: Columns,
        store: Streams,
        stop: Callable[[], bool] = lambda: False,
        unpack_ratio: int | None = None,
    ) -> None:
        self._spec = spec
        self._names = [name.lower() for name, _ in columns]
        self._store = store
        self._stop = stop
        self._ratio = unpack_ratio
        self._prepare: Callable[[bytes], bytes] = self._rows
        if spec.format in ("text", "jsonl"):
            self._prepare = _text_lines if spec.format == "text" else bytes
        self._block = TextBlock(0, b"")
        self._url = ""
        #: Whether the first line that is read next is a header; the byte of the object before which no rows are.
        self._header_due, self._rows_begin = False, 0
        #: Of an object that is read as it is: whether the next byte is inside quotes (1) or not (0), and a carriage
        #: return of which it is not known yet whether a newline follows.
        self._inside, self._held = 0, b""
        self.bytes = 0
        self.stopped: Position | None = None

    def of(self, splits: Sequence[Split]) -> Iterator[bytes]:
        """Blocks of whole lines, in order. Raises InputError that names object and byte."""
        begun = False
        for number, split in enumerate(splits):
            for block, lines in self.located(split):
                if not begun and lines.startswith(MARK):
                    yield MARK  # for DuckDB to take away: the other one is text
                begun = True
                yield lines
                if self._stop() and not self._spec.multiline:
                    self.stopped = Position(split=number, offset=block.offset + len(block.data))
                    return

    def located(self, split: Split) -> Iterator[tuple[TextBlock, bytes]]:
        """(block of the object, the same as DuckDB is to read it)."""
        self._url = split.loc.url
        self._header_due, self._rows_begin = self._spec.header and split.start == 0, 0
        if self._spec.header and self._spec.comment:  # then it may begin anywhere
            header = read_header(self._spec, self._store, split)
            self._header_due, self._rows_begin = False, header.offset + len(header.line)
            self._check_header(header)
        self._inside, self._held = 0, b""
        open_end = False
        for block in self._blocks(split):
            self.bytes += len(block.data)
            data = self._kept(block)
            open_end = bool(data) and not data.endswith(b"\n")
            data = self._prepare(data)
            if data:
                yield block, data
        if open_end:
            yield TextBlock(split.stop, b""), b"\n"

    def _blocks(self, split: Split) -> Iterator[TextBlock]:
        if not self._spec.multiline:
            return line_blocks(self._store, split, MAX_LINE // 2, self._too_long, unpack_ratio=self._ratio)
        return _located(whole_object(self._store, split, self._ratio))

    def _too_long(self, error: InputError, at: int, _data: bytes) -> None:
        raise InputError(
            f"{self._url}: line at byte {at}: longer than {MAX_LINE // 2} bytes, which a job in SQL cannot read: does"
            " it lack its line end?"
        ) from error

    def _kept(self, block: TextBlock) -> bytes:
        """The block in UTF-8, without byte order mark, header and comments."""
        self._block = block
        spec, data = self._spec, block.data
        if block.offset == 0:  # of an object that is read as it is
            data = without_mark(data)
        data = data[max(self._rows_begin - block.offset, 0) :]
        data = without_comments(data, spec.comment.encode())
        if self._header_due:
            self._header_due = False
            data = self._without_header(data)
        if spec.encoding.lower() not in UTF_8 or spec.errors != "strict":
            data = decode_text(block._replace(data=data), spec.encoding, spec.errors, self._url).encode()
        return data

    def _without_header(self, data: bytes) -> bytes:
        """The first block behind its header, which must name the columns there are."""
        line, _, rest = data.partition(b"\n")
        self._check_header(Header(self._block.offset, line))
        return rest

    def _check_header(self, header: Header) -> None:
        found = header_names(self._spec, header, self._url)
        if [name.lower() for name in found] != self._names:
            raise InputError(
                f"{self._url}: its header is {', '.join(found)}; expected {', '.join(self._names)}, the columns"
                " declared in input.columns, or else those of the first object"
            )

    def _rows(self, data: bytes) -> bytes:
        if self._spec.multiline:
            return self._whole_rows(data)
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n")
            data = data if data.endswith(b"\n") else data.removesuffix(b"\r")
            self._check_carriages(data.split(b'"')[::2])
        # Text between an odd quote and the next is inside a field; only if a newline is there look closely.
        if b'"' in data and b"\n" in b"".join(data.split(b'"')[1::2]):
            self._check_quotes(data)
        return data

    def _whole_rows(self, data: bytes) -> bytes:
        """The data with `\\n` at the ends of rows, which DuckDB is told to expect; inside quotes it stays as it is."""
        data = self._held + data
        self._held = b"\r" * data.endswith(b"\r")
        data = data[: len(data) - len(self._held)]
        pieces = data.split(b'"')
        if b"\r" in data:
            for number in range(self._inside, len(pieces), 2):
                pieces[number] = pieces[number].replace(b"\r\n", b"\n")
            self._check_carriages(pieces[self._inside :: 2])
        self._inside = (self._inside + len(pieces) - 1) % 2
        return b'"'.join(pieces)

    def _check_carriages(self, outside: list[bytes]) -> None:
        """Raise InputError for a carriage return outside quotes that ends no line: DuckDB would end a row there."""
        if any(b"\r" in piece for piece in outside):
            start, stop = self._block.offset, self._block.offset + len(self._block.data)
            raise InputError(
                f"{self._url}: between bytes {start} and {stop}: a carriage return outside quotes that ends no line,"
                " which a job in SQL cannot read: expected lines that end in \\n or \\r\\n"
            )

    def _check_quotes(self, data: bytes) -> None:
        text = decode_text(self._block._replace(data=data), "utf-8", "strict", self._url)
        lines = [line for line in split_lines(text) if line]
        try:
            rows = sum(1 for _ in csv.reader(lines, delimiter=delimiter(self._spec), strict=True))
        except csv.Error:
            rows = -1
        if rows != len(lines):
            start, stop = self._block.offset, self._block.offset + len(self._block.data)
            raise InputError(
                f"{self._url}: between bytes {start} and {stop}: a quoted field goes over the end of its line, or a"
                " quote is out of place: set input.multiline: true, which reads each object as one split"
            )


def _located(chunks: Iterator[bytes]) -> Iterator[TextBlock]:
    at = 0
    for chunk in chunks:
        yield TextBlock(at, chunk)
        at += len(chunk)


def _text_lines(data: bytes) -> bytes:
    """Lines such that DuckDB, to which they are rows of one column, reads them as they are."""
    if not any(byte in data for byte in _ODD):
        return data
    data = data.replace(b"\r\n", b"\n").removesuffix(b"\r")
    if not any(byte in data for byte in _ODD):
        return data
    return b"".join(map(_quoted_if_odd, newline_split(data)))


def _quoted_if_odd(line: bytes) -> bytes:
    if not any(byte in line for byte in _ODD):
        return line
    end = b"\n" if line.endswith(b"\n") else b""
    quote = QUOTE.encode()
    return quote + line.removesuffix(b"\n").replace(quote, quote * 2) + quote + end


def locate(lines: Lines, splits: Sequence[Split], number: int) -> str:
    """Where row `number` (from 1) of what `lines` gave out for `splits` is in the input, in words."""
    seen: int = 0
    for split in splits:
        for block, data in lines.located(split):
            count = data.count(b"\n") + (not data.endswith(b"\n")) if block.data else 0
            if seen + count >= number:
                start, stop = block.offset, block.offset + len(block.data)
                at = _offset_of(block.data, data, number - seen)
                where = (
                    f"line at byte {start + at}" if at is not None else f"between bytes {start} and {stop}"
                )
                return f"{split.loc.url}, {where}"
            seen += count
    return splits[0].loc.url if splits else ""


def _offset_of(raw: bytes, data: bytes, number: int) -> int | None:
    """Where line `number` (from 1) begins, if what was fed has the lines of the object."""
    if raw.count(b"\n") != data.count(b"\n"):
        return None
    at = 0
    for _ in range(number - 1):
        at = raw.find(b"\n", at) + 1
    return at
