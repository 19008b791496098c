"""The log files of the local engine: bounded, appended to, and silent about what goes wrong with them but once."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from chalicelib.local.log_file import LogFile


def record(message: str, **ids: object) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": message, "levelname": "INFO", "levelno": logging.INFO, **ids})


def messages(path: Path) -> list[str]:
    return [json.loads(line)["message"] for line in path.read_text().splitlines()]


def test_who_says_nothing_leaves_no_file(tmp_path: Path) -> None:
    LogFile(tmp_path / "log" / "1.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_lines_are_there_at_once_and_one_file_takes_those_of_several_processes(tmp_path: Path) -> None:
    path = tmp_path / "log" / "1.jsonl"
    first, second = LogFile(path), LogFile(path)
    for number, handler in enumerate((first, second, first)):
        handler.emit(record(f"line {number}\n\udc80", run="r"))
    assert messages(path) == [f"line {number}\n\udc80" for number in range(3)]
    assert all(json.loads(line)["at"] for line in path.read_text().splitlines())


def test_a_full_file_says_so_once_and_takes_no_more(tmp_path: Path) -> None:
    path = tmp_path / "1.jsonl"
    handler = LogFile(path, most=1000)
    for number in range(100):
        handler.emit(record(f"line {number}", run="r7"))
    told = messages(path)
    assert told[:-1] == [f"line {number}" for number in range(len(told) - 1)]
    assert "1000 bytes and is full" in told[-1]
    assert json.loads(path.read_text().splitlines()[-1])["run"] == "r7"
    assert path.stat().st_size < 1500


def test_a_file_that_cannot_be_written_is_told_once_and_ends_no_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log").write_text("in the way")
    handler = LogFile(tmp_path / "log" / "1.jsonl")
    for _ in range(3):
        handler.emit(record("lost"))
    assert capsys.readouterr().err.count("this log ends here") == 1
