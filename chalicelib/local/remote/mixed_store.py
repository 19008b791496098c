"""One store over the files of this machine and what lies elsewhere, by the bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from ...core.errors import Forbidden
from ...core.ports import Loc, ObjectInfo, ObjectWriter, Store
from ...stores.folder import FolderStore


def _nothing() -> None:
    """There is no connection."""


class Remote(Struct, frozen=True):
    """What a run reads that is no file of this machine: any bucket that is no absolute folder."""

    store: Store
    #: Closes connections, which two processes cannot share: called before each fork. The store opens new ones.
    hang_up: Callable[[], None] = _nothing


def store_over(
    roots: Sequence[Path],
    on_created: Callable[[Loc], None] | None,
    standing_in: Mapping[Path, Path],
    remote: Remote | None,
) -> Store:
    """The folders, as `FolderStore` takes them, and the remote store if there is one."""
    here = FolderStore(roots, on_created, standing_in)
    return MixedStore(here, remote.store) if remote else here


class MixedStore:
    """A `Store`. Files are read and written; what is remote is only read: results go there once a run has ended."""

    def __init__(self, here: Store, remote: Store) -> None:
        self._here, self._remote = here, remote
        self.parallel_reads = max(here.parallel_reads, remote.parallel_reads)
        #: Of both.
        self.requests = remote.requests = here.requests

    def head(self, loc: Loc) -> ObjectInfo:
        return self._of(loc.bucket).head(loc)

    def get(self, loc: Loc, start: int = 0, stop: int | None = None, etag: str | None = None) -> bytes:
        return self._of(loc.bucket).get(loc, start, stop, etag)

    def stream(
        self, loc: Loc, start: int = 0, stop: int | None = None, etag: str | None = None, block: int = 1 << 17
    ) -> Iterator[bytes]:
        return self._of(loc.bucket).stream(loc, start, stop, etag, block)

    def list(self, prefix: Loc, after: str = "") -> Iterator[ObjectInfo]:
        return self._of(prefix.bucket).list(prefix, after)

    def put(self, loc: Loc, body: bytes, mark: str = "") -> str:
        return self._written(loc).put(loc, body, mark)

    def put_if_absent(self, loc: Loc, body: bytes, mark: str = "") -> bool:
        return self._written(loc).put_if_absent(loc, body, mark)

    def put_if_match(self, loc: Loc, body: bytes, etag: str) -> str | None:
        return self._written(loc).put_if_match(loc, body, etag)

    def delete(self, bucket: str, keys: Iterable[str]) -> None:
        self._written(Loc(bucket, "")).delete(bucket, keys)

    def writer(self, loc: Loc, if_absent: bool = False, mark: str = "") -> ObjectWriter:
        return self._written(loc).writer(loc, if_absent, mark)

    def _of(self, bucket: str) -> Store:
        return self._here if bucket.startswith("/") else self._remote

    def _written(self, loc: Loc) -> Store:
        if not loc.bucket.startswith("/"):
            raise Forbidden(f"{loc.url}: a run of this machine only reads there, while it is under way")
        return self._here
