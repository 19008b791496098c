"""Starts and stops MiniStack, the AWS emulator, on a free port of the loopback interface.

    with running(Path("ministack.log")) as emulator:
        subprocess.run([...], env=emulator.environment())

The program is `.venv-cloud/bin/ministack` of the checkout or of the project, or what SLUICE_MINISTACK names. Its data
is in memory. It stands behind a gate (`gate.py`): only who has the keys of this very start is let in, and no web page.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from scripts.projects.where import EMULATOR, HOME, INSTALLED, project_root

GATE = Path(__file__).resolve().with_name("gate.py")
HOST = "127.0.0.1"

#: The variable that sets a job's `python`.
PYTHON = "SLUICE_PYTHON"

#: Seconds until it answers, and until it has ended when asked to.
START, STOP = 60.0, 10.0

#: Another process may take the free port between our look and MiniStack's.
PORTS = 3

#: Functions that may run at once: each is a process of 50 MB. Events for which there is no slot are kept meanwhile. AWS
#: keeps a hundred for functions without a share, so fewer would leave none to reserve.
SLOTS = 120
#: Events worked on at once. More processes than this only keep each other from the processors.
AT_ONCE = 4 * (os.cpu_count() or 2)


class EmulatorError(Exception):
    """MiniStack is missing or did not start; the text says what to do."""


class Keys(NamedTuple):
    """The credentials of one start of the emulator: nobody can guess them."""

    key_id: str
    secret: str


def new_keys() -> Keys:
    return Keys(f"AKIA{secrets.token_hex(8).upper()}", secrets.token_urlsafe(30))


@dataclass(frozen=True)
class Emulator:
    """A MiniStack that answers at `endpoint` to who has its `keys`; `pid` also names its process group.

    Its functions' unpacked zips, some MB for each process, are in `scratch` until it ends.
    """

    endpoint: str
    pid: int
    scratch: Path
    keys: Keys = field(repr=False)
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False, compare=False)

    def environment(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """`base` (default: ours) for programs that are to use this emulator and nothing of the user's AWS."""
        return client_environment(self.endpoint, self.keys, os.environ if base is None else base)

    def stop(self) -> None:
        """End it and its workers; stopping it again does nothing."""
        process = self.process
        if process is None:
            stop(self.pid)
        elif process.poll() is None:
            _end(self.pid, lambda: process.poll() is None)
            process.wait()
        shutil.rmtree(self.scratch, ignore_errors=True)


def client_environment(endpoint: str, keys: Keys, base: Mapping[str, str]) -> dict[str, str]:
    """`base` for programs that are to use the emulator at `endpoint` and nothing of the user's AWS.

    The emulator runs functions with its own Python, which is this one, whatever they ask for.
    """
    kept = {
        name: value for name, value in base.items() if not name.startswith("AWS_") or name == "AWS_DATA_PATH"
    }
    return kept | {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": keys.key_id,
        "AWS_SECRET_ACCESS_KEY": keys.secret,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        PYTHON: f"{sys.version_info[0]}.{sys.version_info[1]}",
    }


def program() -> Path:
    return Path(os.environ.get("SLUICE_MINISTACK") or home() / "bin" / "ministack")


def home() -> Path:
    """Its environment: in a checkout its own, else the project's. Raises NoProject."""
    return (project_root() if INSTALLED else HOME) / EMULATOR


def _installed() -> Path:
    found = program()
    if not found.exists():
        raise EmulatorError(
            f"{found}: no such program; `scripts/cloud.py install` installs it, or set SLUICE_MINISTACK"
        )
    return found


def scratch_folder(log: Path) -> Path:
    """Where the MiniStack that writes this log keeps its temporary files: it leaves them behind."""
    return log.with_suffix(".tmp")


def start(log: Path, settings: Mapping[str, str] | None = None) -> Emulator:
    """Start MiniStack and wait until it answers. It outlives this process: see `stop` and `running`.

    `settings` go into its environment and that of the functions.
    """
    scratch = scratch_folder(log).absolute()
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o700)
    keys = new_keys()
    for _ in range(PORTS):
        port = _free_port()
        endpoint = f"http://{HOST}:{port}"
        with log.open("wb") as output:
            process = subprocess.Popen(
                _command(),
                env=_server_environment(endpoint, keys, port)
                | {"TMPDIR": str(scratch)}
                | dict(settings or {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us; and its workers are then in its group
            )
        try:
            if _answers(endpoint, process):
                return Emulator(endpoint, process.pid, scratch, keys, process)
        except BaseException:
            Emulator(endpoint, process.pid, scratch, keys, process).stop()
            raise
        process.wait()
    raise EmulatorError(f"{program()} ended with status {process.returncode} at once; it said:\n{_tail(log)}")


def stop(pid: int) -> None:
    """End a MiniStack and its workers, unless `pid` is gone or belongs to another program by now."""
    if _is_ministack(pid):
        _end(pid, lambda: _is_ministack(pid))


def _end(pid: int, alive: Callable[[], bool]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP
    while alive() and time.monotonic() < deadline:
        time.sleep(0.02)
    # What is left of the group: MiniStack itself if it did not listen, or workers it left behind.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


@contextlib.contextmanager
def running(log: Path, settings: Mapping[str, str] | None = None) -> Iterator[Emulator]:
    """A MiniStack for as long as the block runs: it ends with the block, also by Ctrl-C or SIGTERM."""
    with _terminable():
        emulator = start(log, settings)
        try:
            yield emulator
        finally:
            emulator.stop()


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end this process as an exception does, so that what is open is cleaned up."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _command() -> list[str | Path]:
    """The gate, run by the Python that MiniStack is installed for; the program's name is there for `_is_ministack`."""
    found = _installed()
    return [found.with_name("python"), GATE, found]


def _server_environment(endpoint: str, keys: Keys, port: int) -> dict[str, str]:
    # The endpoint is for the functions that it runs: without it they would call the real AWS.
    return client_environment(endpoint, keys, os.environ) | {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": HOST,
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.2",
        "LAMBDA_ACCOUNT_CONCURRENCY": str(SLOTS),
        "GATEWAY_EVENTS_AT_ONCE": str(AT_ONCE),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(endpoint: str, process: subprocess.Popen[bytes]) -> bool:
    """True once it is healthy, False if it ended before."""
    deadline = time.monotonic() + START
    while process.poll() is None:
        with contextlib.suppress(urllib.error.URLError, OSError):
            urllib.request.urlopen(f"{endpoint}/_ministack/health", timeout=5).close()  # noqa: S310 (our own http)
            return True
        if time.monotonic() > deadline:
            raise EmulatorError(f"{endpoint}: MiniStack did not answer within {START:.0f} s")
        time.sleep(0.05)
    return False


def _is_ministack(pid: int) -> bool:
    """Whether `pid` is a living MiniStack: its number may have been given to another program."""
    if Path("/proc/self/stat").exists():
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        except OSError:
            return False
    else:
        asked = subprocess.run(
            ["ps", "-o", "stat=,command=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        state, _, command = asked.stdout.strip().partition(" ")
    return program().name in command and not state.startswith("Z")


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])
