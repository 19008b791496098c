"""Blocks of whole records that end in bytes of the job's own choice, `input.record_delimiter`, instead of line ends.

Records are what is between delimiters, found from left to right. A delimiter whose end is like its beginning (two
newlines, say) may overlap itself, and then what is one depends on what stands before it: a reader that begins inside
of an object first goes back to a byte at which that is settled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...core.errors import InputError
from ...core.plan import Split
from ...core.ports import Streams
from .blocks import MARK, OnLong, TextBlock, from_byte, stretch, too_long, whole_object
from .compression import compression

#: Bytes before a split in which a settled byte is looked for at first; almost all texts have one there.
_BACK = 4096


def delimited_blocks(
    store: Streams,
    split: Split,
    delimiter: bytes,
    limit: int,
    on_long: OnLong | None = None,
    keep_mark: bool = False,
    unpack_ratio: int | None = None,
) -> Iterator[TextBlock]:
    """The records whose first byte is in the split, with their delimiters, in blocks; as `line_blocks` has lines.

    The last record of an object may lack its delimiter. Memory: one block and the record that crosses its end. Raises
    what `line_blocks` raises.
    """
    url = split.loc.url

    def tell(at: int, data: bytes) -> None:
        error = too_long(f"{url}: record at byte {at}", limit)
        if on_long is None:
            raise error
        on_long(error, at, data)

    if compression(split.key):
        origin, stop = 0, None
        chunks = whole_object(store, split, unpack_ratio)
    else:
        origin, stop = _settled(store, split, delimiter, limit), split.stop
        chunks = from_byte(store, split, origin)
    for block in _Cutter(delimiter, origin, split.start, stop, limit, tell).blocks(chunks):
        if block.offset or keep_mark or not block.data.startswith(MARK):
            yield block
        elif block.data != MARK:
            yield TextBlock(len(MARK), block.data[len(MARK) :])


class _Cutter:
    """Cuts chunks, which begin at byte `origin`, into blocks of the records that begin in `[start, stop)`."""

    def __init__(
        self,
        delimiter: bytes,
        origin: int,
        start: int,
        stop: int | None,
        limit: int,
        tell: Callable[[int, bytes], None],
    ) -> None:
        self._delimiter, self._start, self._stop = delimiter, start, stop
        self._limit, self._tell = limit, tell
        #: What was read and not given yet, and the byte at which it begins.
        self._held, self._at = bytearray(), origin
        #: In what is held: where the first record begins that is in no block yet, and where to look for delimiters.
        self._record = self._look = 0
        #: Up to the next delimiter nothing counts: it belongs to the split before, or to a record that is too long.
        self._skipping = start > 0
        self._done = False

    def blocks(self, chunks: Iterator[bytes]) -> Iterator[TextBlock]:
        for chunk in chunks:
            self._held += chunk
            yield from self._whole_records()
            if self._done:
                return
            self._drop()
        if self._record < len(self._held) and not self._skipping:
            yield from self._short(self._record, len(self._held), b"")

    def _whole_records(self) -> Iterator[TextBlock]:
        """The records that end in what is held, as blocks without those that are too long."""
        held, size = self._held, len(self._delimiter)
        begin = self._record
        while (found := held.find(self._delimiter, self._look)) >= 0:
            end = self._look = found + size
            if self._skipping:
                self._skipping = self._at + end < self._start
                begin = end
            elif found - self._record > self._limit:
                yield from self._block(begin, self._record)
                yield from self._short(self._record, end, self._delimiter)
                begin = end
            self._record = end
            if self._stop is not None and not self._skipping and self._at + end >= self._stop:
                self._done = True
                break
        yield from self._block(begin, self._record)

    def _block(self, begin: int, end: int) -> Iterator[TextBlock]:
        if begin < end:
            yield TextBlock(self._at + begin, bytes(self._held[begin:end]))

    def _short(self, begin: int, end: int, ending: bytes) -> Iterator[TextBlock]:
        """A record as a block, unless it is too long: then somebody is told."""
        if end - begin - len(ending) > self._limit:
            self._tell(self._at + begin, bytes(self._held[begin:end]))
        else:
            yield from self._block(begin, end)

    def _drop(self) -> None:
        """Hold on to no more than the record that has begun, and of one that does not count to what may end it."""
        rest = len(self._delimiter) - 1
        if not self._skipping and len(self._held) - self._record > self._limit + rest:
            self._tell(self._at + self._record, bytes(self._held[self._record :]))
            self._skipping = True
        #: A delimiter may have begun that did not end, but not before where the last one ended.
        look = max(len(self._held) - rest, self._look)
        gone = look if self._skipping else self._record
        del self._held[:gone]
        self._at += gone
        self._record, self._look = 0, look - gone


def _settled(store: Streams, split: Split, delimiter: bytes, limit: int) -> int:
    """A byte from which delimiters are found as they are from the object's beginning, at or before those that matter.

    These are the delimiters that end at the split's first byte or later. Raises InputError if more than `limit` bytes
    before the split are delimiters that overlap each other.
    """
    wanted = split.start - len(delimiter)
    if wanted <= 0:
        return 0
    if not _overlaps_itself(delimiter):
        return wanted
    back = max(_BACK, 4 * len(delimiter))
    while True:
        low = max(wanted - back, 0)
        data = b"".join(stretch(store, split, low, split.start))
        settled = _not_inside(data, delimiter, wanted - low)
        if settled >= len(delimiter) or low == 0:
            return low + settled
        if back >= limit:
            raise InputError(
                f"{split.loc.url}: the {back} bytes before byte {wanted} are input.record_delimiter over and over, each"
                " overlapping the next: nobody can tell where a record begins: is the delimiter right?"
            )
        back = min(8 * back, limit)


def _not_inside(data: bytes, delimiter: bytes, wanted: int) -> int:
    """The last place up to `wanted` that is inside of no occurrence of the delimiter, overlapping ones included."""
    place, more = wanted, len(delimiter) - 1
    while (at := data.find(delimiter, max(place - more, 0), place + more)) >= 0:
        place = at  # all places behind it are inside of this one
    return place


def _overlaps_itself(delimiter: bytes) -> bool:
    """Whether it may begin before it has ended."""
    return any(delimiter.endswith(delimiter[:size]) for size in range(1, len(delimiter)))
