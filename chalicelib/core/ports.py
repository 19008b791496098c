"""What the handlers ask of the world: a store, an invoker, a clock, a local disk.

Nothing here has a default that could race: each method is one request of the store, and the
conditional ones are atomic (RFC 9110 `If-None-Match: *` and `If-Match`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, NamedTuple, Protocol, Self, TypeVar

from msgspec import Struct

T = TypeVar("T")
FunctionName = Literal["coordinator", "mapper", "supervisor", "reducer", "scheduler", "auditor"]
#: As for Python's own `open`.
FileMode = Literal["rb", "wb", "ab", "r+b", "w+b"]


class Loc(NamedTuple):
    """One object (or, where a prefix is asked for, all objects whose key starts with `key`).

    `bucket` is a bucket's name, or an absolute folder for the local engine.
    """

    bucket: str
    key: str

    @property
    def url(self) -> str:
        """How the place is shown to people: `s3://bucket/key`, or a plain path."""
        if self.bucket.startswith("/"):
            return f"{self.bucket.rstrip('/')}/{self.key}"
        return f"s3://{self.bucket}/{self.key}"

    def child(self, name: str) -> Loc:
        """The object `name` under this prefix; nothing is put between the two."""
        return Loc(self.bucket, self.key + name)


class ObjectInfo(NamedTuple):
    """One row of a listing. `modified` is in seconds since the epoch, by the store's clock."""

    key: str
    size: int
    etag: str
    modified: float
    #: What it was marked with when it was written; only a HEAD tells. A folder keeps no marks.
    mark: str = ""


class ObjectWriter(Protocol):
    """Writes one object in pieces; nothing is visible before `commit`.

    Use as a context manager: leaving it without a commit aborts and removes what was uploaded.
    """

    def write(self, data: bytes) -> None: ...

    def commit(self) -> bool:
        """Publish. False if `if_absent` was asked for and another object is there already."""

    def abort(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Streams(Protocol):
    """What reading input takes of a store."""

    def stream(
        self, loc: Loc, start: int = 0, stop: int | None = None, etag: str | None = None, block: int = 1 << 17
    ) -> Iterator[bytes]:
        """Bytes `[start, stop)` as of `Store.get`, in order, in blocks of about `block` bytes; bounded memory."""


class Store(Streams, Protocol):
    """An object store with strong consistency and conditional writes.

    Errors: `NotFound`, `Forbidden`, `PreconditionFailed`, else `StoreError`, each naming the object.
    """

    #: How many reads are worth having under way at once (0: reading in line is as fast).
    parallel_reads: int
    #: Requests made so far: "get", "put", "list", "delete", "head".
    requests: Counter[str]

    def head(self, loc: Loc) -> ObjectInfo: ...

    def get(self, loc: Loc, start: int = 0, stop: int | None = None, etag: str | None = None) -> bytes:
        """Bytes `[start, stop)`, cut at the object's end. An empty range is `b""`.

        Raises PreconditionFailed if `etag` is given and the object's is another.
        """

    def put(self, loc: Loc, body: bytes, mark: str = "") -> str:
        """Write and return the etag."""

    def put_if_absent(self, loc: Loc, body: bytes, mark: str = "") -> bool:
        """True if this call created the object. Atomic; the body is complete. It carries `mark`, printable ASCII.

        A lost answer is recognised: when the object is there and holds exactly `body`, this call
        (or a retry of it) created it. Put a token in bodies where two writers must differ.
        """

    def put_if_match(self, loc: Loc, body: bytes, etag: str) -> str | None:
        """The new etag, or None if the object is gone or has another etag than `etag`."""

    def list(self, prefix: Loc, after: str = "") -> Iterator[ObjectInfo]:
        """All objects under `prefix`, by key (UTF-8 bytes), those after the whole key `after` only."""

    def delete(self, bucket: str, keys: Iterable[str]) -> None:
        """Delete objects; those that are not there are no error."""

    def writer(self, loc: Loc, if_absent: bool = False, mark: str = "") -> ObjectWriter: ...


class Invoker(Protocol):
    """Starts a function asynchronously: at least once, in any order."""

    def invoke(self, function: FunctionName, payload: dict[str, Any]) -> None: ...


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch."""

    def pause(self, seconds: float) -> None:
        """Wait about `seconds`; may return early when something has happened."""


class Disk(Protocol):
    """A local disk, for what does not fit in memory. Its files have paths, which DuckDB and the user's code may open.

    Errors: `DiskError`, naming the folder, how much was needed, how much is free, and what to do.
    """

    @property
    def root(self) -> Path:
        """The folder that everything is in."""

    def folder(self, prefix: str) -> AbstractContextManager[Path]:
        """A new folder below the root, removed at the end with all that is in it."""

    def open(self, path: Path, mode: FileMode, size: int | None = None) -> BinaryIO:
        """Open a file. `size`: how many bytes it is going to have, if known, for the message if they do not fit."""

    def move(self, path: Path, to: Path) -> None:
        """Give a file another name, atomically; the folder it goes to is made if need be."""

    def remove(self, path: Path) -> None:
        """Remove a file, unless it is gone already."""


class Host(Protocol):
    """The process that a function runs in."""

    @property
    def memory(self) -> int:
        """MiB that the function was given; 0 where nobody limits it."""

    @property
    def cold(self) -> bool:
        """Whether the invocation under way is the process's first."""

    @property
    def init(self) -> float:
        """Seconds from the process's beginning until it was ready for its first invocation; 0 if nobody knows."""

    def peak(self) -> int:
        """The most MiB that the process has held at once, in any of its invocations."""


class Files(Protocol):
    """Objects that are files of this machine, for what had better read them where they are."""

    @property
    def processors(self) -> int:
        """Those that all tasks of a phase share."""

    def path(self, loc: Loc) -> Path | None:
        """Where an object's bytes are; None if it is no file."""


class Trail(Protocol):
    """See `mapreduce/guard/apart.py`."""

    def step(self, work: Callable[[], T], nothing: Callable[[], T], *, needed: bool = False) -> T: ...

    def along(self, make: Callable[[], Iterable[T]]) -> Iterator[T]: ...


class Apart(Protocol):
    """See `mapreduce/guard/apart.py`."""

    def run(self, work: Callable[[Any], object], deadly: Mapping[int, str], only: int = 0) -> Any: ...


class Runtime(Struct, frozen=True, kw_only=True):
    """Everything a handler needs of the world, composed once at a root."""

    store: Store
    invoker: Invoker
    clock: Clock
    #: A string no other execution has; it tells one execution's writes from another's.
    new_token: Callable[[], str]
    #: Seconds this invocation may still run.
    remaining: Callable[[], float]
    #: The class named by a job file's `job: module:Class`.
    load_job: Callable[[str], type[Any]]
    disk: Disk
    #: How many supervisors of the job may wait at once. None: waiting takes nobody's place here.
    seats: int | None = None
    #: How many calls are worth having under way at once (0: one after the other is as fast).
    parallel_calls: int = 0
    #: Runs work in a process of its own; None where there are none.
    apart: Apart | None = None
    #: What the process is like; None: nobody knows.
    host: Host | None = None
    #: Where input may be read in place; None: it comes through the store alone.
    files: Files | None = None
    #: In such a process: tells whoever outlives it which record or group is in hand.
    trail: Trail | None = None
