"""Where a part is committed: it is there as a whole or not at all, and once it is there it stays what it is.

Objects of results are created conditionally. Whoever comes second finds an earlier attempt's part, which is complete,
and adopts it: both hold the same bytes unless the user's code is not a function of its input, and then the marker
must tell of what is there. A part of another plan is never met: a run is not planned where results are already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Protocol, Self

from ...core.ports import Loc, ObjectWriter, Store
from ...core.spec import OutputSpec
from ...core.tasks import Part
from ..input.typed_pairs import Edges
from .compressed import Counted, Packed
from .folders import Gathered
from .rows import without_rows
from .text import Rows

#: Outputs in which a row is a line, so that the rows of an adopted part can be counted.
_LINES = ("tsv", "jsonl", "text")


class PartWriter(Protocol):
    """Writes one part; nothing of it is visible before `publish`.

    Use as a context manager: leaving it without `publish` removes what was written.
    """

    def write(self, data: bytes) -> None: ...

    def publish(self, records: int, /) -> Part:
        """Commit what was written, which is `records` rows, and say what is there now."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class PartFile(Protocol):
    """The part of one task."""

    @property
    def rows(self) -> Rows:
        """From pairs to what is written to the part. One that remembers earlier rows serves one writer only."""

    @property
    def piece_rows(self) -> Rows:
        """From pairs to what is written to a piece."""

    @property
    def open(self) -> Callable[[], PartWriter]:
        """A new writer of the part."""

    def joined(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """What the pieces hold, in chunks of any size, as what is written to the part."""


class ObjectPart:
    """A part that is one object, to which bytes go as they come, perhaps through a compressor."""

    def __init__(self, store: Store, loc: Loc, output: OutputSpec, mark: str = "") -> None:
        self._store = store
        self._loc = loc
        self._output = output
        self._stored = Counted(store.writer(loc, if_absent=True, mark=mark))
        kind = output.compression
        self._sink: ObjectWriter = self._stored if kind == "none" else Packed(self._stored, kind)
        #: Of typed pairs: the bytes at which the next step may begin to read.
        self._edges = Edges() if output.format == "pairs" else None

    def write(self, data: bytes) -> None:
        if self._edges:
            self._edges.feed(data)
        self._sink.write(data)

    def publish(self, records: int) -> Part:
        sink = self._sink
        if not records and (head := without_rows(self._output)):
            self.write(head)
        if not sink.commit():
            return self._adopted(records)
        return self._part(self._stored.size, records)

    def _adopted(self, records: int) -> Part:
        """The part that was there first."""
        size = self._store.head(self._loc).size
        if self._edges:
            self._edges = Edges()
            for chunk in self._store.stream(self._loc):
                self._edges.feed(chunk)
            records = self._edges.pairs
        elif size != self._stored.size and self._output.extension in _LINES:
            records = sum(chunk.count(b"\n") for chunk in self._store.stream(self._loc))
        return self._part(size, records)

    def _part(self, size: int, records: int) -> Part:
        edges = tuple(self._edges.found) if self._edges else ()
        return Part(key=self._loc.key, bytes=size, records=records, edges=edges)

    def __enter__(self) -> Self:
        self._sink.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sink.__exit__(kind, error, trace)


class GatheredPart:
    """A part whose rows lie on local disk until all are there: only then are its objects made."""

    def __init__(self, gathered: Gathered) -> None:
        self._gathered = gathered

    def write(self, data: bytes) -> None:
        assert not data, "gathered rows leave no bytes to write"

    def publish(self, _records: int, /) -> Part:
        return self._gathered.commit()

    def __enter__(self) -> Self:
        self._gathered.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._gathered.__exit__(kind, error, trace)
