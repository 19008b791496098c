"""Files, folders and archives that a job's tasks find in their working folder, and what each is called there."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple
from zlib import crc32

from ...core.errors import ConfigError, UserError

Kind = Literal["file", "dir", "archive", "import"]


class SideFile(NamedTuple):
    """Where something lies, as the job or its command line says it, and its name in a task's working folder."""

    kind: Kind
    source: str
    name: str


def side_file(kind: Kind, given: str) -> SideFile:
    """Of `data/stop.txt`, or `data/stop.txt#words.txt` for one that is to be called `words.txt`.

    Raises ConfigError for a name that would lie in another folder.
    """
    source, _, name = given.partition("#")
    source = source.rstrip("/")
    name = name or Path(source).name
    if "/" in name or name in ("", ".", ".."):
        raise ConfigError(
            f"{given}: expected PATH or PATH#NAME, where NAME is a name in the task's working folder"
        )
    return SideFile(kind, source, name)


def named_apart(given: Iterable[SideFile]) -> dict[SideFile, str]:
    """The name of each; of two that would have the same one, the later gets a number in front."""
    found: dict[SideFile, str] = {}
    taken: dict[str, SideFile] = {}
    for side in given:
        name, number = side.name, 1
        while taken.setdefault(name, side) != side:
            name, number = f"{number}-{side.name}", number + 1
        found[side] = name
    return found


def listed(given: Sequence[str]) -> list[str]:
    """The names of an option that may be repeated, and that takes several with commas between them."""
    return [name for names in given for name in names.split(",") if name]


def links(names: dict[SideFile, str], find: Callable[[SideFile], Path], root: Path) -> dict[str, Path]:
    """What to put into a task's folder, by name. Archives are unpacked below `root`, once in a process's life."""
    return {
        name: _unpacked(find(side), root) if side.kind == "archive" else find(side)
        for side, name in names.items()
    }


def folder_of(script: str | None) -> Path:
    """The folder of a job's file, which its side files are relative to."""
    return Path(script or "job.py").absolute().parent


def files_of(path: Path) -> Iterator[Path]:
    """The file itself, or the files of a folder, but for compiled and hidden ones."""
    if path.is_dir():
        for inner in sorted(path.rglob("*")):
            hidden = any(part.startswith(".") for part in inner.relative_to(path).parts)
            if inner.is_file() and inner.suffix != ".pyc" and not hidden:
                yield inner
    elif path.is_file():
        yield path


def unpack(archive: Path, into: Path) -> None:
    """Unpack a tar (plain, gz, bz2, xz) or zip file. Raises UserError for another, and for one that leads outside."""
    into.mkdir(parents=True, exist_ok=True)
    try:
        if tarfile.is_tarfile(archive):
            with tarfile.open(archive) as tar:
                _extract(tar, into)
        elif zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(into)  # noqa: S202 - it keeps names inside of the folder
        else:
            raise UserError(f"{archive}: expected a tar or zip file")
    except (tarfile.TarError, zipfile.BadZipFile) as error:
        raise UserError(f"{archive}: cannot be unpacked: {error}") from error


def _extract(tar: tarfile.TarFile, into: Path) -> None:
    """All of it. Python knows filters since 3.11.4 (Debian 12 has 3.11.2); before, only files and folders inside."""
    if hasattr(tarfile, "data_filter"):
        tar.extractall(into, filter="data")
        return
    for member in tar:
        if not (member.isfile() or member.isdir()) or not (into / member.name).resolve().is_relative_to(
            into.resolve()
        ):
            raise tarfile.TarError(f"{member.name}: expected a file or folder inside of the archive's own")
        tar.extract(member, into, set_attrs=False)


def _unpacked(archive: Path, root: Path) -> Path:
    """Where the archive's files lie: unpacked beside, then put in place at once, so that nobody sees half of it."""
    about = archive.stat()
    mark = crc32(f"{archive}|{about.st_size}|{about.st_mtime_ns}".encode())
    place = root / f"mrjob-archive-{mark:08x}"
    if not place.exists():
        made = Path(tempfile.mkdtemp(prefix="mrjob-archive-", dir=root))
        unpack(archive, made)
        try:
            made.rename(place)
        except OSError:  # another worker was faster
            if not place.exists():
                raise
            shutil.rmtree(made)
    return place
