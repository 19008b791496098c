"""Starts the processes of functions by a fork of a process that has AWS's SDK in it, instead of from nothing.

A process that starts from nothing takes half a second of a processor until it has read boto3, which Lambda's own
runtime brings along, and all functions are alike in that. Hundreds start in the tests. What belongs to a function is
read from its own zip: the library once for all processes of that zip, `app.py` and the job by each as ever. Nothing
that is measured may start so.

It runs inside MiniStack, and imports nothing of Sluice. As a program it is the process that forks:

    python warm_start.py FD

FD is a socket that gives for each process one message, `{"program": PATH, "arguments": [...], "folder": PATH,
"environment": {...}}`, with four open files: standard input, output and error, and where to say the process's number
and its exit status. One with `"code": FOLDER` is for a process of the zip that is unpacked there.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from itertools import cycle
from types import SimpleNamespace
from typing import IO, Any

#: Processes that fork. Each has a hash seed of its own: what depends on the order of a set must not go unnoticed.
FORKING = 2
#: Bytes of a message; an environment has some KB.
MESSAGE = 200_000
#: What all functions of a zip import from it, in whatever job.
LIBRARY = (
    "chalicelib.aws.chalice_app",
    "chalicelib.aws.invoker",
    "chalicelib.functions.coordinator",
    "chalicelib.functions.mapper",
    "chalicelib.functions.reducer",
    "chalicelib.functions.supervisor",
    "chalicelib.job.load_class",
    "chalicelib.mapreduce.guard.apart",
    "chalicelib.mapreduce.guard.host",
    "chalicelib.stores.disk",
    "chalicelib.stores.s3",
)
#: Processes that have the library of a zip, each 10 MB of its own: of the zips that were used last.
ZIPS = 6


class Forked:
    """As much of `subprocess.Popen` as MiniStack uses, for a Python program with pipes of text."""

    returncode: int | None = None

    def __init__(
        self,
        forking: socket.socket,
        program: str,
        folder: str,
        environment: Mapping[str, str],
        arguments: Sequence[str] = (),
        code: str = "",
    ) -> None:
        theirs_in, ours_in = os.pipe()
        ours_out, theirs_out = os.pipe()
        ours_err, theirs_err = os.pipe()
        self._status, told = os.pipe()
        theirs = [theirs_in, theirs_out, theirs_err, told]
        message = {
            "program": program,
            "arguments": [*arguments],
            "folder": folder,
            "environment": dict(environment),
            "code": code,
        }
        try:
            socket.send_fds(forking, [json.dumps(message).encode()], theirs)
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        self.stdin: IO[str] = open(ours_in, "w", buffering=1)  # noqa: SIM115 (as long as the process lives)
        self.stdout: IO[str] = open(ours_out)  # noqa: SIM115
        self.stderr: IO[str] = open(ours_err)  # noqa: SIM115
        self._lock = threading.Lock()
        self.pid = int(self._line())

    def poll(self) -> int | None:
        return self._ended(0.0)

    def wait(self, timeout: float | None = None) -> int:
        status = self._ended(timeout)
        if status is None:
            raise subprocess.TimeoutExpired("a function", timeout or 0.0)
        return status

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _ended(self, timeout: float | None) -> int | None:
        with self._lock:
            if self.returncode is None and select.select([self._status], [], [], timeout)[0]:
                # Without a line the process that forks is gone, and with it its children.
                self.returncode = int(self._line() or -signal.SIGKILL)
                os.close(self._status)
            return self.returncode

    def _line(self) -> str:
        """What comes next of the two lines; each is written at once, and is shorter than a pipe keeps whole."""
        line = b""
        while not line.endswith(b"\n"):
            got = os.read(self._status, 1)
            if not got:
                return ""
            line += got
        return line.decode()


def start_warm(runtime: Any) -> Callable[[], None]:
    """Change MiniStack's module of processes (`ministack.core.lambda_runtime`) so that they are forked.

    What it gives ends the processes that fork. They end by themselves when this one does.
    """
    started = [start_forking(__file__, str(seed)) for seed in range(FORKING)]
    turns, lock = cycle(forking for forking, _ in started), threading.Lock()

    def popen(command: list[str], **options: Any) -> Any:
        if not command[-1].endswith(".py"):
            return subprocess.Popen(command, **options)
        with lock:
            forking = next(turns)
        folder, environment = options["cwd"], options["env"]
        return Forked(forking, command[-1], folder, environment, code=_unpacked(folder, environment))

    def stop() -> None:
        for forking, process in started:
            forking.close()
            process.wait()

    runtime.subprocess = SimpleNamespace(**{**vars(subprocess), "Popen": popen})
    return stop


def _unpacked(folder: str, environment: Mapping[str, str]) -> str:
    """The folder whose library may be read beforehand; "" where a layer could come before it."""
    ours = os.path.exists(os.path.join(folder, "chalicelib")) and "_LAMBDA_LAYERS_DIRS" not in environment
    return os.path.realpath(folder) if ours else ""


def start_forking(program: str, seed: str) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """The process that forks, and where to ask it; `program` is this one or calls `fork_until_closed` as it does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, program, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env=os.environ | {"PYTHONHASHSEED": seed},
        )
    return ours, process


