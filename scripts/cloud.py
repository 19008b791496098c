#!/usr/bin/env python
"""Keep an emulated AWS (MiniStack) running to play with: `up` starts it, `down` ends it.

    scripts/cloud.py up          # says which file has its address and keys
    scripts/cloud.py down

Its data is in memory, and gone when it ends.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from chalicelib.core.errors import UserError
from scripts.console.terminal import Parser, run_main, say
from scripts.deployment.waiters import fast_waiters
from scripts.emulation import emulator

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".sluice"
STATE = FOLDER / "cloud.json"
SHELL = FOLDER / "cloud.sh"
LOG = FOLDER / "ministack.log"
#: What a shell needs to be pointed at the emulator.
EXPORTED = (
    "AWS_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_DEFAULT_REGION",
    "AWS_DATA_PATH",
)


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
    parser.add_argument("action", choices=["up", "down"])
    action = up if parser.parse_args(argv).action == "up" else down
    try:
        action()
    except emulator.EmulatorError as error:
        raise UserError(str(error)) from error
    return 0


def up() -> None:
    """Start the emulator unless it runs, and say how to use it."""
    FOLDER.mkdir(exist_ok=True)
    state = read_state()
    if state is None or not state.secret or not answers(state.endpoint):
        down(quiet=True)
        started = emulator.start(LOG)
        state = State(started.endpoint, started.pid, *started.keys)
        write_private(STATE, json.dumps(state._asdict()) + "\n")
    variables = emulator.client_environment(
        state.endpoint, emulator.Keys(state.key_id, state.secret), os.environ
    )
    variables["AWS_DATA_PATH"] = str(fast_waiters(FOLDER / "models"))
    write_private(SHELL, "".join(f"export {name}='{variables[name]}'\n" for name in EXPORTED))
    say(f"an emulated AWS runs at {state.endpoint}; let a shell use it with:")
    say(f"  . {SHELL.relative_to(ROOT)}")
    say("  .venv/bin/python scripts/deploy.py wordcount")
    say("  .venv/bin/python scripts/submit.py wordcount README.md --wait")
    say("make cloud-down ends it, and forgets its data")


def down(*, quiet: bool = False) -> None:
    """End the emulator that `up` started, if there is one."""
    state = read_state()
    if state is not None:
        emulator.stop(state.pid)
        shutil.rmtree(emulator.scratch_folder(LOG), ignore_errors=True)
    STATE.unlink(missing_ok=True)
    SHELL.unlink(missing_ok=True)
    if not quiet:
        say("no emulated AWS was running" if state is None else f"ended the one at {state.endpoint}")


def write_private(path: Path, text: str) -> None:
    """Replace the file by one that only its owner may read, from the beginning."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def read_state(path: Path = STATE) -> State | None:
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
