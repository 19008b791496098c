"""Processes that are forked behave as MiniStack expects of those that it starts itself."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scripts.emulation import warm_start
from scripts.emulation.warm_start import Forked, start_warm

pytestmark = pytest.mark.slow

Start = Callable[..., Any]


@pytest.fixture(scope="module")
def runtime() -> Iterator[Any]:
    runtime = SimpleNamespace(subprocess=subprocess)
    stop = start_warm(runtime)
    yield runtime
    stop()


@pytest.fixture
def start(runtime: Any, tmp_path: Path) -> Iterator[Start]:
    processes: list[Any] = []

    def started(program: str, **environment: str) -> Any:
        path = tmp_path / "worker.py"
        path.write_text(program)
        process = runtime.subprocess.Popen(
            ["python", str(path)], cwd=str(tmp_path), env=environment, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        processes.append(process)
        return process

    yield started
    for process in processes:
        process.kill()
        process.wait(timeout=30)
        for file in (process.stdin, process.stdout, process.stderr):
            file.close()


def test_it_talks_by_lines_in_its_own_folder_and_environment(start: Start, tmp_path: Path) -> None:
    process = start(
        "import os, sys\n"
        "for line in sys.stdin:\n"
        "    print(line.strip(), os.getcwd(), dict(os.environ), sys.argv, __name__, flush=True)\n"
        "print('bye', file=sys.stderr)\n",
        MINE="1",
    )
    assert isinstance(process, Forked)
    assert process.pid not in (0, os.getpid())
    for word in ("one", "two"):
        process.stdin.write(f"{word}\n")
        path = tmp_path / "worker.py"
        assert process.stdout.readline() == f"{word} {tmp_path} {{'MINE': '1'}} {[str(path)]} __main__\n"
    assert process.poll() is None
    process.stdin.close()
    assert process.stderr.readline() == "bye\n"
    assert process.wait(timeout=30) == process.poll() == 0
    assert process.stdout.readline() == ""


@pytest.mark.parametrize(
    ("program", "status", "said"),
    [
        ("import sys; sys.exit(3)", 3, ""),
        ("import sys; sys.exit('no')", 1, ""),
        ("raise ValueError('what it was')", 1, "ValueError: what it was\n"),
        ("import os; os._exit(7)", 7, ""),
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL, ""),
    ],
)
def test_it_tells_how_it_ended(program: str, status: int, said: str, start: Start) -> None:
    process = start(program)
    assert process.wait(timeout=30) == status
    assert process.stderr.read().endswith(said)


def test_it_can_be_ended(start: Start) -> None:
    waits = "import time\nprint('here', flush=True)\ntime.sleep(600)\n"
    asked, killed = start(waits), start(waits)
    for process in (asked, killed):
        assert process.stdout.readline() == "here\n"
    with pytest.raises(subprocess.TimeoutExpired):
        asked.wait(timeout=0.01)
    asked.terminate()
    killed.kill()
    assert asked.wait(timeout=30) == -signal.SIGTERM
    assert killed.wait(timeout=30) == -signal.SIGKILL
    killed.kill()  # once more is no error


def test_hashes_differ_from_process_to_process_as_those_of_real_ones_do(start: Start) -> None:
    said = {start("print(hash('a'))").stdout.readline() for _ in range(warm_start.FORKING)}
    assert len(said) == warm_start.FORKING


def test_other_programs_than_python_s_are_started_as_ever(runtime: Any) -> None:
    done = runtime.subprocess.Popen(["true"])
    assert isinstance(done, subprocess.Popen)
    assert done.wait(timeout=30) == 0
