"""Programs as tasks: lines in, lines out, and what is said when one fails."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path

import pytest

from chalicelib.core.errors import may_pass
from chalicelib.mrjob.support.commands import Program, ProgramFailed, counted


def through(
    command: str | Sequence[str], lines: Sequence[bytes], folder: Path, filters: bool = False
) -> list[bytes]:
    said: list[str] = []
    program = Program(command, "step 1: mapper_cmd", folder, filters=filters)
    for line in lines:
        program.feed(line)
    return list(program.lines(said.append))


def test_lines_go_through_to_the_byte(tmp_path: Path) -> None:
    lines = [b"a\tb\r", b"", b"\xff", b"no end"]
    assert through("cat", lines, tmp_path) == lines
    assert list(tmp_path.iterdir()) == []


def test_far_more_than_a_pipe_holds(tmp_path: Path) -> None:
    lines = [b"%d" % number for number in range(100_000)]
    assert through(["sort", "-n"], lines[::-1], tmp_path) == lines


def test_a_program_may_read_less_than_there_is(tmp_path: Path) -> None:
    assert through("head -n 1", [b"x" * 100] * 5000, tmp_path) == [b"x" * 100]


def test_a_program_is_run_without_a_shell_and_a_filter_by_one(tmp_path: Path) -> None:
    assert through("echo 'a  b' $HOME | cat", [], tmp_path) == [b"a  b $HOME | cat"]
    assert through("grep -v a | tr b c", [b"a", b"b"], tmp_path, filters=True) == [b"c"]


def test_a_filter_that_lets_nothing_pass_is_no_failure(tmp_path: Path) -> None:
    assert through("grep none", [b"a"], tmp_path, filters=True) == []


@pytest.mark.parametrize(
    ("command", "filters", "text"),
    [
        (
            "sh -c 'echo why >&2; exit 3'",
            False,
            r"step 1: mapper_cmd: sh -c .*: exit status 3: expected 0; it said: why",
        ),
        ("none-such", False, "none-such: cannot be started: No such file.*write it in Python"),
        ("none-such", True, "exit status 127"),
    ],
)
def test_a_program_that_fails_says_why(command: str, filters: bool, text: str, tmp_path: Path) -> None:
    with pytest.raises(ProgramFailed, match=text) as caught:
        through(command, [b"a"], tmp_path, filters)
    assert may_pass(caught.value) is ("cannot be started" in text)


def test_one_that_was_killed_may_be_tried_again(tmp_path: Path) -> None:
    with pytest.raises(ProgramFailed, match="exit status -9") as caught:
        through(["sh", "-c", "kill -9 $$"], [], tmp_path)
    assert may_pass(caught.value)


def test_a_program_does_not_outlive_its_task(tmp_path: Path) -> None:
    program = Program("cat", "step 1", tmp_path)
    process = program._process
    del program
    gc.collect()
    assert process.poll() == -9


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("reporter:counter:a,b c,-2", ("a", "b c", -2)),
        ("reporter:counter:a,b", None),
        ("reporter:counter:a,b,many", None),
        ("x reporter:counter:a,b,1", None),
    ],
)
def test_counts_are_read_as_hadoop_reads_them(line: str, found: tuple[str, str, int] | None) -> None:
    assert counted(line) == found
