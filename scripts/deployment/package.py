"""The zip that is uploaded: the same bytes from the same files, wherever and however they lie on a disk.

(On a machine without the functions' Python, nobody compiles the modules in it; it then lacks those files.)

Chalice builds one from a folder, in the disk's order and with its times and modes, and takes one that is there
already under the name that it would give it. So we write ours there before Chalice runs.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from .compiled import with_compiled
from .runtime import Runtime
from .target import DeployError

#: The oldest time that a zip can tell, and who may read a file: everybody, as Lambda wants it.
_TIME = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100644
#: What a function needs of Chalice.
_CHALICE = ("__init__.py", "app.py")
#: How the names of what all jobs ship begin.
_COMMON = ("app.py", "chalice/", "chalicelib/")


def write_zip(
    path: Path, entries: Iterable[tuple[str, bytes]], onto: Path | None = None, comment: bytes = b""
) -> None:
    """Write a zip of `entries`, (name, content), in their order, after those of the zip `onto`.

    Who reads `path` finds all of it or none.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    if onto is not None:
        shutil.copyfile(onto, draft)
    with zipfile.ZipFile(draft, "w" if onto is None else "a", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = comment
        for name, content in entries:
            info = zipfile.ZipInfo(name, _TIME)
            info.create_system, info.external_attr = 3, _MODE << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    draft.replace(path)


def library_modules(path: Path) -> frozenset[str] | None:
    """The modules in a zip of libraries, by their first names; None if there is no whole zip."""
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        return frozenset(name.partition("/")[0].partition(".")[0] for name in archive.namelist())


def write_package(path: Path, files: Mapping[str, Path], libraries: Path, python: Path | None) -> None:
    """Write the zip of `files` (by their names in it), Chalice's part and all of the zip `libraries`.

    `python` compiles the modules; None: nobody does, and functions take longer to start. What all jobs with the same
    libraries have in common is compiled and packed once, and kept beside them until it changes.
    """
    own = {name: file.read_bytes() for name, file in {**files, **_chalice_files()}.items()}
    common = {name: content for name, content in own.items() if name.startswith(_COMMON)}
    with zipfile.ZipFile(libraries) as archive:
        # some wheels have files that another Python has compiled
        libraries_own = (name for name in archive.namelist() if not name.endswith(".pyc"))
        theirs = [name for name in libraries_own if name not in own and not name.startswith("chalice/")]
        base, digest = (
            libraries.with_name(f"code-and-{libraries.name}"),
            _digest(common, theirs, python is not None),
        )
        if not _has_comment(base, digest):
            packed = (
                (name, common[name] if name in common else archive.read(name)) for name in [*common, *theirs]
            )
            write_zip(base, with_compiled(sorted(packed), python), comment=digest)
    write_zip(path, with_compiled(sorted(own.items() - common.items()), python), onto=base)


def _digest(common: Mapping[str, bytes], theirs: Iterable[str], compiled: bool) -> bytes:
    """Of what goes into a base: the libraries' own bytes, and the Python, are told apart by their file's name."""
    said = [(name, hashlib.sha256(content).hexdigest()) for name, content in sorted(common.items())]
    return hashlib.sha256(repr((said, sorted(theirs), compiled)).encode()).hexdigest().encode()


def _has_comment(path: Path, comment: bytes) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return archive.comment == comment


def _chalice_files() -> dict[str, Path]:
    found = importlib.util.find_spec("chalice")
    if found is None or found.origin is None:
        raise DeployError("Chalice is missing here: run `make setup`")
    folder = Path(found.origin).parent
    return {f"chalice/{name}": folder / name for name in _CHALICE}


def chalice_name(folder: Path, runtime: Runtime) -> Path:
    """Where Chalice looks for the zip of the project in `folder`."""
    from chalice.deploy import packager  # slow to import
    from chalice.utils import UI, OSUtils

    osutils = OSUtils()
    builder = packager.DependencyBuilder(osutils, architecture=runtime.architecture)
    own = packager.LambdaDeploymentPackager(
        osutils, builder, UI(io.StringIO(), io.StringIO()), runtime.architecture
    )
    return Path(own.deployment_package_filename(str(folder), runtime.name))
