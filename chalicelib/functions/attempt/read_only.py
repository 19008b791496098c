"""A store for a trial: it reads, and whatever the trial writes is nobody's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import NoReturn, Self

from ...core.errors import LostProcess
from ...core.ports import Loc, ObjectInfo, ObjectWriter, Store


class ReadOnly:
    """Reads from another store. Whatever would become visible raises LostProcess."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.parallel_reads = store.parallel_reads
        self.requests: Counter[str] = store.requests

    def head(self, loc: Loc) -> ObjectInfo:
        return self._store.head(loc)

    def get(self, loc: Loc, start: int = 0, stop: int | None = None, etag: str | None = None) -> bytes:
        return self._store.get(loc, start, stop, etag)

    def stream(
        self, loc: Loc, start: int = 0, stop: int | None = None, etag: str | None = None, block: int = 1 << 17
    ) -> Iterator[bytes]:
        return self._store.stream(loc, start, stop, etag, block)

    def list(self, prefix: Loc, after: str = "") -> Iterator[ObjectInfo]:
        return self._store.list(prefix, after)

    def put(self, loc: Loc, body: bytes, mark: str = "") -> str:
        _refuse(loc, body, mark)

    def put_if_absent(self, loc: Loc, body: bytes, mark: str = "") -> bool:
        _refuse(loc, body, mark)

    def put_if_match(self, loc: Loc, body: bytes, etag: str) -> str | None:
        _refuse(loc, body, etag)

    def delete(self, bucket: str, keys: Iterable[str]) -> None:
        _refuse(Loc(bucket, ""), keys)

    def writer(self, loc: Loc, if_absent: bool = False, mark: str = "") -> ObjectWriter:  # noqa: ARG002 - nothing is put
        return _Nowhere(loc)


class _Nowhere:
    """Forgets what is written."""

    def __init__(self, loc: Loc) -> None:
        self._loc = loc

    def write(self, data: bytes) -> None:
        pass

    def commit(self) -> bool:
        _refuse(self._loc)

    def abort(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


def _refuse(loc: Loc, *_: object) -> NoReturn:
    raise LostProcess(
        f"{loc.url}: a record that is tried alone must leave nothing, and its trial came to an end"
    )
