"""Small objects of a task read ahead of the mapper: one after the other they would cost it a wait each."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

from ...core.plan import Split
from ...core.ports import Loc, Store, Streams

#: Objects under way or waiting to be read at once; and the largest that is read ahead. Memory: their product.
AHEAD, SMALL = 8, 1 << 18

#: (place, etag)
_Object = tuple[Loc, str]


class ReadAhead(Streams):
    """A task's store: small whole objects of its splits are fetched before they are asked for, all else when it is.

    Each is one request, as without. Errors are those of the request, and are raised when the object is asked for.
    Use as a context manager, which ends what is under way.
    """

    def __init__(self, store: Store, splits: Sequence[Split]) -> None:
        self._store = store
        small = [split for split in splits if split.start == 0 and split.stop == split.size <= SMALL]
        if not store.parallel_reads or len(small) < 2:
            small = []
        #: Objects not asked for yet, with their sizes, and those of them that are under way.
        self._rest = {(split.loc, split.etag): split.size for split in small}
        self._ahead: deque[tuple[_Object, Future[bytes]]] = deque()
        self._last: tuple[_Object, bytes] | None = None
        self._pool = ThreadPoolExecutor(min(AHEAD, max(store.parallel_reads, 1)), "read-ahead")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def stream(
        self, loc: Loc, start: int = 0, stop: int | None = None, etag: str | None = None, block: int = 1 << 17
    ) -> Iterator[bytes]:
        body = self._body((loc, etag)) if etag else None
        if body is None:
            yield from self._store.stream(loc, start, stop, etag, block)
            return
        stop = len(body) if stop is None else min(stop, len(body))
        for at in range(start, stop, block):
            yield body[at : min(at + block, stop)]

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
