"""The libraries of a package: what the lists of requirements name, downloaded for Lambda, whatever this machine is."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from chalicelib.aws.chalice_python import PipFor

from .package import write_zip
from .runtime import Runtime
from .target import DeployError


def libraries_name(requirements: str, runtime: Runtime) -> str:
    """What the zip of these requirements is called."""
    digest = hashlib.sha256(requirements.encode()).hexdigest()[:16]
    return f"libraries-{digest}-{runtime.name}-{runtime.architecture}.zip"


def build_libraries(path: Path, lists: Sequence[str], runtime: Runtime) -> None:
    """Download what the lists of requirements name, for Lambda, and write it to `path` as a zip. It needs the network.

    Raises DeployError for what has no wheel for Lambda, does not exist, or has another hash than is listed.
    """
    from chalice.deploy import packager  # slow to import

    with tempfile.TemporaryDirectory(prefix="sluice-libraries-") as name:
        targets = []
        try:
            for number, requirements in enumerate(lists):
                folder = Path(name, str(number))
                listed, target = folder / "requirements.txt", folder / "libraries"
                target.mkdir(parents=True)
                listed.write_text(requirements, "utf-8")
                builder(requirements, folder, runtime).build_site_packages(
                    runtime.abi, str(listed), str(target)
                )
                targets.append(target)
        except packager.MissingDependencyError as error:
            missing = ", ".join(sorted(package.identifier for package in error.missing))
            raise DeployError(
                f"Chalice could not install {missing}; a package in the requirements has no wheel for Lambda's "
                f"Python {runtime.python} on {runtime.architecture}: choose a version that has one, or another "
                "`python`"
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


def builder(requirements: str, folder: Path, runtime: Runtime) -> Any:
    """Chalice's builder, with a pip that is told of Lambda's Python, and that always knows the hashes.

    It first asks for wheels that fit, all at once. What has none but is Python alone, which only its source tells, is
    left to Chalice: it lets this Python choose, and then asks for what does not fit one by one.
    """
    from chalice.deploy import packager  # slow to import
    from chalice.utils import OSUtils

    lists, for_lambda = package_lists(requirements), PipFor(runtime.python, runtime.architecture)

    class LambdasPip(packager.PipRunner):
        def _execute(self, command: str, args: list[str], env_vars: Any = None, shim: Any = None) -> Any:
            told = for_lambda.arguments(command, args)
            markers = for_lambda.shim if command == "download" else ""
            return super()._execute(command, told, env_vars=env_vars, shim=markers + (shim or ""))

        def download_wheels(self, abi: str, listed: str, directory: str, platforms: list[str]) -> bool:
            """All that the list asks for, as wheels for Lambda; False, and nothing, if one has none."""
            told = [word for platform in platforms for word in ("--platform", platform)]
            told += ["--implementation", "cp", "--abi", abi, "--dest", directory, "-r", listed]
            return not self._execute("download", ["--only-binary=:all:", *told])[0]

        def download_manylinux_wheels(
            self, abi: str, packages: list[str], directory: str, platforms: list[str] | None = None
        ) -> None:
            super().download_manylinux_wheels(abi, [*map(list_of, packages)], directory, platforms)

        def download_sdists(self, packages: list[str], directory: str) -> None:
            """None: Chalice asks for packages that have wheels, of which none fits Lambda. What it would compile here
            for minutes is linked to this machine's libraries, and need not load there.
            """

    class Builder(packager.DependencyBuilder):
        def _download_dependencies(self, abi: str, directory: str, requirements_filename: str) -> Any:
            if pip.download_wheels(abi, requirements_filename, directory, self._get_pip_platforms(abi)):
                return self._categorize_wheel_files(abi, directory)
            return super()._download_dependencies(abi, directory, requirements_filename)

    def list_of(package: str) -> str:
        """`-r` and a list of this package alone, if its hashes are known."""
        if package not in lists:
            return package
        path = folder / f"{package}.txt"
        path.write_text(lists[package], "utf-8")
        return f"-r{path}"

    osutils = OSUtils()
    pip = LambdasPip(packager.SubprocessPip(osutils), osutils)
    return Builder(osutils, pip, runtime.architecture)


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


def _all(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
