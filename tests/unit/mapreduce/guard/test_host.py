"""What is known of the process that a function runs in."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chalicelib.mapreduce.guard.host import SameInvocation, ThisProcess

ROOT = Path(__file__).resolve().parents[4]


def test_the_first_invocation_is_cold_and_no_other() -> None:
    host = ThisProcess()
    seen = []
    for _ in range(3):
        host.begin()
        seen.append(host.cold)
    assert (seen, host.memory) == ([True, False, False], 0)


def test_what_follows_in_one_invocation_finds_the_process_warm() -> None:
    host = ThisProcess(512)
    host.begin()
    after = SameInvocation(host)
    assert (host.cold, after.cold, after.init, after.memory) == (True, False, 0.0, 512)
    assert after.peak() == host.peak()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells when a process began")
def test_a_new_process_knows_how_long_it_took_to_be_ready() -> None:
    code = "import time; time.sleep(0.3); from chalicelib.mapreduce.guard import host; print(host.ThisProcess().init)"
    before = time.monotonic() - 0.05  # the system counts hundredths
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert 0.29 <= float(shown.stdout) <= time.monotonic() - before


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
