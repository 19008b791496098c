"""Every job of `cases.py` gives the lines and counters that mrjob's runners gave, with only its imports changed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .cases import BOTH, CASES
from .drive import outcome
from .inputs import make_inputs, put_beside

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[3]
#: What mrjob wrote, and its version: by `make mrjob-lines`.
KEPT = json.loads((HERE / "lines.json").read_text())
MRJOB = ROOT / ".venv-mrjob" / "bin" / "python"

#: `from mrjob.job import` and `from mrjob import`, at the beginning of a line: nothing else of a script is changed.
IMPORT = re.compile(r"^from mrjob\b", re.MULTILINE)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The jobs with our imports and what lies beside them, in a folder that Python imports from."""
    folder = tmp_path_factory.mktemp("same")
    (folder / "jobs").mkdir()
    for script in (HERE / "jobs").glob("*.py"):
        text, count = IMPORT.subn("from chalicelib.mrjob", script.read_text())
        assert count or script.stem == "heir", script
        (folder / "jobs" / script.name).write_text(text)
    put_beside(folder / "jobs")
    make_inputs(folder / "in")
    before, here, known = list(sys.path), Path.cwd(), set(sys.modules)
    sys.path.insert(0, str(folder / "jobs"))
    os.chdir(folder / "jobs")
    yield folder
    os.chdir(here)
    sys.path[:] = before
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]


@pytest.mark.parametrize("runner", BOTH)
@pytest.mark.parametrize("name", CASES)
def test_the_lines_are_mrjob_s(name: str, runner: str, place: Path) -> None:
    case = CASES[name]
    found = outcome(case, runner, place / "in")
    assert Path.cwd() == place / "jobs"
    for theirs in case.theirs:
        expected = KEPT["lines"][f"{name}: {theirs}"]
        if case.fails:
            assert "fails" in expected
            assert found == {"fails": "StepFailedException"}
        else:
            assert found == expected


def test_the_lines_are_of_these_cases_and_of_the_version_that_is_promised() -> None:
    assert KEPT["lines"].keys() == {
        f"{name}: {runner}" for name, case in CASES.items() for runner in case.theirs
    }
    assert KEPT["mrjob"] == "0.7.4"
    assert len({case.job for case in CASES.values()}) >= 40


@pytest.mark.slow
@pytest.mark.skipif(not MRJOB.exists(), reason="mrjob is not installed here: make mrjob-lines installs it")
def test_mrjob_still_writes_what_was_kept(tmp_path: Path) -> None:
    command = [MRJOB, HERE / "drive.py", tmp_path]
    done = subprocess.run(command, capture_output=True, check=True, timeout=3600)
    made: dict[str, Any] = json.loads(done.stdout)
    assert made == KEPT
