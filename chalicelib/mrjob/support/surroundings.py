"""What a task finds around it: a working folder of its own, with its side files, and its variables.

The user's code uses the process's own (`open("stop.txt")`, `os.environ`, `import`), so these are put in place when a
task's work begins, and put back when it ends or the next one begins. A combiner at work in a map task has its own; then
the mapper has its own again.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class _Before:
    """How the process was, and the folder that has been made since."""

    cwd: str | None
    environ: dict[str, str]
    path: list[str]
    folder: Path


_entered: list[_Before] = []


def new_folder(root: Path) -> Path:
    """An empty folder below `root`, to be entered."""
    return Path(tempfile.mkdtemp(prefix="mrjob-", dir=root))


def enter(
    folder: Path, links: Mapping[str, Path], environ: Mapping[str, str], imports: Iterable[Path] = ()
) -> None:
    """Work in this folder, in which `links` lie under their names, and with these variables.

    A variable whose name ends with PATH goes before the one that is there. What lies in the folder can be imported, and
    so can what is in `imports`, zip files or folders.
    """
    _entered.append(_Before(_cwd(), dict(os.environ), list(sys.path), folder))
    for name, path in links.items():
        _put(path, folder / name)
    for name, value in environ.items():
        rest = os.environ.get(name)
        os.environ[name] = f"{value}{os.pathsep}{rest}" if rest and name.endswith("PATH") else value
    sys.path[:0] = [str(folder), *map(str, imports)]
    os.chdir(folder)


def _put(path: Path, place: Path) -> None:
    """A link; of a program that may not be run (a zip of Lambda's keeps no such rights) a copy that may."""
    if path.is_dir() or os.access(path, os.X_OK) or not _is_program(path):
        place.symlink_to(path.absolute())
        return
    shutil.copyfile(path, place)
    place.chmod(0o700)


def _is_program(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4).startswith((b"#!", b"\x7fELF"))


def leave() -> None:
    """Put back what the last `enter` changed. Without one, nothing happens."""
    if not _entered:
        return
    before = _entered.pop()
    for name in os.environ.keys() - before.environ.keys():
        del os.environ[name]
    for name, value in before.environ.items():
        if os.environ.get(name) != value:
            os.environ[name] = value
    sys.path[:] = before.path
    if before.cwd is not None:
        with suppress(FileNotFoundError):  # whoever was there removed it
            os.chdir(before.cwd)
    shutil.rmtree(before.folder, ignore_errors=True)


def leave_all() -> None:
    """Put back everything: also what a task that failed has left."""
    while _entered:
        leave()


def _cwd() -> str | None:
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None
