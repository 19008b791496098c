"""What pip installs for a job: lists of requirements, from the project's files and the job's own. Reads only."""

from __future__ import annotations

from pathlib import Path

from chalicelib.config.load import JOBS
from chalicelib.core.spec import JobSpec
from scripts.projects.where import HOME

from .target import DeployError

FILE, SQL_FILE = "requirements.txt", "requirements-sql.txt"


def lists(root: Path, spec: JobSpec) -> tuple[str, ...]:
    """The texts of the lists, each for a pip of its own: where one has hashes, pip wants them of all in it.

    The project's, DuckDB's for jobs that need it, and the job's own. Raises DeployError for a list that is missing.
    """
    found = [_text(root / FILE)]
    if spec.uses_duckdb:
        found.append(_text(root / SQL_FILE) or (HOME / SQL_FILE).read_text("utf-8"))
    own = of_job(root, spec)
    return (*found, own) if own else tuple(found)


def of_job(root: Path, spec: JobSpec) -> str:
    """What the job lists itself, a package a line; its lists as they are. Raises DeployError for a missing one."""
    lines = []
    for entry in spec.packages:
        if entry not in spec.package_lists:
            lines.append(f"{entry}\n")
            continue
        path = root / JOBS / entry
        if not path.is_file():
            raise DeployError(
                f"requirements: {entry}: no such file in {path.parent}: put it beside the job file"
            )
        lines.append(f"{path.read_text('utf-8').rstrip()}\n")
    return "".join(lines)


def _text(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""
