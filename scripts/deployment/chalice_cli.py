"""Runs the real `chalice`, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from chalicelib.core.ports import Loc
from scripts.console.terminal import say

from .target import DeployError

#: The folder that has `scripts`, of a checkout or of what pip installed.
HOME = Path(__file__).resolve().parents[2]

#: Chalice only warns of missing dependencies, and ships a zip without them.
INCOMPLETE = "Could not install dependencies"
_RUN = "import sys; from chalice.cli import main; sys.exit(main())"
_RUN_FROM_S3 = (
    f"import sys; sys.path.insert(0, {str(HOME)!r}); from scripts.deployment.code_in_s3 import main; "
    "del sys.path[0]; sys.exit(main())"
)
#: No compiled files: Chalice would put them into the zip.
_QUIET = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "ignore"}


def chalice(
    command: str,
    stage: str,
    root: Path,
    environ: Mapping[str, str],
    *extra: str,
    verbose: bool = False,
    code: Loc | None = None,
) -> str:
    """Run `chalice COMMAND --stage STAGE EXTRA...` in `root`; its output. `code`: the object that Lambda takes it from.

    Raises DeployError with that output if it fails, or leaves out a dependency.
    """
    started = time.time()
    program = [_RUN_FROM_S3, code.bucket, code.key] if code else [_RUN]
    args = [sys.executable, "-c", *program, "--project-dir", str(root), command, "--stage", stage, *extra]
    finished = subprocess.run(
        args,
        cwd=root,
        env={**environ, **_QUIET},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    output = finished.stdout.strip()
    if verbose:
        say(*output.splitlines(), err=True)
    incomplete = INCOMPLETE in output
    if incomplete or finished.returncode:
        # Chalice writes the zip in place and reuses whatever is there: the next deployment would ship
        # a broken one without a warning.
        remove_packages(root, since=started)
    if incomplete:
        raise DeployError(
            f"Chalice {_explain_incomplete(output)}; a package in requirements.txt has no wheel for the Python of "
            "the job's functions: choose a version that has one, or another `python`"
        )
    if finished.returncode:
        raise DeployError(f"`chalice {command} --stage {stage}` failed; its output:\n{output}")
    return output


def _explain_incomplete(output: str) -> str:
    _, _, rest = output.partition(INCOMPLETE + ":")
    names = rest.partition("You will have to")[0].split()
    return f"could not install {', '.join(names) or 'the dependencies'}"


def remove_packages(root: Path, since: float) -> None:
    """Delete the zips made since then. A second is allowed for file systems with coarse times."""
    for package in (root / ".chalice" / "deployments").glob("*.zip"):
        if package.stat().st_mtime >= since - 1:
            package.unlink(missing_ok=True)
