"""The checkout that is deployed: Chalice's files in `.chalice/`, and what goes into the zip."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chalicelib.config.load import PROJECT_FILE
from chalicelib.core.ports import FunctionName
from chalicelib.core.spec import JobSpec

from .stage import with_stage
from .target import FUNCTIONS, DeployError, Json, policy_file

#: The checkout that these scripts belong to.
ROOT = Path(__file__).resolve().parent.parent.parent
BASE: Json = {"version": "2.0", "app_name": "sluice", "stages": {}}
#: What a deployment reads of a checkout.
SHIPPED = ("app.py", "chalicelib", "jobs", "requirements.txt", "requirements-sql.txt", PROJECT_FILE)
#: Where jobs in SQL, and those that read or write Parquet, are deployed from: the same files by links, but with
#: other requirements.
SQL_FOLDER = Path(".sluice", "sql")
_LINKED = ("app.py", "chalicelib", "jobs", "vendor", ".chalice", PROJECT_FILE)
COMPILED = shutil.ignore_patterns("__pycache__", "*.pyc")


class Project:
    """A checkout at `root`. Each write replaces a whole file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / ".chalice"

    # -------------------------------------------------------------- what Chalice reads

    def config(self) -> Json:
        path = self.folder / "config.json"
        if not path.exists():
            return BASE
        try:
            found: Json = json.loads(path.read_text("utf-8"))
        except ValueError as error:
            raise DeployError(
                f"{path}: expected JSON: {error}; correct it, or restore it from git"
            ) from error
        return found

    def write_stage(
        self, name: str, stage: Json | None, policies: Mapping[FunctionName, Json] | None = None
    ) -> None:
        """Write the stage and its policy files, or remove them all if `stage` is None."""
        for function in FUNCTIONS:
            path = self.folder / policy_file(name, function)
            if policies is None:
                path.unlink(missing_ok=True)
            else:
                _write_json(path, policies[function])
        _write_json(self.folder / "config.json", with_stage(self.config(), name, stage))

    def stages(self) -> dict[str, Json]:
        return dict(self.config().get("stages", {}))

    def policies(self, name: str) -> dict[FunctionName, Json]:
        """The stage's policy files as they are; one that is missing or broken is left out."""
        found = {}
        for function in FUNCTIONS:
            with contextlib.suppress(FileNotFoundError, ValueError):
                found[function] = json.loads((self.folder / policy_file(name, function)).read_text("utf-8"))
        return found

    # -------------------------------------------------------------- what Chalice remembers

    def _deployed_path(self, name: str) -> Path:
        return self.folder / "deployed" / f"{name}.json"

    def deployed(self, name: str) -> Json:
        """What Chalice wrote about the last deployment; empty if there is none, or it is lost."""
        try:
            found: Json = json.loads(self._deployed_path(name).read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return found

    def forget_deployed(self, name: str) -> None:
        self._deployed_path(name).unlink(missing_ok=True)

    # -------------------------------------------------------------- what goes into the zip

    def check_vendor(self) -> None:
        """Raises DeployError unless `vendor/jobs` links to `../jobs`, by which the jobs get into the zip."""
        link = self.root / "vendor" / "jobs"
        if link.is_dir() and link.resolve() == (self.root / "jobs").resolve():
            return
        raise DeployError(
            f"{link} is not a link to ../jobs, so the jobs would be missing from the zip: git makes the link on "
            "Linux and macOS (on Windows with core.symlinks=true, or in WSL); restore it with: "
            "rm -r vendor/jobs; ln -s ../jobs vendor/jobs"
        )

    def drop_compiled(self) -> None:
        """Remove compiled files, which Chalice would ship and take for a change of the code."""
        for folder in ("chalicelib", "jobs"):
            for cache in (self.root / folder).rglob("__pycache__"):
                shutil.rmtree(cache, ignore_errors=True)

    def link_defaults(self) -> None:
        """Let `sluice.yml` travel with the jobs, if there is one: the coordinator reads the same layers."""
        link = self.root / "vendor" / PROJECT_FILE
        if (self.root / PROJECT_FILE).exists():
            if not link.is_symlink():
                link.symlink_to(f"../{PROJECT_FILE}")
        else:
            link.unlink(missing_ok=True)

    def folder_for(self, spec: JobSpec) -> Path:
        """Where Chalice is to deploy a job from: DuckDB is among the requirements only of jobs that need it."""
        return self.sql_folder() if spec.uses_duckdb else self.root

    def sql_folder(self) -> Path:
        """Make the folder from which jobs with DuckDB are deployed, and return it."""
        folder = self.root / SQL_FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        for name in _LINKED:
            link = folder / name
            if not link.is_symlink() and (self.root / name).exists():
                link.symlink_to(self.root / name)
        lists = (self.root / name for name in ("requirements.txt", "requirements-sql.txt"))
        (folder / "requirements.txt").write_text(
            "\n".join(path.read_text("utf-8") for path in lists), "utf-8"
        )
        return folder

    def copy_to(self, target: Path) -> Project:
        """A copy to deploy from, with no stages: nothing that is done with it changes this checkout."""
        for name in SHIPPED:
            source = self.root / name
            if not source.exists():
                continue
            if source.is_dir():
                shutil.copytree(source, target / name, ignore=COMPILED)
            else:
                shutil.copy2(source, target / name)
        (target / "vendor").mkdir()
        (target / "vendor" / "jobs").symlink_to("../jobs")
        copy = Project(target)
        copy.folder.mkdir()
        _write_json(copy.folder / "config.json", BASE)
        copy.take_packages(self)
        return copy

    def take_packages(self, other: Project) -> None:
        """Copy the zips that another copy of this checkout has made. Each is named by a digest of its content.

        Building one needs the network, even when nothing has changed.
        """
        folder = self.folder / "deployments"
        folder.mkdir(parents=True, exist_ok=True)
        other.drop_compiled()
        other.drop_unusable_packages()
        for package in (other.folder / "deployments").glob("*.zip"):
            if not (folder / package.name).exists():
                draft = folder / f"{package.name}.{os.getpid()}.tmp"
                shutil.copyfile(package, draft)
                draft.replace(folder / package.name)

    def drop_unusable_packages(self) -> None:
        """Remove zips that Chalice would use although it must not.

        Chalice writes them in place, so one that was interrupted is incomplete. It names them by a digest of
        what is in the files but not of their names, so a renamed or an empty new file goes unnoticed.
        """
        expected = self._shipped_names()
        for package in (self.folder / "deployments").glob("*.zip"):
            if _shipped_in(package) != expected:
                package.unlink(missing_ok=True)

    def _shipped_names(self) -> set[str]:
        folders = (self.root / "chalicelib", self.root / "jobs")
        paths = (path for folder in folders for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(self.root).as_posix() for path in paths}

    # -------------------------------------------------------------- one deployment at a time

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Wait for other deployments from this checkout: they share config.json and the zip."""
        import fcntl

        path = self.root / ".sluice" / "deploy.lock"
        path.parent.mkdir(exist_ok=True)
        with path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _shipped_in(package: Path) -> set[str] | None:
    """The names of our own files in a zip; None if it is not whole."""
    if not zipfile.is_zipfile(package):
        return None
    with zipfile.ZipFile(package) as archive:
        return {name for name in archive.namelist() if name.startswith(("chalicelib/", "jobs/"))}


def _write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    draft.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    draft.replace(path)
