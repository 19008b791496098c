"""Runs scripts in processes forked from one that has read other people's packages, as the emulator starts functions.

AWS's SDK and Chalice are more than half of what a short script costs, and hundreds run in the tests. All that is ours
is read by each process as ever, from the checkout that it belongs to, in its own folder and environment.

A deployment runs Chalice as a program; that is forked as well, from the script, and then knows nothing of ours either.

As a program it is the process that forks (`scripts/emulation/warm_start.py`), and then imports nothing of Sluice:

    python warm_scripts.py FD
"""

from __future__ import annotations

import atexit
import functools
import os
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import IO, Any

#: What describes these to the SDK is long.
SERVICES = ("s3", "lambda", "iam", "logs", "events", "sts", "cloudwatch")
#: What scripts import of others, beside the SDK.
MODULES = (
    "chalice.cli.factory",
    "chalice.deploy.executor",
    "chalice.deploy.planner",
    "cyclonedx.output.json",
    "msgspec",
    "packageurl",
    "rich.console",
    "yaml",
)
#: What is ours in a process that becomes Chalice.
OURS = ("app", "chalicelib", "jobs", "scripts")


@functools.cache
def _forking() -> socket.socket:
    """Where processes are asked for, as long as this process lives."""
    from scripts.emulation.warm_start import start_forking

    asked, process = start_forking(__file__, "random")

    def stop() -> None:
        asked.close()
        process.wait()

    atexit.register(stop)
    return asked


def run(
    script: Path, args: Sequence[str], folder: Path, environ: Mapping[str, str], seconds: float
) -> subprocess.CompletedProcess[str]:
    """What `subprocess.run` gives of `python SCRIPT ARGS` in the folder, with nothing to read."""
    from scripts.emulation.warm_start import Forked

    process = Forked(_forking(), str(script), str(folder), environ, args)
    process.stdin.close()
    said: dict[IO[str], str] = {}
    readers = [
        threading.Thread(target=lambda file: said.update({file: file.read()}), args=(file,))
        for file in (process.stdout, process.stderr)
    ]
    for reader in readers:
        reader.start()
    try:
        process.wait(seconds)
    finally:
        process.kill()
        for reader in readers:
            reader.join()
        process.stdout.close()
        process.stderr.close()
    status: Any = process.returncode
    return subprocess.CompletedProcess(
        [str(script), *args], status, said[process.stdout], said[process.stderr]
    )


def fork_chalice(become: Callable[..., None], search: Sequence[str]) -> None:
    """Have `subprocess.run` fork where it is to run Chalice and nothing else; `search` is the path of a new Python."""
    run = subprocess.run

    def run_or_fork(command: Any, **options: Any) -> Any:
        deploying = sys.modules.get("scripts.deployment.chalice_cli")
        if not deploying or command[:3] != [sys.executable, "-c", deploying._RUN]:
            return run(command, **options)
        said, told = os.pipe()
        pid = os.fork()
        if not pid:
            forget_ours(search)
            message = {
                "program": str(Path(sys.executable).with_name("chalice")),
                "arguments": command[3:],
                "folder": str(options["cwd"]),
                "environment": options["env"],
            }
            become(message, [os.open(os.devnull, os.O_RDONLY), told, told])
        os.close(told)
        with open(said) as output:
            text = output.read()
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return subprocess.CompletedProcess(command, status, text)

    subprocess.run = run_or_fork  # type: ignore[assignment]


def forget_ours(search: Sequence[str]) -> None:
    """Be as a Python that has imported nothing of ours, and that compiles nothing to disk."""
    for name in [name for name in sys.modules if name.partition(".")[0] in OURS]:
        del sys.modules[name]
    sys.path[:] = search
    sys.excepthook = sys.__excepthook__
    sys.dont_write_bytecode = True
    warnings.simplefilter("ignore")


def main() -> None:
    search = [*sys.path]
    sys.path[0] = str(Path(__file__).resolve().parents[2] / "scripts" / "emulation")
    from warm_start import become, fork_until_closed, read_sdk  # type: ignore[import-not-found]

    for module in MODULES:
        import_module(module)
    read_sdk(SERVICES)
    fork_chalice(become, search)
    fork_until_closed(socket.socket(fileno=int(sys.argv[1])))


if __name__ == "__main__":
    main()
