"""A script that is started with a Python that cannot run it goes on with one that can, or says what is to be done."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.console.lacking import sentence
from scripts.console.terminal import run_main
from scripts.projects.where import HOME

#: This Python, without anything that was installed.
BARE = [sys.executable, "-S"]


def said(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*BARE, *command], cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def test_in_a_checkout_it_goes_on_with_the_environment_s_python(tmp_path: Path) -> None:
    done = said(HOME / "scripts/sluice.py", "plan", "wordcount", "--size", "1GB", cwd=tmp_path)
    assert "tasks " in done.stdout, done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("checkout", "remedy"), [(True, "run `make setup` in {}"), (False, "pip install 'sluice-mapreduce'")]
)
def test_where_there_is_none_it_says_how_to_get_one(checkout: bool, remedy: str, tmp_path: Path) -> None:
    shutil.copytree(HOME / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    if checkout:
        shutil.copy(HOME / "app.py", tmp_path)
    done = said(tmp_path / "scripts/run.py", "--help", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: msgspec is needed, and not installed for ")
    assert remedy.format(tmp_path) in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_only_some_commands_need_is_told_by_those(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def lacking(module: str) -> int:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    assert run_main(lambda: lacking("chalice.cli")) == 1
    assert capsys.readouterr().err.startswith("error: chalice is needed, and not installed for ")
    assert sentence("chalice", home=tmp_path).endswith(": pip install 'sluice-mapreduce[deploy]'")
    assert sentence("duckdb", "python9", tmp_path).startswith(
        "duckdb is needed, and not installed for python9: "
    )
    with pytest.raises(ModuleNotFoundError):  # of the user's: no library of ours
        run_main(lambda: lacking("numpy"))
