"""The store of the twin: objects in memory, found by sorted keys, and requests that take their function's time."""

from __future__ import annotations

import bisect
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar

from chalicelib.core.ports import Loc, ObjectInfo
from chalicelib.stores.base import check_range
from chalicelib.stores.memory import MemoryStore

from .terms import Terms

T = TypeVar("T")
Rows = list[ObjectInfo]
#: Behind all keys that begin alike.
_LAST = "\U0010ffff"


class SortedStore(MemoryStore):
    """The memory store with its rows in the order of keys, so that a page of a LIST is cut out of them.

    A listing must be read before anything else is written.
    """

    def __init__(self, *, now: Callable[[], float], on_created: Callable[[Loc], None]) -> None:
        super().__init__(now=now, on_created=on_created)
        #: By bucket: the keys in order, and the row of each.
        self._sorted: dict[str, tuple[list[str], Rows]] = defaultdict(lambda: ([], []))

    def list(self, prefix: Loc, after: str = "") -> Iterator[ObjectInfo]:
        yield from self.page(prefix, after)

    def page(self, prefix: Loc, after: str = "", most: int | None = None) -> Rows:
        """The first rows of a listing."""
        self.requests["list"] += 1
        keys, rows = self._sorted[prefix.bucket]
        at = max(bisect.bisect_left(keys, prefix.key), bisect.bisect_right(keys, after) if after else 0)
        end = bisect.bisect_left(keys, prefix.key + _LAST, at)
        return rows[at : end if most is None else min(end, at + most)]

    def delete(self, bucket: str, keys: Iterable[str]) -> None:
        doomed = tuple(keys)
        super().delete(bucket, doomed)
        there, rows = self._sorted[bucket]
        for key in doomed:
            at = bisect.bisect_left(there, key)
            if at < len(there) and there[at] == key:
                del there[at], rows[at]

    def _write(self, loc: Loc, body: bytes, mark: str = "") -> str:
        new, etag = loc not in self._objects, super()._write(loc, body, mark)
        keys, rows = self._sorted[loc.bucket]
        at, row = bisect.bisect_left(keys, loc.key), self._objects[loc].info(loc.key)
        if new:
            keys.insert(at, loc.key)
            rows.insert(at, row)
        else:
            rows[at] = row
        return etag


class Request(Protocol):
    """Lets one request take its function's time, and gives what its effect gives.

    `at_once`: so many of its kind are under way together.
    """

    def __call__(self, kind: str, loc: Loc, effect: Callable[[], T], *, at_once: int = 1) -> T: ...


class FunctionStore:
    """One invocation's view of the store.

    Reads in line (`parallel_reads` is 0, for helper threads have no place in virtual time); what the code fetches many
    at once, markers and run files, takes the time of a request divided by the breadth of S3's store instead.
    """

    parallel_reads = 0

    def __init__(
        self,
        memory: SortedStore,
        terms: Terms,
        request: Request,
        work: Callable[[float], None],
        reads: Callable[[Loc], int],
    ) -> None:
        """`work` lets so many processor seconds pass; `reads` says how many of its kind are read at once."""
        self._memory, self._terms, self._request, self._work = memory, terms, request, work
        self._reads = reads
        self.requests: Counter[str] = Counter()

    def head(self, loc: Loc) -> ObjectInfo:
        return self._one("head", loc, lambda: self._memory.head(loc))

    def get(self, loc: Loc, start: int = 0, stop: int | None = None, etag: str | None = None) -> bytes:
        if not check_range(start, stop):
            return b""
        self.requests["get"] += 1
        at_once = self._reads(loc)
        return self._request("get", loc, lambda: self._memory.get(loc, start, stop, etag), at_once=at_once)

    def stream(self, loc: Loc, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        return iter(self._one("get", loc, lambda: [*self._memory.stream(loc, *args, **kwargs)]))

    def put(self, loc: Loc, body: bytes, mark: str = "") -> str:
        return self._one("put", loc, lambda: self._memory.put(loc, body, mark))

    def put_if_absent(self, loc: Loc, body: bytes, mark: str = "") -> bool:
        return self._one("put", loc, lambda: self._memory.put_if_absent(loc, body, mark))

    def put_if_match(self, loc: Loc, body: bytes, etag: str) -> str | None:
        return self._one("put", loc, lambda: self._memory.put_if_match(loc, body, etag))

    def list(self, prefix: Loc, after: str = "") -> Iterator[ObjectInfo]:
        """A page is a request, and is asked for when its first row is."""
        while True:
            page, more = self._page(prefix, after)
            yield from page
            if not more:
                return
            after = page[-1].key

    def delete(self, bucket: str, keys: Iterable[str]) -> None:
        doomed = [*keys]
        self._one("delete", Loc(bucket, ""), lambda: self._memory.delete(bucket, doomed))

    def writer(self, loc: Loc, if_absent: bool = False, mark: str = "") -> Any:
        return _Writer(self, loc, self._memory.writer(loc, if_absent, mark))

    def _one(self, kind: str, loc: Loc, effect: Callable[[], T]) -> T:
        self.requests[kind] += 1
        return self._request(kind, loc, effect)

    def _page(self, prefix: Loc, after: str) -> tuple[Rows, bool]:
        """What is there when the answer is made, cut at a page, and whether there is more."""
        self.requests["list"] += 1
        most = self._terms.page_rows
        found = self._request("list", prefix, lambda: self._memory.page(prefix, after, most + 1))
        self._work(self._terms.row_work * len(found))
        return found[:most], len(found) > most


class _Writer:
    """Uploads in one request, at the commit."""

    def __init__(self, store: FunctionStore, loc: Loc, inner: Any) -> None:
        self._store, self._loc, self._inner = store, loc, inner

    def write(self, data: bytes) -> None:
        self._inner.write(data)

    def commit(self) -> bool:
        return self._store._one("put", self._loc, lambda: bool(self._inner.commit()))

    def abort(self) -> None:
        self._inner.abort()

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *error: Any) -> None:
        self._inner.__exit__(*error)
