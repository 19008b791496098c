#!/usr/bin/env python
"""Keep an emulated AWS (MiniStack) running to play with: `up` starts it, `down` ends it.

    scripts/cloud.py install     # once, into .venv-cloud/; needs the network
    scripts/cloud.py up          # says which file has its address and keys
    scripts/cloud.py down

Its data is in memory, and gone when it ends.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import scripts.console.lacking  # noqa: F401 (first: it says what this Python lacks)
from chalicelib.config.load import job_names
from chalicelib.core.errors import UserError
from scripts.console.terminal import Parser, run_main, say
from scripts.deployment.waiters import fast_waiters
from scripts.emulation import emulator
from scripts.projects.where import HOME, project_root

#: Of MiniStack, with hashes.
REQUIREMENTS = HOME / "requirements-cloud.txt"
#: What a shell needs to be pointed at the emulator.
EXPORTED = (
    "AWS_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_DEFAULT_REGION",
    "AWS_DATA_PATH",
    emulator.PYTHON,
)


class Files(NamedTuple):
    """Where a project keeps what belongs to its emulator."""

    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / "cloud.json"

    @property
    def shell(self) -> Path:
        """To be read by a shell."""
        return self.folder / "cloud.sh"

    @property
    def log(self) -> Path:
        return self.folder / "ministack.log"


class State(NamedTuple):
    """The emulator that `up` started."""

    endpoint: str
    pid: int
    #: Its credentials; empty if an older version started it, which let everybody in.
    key_id: str = ""
    secret: str = ""


def main(argv: Sequence[str]) -> int:
    parser = Parser(
        prog="cloud.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=["install", "up", "down"])
    action = parser.parse_args(argv).action
    root = project_root()
    files = Files(root / ".sluice")
    try:
        if action == "install":
            install()
        elif action == "up":
            up(files, root)
        else:
            down(files)
    except emulator.EmulatorError as error:
        raise UserError(str(error)) from error
    return 0


def install() -> None:
    """Install MiniStack, in the versions that Sluice is tested with, into an environment of its own: it wants another
    botocore than Chalice.
    """
    found, home = emulator.program(), emulator.home()
    if found.exists():
        say(f"{found} is there already")
        return
    say(f"installing MiniStack into {home}")
    python = home / "bin" / "python"
    for command in (
        [sys.executable, "-m", "venv", str(home)],
        [
            str(python),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-r",
            str(REQUIREMENTS),
        ],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(home, ignore_errors=True)
            raise UserError(f"{' '.join(command)}: failed, and said:\n{done.stdout}{done.stderr}")


def up(files: Files, root: Path) -> None:
    """Start the emulator unless it runs, and say how to use it."""
    files.folder.mkdir(exist_ok=True)
    state = read_state(files.state)
    if state is None or not state.secret or not answers(state.endpoint):
        down(files, quiet=True)
        started = emulator.start(files.log)
        state = State(started.endpoint, started.pid, *started.keys)
        write_private(files.state, json.dumps(state._asdict()) + "\n")
    variables = emulator.client_environment(
        state.endpoint, emulator.Keys(state.key_id, state.secret), os.environ
    )
    variables["AWS_DATA_PATH"] = str(fast_waiters(files.folder / "models"))
    write_private(files.shell, "".join(f"export {name}='{variables[name]}'\n" for name in EXPORTED))
    say(f"an emulated AWS runs at {state.endpoint}; let a shell use it with:")
    jobs = job_names(root)
    job = "wordcount" if "wordcount" in jobs else (*jobs, "NAME")[0]
    say(f"  . {os.path.relpath(files.shell)}")
    say(f"  .venv/bin/python scripts/deploy.py {job}")
    say(f"  .venv/bin/python scripts/submit.py {job} README.md --wait")
    say("scripts/cloud.py down ends it, and forgets its data")


def down(files: Files, *, quiet: bool = False) -> None:
    """End the emulator that `up` started, if there is one."""
    state = read_state(files.state)
    if state is not None:
        emulator.stop(state.pid)
        shutil.rmtree(emulator.scratch_folder(files.log), ignore_errors=True)
    files.state.unlink(missing_ok=True)
    files.shell.unlink(missing_ok=True)
    if not quiet:
        say("no emulated AWS was running" if state is None else f"ended the one at {state.endpoint}")


def write_private(path: Path, text: str) -> None:
    """Replace the file by one that only its owner may read, from the beginning."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def read_state(path: Path) -> State | None:
    """What `up` wrote, or None if there is nothing to read."""
    try:
        state = json.loads(path.read_text("utf-8"))
        keys = [str(state.get(name, "")) for name in ("key_id", "secret")]
        return State(str(state["endpoint"]), int(state["pid"]), *keys)
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None


def answers(endpoint: str) -> bool:
    try:
        urllib.request.urlopen(f"{endpoint}/_ministack/health", timeout=5).close()  # noqa: S310 (our own http)
    except (urllib.error.URLError, OSError):
        return False
    return True


if __name__ == "__main__":
    sys.exit(run_main(lambda: main(sys.argv[1:])))
