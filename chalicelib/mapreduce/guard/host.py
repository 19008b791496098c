"""The process that a function runs in: how much memory it has and has held, and whether it is new."""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path

from ...core.ports import Host

#: What `ru_maxrss` counts in, by the system: macOS counts bytes, all others KiB.
_UNITS_OF_A_MIB = 1 << 20 if sys.platform == "darwin" else 1 << 10


class ThisProcess:
    """A `core.ports.Host`. Its root says when an invocation begins."""

    def __init__(self, memory: int = 0) -> None:
        """To be made when the process is ready."""
        self.memory = memory
        self.init = _age()
        self._invocations = 0

    def begin(self) -> None:
        """An invocation begins."""
        self._invocations += 1

    @property
    def cold(self) -> bool:
        return self._invocations == 1

    def peak(self) -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // _UNITS_OF_A_MIB


class SameInvocation:
    """The process as an attempt finds it that follows another in one invocation."""

    cold, init = False, 0.0

    def __init__(self, host: Host) -> None:
        self.memory, self.peak = host.memory, host.peak


def _age() -> float:
    """Seconds since this process began; 0 where the system does not tell."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        began = int(fields[19]) / os.sysconf(
            "SC_CLK_TCK"
        )  # behind the name, which may have spaces: the 22nd of all
    except (OSError, ValueError, IndexError):
        return 0.0
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - began)
