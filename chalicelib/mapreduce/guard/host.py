"""The process that a function runs in: how much memory it has and has held, and whether it is new."""

from __future__ import annotations

import resource
import sys

#: What `ru_maxrss` counts in, by the system: macOS counts bytes, all others KiB.
_UNITS_OF_A_MIB = 1 << 20 if sys.platform == "darwin" else 1 << 10


class ThisProcess:
    """A `core.ports.Host`. Its root says when an invocation begins."""

    def __init__(self, memory: int = 0) -> None:
        self.memory = memory
        self._invocations = 0

    def begin(self) -> None:
        """An invocation begins."""
        self._invocations += 1

    @property
    def cold(self) -> bool:
        return self._invocations == 1

    def peak(self) -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // _UNITS_OF_A_MIB
