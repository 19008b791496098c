"""docs/commands.md and `sluice.py` know all commands; each says what it is for, with an example."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.console.commands import COMMANDS
from scripts.console.terminal import BROKEN_PIPE, INTERRUPTED

ROOT = Path(__file__).resolve().parents[2]
#: For who works on Sluice itself, by way of make.
OF_MAKE = {"lint", "pin", "sluice"}


def said(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )


def test_all_scripts_are_listed_and_can_be_called() -> None:
    scripts = {path.stem for path in (ROOT / "scripts").glob("*.py")} - {"__init__"}
    assert set(COMMANDS) == scripts - OF_MAKE
    assert [name for name in scripts if not os.access(ROOT / "scripts" / f"{name}.py", os.X_OK)] == []


def test_the_document_has_them_with_the_same_words() -> None:
    text = (ROOT / "docs/commands.md").read_text()
    rows = re.findall(r"^\| ([a-z].*) \| `(\w+)` \|$", text, re.MULTILINE)
    assert [(command.does, command.name) for command in COMMANDS.values()] == rows
    for code in (INTERRUPTED, BROKEN_PIPE):
        assert f"| {code} |" in text


def test_without_a_command_all_are_shown_with_examples() -> None:
    done = said("scripts/sluice.py")
    assert done.returncode == 0
    for command in COMMANDS.values():
        assert f"  {command.name}" in done.stdout
        assert f"sluice.py {command.example}\n" in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_each_has_help_with_an_example(name: str) -> None:
    done = said("scripts/sluice.py", name, "--help")
    assert done.returncode == 0, done.stderr
    assert re.search(rf"^ *(scripts/)?{name}\.py( [\w./'-]|$)", done.stdout, re.MULTILINE), done.stdout


def test_it_is_the_command_itself_with_its_exit_code() -> None:
    same = [
        said(*command, "nobody", "--size", "1GB")
        for command in (["scripts/plan.py"], ["scripts/sluice.py", "plan"])
    ]
    assert same[0].returncode == same[1].returncode == 1
    assert same[0].stderr == same[1].stderr
    assert "nobody" in same[0].stderr


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [("statsu", "did you mean status?"), ("xyzzy", "there are init, new_job, install, run")],
)
def test_a_command_that_does_not_exist_is_told_with_the_likeliest(wrong: str, hint: str) -> None:
    done = said("scripts/sluice.py", wrong)
    assert done.returncode == 2
    assert f"{wrong}: no such command; {hint}" in done.stderr
