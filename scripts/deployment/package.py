"""The zip that is uploaded: the same bytes from the same files, wherever and however they lie on a disk.

Chalice builds one from a folder, in the disk's order and with its times and modes, and takes one that is there
already under the name that it would give it. So we write ours there before Chalice runs.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import marshal
import os
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .target import DeployError

#: The oldest time that a zip can tell, and who may read a file: everybody, as Lambda wants it.
_TIME = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100644
#: Where Lambda unpacks it; tracebacks name files there.
_LAMBDA_ROOT = "/var/task"
PYTHON = f"python{sys.version_info[0]}.{sys.version_info[1]}"
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


def libraries_name(requirements: str, architecture: str) -> str:
    """What the zip of these requirements is called."""
    digest = hashlib.sha256(requirements.encode()).hexdigest()[:16]
    return f"libraries-{digest}-{PYTHON}-{architecture}.zip"


def build_libraries(path: Path, lists: Sequence[str], architecture: str) -> None:
    """Download what the lists of requirements name, for Lambda, and write it to `path` as a zip. It needs the network.

    Raises DeployError for what has no wheel for Lambda, does not exist, or has another hash than is listed.
    """
    from chalice.deploy import packager  # slow to import
    from chalice.utils import OSUtils

    with tempfile.TemporaryDirectory(prefix="sluice-libraries-") as name:
        abi = "cp" + PYTHON.removeprefix("python").replace(".", "")
        targets = []
        try:
            for number, requirements in enumerate(lists):
                folder = Path(name, str(number))
                listed, target = folder / "requirements.txt", folder / "libraries"
                target.mkdir(parents=True)
                listed.write_text(requirements, "utf-8")
                builder = packager.DependencyBuilder(
                    OSUtils(), _checking_pip(requirements, folder), architecture
                )
                builder.build_site_packages(abi, str(listed), str(target))
                targets.append(target)
        except packager.MissingDependencyError as error:
            missing = ", ".join(sorted(package.identifier for package in error.missing))
            raise DeployError(
                f"Chalice could not install {missing}; a package in the requirements has no wheel for Lambda's "
                f"{PYTHON.capitalize()} on {architecture}: choose a version that has one"
            ) from error
        except (packager.NoSuchPackageError, packager.PackageDownloadError) as error:
            hint = (
                "; run `make pins` after a change of requirements.txt" if "hash" in str(error).lower() else ""
            )
            raise DeployError(f"what the requirements list cannot be downloaded: {error}{hint}") from error
        _check_versions(targets)
        files = {file.relative_to(target).as_posix(): file for target in targets for file in _all(target)}
        write_zip(path, ((name, file.read_bytes()) for name, file in sorted(files.items())))


def _check_versions(folders: Iterable[Path]) -> None:
    """Raises DeployError if two lists brought a package in different versions: their files would be mixed."""
    found: dict[str, str] = {}
    for path in (path for folder in folders for path in sorted(folder.glob("*.dist-info"))):
        name, _, version = path.stem.partition("-")
        if found.setdefault(name.lower(), version) != version:
            raise DeployError(
                f"the requirements of the project and those of the job need {name} in two versions, "
                f"{found[name.lower()]} and {version}: list one that fits both in the job's"
            )


def _checking_pip(requirements: str, folder: Path) -> Any:
    """Chalice's pip, which also knows the hashes where Chalice asks for one package without the list.

    It does so for wheels of another platform than this one: for arm64, or deployed from a Mac.
    """
    from chalice.deploy import packager  # slow to import
    from chalice.utils import OSUtils

    lists = package_lists(requirements)

    class CheckingPip(packager.PipRunner):
        def download_manylinux_wheels(
            self, abi: str, packages: list[str], directory: str, platforms: list[str] | None = None
        ) -> None:
            super().download_manylinux_wheels(abi, [*map(listed, packages)], directory, platforms)

        def download_sdists(self, packages: list[str], directory: str) -> None:
            """None: Chalice asks for packages that have wheels, of which none fits Lambda. What it would compile here
            for minutes is linked to this machine's libraries, and need not load there.
            """

    def listed(package: str) -> str:
        """`-r` and a list of this package alone, if its hashes are known."""
        if package not in lists:
            return package
        path = folder / f"{package}.txt"
        path.write_text(lists[package], "utf-8")
        return f"-r{path}"

    osutils = OSUtils()
    return CheckingPip(packager.SubprocessPip(osutils), osutils)


def package_lists(requirements: str) -> dict[str, str]:
    """For each `name==version` that has hashes, a list of it alone; options for all, as of an index, are in each."""
    lines = requirements.replace("\\\n", "").splitlines()
    options = "".join(f"{line}\n" for line in lines if line.startswith("-"))
    found = {}
    for line in lines:
        pinned = re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;#]+)", line)
        if pinned and (hashes := re.findall(r"--hash=\S+", line)):
            package = f"{re.sub(r'[-_.]+', '-', pinned[1]).lower()}=={pinned[2]}"
            found[package] = f"{options}{package} {' '.join(hashes)}\n"
    return found


def library_modules(path: Path) -> frozenset[str] | None:
    """The modules in a zip of libraries, by their first names; None if there is no whole zip."""
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        return frozenset(name.partition("/")[0].partition(".")[0] for name in archive.namelist())


def write_package(path: Path, files: Mapping[str, Path], libraries: Path) -> None:
    """Write the zip of `files` (by their names in it), Chalice's part and all of the zip `libraries`.

    What all jobs with the same libraries have in common is compiled and packed once, and kept beside them until it
    changes.
    """
    own = {name: file.read_bytes() for name, file in {**files, **_chalice_files()}.items()}
    common = {name: content for name, content in own.items() if name.startswith(_COMMON)}
    with zipfile.ZipFile(libraries) as archive:
        # some wheels have files that another Python has compiled
        libraries_own = (name for name in archive.namelist() if not name.endswith(".pyc"))
        theirs = [name for name in libraries_own if name not in own and not name.startswith("chalice/")]
        base, digest = libraries.with_name(f"code-and-{libraries.name}"), _digest(common, theirs)
        if not _has_comment(base, digest):
            packed = (
                (name, common[name] if name in common else archive.read(name)) for name in [*common, *theirs]
            )
            write_zip(base, _with_compiled(sorted(packed)), comment=digest)
    write_zip(path, _with_compiled(sorted(own.items() - common.items())), onto=base)


def _digest(common: Mapping[str, bytes], theirs: Iterable[str]) -> bytes:
    """Of what goes into a base: the libraries' own bytes are told apart by their file's name."""
    said = [(name, hashlib.sha256(content).hexdigest()) for name, content in sorted(common.items())]
    return hashlib.sha256(repr((said, sorted(theirs))).encode()).hexdigest().encode()


def _has_comment(path: Path, comment: bytes) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return archive.comment == comment


def _with_compiled(entries: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    for name, content in entries:
        yield name, content
        if name.endswith(".py"):
            yield from _compiled(name, content)


def _compiled(name: str, source: bytes) -> Iterator[tuple[str, bytes]]:
    """What Python makes of a module, which a function that starts would have to make anew each time.

    Lambda's folder of the code cannot be written to. The source is never compared with it: nobody changes it there. The
    second version of marshal is the last whose bytes do not depend on what else a process has in memory.
    """
    try:
        code = compile(source, f"{_LAMBDA_ROOT}/{name}", "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError):
        return  # a template, or for another Python: whoever imports it is told
    flags = 0b01  # PEP 552: a hash of the source follows, which is not to be checked
    digest = importlib.util.source_hash(source)
    body = importlib.util.MAGIC_NUMBER + flags.to_bytes(4, "little") + digest + marshal.dumps(code, 2)
    yield importlib.util.cache_from_source(name), body


def _chalice_files() -> dict[str, Path]:
    found = importlib.util.find_spec("chalice")
    if found is None or found.origin is None:
        raise DeployError("Chalice is missing here: run `make setup`")
    folder = Path(found.origin).parent
    return {f"chalice/{name}": folder / name for name in _CHALICE}


def chalice_name(folder: Path, architecture: str) -> Path:
    """Where Chalice looks for the zip of the project in `folder`."""
    from chalice.deploy import packager  # slow to import
    from chalice.utils import UI, OSUtils

    osutils = OSUtils()
    builder = packager.DependencyBuilder(osutils, architecture=architecture)
    own = packager.LambdaDeploymentPackager(osutils, builder, UI(io.StringIO(), io.StringIO()), architecture)
    return Path(own.deployment_package_filename(str(folder), PYTHON))


def _all(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
