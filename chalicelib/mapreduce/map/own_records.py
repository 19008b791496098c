"""Records that a reader of the job's own makes of an object's bytes, for `mapper`: `input.reader`.

A reader is a function from a binary stream to records, or a class with `read(stream)`, or with `read_blocks(stream)`
that gives lists of records which begin at one byte together. Whenever it gives a record, the stream stands behind it:
so it is known where each begins. A class with `sync(stream)`, which goes on to the first byte from where the stream
stands at which a record begins, can begin anywhere, and so its objects can be cut: a record belongs to the split in
which its first byte is.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import repeat
from operator import length_hint
from typing import Any, NamedTuple

from msgspec.structs import replace

from ...core.errors import InputChanged, InputError, JobCodeError, SluiceError, explain, may_pass
from ...job.load_class import can_be_cut
from ..guard.isolate import Pair, RecordPlace
from ..guard.quarantine import KEPT
from ..input.blocks import TextBlock, from_byte, whole_object
from ..input.compression import BLOCK, compression
from ..input.lines import OneLine
from .open_split import Offset, OpenSplit, Step

#: Records that go to the mapper together, at most.
_MOST = 10_000


def steps(opened: OpenSplit) -> Iterator[Step]:
    """Some records after the other. An attempt that goes on passes over those of its first stretch that are done."""
    for batch in _Reading(opened).batches():
        yield from batch.steps(opened)


class _Stretch(NamedTuple):
    """The records that begin at byte `start` together, and the byte behind them; or an error in their place."""

    start: int
    following: int
    records: list[Any]
    error: InputError | None = None
    #: What was passed over because of it, if it is known how far that goes.
    place: RecordPlace | None = None


class _Batch:
    """Some records, where each begins, and where an attempt goes on behind each."""

    def __init__(self) -> None:
        self.records: list[Any] = []
        self.starts: list[int] = []
        self.edges: list[Offset] = []

    def add(self, record: Any, start: int, edge: Offset) -> None:
        self.records.append(record)
        self.starts.append(start)
        self.edges.append(edge)

    def steps(self, opened: OpenSplit) -> Iterator[Step]:
        mapper, records = opened.job.job.mapper, iter(self.records)
        if not self.records:
            return
        known = _Starts(self.starts, records)
        opened.where.records(known, TextBlock(self.starts[0], b""), records, len(self.records))
        mapped: Iterator[Iterable[Pair]] = map(mapper, repeat(None), records)
        if opened.isolation.careful:
            mapped = opened.each(records, partial(mapper, None), self._place)
        yield from opened.steps(mapped, len(self.records), lambda done: self.edges[done - 1])

    def _place(self, number: int, record: Any) -> RecordPlace:
        return RecordPlace(self.starts[number], repr(record))


class _Starts(OneLine):
    """Tells the message where the record in hand begins."""

    unit = "record"

    def __init__(self, starts: list[int], taken: Iterator[Any]) -> None:
        self._starts = starts
        self._taken = taken

    def records(self, block: TextBlock) -> list[Any]:
        raise NotImplementedError(f"the records at byte {block.offset} are read already")

    def start_of(self, block: TextBlock, number: int) -> int:  # noqa: ARG002 - the one taken last is meant
        return self._starts[max(len(self._starts) - length_hint(self._taken) - 1, 0)] - block.offset

    def starts(self, block: TextBlock) -> Iterator[int]:
        return (start - block.offset for start in self._starts)


class _Reading:
    """A split's object while its reader reads it."""

    def __init__(self, opened: OpenSplit) -> None:
        self._opened = opened
        self._split = opened.split
        self._url = opened.split.loc.url
        self._syncs = can_be_cut(opened.reader)
        #: Else the object is read from its beginning to its end.
        self._cut = self._syncs and compression(opened.split.key) is None
        self._raw = _Raw(opened)
        self._stream = io.BufferedReader(self._raw, BLOCK)

    def batches(self) -> Iterator[_Batch]:
        batch, done = _Batch(), 0
        for stretch in self._stretches():
            if stretch.error:
                yield batch
                batch = _Batch()
                self._refuse(stretch.error, stretch.place)
                continue
            self._opened.tally.bytes += stretch.following - stretch.start
            for number, record in enumerate(stretch.records, start=1):
                done += 1
                if done > self._split.skip:
                    batch.add(record, stretch.start, self._edge(stretch, number, done))
            size = min(self._opened.pace.size, _MOST)
            if len(batch.records) >= size or (batch.starts and stretch.following - batch.starts[0] >= BLOCK):
                yield batch
                batch = _Batch()
        yield batch

    def _edge(self, stretch: _Stretch, number: int, done: int) -> Offset:
        if not self._cut:
            return self._split.start, done
        return (stretch.following, 0) if number == len(stretch.records) else (stretch.start, number)

    def _refuse(self, error: InputError, place: RecordPlace | None) -> None:
        """Set aside what cannot be read, if that is the policy and it is known where to go on."""
        if place is None or not self._opened.isolation.active:
            raise error
        self._opened.set_aside(error, place)

    def _stretches(self) -> Iterator[_Stretch]:
        at = self._split.start if self._cut else 0
        reader = self._new_reader()
        if self._syncs:
            at = self._synced(reader, at)
        while not self._cut or at < self._split.stop:
            failed: InputError | None = None
            for stretch in self._read(reader, at):
                at, failed = stretch.following, stretch.error
                if not failed:
                    yield stretch
            if not failed:
                return
            if not (self._cut and self._opened.isolation.active):
                yield _Stretch(at, at, [], failed)
                return
            reader = self._new_reader()
            following = self._synced(reader, at + 1)
            self._stream.seek(at)
            passed_over = self._stream.read(min(following - at, KEPT))
            self._stream.seek(following)
            yield _Stretch(at, following, [], failed, RecordPlace(at, passed_over))
            at = following

    def _read(self, reader: Any, at: int) -> Iterator[_Stretch]:
        """The records from byte `at` on that begin in the split; at last an error, if the reader raises one."""
        blocks = hasattr(reader, "read_blocks")
        read = reader.read_blocks if blocks else getattr(reader, "read", reader)
        found = _begun(read, self._stream)
        while not (self._cut and blocks and at >= self._split.stop):
            #: A reader of single records is asked once more behind the split, to see that it then reads on.
            behind = self._cut and at >= self._split.stop
            try:
                given, following = self._next(found, at), self._stream.tell()
            except InputChanged:
                raise
            except InputError as error:
                if not behind:
                    yield _Stretch(at, at, [], error)
                return
            if given is self:
                return
            if self._cut and following <= at:
                raise self._wrong(
                    at,
                    "gave a record, and the stream stands where the one before it ended: give all records of a block at"
                    " once, in a list, by read_blocks(stream)",
                )
            if behind:
                return
            records: Any = given
            yield _Stretch(at, following, list(records) if blocks else [records])
            at = following

    def _next(self, found: Iterator[Any], at: int) -> Any:
        """What the reader gives next; this object itself at its end."""
        try:
            return next(found, self)
        except SluiceError:
            raise
        except Exception as error:
            raise self._blamed(error, at) from error

    def _synced(self, reader: Any, at: int) -> int:
        """Where the first record begins at byte `at` or later; there the stream stands."""
        self._stream.seek(at)
        try:
            reader.sync(self._stream)
        except SluiceError:
            raise
        except Exception as error:
            raise self._blamed(error, at) from error
        found = self._stream.tell()
        if found < at:
            raise self._wrong(
                at, f"sync(stream) went back to byte {found}: expected this byte or a later one"
            )
        return found

    def _new_reader(self) -> Any:
        reader: Any = self._opened.reader
        return reader() if isinstance(reader, type) else reader

    @property
    def _name(self) -> str:
        return f"input.reader: {self._opened.spec.reader}"

    def _wrong(self, at: int, text: str) -> InputError:
        return InputError(f"{self._url}: byte {at}: {self._name}: {text}")

    def _blamed(self, error: Exception, at: int) -> InputError:
        """What the reader raised, as an error of the input; what may pass is the attempt's."""
        if may_pass(error):
            raise JobCodeError(f"{self._url}: byte {at}: {self._name}: {explain(error)}") from error
        return self._wrong(at, explain(error))


