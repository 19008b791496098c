"""Run one program and say what it used, as the operating system counts it.

As a script it is a launcher of its own, because a child's peak memory starts at its parent's: the parent
must be small. `measure` is the way to call it.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_SAMPLES_A_SECOND = 10
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER: orphans of the program become ours


@dataclass(frozen=True)
class Usage:
    """A program's use of the machine, its descendants' included. Seconds and bytes."""

    wall: float
    user: float
    system: float
    #: Peak resident size of the largest process: exact.
    largest: int
    #: The same of the processes below the first one, and the largest sum of all at one moment, in which
    #: pages that forked processes share count for each: sampled ten times a second.
    worker: int
    together: int
    code: int

    @property
    def ok(self) -> bool:
        return self.code == 0


def measure(command: Sequence[str], environ: Mapping[str, str], folder: Path, seconds: float) -> Usage:
    """Run a command with `folder` as its working directory; what it prints goes to `log` there."""
    result = folder / "usage.json"
    launcher = [sys.executable, "-I", "-S", __file__, str(result), str(seconds), *command]
    with (folder / "log").open("wb") as log:
        subprocess.run(
            launcher, check=True, cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    return Usage(**json.loads(result.read_text()))


# The launcher


class _Sampler(threading.Thread):
    """Watches the sizes of a process and its descendants until told to stop."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self._root = root
        self._end = threading.Event()
        self.worker = 0
        self.together = 0

    def run(self) -> None:
        while not self._end.wait(1 / _SAMPLES_A_SECOND):
            together = 0
            for pid in _family(self._root):
                together += _resident(pid)
                if pid != self._root:
                    self.worker = max(self.worker, _peak(pid))
            self.together = max(self.together, together)

    def stop(self) -> None:
        self._end.set()
        self.join()


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            for child in _read(f"/proc/{pid}/task/{thread}/children").split():
                yield from _family(int(child))
    except OSError:
        return  # it has ended, or this system has no /proc


def _resident(pid: int) -> int:
    fields = _read(f"/proc/{pid}/statm").split()
    return int(fields[1]) * _PAGE if fields else 0


def _peak(pid: int) -> int:
    for line in _read(f"/proc/{pid}/status").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def _launch(result: str, seconds: float, command: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    started = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        try:
            os.execvp(command[0], command)  # noqa: S606
        except OSError as error:
            os.write(2, f"{command[0]}: {error}\n".encode())
            os._exit(127)
    sampler = _Sampler(pid)
    sampler.start()
    alarm = threading.Timer(seconds, _kill_group, (pid,))
    alarm.start()
    _, status, used = os.wait4(pid, 0)
    wall = time.perf_counter() - started
    alarm.cancel()
    sampler.stop()
    user, system, largest = used.ru_utime, used.ru_stime, used.ru_maxrss
    for left in _leftovers(pid):
        user, system, largest = user + left.ru_utime, system + left.ru_stime, max(largest, left.ru_maxrss)
    usage = {
        "wall": wall,
        "user": user,
        "system": system,
        "largest": largest * (1024 if sys.platform == "linux" else 1),
        "worker": sampler.worker,
        "together": sampler.together,
        "code": os.waitstatus_to_exitcode(status),
    }
    with open(result, "w") as file:
        json.dump(usage, file)


def _leftovers(group: int) -> Iterator:
    """End what the program left running, and count it."""
    _kill_group(group)
    for pid in [child for child in _family(os.getpid()) if child != os.getpid()]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    while True:
        try:
            yield os.wait4(-1, 0)[2]
        except ChildProcessError:
            return


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    _launch(sys.argv[1], float(sys.argv[2]), sys.argv[3:])
