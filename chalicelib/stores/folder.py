"""Objects as files below folders: the local engine's store.

A bucket is the absolute path of one of the store's roots, a key a path below it. Processes on one
machine may share a root. Writes are atomic (a temporary file beside the target, then a rename or a
link) but not synced to the disk: they survive the death of a process, not that of the machine.
"""

# Descriptors, and strings built once: `Path` would cost more than the system calls themselves.
from __future__ import annotations

import errno
import fcntl
import itertools
import os
import stat
import time
import uuid
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ..core.errors import Forbidden, NotFound, PreconditionFailed, StoreError
from ..core.ports import Loc, ObjectInfo
from .base import WriterBase, check_block, check_range

#: Names that start so are our unfinished files: no listing shows them and no key may hold one.
TEMPORARY = ".sluice-tmp-"

#: How often a folder may vanish under a writer before the writer gives up. Each time, somebody
#: deleted the last object in it just now, so a second time is rare already.
_VANISHED = 100


class FolderStore:
    """A `Store` over folders. `on_created` is called in the writer's thread once an object is visible.

    Reads follow symbolic links wherever they lead; writes and deletes stay below their root. `standing_in` says
    of a root in which other folder its files lie for now: they are moved to it later.
    """

    parallel_reads = 0

    def __init__(
        self,
        roots: Sequence[Path],
        on_created: Callable[[Loc], None] | None = None,
        standing_in: Mapping[Path, Path] | None = None,
    ) -> None:
        self.requests: Counter[str] = Counter()
        self._on_created = on_created
        places = standing_in or {}
        #: By bucket, the folder its files lie in, and that folder's real path.
        self._folders = {str(root.absolute()): str(places.get(root, root).absolute()) for root in roots}
        self._real = {root: os.path.realpath(folder) for root, folder in self._folders.items()}

    def head(self, loc: Loc) -> ObjectInfo:
        self.requests["head"] += 1
        with _translated("head", loc):
            found = os.stat(self._path(loc))
            return _info(loc.key, _regular(found, loc))

    def get(self, loc: Loc, start: int = 0, stop: int | None = None, etag: str | None = None) -> bytes:
        if not check_range(start, stop):
            return b""
        with _translated("get", loc), self._opened(loc, etag) as (file, size):
            stop = size if stop is None else min(stop, size)
            blocks = []
            while start < stop:  # one pread reads 2 GiB at most
                blocks.append(_pread(file, stop - start, start, loc))
                start += len(blocks[-1])
            return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    def stream(
        self, loc: Loc, start: int = 0, stop: int | None = None, etag: str | None = None, block: int = 1 << 17
    ) -> Iterator[bytes]:
        check_block(block)
        if not check_range(start, stop):
            return
        with _translated("get", loc), self._opened(loc, etag) as (file, size):
            stop = size if stop is None else min(stop, size)
            while start < stop:
                data = _pread(file, min(block, stop - start), start, loc)
                start += len(data)
                yield data

    def put(self, loc: Loc, body: bytes, mark: str = "") -> str:  # noqa: ARG002 - as in `writer`
        with self.writer(loc) as writer:
            writer.write(body)
            etag = writer.publish()
        assert etag is not None  # it was unconditional
        return etag

    def put_if_absent(self, loc: Loc, body: bytes, mark: str = "") -> bool:  # noqa: ARG002 - as in `writer`
        with self.writer(loc, if_absent=True) as writer:
            writer.write(body)
            return writer.commit()

    def put_if_match(self, loc: Loc, body: bytes, etag: str) -> str | None:
        with _translated("put", loc):
            if not os.path.exists(self._path(loc)):  # make no folders for nothing; decided under the lock
                return None
        with self.writer(loc) as writer:
            writer.write(body)
            new = writer.publish(etag)
        if new is None:
            with suppress(NotFound, PreconditionFailed):  # changed again since: then it is not ours
                there = self.head(loc).etag
                return there if self.get(loc, 0, len(body) + 1, there) == body else None
        return new

    def list(self, prefix: Loc, after: str = "") -> Iterator[ObjectInfo]:
        """Reads the folder that the prefix ends in and what is below it, no other."""
        self._root(prefix)
        self.requests["list"] += 1
        folder, _, stem = prefix.key.rpartition("/")
        base = f"{folder}/" if folder else ""
        if base and not _below(base[:-1]):
            return
        with _translated("list", prefix):
            yield from self._walk(self._folders[prefix.bucket], base, stem, after, frozenset())

    def delete(self, bucket: str, keys: Iterable[str]) -> None:
        """Also removes the folders that become empty, up to the root and without it."""
        for key in keys:
            self.requests["delete"] += 1
            loc = Loc(bucket, key)
            with _translated("delete", loc):
                self._remove(self._path_for_write(loc), self._folders[bucket])

    def writer(self, loc: Loc, if_absent: bool = False, mark: str = "") -> FolderWriter:  # noqa: ARG002
        """`mark` is not kept: nothing that appears in a folder starts a run by itself."""
        self.requests["put"] += 1
        with _translated("put", loc):
            path = self._path_for_write(loc)
            return FolderWriter(loc, path, *_temporary_beside(path), if_absent, self._on_created)

    def _root(self, loc: Loc) -> str:
        folder = self._folders.get(loc.bucket)
        if folder is None:
            known = ", ".join(sorted(self._folders))
            raise Forbidden(f"{loc.url}: this store may touch only what is in {known}")
        return folder

    def _path(self, loc: Loc) -> str:
        folder = self._root(loc)
        if not _below(loc.key):
            raise Forbidden(
                f"{loc.url}: expected a key that is a plain path below {loc.bucket} (no empty part, "
                f"no `.` or `..`, no name starting with {TEMPORARY}), got {loc.key!r}"
            )
        return os.path.join(folder, loc.key)

    def _path_for_write(self, loc: Loc) -> str:
        path = self._path(loc)
        real, parent = self._real[loc.bucket], os.path.realpath(os.path.dirname(path))
        if parent != real and not parent.startswith(real.rstrip("/") + "/"):
            raise Forbidden(
                f"{loc.url}: a symbolic link leads out of {loc.bucket}, to {parent}: "
                "nothing is written or deleted there; remove the link or use the folder itself"
            )
        return path

    @contextmanager
    def _opened(self, loc: Loc, etag: str | None) -> Iterator[tuple[int, int]]:
        """(descriptor, size) of the very file whose etag was compared."""
        self.requests["get"] += 1
        file = os.open(self._path(loc), os.O_RDONLY)
        try:
            found = _regular(os.fstat(file), loc)
            if etag is not None:
                _check_etag(found, etag, loc)
            yield file, found.st_size
            if etag is not None:  # a file written in place, which is not our way, changed under us
                _check_etag(os.fstat(file), etag, loc)
        finally:
            os.close(file)

    def _walk(
        self, root: str, base: str, stem: str, after: str, above: frozenset[tuple[int, int]]
    ) -> Generator[ObjectInfo, None, None]:
        """Files below the folder `base` (empty, or ending in `/`) whose names start with `stem`.

        `above` identifies the folders that lead here: a link back to one of them is not followed.
        """
        folder = os.path.join(root, base)
        try:
            here = os.stat(folder)
            with os.scandir(folder) as entries:
                names = [
                    (f"{entry.name}/" if entry.is_dir() else entry.name, entry)
                    for entry in entries
                    if entry.name.startswith(stem) and not entry.name.startswith(TEMPORARY)
                ]
        except (FileNotFoundError, NotADirectoryError):
            return
        identity = (here.st_dev, here.st_ino)
        if identity in above:
            return
        names.sort(key=lambda item: item[0].encode("utf-8", "surrogateescape"))
        for name, entry in names:
            key = base + name
            if name.endswith("/"):
                if key > after or after.startswith(key):
                    yield from self._walk(root, key, "", after, above | {identity})
            elif key > after:
                with suppress(FileNotFoundError):  # deleted since: not there, then
                    found = entry.stat()
                    if stat.S_ISREG(found.st_mode):
                        yield _info(key, found)

    def _remove(self, path: str, root: str) -> None:
        folder = os.path.dirname(path)
        try:
            with _locked(folder):
                os.unlink(path)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError:
            if os.path.isdir(path):  # a folder is no object
                return
            raise
        while len(folder) > len(root):
            try:
                os.rmdir(folder)
            except OSError:  # not empty (any more), or another process was faster
                return
            folder = os.path.dirname(folder)


