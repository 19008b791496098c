"""A store that asks for nothing again which this invocation has written or read, and which never changes.

That holds for plans, markers, run files and the index: what is created under such a name stays what it is. A lease does
not, nor do objects that others than Sluice write.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

from msgspec.structs import replace

from ...core.keys import LEASE, parse_run_key
from ...core.ports import Loc, ObjectInfo, ObjectWriter, Runtime, Store

#: Bytes of one object that is remembered, and of all.
_LARGEST, _MOST = 4 << 20, 8 << 20


def remembering(runtime: Runtime) -> Runtime:
    """The same world, whose store remembers; itself, if it does already."""
    if isinstance(runtime.store, Remembering):
        return runtime
    return replace(runtime, store=Remembering(runtime.store))


class Remembering:
    """Another store, with the objects of runs that it was asked for in memory: 8 MiB of them at most."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.parallel_reads = store.parallel_reads
        self.requests: Counter[str] = store.requests
        self._known: dict[Loc, bytes] = {}
        self._size = 0

    @property
    def has_room(self) -> bool:
        """Whether one more small object will be remembered."""
        return self._size < _MOST

    def knows(self, loc: Loc) -> bool:
        """Whether reading the object costs no request."""
        return loc in self._known

    def head(self, loc: Loc) -> ObjectInfo:
        return self._store.head(loc)

    def get(self, loc: Loc, start: int = 0, stop: int | None = None, etag: str | None = None) -> bytes:
        known = self._known.get(loc) if etag is None else None
        if known is not None:
            return known[start:stop]
        data = self._store.get(loc, start, stop, etag)
        if etag is None and not start and (stop is None or len(data) < stop):
            self._remember(loc, data)  # the whole object
        return data

    def stream(
        self, loc: Loc, start: int = 0, stop: int | None = None, etag: str | None = None, block: int = 1 << 17
    ) -> Iterator[bytes]:
        return self._store.stream(loc, start, stop, etag, block)

    def put(self, loc: Loc, body: bytes, mark: str = "") -> str:
        etag = self._store.put(loc, body, mark)
        self._remember(loc, body)
        return etag

    def put_if_absent(self, loc: Loc, body: bytes, mark: str = "") -> bool:
        created = self._store.put_if_absent(loc, body, mark)
        if created:
            self._remember(loc, body)
        return created

    def put_if_match(self, loc: Loc, body: bytes, etag: str) -> str | None:
        return self._store.put_if_match(loc, body, etag)

    def list(self, prefix: Loc, after: str = "") -> Iterator[ObjectInfo]:
        return self._store.list(prefix, after)

    def delete(self, bucket: str, keys: Iterable[str]) -> None:
        doomed = [*keys]
        for key in doomed:
            self._known.pop(Loc(bucket, key), None)
        self._store.delete(bucket, doomed)

    def writer(self, loc: Loc, if_absent: bool = False, mark: str = "") -> ObjectWriter:
        return _Writer(self, loc, self._store.writer(loc, if_absent, mark))

    def _remember(self, loc: Loc, body: bytes) -> None:
        found = parse_run_key(*loc)
        if found is None or found[1] == LEASE or loc in self._known:
            return
        if len(body) <= _LARGEST and self._size + len(body) <= _MOST:
            self._size += len(body)
            self._known[loc] = bytes(body)


class _Writer:
    """Keeps what is written as long as it is not too much."""

    def __init__(self, store: Remembering, loc: Loc, inner: ObjectWriter) -> None:
        self._store, self._loc, self._inner = store, loc, inner
        self._data: bytearray | None = bytearray()

    def write(self, data: bytes) -> None:
        self._inner.write(data)
        if self._data is not None:
            self._data += data
            if len(self._data) > _LARGEST:
                self._data = None

    def commit(self) -> bool:
        created = self._inner.commit()
        if created and self._data is not None:
            self._store._remember(self._loc, bytes(self._data))
        return created

    def abort(self) -> None:
        self._inner.abort()

    def __enter__(self) -> Self:
        self._inner.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inner.__exit__(kind, error, trace)
