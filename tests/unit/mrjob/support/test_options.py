"""A job's command line: what is understood, what is ignored, what is refused, what tasks get of it."""

from __future__ import annotations

import logging
from argparse import ArgumentParser
from typing import NoReturn

import pytest

from chalicelib.core.errors import UserError
from chalicelib.mrjob.support import options


def parser() -> ArgumentParser:
    def fail(message: str) -> NoReturn:
        raise ValueError(message)

    made = ArgumentParser(add_help=False)
    options.add_options(made)
    made.error = fail  # type: ignore[method-assign]
    return made


def test_options_and_inputs_may_stand_in_any_order() -> None:
    found = options.parse(parser(), ["a.txt", "-r", "local", "b.txt", "-o", "out", "--files", "x,y"])
    assert (found.args, found.runner, found.output_dir) == (["a.txt", "b.txt"], "local", "out")
    assert found.upload_files == ["x,y"]
    assert (found.cat_output, found.step_num) == (None, 0)


def test_options_for_hadoop_are_ignored_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="chalicelib"):
        found = options.parse(parser(), ["--libjars", "a.jar", "--no-conf", "a.txt"])
    assert found.args == ["a.txt"]
    assert [record.getMessage().partition(" is")[0] for record in caplog.records] == [
        "--libjars",
        "--no-conf",
    ]


def test_settings_and_variables_are_pairs() -> None:
    found = options.parse(
        parser(), ["-D", "a.b=c=d", "--cmdenv", "X=", "--jobconf=e=1", "--dirs", "lib,other"]
    )
    assert (found.jobconf, found.cmdenv, found.upload_dirs) == (
        {"a.b": "c=d", "e": "1"},
        {"X": ""},
        ["lib,other"],
    )
    assert options.parse(parser(), []).jobconf == {}
    with pytest.raises(ValueError, match="--cmdenv: expected NAME=VALUE, got 'X'"):
        options.parse(parser(), ["--cmdenv", "X"])


def test_an_option_that_would_change_what_a_job_sees_is_refused_with_advice() -> None:
    with pytest.raises(ValueError, match="--setup is not supported: a task runs Python only"):
        options.parse(parser(), ["--setup", "make"])


def test_a_cluster_is_refused() -> None:
    with pytest.raises(UserError, match="-r emr: expected one of inline, local, lambda"):
        options.parse(parser(), ["-r", "emr"])


def test_help_ends_the_process(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        options.parse(parser(), ["--help"])
    assert ended.value.code == 0
    assert "--output-dir" in capsys.readouterr().out


def test_tasks_get_the_job_s_own_options_as_they_were_written() -> None:
    made = parser()
    made.add_argument("--least", type=int)
    made.add_argument("--name", action="append")
    made.add_argument("--fast", action="store_true")
    line = ["a.txt", "--least", "-3", "-r", "local", "--name", "x", "--fast", "--name=y z"]
    passed = options.passed_through(made, {"least", "name", "fast"}, line)
    assert passed == ["--least=-3", "--name", "x", "--fast", "--name", "y z"]
    found = options.parse(made, passed)
    assert (found.least, found.name, found.fast, found.args) == (-3, ["x", "y z"], True, [])
