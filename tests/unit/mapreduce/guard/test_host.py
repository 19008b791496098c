"""What is known of the process that a function runs in."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from chalicelib.mapreduce.guard.host import ThisProcess


def test_the_first_invocation_is_cold_and_no_other() -> None:
    host = ThisProcess()
    seen = []
    for _ in range(3):
        host.begin()
        seen.append(host.cold)
    assert (seen, host.memory) == ([True, False, False], 0)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the oracle is Linux's own count")
def test_the_peak_is_what_the_system_says() -> None:
    """In a new process, since that of the tests may have shrunk or grown meanwhile."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            ballast = bytearray(64 << 20)
            ballast[:: 1 << 12] = b"x" * len(ballast[:: 1 << 12])
            del ballast
            found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
            os.write(write, f"{ThisProcess().peak()} {found[1] if found else 0}".encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        peak, expected = (int(word) for word in pipe.read().split())
    os.waitpid(child, 0)
    assert peak > 64
    assert abs(peak - expected / 1024) <= 2