class FolderWriter(WriterBase):
    """Writes into a temporary file beside the target, which `commit` makes visible under its name."""

    def __init__(
        self,
        loc: Loc,
        path: str,
        temporary: str,
        file: int,
        if_absent: bool,
        on_created: Callable[[Loc], None] | None,
    ) -> None:
        self._loc, self._path, self._temporary, self._file = loc, path, temporary, file
        self._if_absent, self._on_created = if_absent, on_created
        self._same = False  # another object was there already, with the very bytes we wrote

    def write(self, data: bytes) -> None:
        self.check_open()
        with _translated("put", self._loc):
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]

    def commit(self) -> bool:
        return self.publish() is not None or self._same

    def publish(self, expected: str | None = None) -> str | None:
        """The new etag; None if the condition (`if_absent`, or `expected` as the etag there) did not hold."""
        self.check_open()
        try:
            with _translated("put", self._loc):
                # The file system's own clock ticks in milliseconds: two writes of one size, in one tick
                # and with a recycled inode, would have the same etag.
                os.utime(self._file, ns=(moment := time.time_ns(), moment))
                etag = _etag(os.fstat(self._file))
                visible = self._link() if self._if_absent else self._replace(expected)
        finally:
            self.abort()
        if not visible:
            return None
        if self._on_created is not None:
            self._on_created(self._loc)
        return etag

    def abort(self) -> None:
        if not self.closed:
            self.closed = True
            os.close(self._file)
            with suppress(FileNotFoundError):  # it was renamed
                os.unlink(self._temporary)

    def _link(self) -> bool:
        while True:
            try:
                os.link(self._temporary, self._path)
                return True
            except FileExistsError:
                if os.path.isdir(self._path):
                    raise
            with suppress(FileNotFoundError):  # deleted meanwhile: free again
                import filecmp  # two writers rarely meet

                self._same = filecmp.cmp(self._temporary, self._path, shallow=False)
                return False

    def _replace(self, expected: str | None) -> bool:
        with _locked(os.path.dirname(self._path)):
            if expected is not None:
                try:
                    if _etag(os.stat(self._path)) != expected:
                        return False
                except FileNotFoundError:
                    return False
            os.replace(self._temporary, self._path)
        return True