def _begun(read: Callable[[Any], Iterable[Any] | None], stream: Any) -> Iterator[Any]:
    """What the user's function gives, from its first line on: not before it is asked for."""
    yield from read(stream) or ()


class _Raw(io.RawIOBase):
    """An object's bytes as a raw file, unpacked if it is compressed; asked for as far as somebody reads.

    Going back in a compressed object means to unpack it again from its beginning, and its end is only known then.
    """

    def __init__(self, opened: OpenSplit) -> None:
        self._opened = opened
        self._packed = compression(opened.split.key) is not None
        self._at = 0
        self._chunks: Iterator[bytes] | None = None
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = 0
        if whence == io.SEEK_CUR:
            base = self._at
        elif whence == io.SEEK_END:
            base = self._end()
        wanted = base + offset
        if wanted < 0:
            raise ValueError(f"seek: expected a byte from 0 on, got {wanted}")
        if not self._packed and wanted != self._at:
            self._go_to(wanted)
        elif wanted < self._at:
            self._go_to(0)
        while self._at < wanted and self.read(min(wanted - self._at, BLOCK)):
            pass
        return self._at

    def readinto(self, buffer: Any) -> int:
        if self._chunks is None:
            self._chunks = self._from_here()
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        self._at += count
        return count

    def _end(self) -> int:
        """The object's size, unpacked."""
        while self._packed and self.read(BLOCK):
            pass
        return self._at if self._packed else self._opened.split.size

    def _go_to(self, at: int) -> None:
        """Ask anew for the bytes from `at` on, once they are wanted."""
        close: Callable[[], None] = getattr(self._chunks, "close", lambda: None)
        close()
        self._at, self._rest, self._chunks = at, memoryview(b""), None

    def _from_here(self) -> Iterator[bytes]:
        store, split = self._opened.store, self._opened.split
        if self._packed:
            return whole_object(store, split, self._opened.unpack_ratio)
        if self._at >= split.size:
            return iter(())
        #: Far from the split, at a header or an index, little is wanted.
        near = split.start - BLOCK <= self._at < split.stop
        return from_byte(store, split if near else replace(split, stop=self._at), self._at)
