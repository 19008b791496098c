"""Where things are: the project, which is the folder that has the jobs, and Sluice itself.

In a checkout of Sluice the project is the checkout. Where Sluice is installed, it is the folder, at or above the one
that a command is called in, that has `sluice.yml` or `.chalice/config.json`. `sluice --project DIR`, and the variable
SLUICE_PROJECT, name another one in both.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import chalicelib
from chalicelib.config.load import PROJECT_FILE
from chalicelib.core.errors import UserError

#: What has `scripts/` and Sluice's lists of requirements: a checkout, or the folder `sluice/` that pip made.
HOME = Path(__file__).resolve().parents[2]
#: Whether pip put Sluice where it is. There a project is never Sluice's own folder.
INSTALLED = not (HOME / "app.py").is_file()
#: The package that ships to Lambda.
LIBRARY = Path(chalicelib.__file__).resolve().parent
VARIABLE = "SLUICE_PROJECT"
#: Where MiniStack is, in a project or in a checkout.
EMULATOR = Path(".venv-cloud")


class NoProject(UserError):
    """A command needs a project, and was called outside of all; the text says what to do."""


def project_root(environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> Path:
    """The project's folder, absolute. Raises NoProject if there is none."""
    named = (os.environ if environ is None else environ).get(VARIABLE)
    if named:
        if not is_project(Path(named)):
            raise NoProject(
                f"{named}: no project: expected a folder with {PROJECT_FILE} or .chalice/config.json; "
                f"make it one with: sluice init {named}"
            )
        return Path(named).resolve()
    return installed_root(cwd or Path.cwd()) if INSTALLED else HOME


def installed_root(cwd: Path) -> Path:
    """The nearest project at or above `cwd`. Raises NoProject."""
    start = cwd.resolve()
    found = next((folder for folder in (start, *start.parents) if is_project(folder)), None)
    if found is None:
        raise NoProject(
            f"{start}: no project: neither this folder nor one above it has {PROJECT_FILE} or .chalice/config.json; "
            "go to one, name one with `sluice --project DIR COMMAND`, or make one with `sluice init DIR`"
        )
    return found


def root_for(job: str) -> Path:
    """The project whose defaults a job has; of a job file that is in none, its own folder. Raises NoProject."""
    try:
        return project_root()
    except NoProject:
        if not job.endswith((".yml", ".yaml")) or os.environ.get(VARIABLE):
            raise
        return Path(job).resolve().parent


def is_project(folder: Path) -> bool:
    return (folder / PROJECT_FILE).is_file() or (folder / ".chalice" / "config.json").is_file()


def package_of(root: Path) -> Path:
    """The package that is shipped from a project: a checkout's own, else the one that is installed."""
    own = root / LIBRARY.name
    return own if own.is_dir() else LIBRARY
