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

from chalicelib.config.load import JOBS, PROJECT_FILE
from chalicelib.core.ports import FunctionName
from chalicelib.core.spec import JobSpec
from scripts.projects import vendor
from scripts.projects.where import HOME

from . import libraries, package, requirements
from .shipment import chalice_layout, shipped
from .stage import with_stage
from .target import CLOCKS, FUNCTIONS, STAGING, DeployError, Json, Target, bill_path, policy_file

#: The checkout that these scripts belong to.
ROOT = HOME
BASE: Json = {"version": "2.0", "app_name": "sluice", "stages": {}}
#: What a deployment reads of a checkout.
SHIPPED = ("app.py", "chalicelib", "jobs", "requirements.txt", "requirements-sql.txt", PROJECT_FILE)
#: The downloaded libraries, a zip for each list of requirements.
LIBRARIES = Path(".sluice", "libraries")
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
        for function in (*FUNCTIONS, *CLOCKS):
            path = self.folder / policy_file(name, function)
            if policies is None or function not in policies:
                path.unlink(missing_ok=True)
            else:
                _write_json(path, policies[function])
        _write_json(self.folder / "config.json", with_stage(self.config(), name, stage))

    def stages(self) -> dict[str, Json]:
        return dict(self.config().get("stages", {}))

    def policies(self, name: str) -> dict[FunctionName, Json]:
        """The stage's policy files as they are; one that is missing or broken is left out."""
        found = {}
        for function in (*FUNCTIONS, *CLOCKS):
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
        """Raises DeployError unless `vendor/jobs` links to `../jobs`: a plain `chalice deploy` ships jobs by it.

        A checkout has that link from git; elsewhere `link_defaults` makes it.
        """
        if JOBS in vendor.links(self.root):
            return
        link = self.root / "vendor" / "jobs"
        if link.is_dir() and link.resolve() == (self.root / "jobs").resolve():
            return
        raise DeployError(
            f"{link} is not a link to ../jobs, so the jobs would be missing from the zip: git makes the link on "
            "Linux and macOS (on Windows with core.symlinks=true, or in WSL); restore it with: "
            "rm -r vendor/jobs; ln -s ../jobs vendor/jobs"
        )

    def link_defaults(self) -> None:
        """Let `sluice.yml` travel with the jobs, if there is one: the coordinator reads the same layers."""
        vendor.link(self.root)

    def requirements(self, spec: JobSpec) -> str:
        """What `pip` is to install for the job, as one list. Raises DeployError for a list that is missing."""
        return "\n".join(requirements.lists(self.root, spec))

    def check_shipment(self, target: Target) -> None:
        """Raises DeployError for a job that cannot be shipped as it is; reads only."""
        shipped(self.root, target, package.library_modules(self._libraries(target)))

    def staging(self, name: str) -> Path:
        """The folder that Chalice deploys the job from: `pack` fills it with what the job needs and nothing else."""
        return self.root / STAGING / name

    def pack(self, target: Target) -> Path:
        """Fill the job's folder and write its zip where Chalice takes it from; the zip's path.

        Downloads what `requirements` list, unless that was done for the same list before.
        Raises DeployError for what is missing.
        """
        runtime, libraries_zip = target.runtime, self._libraries(target)
        if not zipfile.is_zipfile(libraries_zip):
            libraries.build_libraries(libraries_zip, requirements.lists(self.root, target.spec), runtime)
        files = shipped(self.root, target, package.library_modules(libraries_zip))
        folder = self.staging(target.name)
        shutil.rmtree(folder, ignore_errors=True)
        for name, source in chalice_layout(files).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, path)
        (folder / "requirements.txt").write_text(self.requirements(target.spec), "utf-8")
        self._link_for_chalice(folder, target.name)
        zipped = package.chalice_name(folder, runtime)
        package.write_package(zipped, files, libraries_zip, runtime.interpreter)
        return zipped

    def zipped(self, name: str) -> Path:
        """The zip that `pack` has written last."""
        (zipped,) = (self.staging(name) / ".chalice" / "deployments").glob("*.zip")
        return zipped

    def write_bill(self, name: str) -> Path:
        """Write the bill of materials of the zip that `pack` has written last; the bill's path."""
        from .bom import bill_of_materials

        path = self.root / bill_path(name)
        path.write_text(bill_of_materials(self.zipped(name), name), "utf-8")
        return path

    def _link_for_chalice(self, folder: Path, name: str) -> None:
        """What Chalice reads and writes but does not ship: its own files, and the YAML, which `app.py` reads."""
        for shared in (JOBS, PROJECT_FILE):
            if (folder / "vendor" / shared).exists():
                (folder / shared).symlink_to(Path("vendor", shared))
        (folder / ".chalice" / "deployments").mkdir(parents=True)
        (self.folder / "deployed").mkdir(parents=True, exist_ok=True)
        written = [policy_file(name, function) for function in (*FUNCTIONS, *CLOCKS)]
        for own in ("deployed", "config.json", *written):
            (folder / ".chalice" / own).symlink_to((self.folder / own).absolute())

    @contextlib.contextmanager
    def staged(self, name: str, stage: Json) -> Iterator[Path]:
        """The folder that Chalice deploys the job from, in which it reads `stage` instead of the checkout's.

        That may hold variables of the deployed functions, so it is for its owner alone, and goes when Chalice is done.
        """
        folder = self.staging(name)
        path = folder / ".chalice" / "config.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(json.dumps(with_stage(self.config(), name, stage), indent=2) + "\n", "utf-8")
        try:
            yield folder
        finally:
            path.unlink(missing_ok=True)
            path.symlink_to((self.folder / "config.json").absolute())

    def _libraries(self, target: Target) -> Path:
        name = libraries.libraries_name(self.requirements(target.spec), target.runtime)
        return self.root / LIBRARIES / name

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
        """Copy the libraries that another copy of this checkout has downloaded, since that needs the network.

        Each zip of them is named by a digest of its requirements.
        """
        folder = self.root / LIBRARIES
        folder.mkdir(parents=True, exist_ok=True)
        for zipped in (other.root / LIBRARIES).glob("*.zip"):
            if zipfile.is_zipfile(zipped) and not (folder / zipped.name).exists():
                draft = folder / f"{zipped.name}.{os.getpid()}.tmp"
                shutil.copyfile(zipped, draft)
                draft.replace(folder / zipped.name)

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


def _write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    draft.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    draft.replace(path)
