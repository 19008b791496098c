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


LIBRARY = "import os\nREAD_BY = os.getpid()\n"
WORKER = (
    "import os, sys; sys.path.insert(0, os.getcwd())\n"
    "from chalicelib.stores import s3\n"
    "print(s3.READ_BY, s3.__file__, os.getpid(), hash('a'), flush=True)\n"
    "sys.stdin.read()\n"
)


def unpacked(folder: Path) -> Path:
    library = folder / "chalicelib" / "stores"
    library.mkdir(parents=True)
    for name in ("chalicelib", "chalicelib/stores"):
        (folder / name / "__init__.py").touch()
    (library / "s3.py").write_text(LIBRARY)
    return folder


def test_the_library_of_a_zip_is_read_once_for_its_processes(start: Start, tmp_path: Path) -> None:
    path = unpacked(tmp_path) / "chalicelib" / "stores" / "s3.py"
    processes, said = [], []
    for _ in range(3 * warm_start.FORKING):
        processes.append(start(WORKER))
        said.append(processes[-1].stdout.readline().split())
    assert {file for _, file, _, _ in said} == {str(path)}
    assert [int(pid) for _, _, pid, _ in said] == [process.pid for process in processes]
    readers, hashes = {reader for reader, *_ in said}, {each for *_, each in said}
    assert len(readers) == len(hashes) == warm_start.FORKING
    assert not readers & {pid for _, _, pid, _ in said}
    for process in processes[1:]:
        process.stdin.close()
        assert process.wait(timeout=30) == 0
    processes[0].kill()
    assert processes[0].wait(timeout=30) == -signal.SIGKILL


def test_what_is_wrong_in_a_library_is_told_in_the_process_that_needs_it(
    start: Start, tmp_path: Path
) -> None:
    (unpacked(tmp_path) / "chalicelib" / "stores" / "s3.py").write_text("import sys; sys.exit('broken')\n")
    for _ in range(2 * warm_start.FORKING):
        process = start(WORKER)
        assert process.wait(timeout=30) == 1
        assert process.stdout.read() == ""


def test_processes_of_a_zip_live_on_when_many_others_were_used_since(runtime: Any, tmp_path: Path) -> None:
    processes = []
    for number in range(warm_start.FORKING * (warm_start.ZIPS + 2)):
        folder = unpacked(tmp_path / str(number))
        (folder / "worker.py").write_text(WORKER)
        processes.append(
            runtime.subprocess.Popen(
                ["python", str(folder / "worker.py")], cwd=str(folder), env={}, text=True, bufsize=1,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
        )  # fmt: skip
        _, file, *_ = processes[-1].stdout.readline().split()
        assert file == str(folder / "chalicelib" / "stores" / "s3.py")
    assert len({process.pid for process in processes}) == len(processes)
    for process in processes:
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(timeout=30) == 0
        process.stdout.close()
        process.stderr.close()


def test_other_programs_than_python_s_are_started_as_ever(runtime: Any) -> None:
    done = runtime.subprocess.Popen(["true"])
    assert isinstance(done, subprocess.Popen)
    assert done.wait(timeout=30) == 0
