"""What a task can ask about itself by Hadoop's names."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.mrjob import environment, jobconf_from_env


class Reading:
    """A task that reads one object."""

    input = SimpleNamespace(url="s3://bucket/texts/a.txt")


@pytest.mark.parametrize("name", ["mapreduce.map.input.file", "map.input.file"])
def test_a_task_knows_what_it_reads(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    task: Any = Reading()
    monkeypatch.setattr(environment, "current", task)
    assert jobconf_from_env(name) == "s3://bucket/texts/a.txt"


def test_other_names_are_variables_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("mapreduce_job_name", "words")
    assert jobconf_from_env("mapreduce.job.name") == "words"
    assert jobconf_from_env("mapreduce.job.id") is None
    assert jobconf_from_env("mapreduce.job.id", "7") == "7"


def test_without_a_task_the_input_is_a_variable_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "current", None)  # a job that ran in this process has left its own
    assert jobconf_from_env("mapreduce.map.input.file", "none") == "none"


def test_files_are_relative_to_the_folder_of_the_script(tmp_path: Path) -> None:
    assert environment.folder_of(str(tmp_path / "job.py")) == tmp_path
    assert environment.folder_of(None) == Path.cwd()
