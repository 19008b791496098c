"""Bytes of a split to blocks of whole lines.

A line belongs to the split its first byte is in. A reader of `[start, stop)` therefore begins one byte
early, skips past the first newline it meets, and goes on past `stop` to the end of the line it is in.
Blocks are what travels: nothing here touches single lines.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import IO, Any, NamedTuple, cast

from ...core.errors import InputChanged, InputError, LimitMet, NotFound, PreconditionFailed
from ...core.plan import Split
from ...core.ports import Streams
from ...core.spec import MIB, InputSpec
from .compression import _DAMAGED, _DECOMPRESSED, _OPENERS, BLOCK, ChunkFile, compression
from .read_ahead import Span

#: Bytes read past a split's end with the same request; most lines end within.
LOOK_AHEAD = 1 << 14
#: A byte order mark, which some programs put before a text in UTF-8; it is no part of the text.
MARK = "\ufeff".encode()
#: Bytes of a compressed object in which its first lines are looked for.
_PACKED_HEAD = 1 << 20
#: What any compressed object may unpack to, however small it is.
UNPACKED_FREELY = 16 * MIB
#: Bytes of a record, unless `input.max_record_bytes` says otherwise.
MAX_RECORD = 64 * MIB


class TextBlock(NamedTuple):
    """Whole lines, the last of which may lack its newline, and where they stand in the object.

    For a compressed object `offset` counts unpacked bytes.
    """

    offset: int
    data: bytes


#: What becomes of a line that is too long: the error, where the line begins, its first bytes. Returns to
#: pass over the line.
OnLong = Callable[[InputError, int, bytes], None]


def line_blocks(
    store: Streams,
    split: Split,
    limit: int = MAX_RECORD,
    on_long: OnLong | None = None,
    keep_mark: bool = False,
    unpack_ratio: int | None = None,
) -> Iterator[TextBlock]:
    """The lines whose first byte is in the split, in blocks of about 128 KiB.

    A byte order mark at the object's beginning is left out, unless it is to be kept: the first line then begins at
    byte 3. Memory: one block and the line that crosses its end, of at most `limit` bytes. Raises InputChanged if
    the object is no longer the one that was planned, InputError for damaged compression and, unless
    `on_long` deals with it, for a longer line, LimitMet if it unpacks to too much.
    """
    tell = _telling(split.loc.url, limit, on_long)
    extension = compression(split.key)
    if extension:
        # An attempt that goes on in a compressed object must unpack again what it has read before.
        unpacked = _without(_unpacked(store, split, extension, ratio=unpack_ratio), split.start - 1)
        blocks = _align(unpacked, split.start, None, limit, tell)
    else:
        ahead = from_byte(store, split, max(split.start - 1, 0))
        blocks = _align(ahead, split.start, split.stop, limit, tell)
    return blocks if split.start or keep_mark else _unmarked(blocks)


def _unmarked(blocks: Iterator[TextBlock]) -> Iterator[TextBlock]:
    """The blocks of an object's first split without its byte order mark."""
    for block in blocks:
        if block.offset == 0 and block.data.startswith(MARK):
            block = TextBlock(len(MARK), block.data[len(MARK) :])
            if not block.data:
                continue
        yield block


def without_mark(data: bytes) -> bytes:
    """The beginning of a text without its byte order mark."""
    return data.removeprefix(MARK)


def too_long(where: str, limit: int) -> InputError:
    """The error for a record of more than `limit` bytes."""
    return InputError(
        f"{where}: longer than input.max_record_bytes ({limit}): does it lack its line end? Raise"
        " max_record_bytes if such records are right, or set them aside with bad_records.policy: quarantine"
    )


def _telling(url: str, limit: int, on_long: OnLong | None) -> Callable[[int, bytes], None]:
    def tell(at: int, data: bytes) -> None:
        error = too_long(f"{url}: line at byte {at}", limit)
        if on_long is None:
            raise error
        on_long(error, at, data)

    return tell