def _below(key: str) -> bool:
    """Whether `key` names a place strictly below its root, and none of our temporary files."""
    parts = key.split("/")
    return "\0" not in key and not any(
        part in ("", ".", "..") or part.startswith(TEMPORARY) for part in parts
    )


def _temporary_beside(path: str) -> tuple[str, int]:
    """(name, descriptor) of a new file in the folder of `path`, which is made if it is missing."""
    folder = os.path.dirname(path)
    for attempt in itertools.count(1):
        name = os.path.join(folder, f"{TEMPORARY}{uuid.uuid4().hex}")
        try:
            return name, os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        except FileNotFoundError:
            if attempt == _VANISHED:
                raise
            # A parent went while its child was made, or the folder while it was looked at: once more.
            with suppress(FileNotFoundError, *([] if os.path.isfile(folder) else [FileExistsError])):
                os.makedirs(folder, exist_ok=True)
    raise AssertionError("itertools.count ended")


@contextmanager
def _locked(folder: str) -> Iterator[None]:
    """Keep others from replacing and deleting in `folder`. The lock is on the folder itself: no lock
    file is left behind, and it goes with the process. Raises FileNotFoundError if there is no folder.
    """
    while True:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # While we waited the folder may have been deleted and made anew; then that one counts.
            if os.path.samestat(os.fstat(descriptor), os.stat(folder)):
                yield
                return
        finally:
            os.close(descriptor)


def _pread(file: int, length: int, at: int, loc: Loc) -> bytes:
    data = os.pread(file, length, at)
    if not data:
        raise PreconditionFailed(f"{loc.url}: the file was cut to {at} bytes while it was read")
    return data


def _regular(found: os.stat_result, loc: Loc) -> os.stat_result:
    if not stat.S_ISREG(found.st_mode):
        raise NotFound(f"{loc.url}: expected a file, found a folder or a special file")
    return found


def _etag(found: os.stat_result) -> str:
    return f"{found.st_mtime_ns}-{found.st_size}-{found.st_ino}"


def _check_etag(found: os.stat_result, etag: str, loc: Loc) -> None:
    if _etag(found) != etag:
        raise PreconditionFailed(f"{loc.url}: the file changed: expected {etag}, found {_etag(found)}")


def _info(key: str, found: os.stat_result) -> ObjectInfo:
    return ObjectInfo(key, found.st_size, _etag(found), found.st_mtime)


_HINTS = {
    errno.ENOSPC: "the disk is full: free some space, or work in another folder",
    errno.EDQUOT: "the disk quota is used up: free some space, or work in another folder",
    errno.EMFILE: "too many files are open: raise `ulimit -n`",
    errno.ENAMETOOLONG: "the file system allows no name of this length",
    errno.EISDIR: "a folder has this name, and a name cannot be both an object and a folder",
    errno.ENOTDIR: "a part of the path is a file, and a name cannot be both an object and a folder",
    errno.EEXIST: "a part of the path is a file, and a name cannot be both an object and a folder",
    errno.EROFS: "the file system is read-only",
}


@contextmanager
def _translated(operation: str, loc: Loc) -> Iterator[None]:
    """Turn the operating system's errors into the store's."""
    try:
        yield
    except OSError as error:
        code = error.errno or 0
        if code == errno.ENOENT or (code == errno.ENOTDIR and operation in ("get", "head")):
            raise NotFound(f"{loc.url}: {operation}: no such file") from error
        if code in (errno.EACCES, errno.EPERM):
            hint = "check who owns it, and its mode"
            raise Forbidden(f"{loc.url}: {operation}: {error.strerror}; {hint}") from error
        hint = _HINTS.get(code, "the operating system refused it")
        raise StoreError(f"{loc.url}: {operation}: {error.strerror}; {hint}") from error
