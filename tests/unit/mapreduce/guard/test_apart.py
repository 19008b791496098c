"""Work in a process of its own: how it ended, and what was in hand."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from chalicelib.core.errors import ProcessKilled, SluiceError
from chalicelib.mapreduce.guard.apart import Death, Fork, Trail

#: Python 3.12 and later warn of a fork beside threads, and a test runner has some.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def steps(trail: Trail, kills: set[int], noted: Path | None = None) -> None:
    """Ten records, some of which kill."""
    for number in range(1, 11):

        def work(number: int = number) -> list[int]:
            if noted:
                with noted.open("a") as file:
                    file.write(f"{number} ")
            if number in kills:
                os._exit(7)
            return [number]

        try:
            trail.step(work, list)
        except ProcessKilled:
            continue


def test_work_that_ends_is_no_death() -> None:
    hung_up: list[int] = []
    fork = Fork(lambda: hung_up.append(os.getpid()))
    assert fork.run(lambda trail: steps(trail, set()), {}) is None
    assert hung_up == [os.getpid()], "before the fork, and in the parent"


def test_the_record_in_hand_is_known() -> None:
    assert Fork().run(lambda trail: steps(trail, {4, 8}), {}) == Death(4, "exit code 7")
    assert Fork().run(lambda trail: steps(trail, {4, 8}), {4: "exit code 7"}) == Death(8, "exit code 7")
    assert Fork().run(lambda trail: steps(trail, {4, 8}), {4: "x", 8: "x"}) is None
    killed = Fork().run(lambda _: os.kill(os.getpid(), signal.SIGKILL), {})
    assert killed == Death(0, "signal 9, SIGKILL")


def test_one_record_alone_is_tried_and_nothing_behind_it(tmp_path: Path) -> None:
    noted = tmp_path / "noted"
    assert Fork().run(lambda trail: steps(trail, {4}, noted), {}, only=4) == Death(4, "exit code 7")
    assert Fork().run(lambda trail: steps(trail, {4}, noted), {4: "exit code 7"}, only=6) is None
    assert noted.read_text().split() == ["4", "6"]


def test_what_the_child_raises_goes_up_in_words() -> None:
    def work(_: Trail) -> None:
        raise ValueError("no " + "x" * 9000)

    with pytest.raises(SluiceError, match=r"ValueError: no x{4000}"):
        Fork().run(work, {})


def test_a_child_ends_with_its_parent(tmp_path: Path) -> None:
    told = tmp_path / "pid"

    def work(_: Trail) -> None:
        told.write_text(str(os.getpid()))
        time.sleep(600)

    pid = os.fork()
    if not pid:
        Fork().run(work, {})
        os._exit(0)
    while not (told.exists() and told.read_text()):
        time.sleep(0.01)
    child = int(told.read_text())
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    until = time.monotonic() + 60
    while Path(f"/proc/{child}").exists() and _state(child) != "Z":
        assert time.monotonic() < until, "it goes on"
        time.sleep(0.01)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "Z"