def fixed_blocks(store: Streams, split: Split, record_bytes: int) -> Iterator[TextBlock]:
    """The records of `record_bytes` bytes whose first byte is in the split, in blocks of about 128 KiB.

    Raises InputError if the object ends in mid-record.
    """
    if split.size % record_bytes:
        raise InputError(
            f"{split.loc.url}: its {split.size} bytes are not a multiple of input.record_bytes ({record_bytes})"
        )
    at = -(-split.start // record_bytes) * record_bytes
    stop = -(-split.stop // record_bytes) * record_bytes
    rest = b""
    for chunk in _stream(store, split, at, stop) if at < stop else ():
        data = rest + chunk
        whole = len(data) - len(data) % record_bytes
        if whole:
            yield TextBlock(at, data[:whole])
        at += whole
        rest = data[whole:]


def whole_object(store: Streams, split: Split, unpack_ratio: int | None = None) -> Iterator[bytes]:
    """The bytes of an unsplit object, unpacked if it is compressed. Raises LimitMet if that is too much."""
    extension = compression(split.key)
    if extension is None:
        return _stream(store, split, 0, split.size)
    return _unpacked(store, split, extension, ratio=unpack_ratio)


def head_of(store: Streams, split: Split, count: int) -> bytes:
    """The first `count` bytes of the split's object, unpacked if it is compressed; all if it has fewer."""
    extension = compression(split.key)
    if extension is None:
        return b"".join(_stream(store, split, 0, min(count, split.size)))
    pieces: list[bytes] = []
    for piece in _unpacked(store, split, extension, min(split.size, _PACKED_HEAD)):
        pieces.append(piece)
        if sum(map(len, pieces)) >= count:
            break
    return b"".join(pieces)[:count]


def _align(
    chunks: Iterator[bytes], start: int, stop: int | None, limit: int, tell: Callable[[int, bytes], None]
) -> Iterator[TextBlock]:
    """Cut chunks, which begin at byte `start - 1` (or 0), into blocks of the split's whole lines.

    The beginning of one line, which has no newline yet, waits in `pieces`; only new chunks are searched,
    so that a line of many chunks costs linear time. `tell` is told of lines over `limit`.
    """
    at = max(start - 1, 0)
    skipping = start > 0
    pieces: list[bytes] = []
    held = 0
    for chunk in chunks:
        begin = 0
        if skipping:
            begin = chunk.find(b"\n") + 1
            at += begin or len(chunk)
            skipping = not begin
        if not held and stop is not None and at >= stop:
            return
        if skipping:
            continue
        cut = chunk.rfind(b"\n", begin) + 1
        if stop is not None and at + held + len(chunk) - begin >= stop:
            # The line in which byte stop - 1 stands is the last one of this split.
            last = begin + max(stop - 1 - at - held, 0)
            cut = chunk.find(b"\n", last) + 1 or cut
        if cut <= begin:
            pieces.append(chunk[begin:])
            held += len(chunk) - begin
            if held > limit:
                tell(at, b"".join(pieces))
                at, pieces, held, skipping = at + held, [], 0, True
            continue
        # One copy, or none: of a slice and of what was joined there would be two.
        whole = not (pieces or begin) and cut == len(chunk)
        data = chunk if whole else b"".join((*pieces, memoryview(chunk)[begin:cut]))
        yield from _short(TextBlock(at, data), limit, tell)
        at += len(data)
        if stop is not None and at >= stop:
            return
        rest = chunk[cut:]
        pieces, held = ([rest], len(rest)) if rest else ([], 0)
    if held:
        yield from _short(TextBlock(at, b"".join(pieces)), limit, tell)


def _short(block: TextBlock, limit: int, tell: Callable[[int, bytes], None]) -> Iterator[TextBlock]:
    """The block without lines over `limit` (line ends not counted), in pieces where there are any."""
    data = block.data
    if len(data) <= limit:
        yield block
        return
    kept = at = 0
    while at < len(data):
        end = data.find(b"\n", at) + 1 or len(data)
        if end - at - data.endswith(b"\n", at, end) > limit:
            if kept < at:
                yield TextBlock(block.offset + kept, data[kept:at])
            tell(block.offset + at, data[at:end])
            kept = end
        at = end
    if kept < len(data):
        yield TextBlock(block.offset + kept, data[kept:])


def _without(chunks: Iterator[bytes], count: int) -> Iterator[bytes]:
    """The chunks without their first `count` bytes."""
    for chunk in chunks:
        if count < len(chunk):
            yield chunk[max(count, 0) :]
        count -= len(chunk)


def first_read(spec: InputSpec, split: Split) -> Span | None:
    """What whoever reads a split asks for first, all of which it takes; None where that is not known before.

    Of Parquet that is by columns, and by what the user's own reader likes.
    """
    start, stop = max(split.start - 1, 0), min(split.stop + LOOK_AHEAD, split.size)
    if spec.reader or (spec.record_delimiter and split.start) or spec.format in ("parquet", "fixed"):
        return None
    if spec.format == "whole_file" or spec.multiline or compression(split.key):
        start, stop = 0, split.size
    elif spec.format == "pairs":
        start, stop = split.start, min(max(split.stop, split.start + LOOK_AHEAD), split.size)
    return Span(split.loc, start, stop, split.etag)


def from_byte(store: Streams, split: Split, begin: int) -> Iterator[bytes]:
    """From byte `begin`, at or before the split, to the object's end, asked for as far as the caller reads."""
    stop = min(split.stop + LOOK_AHEAD, split.size)
    step = LOOK_AHEAD
    while begin < split.size:
        yield from _stream(store, split, begin, stop)
        step *= 4
        begin, stop = stop, min(stop + step, split.size)


def stretch(store: Streams, split: Split, start: int, stop: int) -> Iterator[bytes]:
    """Bytes `[start, stop)` of a split's object. Raises InputChanged if it is no longer the one planned."""
    return _stream(store, split, start, stop)


def _stream(store: Streams, split: Split, start: int, stop: int) -> Iterator[bytes]:
    try:
        yield from store.stream(split.loc, start, stop, etag=split.etag, block=BLOCK)
    except (PreconditionFailed, NotFound) as error:
        raise InputChanged(
            f"{split.loc.url}: was overwritten or deleted while the run was reading it (planned with etag"
            f" {split.etag}): upload it again to start a new run"
        ) from error


def _unpacked(
    store: Streams, split: Split, extension: str, stop: int | None = None, ratio: int | None = None
) -> Iterator[bytes]:
    """The object's bytes, or what its first `stop` packed bytes hold, if the caller reads no more."""
    most = None if ratio is None else max(UNPACKED_FREELY, ratio * split.size)
    packed = _stream(store, split, 0, split.size if stop is None else stop)
    raw = cast("IO[bytes]", io.BufferedReader(ChunkFile(packed), BLOCK))
    at = 0
    try:
        with _OPENERS[extension](raw) as file:
            while chunk := file.read(_DECOMPRESSED):
                at += len(chunk)
                if most is not None and at > most:
                    raise LimitMet(
                        f"{split.loc.url}: limits.unpack_ratio: its {split.size:,} bytes unpack to more than {most:,},"
                        f" over the limit of {ratio:,} times their number: raise it if the object is right"
                    )
                yield chunk
    except _DAMAGED as error:
        raise InputError(
            f"{split.loc.url}: not a whole {extension} file; it breaks after {at} unpacked bytes: {error}"
        ) from error


def decode_text(block: TextBlock, encoding: str, errors: str, url: str) -> str:
    """The block as text. Raises InputError that names object and byte."""
    try:
        return block.data.decode(encoding, errors)
    except UnicodeDecodeError as error:
        bad = block.data[error.start : error.start + 8]
        raise InputError(
            f"{url}: byte {block.offset + error.start}: {bad!r} is not valid {encoding}:"
            " set input.encoding (or `bytes`), or input.errors: replace"
        ) from error


def split_lines(text: Any) -> list[Any]:
    """The lines of a text (or bytes), without `\\n` or `\\r\\n`; the last may lack its newline."""
    newline, carriage = (b"\n", b"\r") if isinstance(text, bytes) else ("\n", "\r")
    lines: list[Any] = text.split(newline)
    if not lines[-1]:
        lines.pop()
    if carriage in text:
        return [line[:-1] if line.endswith(carriage) else line for line in lines]
    return lines
