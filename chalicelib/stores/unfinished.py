"""What writers left behind that no listing of objects shows: uploads that were never completed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from ..core.ports import Loc
from .folder import TEMPORARY


class Unfinished(NamedTuple):
    """An upload to `loc`; `started` is in seconds since the epoch, `token` the store's own name for it."""

    loc: Loc
    token: str
    started: float


class Uploads(Protocol):
    def list(self, prefix: Loc) -> Iterator[Unfinished]: ...

    def abort(self, upload: Unfinished) -> None:
        """Free what it holds; one that has ended meanwhile is no error."""


class FolderUploads:
    """The temporary files of a `FolderStore`'s writers, which stay when their process is killed."""

    def list(self, prefix: Loc) -> Iterator[Unfinished]:
        """`prefix` ends in `/`, or is a whole root."""
        for folder, _, names in os.walk(Path(prefix.bucket, prefix.key)):
            for name in names:
                if name.startswith(TEMPORARY):
                    path = Path(folder, name)
                    with suppress(FileNotFoundError):  # it was renamed: finished
                        key = str(path.relative_to(prefix.bucket))
                        yield Unfinished(Loc(prefix.bucket, key), str(path), path.stat().st_mtime)

    def abort(self, upload: Unfinished) -> None:
        path = Path(upload.token)
        path.unlink(missing_ok=True)
        with suppress(OSError):  # not empty
            path.parent.rmdir()
