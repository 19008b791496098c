"""Objects in a dictionary: for tests, and for runs that fit into memory."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ..core.errors import NotFound, PreconditionFailed
from ..core.ports import Loc, ObjectInfo, ObjectWriter
from .base import WriterBase, check_block, check_range


@dataclass(frozen=True)
class _Object:
    body: bytes
    etag: str
    modified: float
    mark: str = ""

    def info(self, key: str) -> ObjectInfo:
        return ObjectInfo(key, len(self.body), self.etag, self.modified)


class MemoryStore:
    """A thread-safe `Store`; any bucket exists. Every write makes an etag that was never there before.

    `on_created` is called after an object became visible, in the writer's thread, without a lock held.
    """

    parallel_reads = 0

    def __init__(
        self, *, now: Callable[[], float] = time.time, on_created: Callable[[Loc], None] | None = None
    ) -> None:
        self.requests: Counter[str] = Counter()
        self._now = now
        self._on_created = on_created
        self._lock = threading.Lock()
        self._objects: dict[Loc, _Object] = {}
        self._names: defaultdict[str, _Names] = defaultdict(_Names)
        self._writes = 0

    def head(self, loc: Loc) -> ObjectInfo:
        found = self._find("head", loc)
        return found.info(loc.key)._replace(mark=found.mark)

    def get(self, loc: Loc, start: int = 0, stop: int | None = None, etag: str | None = None) -> bytes:
        if not check_range(start, stop):
            return b""
        found = self._find("get", loc)
        if etag is not None and found.etag != etag:
            raise PreconditionFailed(f"{loc.url}: expected etag {etag}, found {found.etag}")
        return found.body[start:stop]

    def stream(
        self, loc: Loc, start: int = 0, stop: int | None = None, etag: str | None = None, block: int = 1 << 17
    ) -> Iterator[bytes]:
        check_block(block)
        body = self.get(loc, start, stop, etag)
        for at in range(0, len(body), block):
            yield body[at : at + block]

    def put(self, loc: Loc, body: bytes, mark: str = "") -> str:
        with self._lock:
            self.requests["put"] += 1
            etag = self._write(loc, body, mark)
        self._created(loc)
        return etag

    def put_if_absent(self, loc: Loc, body: bytes, mark: str = "") -> bool:
        with self._lock:
            self.requests["put"] += 1
            there = self._objects.get(loc)
            if there is None:
                self._write(loc, body, mark)
        if there is not None:
            return there.body == body
        self._created(loc)
        return True

    def put_if_match(self, loc: Loc, body: bytes, etag: str) -> str | None:
        with self._lock:
            self.requests["put"] += 1
            there = self._objects.get(loc)
            if there is None:
                return None
            if there.etag != etag:
                return there.etag if there.body == body else None
            new = self._write(loc, body)
        self._created(loc)
        return new

    def list(self, prefix: Loc, after: str = "") -> Iterator[ObjectInfo]:
        with self._lock:
            self.requests["list"] += 1
            keys = self._names[prefix.bucket].below(prefix.key, after)
            found = [self._objects[Loc(prefix.bucket, key)].info(key) for key in keys]
        yield from found

    def delete(self, bucket: str, keys: Iterable[str]) -> None:
        doomed = tuple(keys)  # before the lock: `keys` may be a listing of this store
        with self._lock:
            self.requests["delete"] += 1
            for key in doomed:
                if self._objects.pop(Loc(bucket, key), None):
                    self._names[bucket].remove(key)

    def writer(self, loc: Loc, if_absent: bool = False, mark: str = "") -> ObjectWriter:
        return _Writer(self, loc, if_absent, mark)

    def _find(self, kind: str, loc: Loc) -> _Object:
        with self._lock:
            self.requests[kind] += 1
            found = self._objects.get(loc)
        if found is None:
            raise NotFound(f"{loc.url}: no such object")
        return found

    def _write(self, loc: Loc, body: bytes, mark: str = "") -> str:
        """Store a new version. The caller holds the lock."""
        self._writes += 1
        if loc not in self._objects:
            self._names[loc.bucket].add(loc.key)
        self._objects[loc] = _Object(bytes(body), f"{self._writes:08x}", self._now(), mark)
        return self._objects[loc].etag

    def _created(self, loc: Loc) -> None:
        if self._on_created is not None:
            self._on_created(loc)


class _Names:
    """The keys of a bucket, in order when they are asked for: a listing looks at no key but those that it gives.

    Strings compare by code point, which is the order of their UTF-8 bytes.
    """

    def __init__(self) -> None:
        self._keys: list[str] = []
        self._sorted = True

    def add(self, key: str) -> None:
        self._sorted = self._sorted and (not self._keys or self._keys[-1] < key)
        self._keys.append(key)

    def remove(self, key: str) -> None:
        self._sort()
        del self._keys[bisect_left(self._keys, key)]

    def below(self, prefix: str, after: str) -> Iterator[str]:
        """Those that begin with `prefix` and come after `after`."""
        self._sort()
        start = bisect_right(self._keys, after) if after >= prefix else bisect_left(self._keys, prefix)
        for at in range(start, len(self._keys)):
            if not self._keys[at].startswith(prefix):
                return
            yield self._keys[at]

    def _sort(self) -> None:
        if not self._sorted:
            self._keys.sort()
            self._sorted = True


class _Writer(WriterBase):
    def __init__(self, store: MemoryStore, loc: Loc, if_absent: bool, mark: str) -> None:
        self._store, self._loc, self._if_absent, self._mark = store, loc, if_absent, mark
        self._data = bytearray()

    def write(self, data: bytes) -> None:
        self.check_open()
        self._data += data

    def commit(self) -> bool:
        self.check_open()
        self.closed = True
        if self._if_absent:
            return self._store.put_if_absent(self._loc, bytes(self._data), self._mark)
        self._store.put(self._loc, bytes(self._data), self._mark)
        return True

    def abort(self) -> None:
        self.closed = True
        self._data.clear()
