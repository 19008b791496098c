"""`-r lambda`: deploy a job, submit its input, wait for the run, and fetch what it wrote.

All of it by the commands that anybody would type, in the project that the script lies in, so that nothing is done in
another way here.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from ...config.load import load_job
from ...core.errors import RunFailed, UserError
from ...core.keys import OutputKeys
from ...core.messages import decode
from ...core.outcome import Manifest
from ...core.ports import Loc, Store
from .options import log

_JOBS = "jobs"
#: What `submit.py --wait` says of a run that has succeeded.
_ENDED = re.compile(r"^(\d{8}T\d{6}-[0-9a-f]{12}): s3://([^/\s]+)/(\S*)$", re.MULTILINE)

SETTINGS = """\
# Written by `-r lambda --buckets`. All files of one submission are one run, as with mrjob.
job: {job}
input: {{url: "s3://{buckets}-in/{name}/", format: text, encoding: bytes}}
work: {{url: "s3://{buckets}-work/"}}
output: {{url: "s3://{buckets}-out/{name}/", format: text}}
trigger: marker
"""


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """A job's script in its project, and the settings that it is deployed by."""

    root: Path
    name: str
    #: The part of the command line that its tasks get; without any, that of the settings stays.
    args: Sequence[str]

    def run(self, inputs: Sequence[str]) -> Loc:
        """Deploy and submit; where the results are. Raises UserError or RunFailed, with what the command said."""
        spec = load_job(self.name, root=self.root, environ=self._environ(), require_cloud=True).spec
        if spec.trigger == "each" and len(inputs) > 1:
            raise UserError(
                f"jobs/{self.name}.yml: trigger: each makes a run of each of {len(inputs)} inputs: write trigger:"
                " marker, and they are one"
            )
        self._call("deploy", self.name)
        said = self._call("submit", self.name, *inputs, "--wait")
        found = _ENDED.findall(said)
        if len(found) != 1:
            raise RunFailed(f"{self.name}: expected one run that has ended, got {len(found)}: {said.strip()}")
        ((_, bucket, prefix),) = found
        return Loc(bucket, prefix)

    def _environ(self) -> dict[str, str]:
        environ = dict(os.environ)
        if self.args:
            environ["SLUICE_PARAMS_ARGS"] = json.dumps(shlex.join(self.args))
        return environ

    def _call(self, command: str, *args: str) -> str:
        """Run a command of the project, its lines passed on as they come; all that it printed."""
        script = self.root / "scripts" / f"{command}.py"
        start = [sys.executable, "-u", str(script)] if script.exists() else [_installed(), command]
        process = subprocess.Popen(
            [*start, *args], env=self._environ(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        said = []
        with process:
            assert process.stdout
            for line in process.stdout:
                log.info("%s", line.rstrip())
                said.append(line)
        if process.returncode:
            raise RunFailed(f"{command} {self.name} ended with {process.returncode}: {''.join(said).strip()}")
        return "".join(said)


def fetch(store: Store, place: Loc, into: Path | None) -> Manifest:
    """The manifest of a run; its parts are copied into the folder, if there is one, and named as they are there."""
    loc = OutputKeys(place).manifest
    manifest = decode(Manifest, store.get(loc), loc.url)
    for part in manifest.parts if into else ():
        assert into
        with (into / part.key.removeprefix(place.key)).open("wb") as file:
            for chunk in store.stream(Loc(place.bucket, part.key)):
                file.write(chunk)
    parts = tuple(replace(part, key=part.key.removeprefix(place.key)) for part in manifest.parts)
    return replace(manifest, parts=parts)


def find_deployed(script: str | None, cls: str, args: Sequence[str], buckets: str | None) -> Deployed:
    """The job of a script in a project's `jobs/`. With `buckets`, settings are written if it has none.

    Raises UserError, which says what to do, where there is no project or there are no settings.
    """
    path = Path(script or "job.py").resolve()
    root = path.parent.parent
    if path.parent.name != _JOBS or not (root / ".chalice").is_dir():
        raise UserError(
            f"-r lambda: {path} is deployed with the project that it lies in: put it, and the files that it needs, into"
            " jobs/ of one"
        )
    job = f"{path.stem}:{cls}"
    name = _settings_of(root, job)
    if name is None:
        name = path.stem.lower()
        if buckets is None:
            raise UserError(
                f"-r lambda: no jobs/*.yml has job: {job}: name buckets with --buckets PREFIX, and jobs/{name}.yml is"
                f" written, with PREFIX-in, PREFIX-work and PREFIX-out; or write it:\n"
                + SETTINGS.format(job=job, name=name, buckets="PREFIX")
            )
        settings = path.parent / f"{name}.yml"
        with settings.open("x", encoding="utf-8") as file:
            file.write(SETTINGS.format(job=job, name=name, buckets=buckets))
        log.info("wrote %s", settings)
    return Deployed(root=root, name=name, args=args)


def _settings_of(root: Path, job: str) -> str | None:
    """The name of the settings that are for this job; of several, the first."""
    line = re.compile(rf"^job:\s*[\"']?{re.escape(job)}[\"']?\s*(#.*)?$", re.MULTILINE)
    for path in sorted((root / _JOBS).glob("*.yml")):
        if line.search(path.read_text("utf-8")):
            return path.stem
    return None


def _installed() -> str:
    found = shutil.which("sluice")
    if found is None:
        raise UserError(
            "-r lambda: expected scripts/ in the project, or the command `sluice` of an installed Sluice"
        )
    return found
