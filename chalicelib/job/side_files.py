"""Side files: what `files` in the job file lists, for the user's code to open.

A name is a file beside the job file, which travels with the code; `s3://bucket/key` is an object, pinned when
the run is planned and fetched once into a process's scratch folder. On this machine an absolute path will do, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from ..core.errors import ConfigError, DiskError, Forbidden, NotFound, PreconditionFailed, UserError
from ..core.ports import Disk, Loc, Runtime, Store
from ..core.spec import JobSpec
from .load_class import folder_of


def object_of(entry: str) -> Loc | None:
    """The object that an entry of `files` names; None for a file beside the job file."""
    if entry.startswith("/"):
        return Loc("/", entry[1:])
    if not entry.startswith("s3://"):
        return None
    bucket, _, key = entry.removeprefix("s3://").partition("/")
    return Loc(bucket, key)


def check(cls: type[Any], spec: JobSpec) -> None:
    """Raise ConfigError for files that are not beside the job file, or two of one name."""
    seen: dict[str, str] = {}
    folder = folder_of(spec.job, cls) if spec.files else Path()
    for entry in spec.side_files:
        name = entry.rpartition("/")[2]
        if name in seen:
            raise ConfigError(f"files: {entry} and {seen[name]} are both named {name}: rename one")
        seen[name] = entry
        if object_of(entry) is None and (".." in Path(entry).parts or not (folder / entry).is_file()):
            raise ConfigError(
                f"files: {entry}: no such file in {folder}: put it beside the job file, or give s3://bucket/key"
            )


def brought(store: Callable[[], Store], spec: JobSpec, disk: Disk) -> JobSpec:
    """The job with its objects as files on `disk`, for an engine whose store is not theirs.

    `store` gives theirs, if it is needed.
    """
    entries = []
    for entry in spec.side_files:
        loc = object_of(entry)
        if loc is not None and loc.bucket != "/":
            remote = store()
            entry = str(_fetched(remote, loc, remote.head(loc).etag, disk))
        entries.append(entry)
    return replace(spec, files=", ".join(entries))


def pin(store: Store, spec: JobSpec) -> dict[str, str]:
    """The etags of those that are objects, by what `files` says. Raises UserError for one that is not there."""
    found: dict[str, str] = {}
    for entry in spec.side_files:
        loc = object_of(entry)
        if loc is None:
            continue
        try:
            found[entry] = store.head(loc).etag
        except NotFound as error:
            raise UserError(f"files: {entry}: no such object: upload it before the input") from error
        except Forbidden as error:  # S3 says so, too, of what is not there, unless one may list the bucket
            raise UserError(f"files: {entry}: cannot be read, or is not there: {error}") from error
    return found


def finder(runtime: Runtime, spec: JobSpec, pinned: Mapping[str, str]) -> Callable[[str], Path]:
    """`self.file`: from a file's name, or the whole entry of `files`, to its path."""

    def find(name: str) -> Path:
        for entry in spec.side_files:
            if name in (entry, entry.rpartition("/")[2]):
                loc = object_of(entry)
                if loc is None:
                    return folder_of(spec.job, runtime.load_job(spec.job)) / entry
                if loc.bucket == "/":
                    return Path(entry)
                return _fetched(runtime.store, loc, pinned.get(entry, ""), runtime.disk)
        listed = ", ".join(spec.side_files) or "none"
        raise ConfigError(f"self.file({name!r}): `files` in the job file lists {listed}: add it there")

    return find


def _fetched(store: Store, loc: Loc, etag: str, disk: Disk) -> Path:
    """The object's copy; made by whichever task of this process or machine comes first."""
    digest = hashlib.sha256(f"{loc.url} {etag}".encode()).hexdigest()[:16]
    path = disk.root / "files" / digest / loc.key.rpartition("/")[2]
    if path.exists():
        return path
    try:
        with disk.folder("sluice-file-") as folder:
            draft = folder / path.name
            with disk.open(draft, "wb") as file:
                for chunk in store.stream(loc, etag=etag or None):
                    file.write(chunk)
            disk.move(draft, path)
    except DiskError as error:
        raise DiskError(f"files: {loc.url}: {error}") from error
    except (PreconditionFailed, NotFound) as error:
        raise UserError(
            f"files: {loc.url}: was overwritten or deleted while the run was under way (planned with etag {etag}):"
            " start a new run"
        ) from error
    return path
