"""What a deployment ships of a checkout: the package, the job's own files, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from chalicelib.config.load import JOBS, PROJECT_FILE, job_file
from chalicelib.job.side_files import object_of
from scripts.projects.where import package_of

from .imports import imported_files
from .target import DeployError, Target

_PACKAGE = "chalicelib"
#: How a private key begins, whatever its file is called: PEM, and OpenSSH's own form of it.
_KEY = b"PRIVATE KEY-----"


def shipped(root: Path, target: Target, libraries: frozenset[str] | None) -> dict[str, Path]:
    """The files of the project `root` that the job needs, by their names in the zip.

    `app.py`, the package, the project's defaults, the job's YAML, its module with all that this imports from
    `jobs/`, its side files and lists of requirements, which are of its code. `libraries` are the modules that its
    requirements bring, if known. Raises DeployError for what is missing, or is no code or data but a secret.
    """
    jobs, spec = root / JOBS, target.spec
    package = package_of(root)
    files = [root / "app.py", job_file(target.name, root)]
    if (root / PROJECT_FILE).exists():
        files.append(root / PROJECT_FILE)
    if spec.job:
        files += imported_files(jobs, spec.job.partition(":")[0], libraries)
    listed = [entry for entry in spec.side_files if object_of(entry) is None]
    files += [_side_file(jobs, entry) for entry in (*listed, *spec.package_lists, *target.named_files)]
    ours = {f"{_PACKAGE}/{path.relative_to(package).as_posix()}": path for path in _sources(package)}
    return dict(sorted({**ours, **{path.relative_to(root).as_posix(): path for path in files}}.items()))


def chalice_layout(files: Mapping[str, Path]) -> dict[str, Path]:
    """The same files by where Chalice wants them: what is not `app.py` or the package goes into `vendor/`."""
    own = ("app.py", f"{_PACKAGE}/")
    return {name if name.startswith(own) else f"vendor/{name}": path for name, path in files.items()}


def _sources(package: Path) -> list[Path]:
    """Its modules: no compiled files, and nothing that lies there by accident."""
    return [
        path
        for path in package.rglob("*.py")
        if not any(part.startswith(".") for part in path.relative_to(package).parts)
    ]


def _side_file(jobs: Path, entry: str) -> Path:
    if any(part.startswith(".") for part in Path(entry).parts):
        raise DeployError(
            f"files: {entry}: hidden files are not shipped: they tend to hold secrets; rename it"
        )
    path = jobs / entry
    if not path.is_file():
        raise DeployError(f"files: {entry}: no such file in {jobs}: put it beside the job file")
    with path.open("rb") as file:
        if _KEY in file.readline(200):
            raise DeployError(
                f"files: {entry}: is a private key, and keys are not shipped: let the job fetch it while it runs"
            )
    return path
