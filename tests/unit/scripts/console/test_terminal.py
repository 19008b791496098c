"""Sizes, times and money for people; errors as one block."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import boto3
import pytest

from chalicelib.core.errors import Forbidden, StoreError, UserError
from scripts.console import terminal
from scripts.console.terminal import Parser
from tests.unit.scripts.user import (
    ROOT,
    local_run,
)


@pytest.mark.parametrize(
    ("size", "told"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (64 << 20, "64.0 MiB"),
     ((1 << 20) - 1, "1.0 MiB"), (1 << 50, "1.0 PiB")],
)  # fmt: skip
def test_bytes_for_people(size: int, told: str) -> None:
    assert terminal.human_bytes(size) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.04, "0.04s"), (0.999, "1.0s"),
     (9.94, "9.9s"), (9.96, "10s"), (59.6, "1m 00s"), (75, "1m 15s"), (3600, "1h 00m"),
     (90_000, "1d 1h")],
)  # fmt: skip
def test_seconds_for_people(seconds: float, told: str) -> None:
    assert terminal.human_seconds(seconds) == told


@pytest.mark.parametrize(
    ("dollars", "told"),
    [(0, "$0.0000"), (0.00001, "less than $0.0001"), (0.0012, "$0.0012"), (1234.5, "$1,234.50")],
)
def test_dollars_for_people(dollars: float, told: str) -> None:
    assert terminal.human_dollars(dollars) == told


@pytest.mark.parametrize(
    ("done", "total", "filled"), [(0, 3, 0), (1, 3, 8), (999, 1000, 23), (3, 3, 24), (0, 0, 24)]
)
def test_a_bar_is_full_only_at_the_end(done: int, total: int, filled: int) -> None:
    assert terminal.plain(terminal.bar(done, total, terminal=False)) == "#" * filled + "-" * (24 - filled)


def raising(error: BaseException) -> Callable[[], int]:
    def main() -> int:
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (UserError("a: wrong\nb: too"), 1, "error: a: wrong\n  b: too\n"),
        (StoreError("s3://b: \x1b[2Jslow"), 1, "error: s3://b: \\x1b[2Jslow\n"),
        (Forbidden("s3://b: no"), 1, "error: s3://b: no\n"),
        (KeyboardInterrupt(), 130, "\ninterrupted\n"),
    ],
)
def test_errors_are_one_block(error: BaseException, code: int, told: str) -> None:
    err = io.StringIO()
    assert (terminal.run_main(raising(error), err), err.getvalue()) == (code, told)


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        terminal.run_main(raising(ZeroDivisionError()), io.StringIO())


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    local_run(tmp_path)
    command: Sequence[str] = [
        sys.executable,
        str(ROOT / "scripts/status.py"),
        "--work",
        str(tmp_path / "work"),
    ]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, timeout=60)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


ENDS = """
import os, sys
sys.path.insert(0, {root!r})
from scripts.console.terminal import run_main, say
def main():
    say("a line")
    {act}
    return 0
sys.exit(run_main(main))
"""


LEAVES = """
import atexit, sys, threading, time
sys.path.insert(0, {root!r})
from scripts.console.terminal import leave
def late():
    time.sleep(0.05)
    print("and those who are at work come to their end")
class Torn:
    def __del__(self):
        print("torn down")
torn = Torn()
atexit.register(print, "and what is due at the end is done")
if {beside}:
    threading.Thread(target=late).start()
print("what was said is heard")
leave(3)
"""


@pytest.mark.parametrize("beside", [False, True])
def test_a_process_that_leaves_owes_nothing(beside: bool) -> None:
    """Output is written, exit functions run, threads end; only the taking down of modules is left out."""
    program = [sys.executable, "-c", LEAVES.format(root=str(ROOT), beside=beside)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60)
    said = ["what was said is heard", "and what is due at the end is done"]
    if beside:
        said = [said[0], "and those who are at work come to their end", said[1], "torn down"]
    assert (done.returncode, done.stdout.splitlines(), done.stderr) == (3, said, "")


def ends(act: str, *, read: bool) -> tuple[int, str]:
    """Exit code and errors of a program whose `main` says a line and then does this."""
    with subprocess.Popen(
        [sys.executable, "-c", ENDS.format(root=str(ROOT), act=act)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout
        if not read:
            program.stdout.close()
            program.stdout = None
        _, errors = program.communicate("go\n", timeout=60)
    return program.returncode, errors


def test_a_reader_that_left_is_no_error() -> None:
    assert ends("sys.stdin.readline(); sys.stdout.flush()", read=False) == (141, "")


def test_any_other_broken_pipe_is() -> None:
    code, errors = ends("raise BrokenPipeError('a connection')", read=True)
    assert code == 1
    assert "BrokenPipeError: a connection" in errors


# ---------------------------------------------------------------------------------------------------
# What all commands that call AWS take


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment with keys and a region; what is changed in it is changed back."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "theirs")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")
    monkeypatch.setenv("AWS_PROFILE", "default")


def test_region_and_profile_are_what_boto3_uses(
    keys: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "credentials").write_text("[mine]\naws_access_key_id = ours\naws_secret_access_key = x\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    Parser(aws=True).parse_args(["--region", "eu-north-1", "--profile", "mine"])
    session = boto3.Session()
    found = session.get_credentials()
    assert session.region_name == "eu-north-1"
    assert found is not None
    assert found.access_key == "ours"


def test_without_them_the_environment_stays(keys: None) -> None:
    before = dict(os.environ)
    Parser(aws=True).parse_args([])
    Parser().parse_args([])
    assert dict(os.environ) == before


def test_a_command_that_calls_nobody_has_no_such_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        Parser().parse_args(["--region", "eu-north-1"])
    assert "unrecognized arguments: --region" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------------
# Completion


def completed(line: str, folder: Path) -> set[str]:
    """What a shell is offered at the end of a line."""
    script = ROOT / "scripts" / line.split()[0]
    asked = os.environ | {
        "_ARGCOMPLETE": "1", "_ARGCOMPLETE_STDOUT_FILENAME": str(folder / "offered"), "_ARGCOMPLETE_IFS": "\n",
        "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_SHELL": "bash",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(script)], cwd=folder, env=asked, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return {word.strip() for word in (folder / "offered").read_text().splitlines()}


def test_options_and_the_names_of_jobs_are_completed(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    for name in ("visits", "views"):
        (tmp_path / "jobs" / f"{name}.yml").write_text("")
    assert completed("status.py vi", tmp_path) == {"visits", "views"}
    assert completed("status.py --reg", tmp_path) == {"--region"}
