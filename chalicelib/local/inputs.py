"""Files, folders and globs of a command line to the objects of a run."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..errors import UserError
from ..ports import Loc, ObjectInfo
from ..stores.folder import FolderStore


def find_inputs(names: Sequence[str], suffix: str = "") -> list[ObjectInfo]:
    """The files that `names` stand for, in the order given; those of a folder by path.

    Keys are paths below `/`. Hidden files (`_x`, `.x`) of folders are passed over, and what does not
    end in `suffix`. Raises UserError for a name that stands for nothing, or a file named twice.
    """
    store = FolderStore([Path("/")])
    seen: dict[str, str] = {}
    found: list[ObjectInfo] = []
    for name in names:
        for path in _expand(name, suffix):
            key = os.path.abspath(path).lstrip("/")
            if key in seen:
                raise UserError(
                    f"{path}: named twice (by {seen[key]!r} and {name!r}): each file is read once"
                )
            seen[key] = name
            found.append(store.head(Loc("/", key)))
    return found


def _expand(name: str, suffix: str) -> Iterator[str]:
    path = Path(name)
    if path.is_dir():
        files = sorted(_visible(path, suffix), key=os.fsencode)
        if not files:
            raise UserError(f"{name}: a folder without files{f' that end in {suffix}' if suffix else ''}")
        yield from files
    elif path.is_file():
        yield name
    elif path.exists():
        raise UserError(f"{name}: expected a file or a folder, this is neither")
    else:
        matches = sorted(glob.glob(name, recursive=True), key=os.fsencode)
        if not matches:
            raise UserError(f"{name}: no such file or folder, and as a pattern it matches nothing")
        for match in matches:
            yield from _expand(match, suffix)


def _visible(folder: Path, suffix: str) -> Iterable[str]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(("_", "."))]
        for name in files:
            if not name.startswith(("_", ".")) and name.endswith(suffix):
                yield os.path.join(parent, name)
