"""A task's next objects and splits, read ahead of its mapper: one after the other they would cost it a wait each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, Self

from ...core.plan import Split
from ...core.ports import Loc, Store, Streams
from ...core.spec import MIB

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

#: Objects under way or waiting to be read at once; and the largest that is read ahead. Memory: their product.
AHEAD, SMALL = 8, 1 << 18
#: A longer one is begun when so many bytes are left of the one in hand; several are, of together twice as many.
NEAR = 8 * MIB

#: (place, etag)
_Object = tuple[Loc, str]


class Span(NamedTuple):
    """A stretch of one version of an object, which is asked for in one stream."""

    loc: Loc
    start: int
    stop: int
    etag: str


class _Begun(NamedTuple):
    """A stream of which the first block is there, or under way; what follows it the store reads ahead by itself."""

    span: Span
    chunks: Iterator[bytes]
    first: Future[bytes]

    def close(self) -> None:
        if end := getattr(self.chunks, "close", None):
            end()


class ReadAhead(Streams):
    """A task's store: small whole objects of its splits are fetched before they are asked for, all else when it is.

    If it is known which stretch the reader of a longer split asks for, that is begun when the one before comes to its
    end. Each is as many requests as without. Errors are those of the request, and are raised when the object is asked
    for. Use as a context manager, which ends what is under way. Memory: 16 MiB, or what the store holds of one stream,
    beside the one in hand, of which 8 MiB are left then.
    """

    def __init__(
        self,
        store: Store,
        splits: Sequence[Split],
        first_read: Callable[[Split], Span | None] = lambda _: None,
    ) -> None:
        self._store = store
        small = [split for split in splits if split.start == 0 and split.stop == split.size <= SMALL]
        if not store.parallel_reads or len(small) < 2:
            small = []
        #: Objects not asked for yet, with their sizes, and those of them that are under way.
        self._rest = {(split.loc, split.etag): split.size for split in small}
        self._ahead: deque[tuple[_Object, Future[bytes]]] = deque()
        self._last: tuple[_Object, bytes] | None = None
        longer = [split for split in splits if (split.loc, split.etag) not in self._rest]
        spans = map(first_read, longer if store.parallel_reads and len(splits) > 1 else ())
        self._spans = deque(span for span in spans if span)
        self._foreseen = bool(self._spans)
        self._begun: deque[_Begun] = deque()
        self._in_hand: _Begun | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if "_pool" in vars(self):
            self._pool.shutdown(wait=True, cancel_futures=True)
        for begun in (self._in_hand, *self._begun):
            if begun:
                begun.close()

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        from concurrent.futures import ThreadPoolExecutor  # not where files are read in line

        return ThreadPoolExecutor(min(AHEAD, max(self._store.parallel_reads, 1)), "read-ahead")

    def stream(
        self, loc: Loc, start: int = 0, stop: int | None = None, etag: str | None = None, block: int = 1 << 17
    ) -> Iterator[bytes]:
        body = self._body((loc, etag)) if etag else None
        if body is None:
            if etag and stop is not None and self._foreseen:
                yield from self._long(Span(loc, start, stop, etag))
            else:
                yield from self._store.stream(loc, start, stop, etag, block)
            return
        stop = len(body) if stop is None else min(stop, len(body))
        for at in range(start, stop, block):
            yield body[at : min(at + block, stop)]

    # -- longer ones: a stream each -------------------------------------------------------------------------

    def _long(self, span: Span) -> Iterator[bytes]:
        left = span.stop - span.start
        for chunk in self._head(span) or self._chunks(span):
            left -= len(chunk)
            self._begin_behind(left)
            yield chunk

    def _head(self, span: Span) -> tuple[bytes] | None:
        """The beginning of an object, if that alone is asked for and has been read: its header."""
        for begun in self._begun:
            if span._replace(stop=begun.span.stop) == begun.span != span:
                first = begun.first.result()
                return (first[: span.stop - span.start],) if len(first) >= span.stop - span.start else None
        return None

    def _chunks(self, span: Span) -> Iterator[bytes]:
        """Those of the stream that was begun for it, or of one that begins now."""
        if any(begun.span == span for begun in self._begun):
            while (begun := self._begun.popleft()).span != span:  # those before it are passed over
                begun.first.cancel() or begun.first.exception()
                begun.close()
        else:
            if span in self._spans:
                while self._spans.popleft() != span:
                    pass
            begun = self._stream(span)
        self._in_hand = begun
        return chain((begun.first.result(),), begun.chunks)

    def _stream(self, span: Span) -> _Begun:
        chunks = iter(self._store.stream(span.loc, span.start, span.stop, span.etag))
        return _Begun(span, chunks, self._pool.submit(next, chunks, b""))

    def _begin_behind(self, left: int) -> None:
        """Begin what comes next, if only so many bytes are left in hand."""
        if left > NEAR or not self._spans:
            return
        held = left + sum(begun.span.stop - begun.span.start for begun in self._begun)
        while self._spans and len(self._begun) < AHEAD:
            held += self._spans[0].stop - self._spans[0].start
            if self._begun and held > 2 * NEAR:
                return
            self._begun.append(self._stream(self._spans.popleft()))

    # -- small ones: a whole object each --------------------------------------------------------------------

    def _body(self, wanted: _Object) -> bytes | None:
        """What was fetched of an object, or of the last one again; None for one that is not read ahead."""
        if self._last and self._last[0] == wanted:
            return self._last[1]
        if wanted not in self._rest and all(wanted != known for known, _ in self._ahead):
            return None
        self._last = None
        while True:
            self._fetch()
            known, future = self._ahead.popleft()
            if known == wanted:  # those before it are passed over
                self._last = known, future.result()
                self._fetch()
                return self._last[1]

    def _fetch(self) -> None:
        """Keep as many under way as are worth it."""
        while self._rest and len(self._ahead) < AHEAD:
            (loc, etag), size = item = next(iter(self._rest.items()))
            del self._rest[item[0]]
            self._ahead.append((item[0], self._pool.submit(self._store.get, loc, 0, size, etag)))