# ---------------------------------------------------------------------------------------------------
# The process that forks


def read_sdk(services: Iterable[str] = ("s3", "lambda")) -> None:
    """Import boto3 and all that it imports late, when the first client is made; read what describes the services."""
    import boto3

    keep_models()
    session = boto3.Session(region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none")  # noqa: S106
    client: Any = session.client  # its types know single services only
    for service in services:
        client(service)


def keep_models() -> None:
    """Have botocore parse each file that describes a service once, and list its hundreds of folders once, not once for
    each session.
    """
    from botocore.loaders import JSONFileLoader, Loader

    parsed, listed = functools.cache(JSONFileLoader().load_file), Loader.list_available_services

    @functools.cache
    def services(folder: str, type_name: str) -> list[str]:
        return listed(Loader(extra_search_paths=[folder], include_default_search_paths=False), type_name)

    def list_available_services(loader: Any, type_name: str) -> list[str]:
        folders = loader._potential_locations(must_exist=True, is_dir=True)
        return sorted({service for folder in folders for service in services(folder, type_name)})

    JSONFileLoader.load_file = lambda _, path: parsed(path)  # type: ignore[assignment, method-assign]
    Loader.list_available_services = list_available_services  # type: ignore[assignment, method-assign]


def fork_until_closed(requests: socket.socket) -> None:
    """Start a process for each message, until nobody is left who could send one, nor a process."""
    said_by: dict[int, int] = {}
    libraries: dict[str, socket.socket] = {}
    awake, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    asked = [requests.fileno()]
    gc.freeze()  # what was read stays, so no child need look through it, nor copy it for that
    while asked or said_by:
        ready = select.select([*asked, awake], [], [])[0]
        if awake in ready:
            os.read(awake, 4096)
            _say_who_ended(said_by)
        if requests.fileno() in ready:
            message, files, _, _ = socket.recv_fds(requests, MESSAGE, 4)
            if not message:
                asked.clear()
                libraries.clear()
                continue
            wanted = json.loads(message)
            if code := wanted.pop("code", ""):
                opened = [requests.fileno(), awake, wake, *files, *said_by.values()]
                _pass_on(libraries, code, json.dumps(wanted).encode(), files, opened)
                continue
            pid = os.fork()
            if not pid:
                become(wanted, files)
            for descriptor in files[:3]:
                os.close(descriptor)
            said_by[pid] = files[3]
            os.write(files[3], f"{pid}\n".encode())


def _pass_on(
    libraries: dict[str, socket.socket], code: str, message: bytes, files: list[int], opened: list[int]
) -> None:
    """Have the process be forked by one that has the library of the zip that is unpacked in `code`.

    `opened` are the open files of this process that are not for that one.
    """
    forking = libraries.pop(code, None) or _with_library(libraries, code, opened)
    libraries[code] = forking
    if len(libraries) > ZIPS:
        libraries.pop(next(iter(libraries))).close()  # it ends with the last of its processes
    socket.send_fds(forking, [message], files)
    for descriptor in files:
        os.close(descriptor)


def _with_library(libraries: dict[str, socket.socket], code: str, opened: list[int]) -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork():
        theirs.close()
        return ours
    try:
        for other in (ours, *libraries.values()):
            other.close()
        for descriptor in opened:
            os.close(descriptor)
        sys.path.insert(0, code)
        for module in LIBRARY:
            with contextlib.suppress(BaseException):  # who needs it is told in its own process
                import_module(module)
        sys.path.remove(code)
        fork_until_closed(theirs)
    finally:
        os._exit(0)


def _say_who_ended(said_by: dict[int, int]) -> None:
    while said_by:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        if pid not in said_by:
            continue  # one that had a library
        told = said_by.pop(pid)
        with contextlib.suppress(BrokenPipeError):
            os.write(told, f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os.close(told)


def become(message: dict[str, Any], files: list[int]) -> None:
    """Run the program in this process, which ends with it."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, descriptor in enumerate(files[:3]):
            os.dup2(descriptor, number)
        os.closerange(3, 1024)
        os.environ.clear()
        os.environ.update(message["environment"])
        os.chdir(message["folder"])
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 (as long as the process lives)
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
        sys.argv[:] = [message["program"], *message["arguments"]]
        sys.path[0] = os.path.dirname(message["program"])
        runpy.run_path(message["program"], run_name="__main__")
        status = 0
    except SystemExit as ending:
        status = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except BaseException:  # noqa: BLE001 (whatever it is, the process says so and ends)
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    read_sdk()
    fork_until_closed(socket.socket(fileno=int(sys.argv[1])))
