"""Type checkers accept the jobs in `right/` and say what is wrong with those in `wrong/`.

Each checker runs once, over all files. In `wrong/`, the comments above a line are the gist of what they say of it:

    # by mypy: Signature of "reducer" incompatible with supertype
    # by pyright: Function accepts too few positional parameters
    def reducer(self, values): ...
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RIGHT = sorted((HERE / "right").glob("*.py"))
WRONG = sorted((HERE / "wrong").glob("*.py"))
COMMENT = re.compile(r"\s*# by (mypy|pyright): (.+)")

Place = tuple[str, int]


def _output(*command: str) -> str:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def _mypy() -> list[tuple[Path, int, str]]:
    folders = [f"{HERE}/right", f"{HERE}/wrong"]
    found = [json.loads(line) for line in _output("mypy", "--strict", "-O", "json", *folders).splitlines()]
    return [(ROOT / one["file"], one["line"], one["message"]) for one in found if one["severity"] == "error"]


def _pyright() -> list[tuple[Path, int, str]]:
    command = ("basedpyright", "-p", str(HERE), "--pythonpath", sys.executable, "--outputjson")
    found: list[dict[str, Any]] = json.loads(_output(*command))["generalDiagnostics"]
    return [(Path(one["file"]), one["range"]["start"]["line"] + 1, one["message"]) for one in found]


@cache
def told(checker: str) -> dict[Place, list[str]]:
    """What a checker says, by file and line."""
    messages: dict[Place, list[str]] = defaultdict(list)
    for path, line, message in {"mypy": _mypy, "pyright": _pyright}[checker]():
        messages[path.relative_to(ROOT).as_posix(), line].append(message)
    return messages


def expected(checker: str) -> dict[Place, str]:
    """What the comments in `wrong/` say that the checker says."""
    found: dict[Place, str] = {}
    for path in WRONG:
        waiting: list[str] = []
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            comment = COMMENT.fullmatch(line)
            if comment and comment[1] == checker:
                waiting.append(comment[2])
            elif waiting and not comment:
                found[path.relative_to(ROOT).as_posix(), number] = waiting.pop()
    return found


def in_wrong(place: Place) -> bool:
    return place[0].startswith("tests/typing/wrong/")


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_right_jobs_pass(checker: str) -> None:
    """Those of `jobs/`, which are not annotated, pass pyright as well."""
    assert {place: said for place, said in told(checker).items() if not in_wrong(place)} == {}


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_each_wrong_line_is_told_and_no_other(checker: str) -> None:
    wanted = expected(checker)
    assert len(wanted) > 20
    assert {place for place in told(checker) if in_wrong(place)} == wanted.keys()
    unsaid = {
        place: (gist, told(checker)[place])
        for place, gist in wanted.items()
        if not any(gist in message for message in told(checker)[place])
    }
    assert unsaid == {}


@pytest.mark.parametrize("path", RIGHT, ids=lambda path: path.stem)
def test_right_jobs_need_no_any_and_silence_nothing(path: Path) -> None:
    assert re.findall(r"\bAny\b|type: ignore|pyright:|\bcast\b", path.read_text()) == []
