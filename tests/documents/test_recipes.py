"""Each recipe of CONTRIBUTING.md, carried out in a copy of the tree by its listed steps and nothing else."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: What a recipe can touch or run; environments and data stay where they are.
COPIED = ("app.py", "chalicelib", "jobs", "scripts", "tests", "pyproject.toml", "docs", "sluice.yml", ".chalice",
          "vendor")  # fmt: skip
#: What mypy knows of the files that no recipe changes; `make check` leaves it.
KNOWN_TYPES = ROOT / ".mypy_cache"
FEW = ("--hypothesis-profile=quick",)
BLOCK = re.compile(r"^```(\w+) ?([\w/.-]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def recipes() -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """(title, steps): each step is a language, a path and a text."""
    for section in re.split(r"^## ", (ROOT / "CONTRIBUTING.md").read_text(), flags=re.MULTILINE)[1:]:
        title, _, body = section.partition("\n")
        steps = BLOCK.findall(body)
        if title.startswith("Add "):
            yield title, steps


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            # Compiled files come along: they know their source by its time and size, which are copied, too.
            shutil.copytree(source, tmp_path / name, symlinks=True)
        else:
            shutil.copy(source, tmp_path / name)
    if KNOWN_TYPES.is_dir():
        shutil.copytree(KNOWN_TYPES, tmp_path / KNOWN_TYPES.name)
    return tmp_path


def changed(text: str, diff: str) -> str:
    """`text` with a diff applied whose lines stand together in it, once."""
    lines = diff.splitlines()
    before = "\n".join(line[1:] for line in lines if not line.startswith("+"))
    after = "\n".join(line[1:] for line in lines if not line.startswith("-"))
    found = text.count(f"\n{before}\n")
    if not before.strip() or found != 1:
        raise AssertionError(f"expected these lines once, found them {found} times:\n{before}")
    return text.replace(f"\n{before}\n", f"\n{after}\n")


def carry_out(step: tuple[str, str, str], tree: Path) -> None:
    """Change or write the file that the step names."""
    language, path, text = step
    if language == "diff":
        (tree / path).write_text(changed((tree / path).read_text(), text))
    else:
        assert not (tree / path).exists(), path
        (tree / path).write_text(text)


def show(commands: list[str], tree: Path) -> None:
    """Run what the recipes end in, in few processes: the tests that a `-k` chooses from by themselves.

    The architecture's are among them: whatever was added keeps to it.
    """
    together: list[str] = ["tests/test_architecture.py"]
    alone = []
    for command in commands:
        tool, *arguments = command.split()
        assert tool == "pytest", command
        if "-k" in arguments:
            alone.append(arguments)
        else:
            together += arguments
    for arguments in (together, *alone):
        # That the tests find what the recipe adds is shown by few examples.
        tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", *FEW, *arguments]
        done = subprocess.run(tests, cwd=tree, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_recipes_work_as_they_stand(copy: Path) -> None:
    """One after the other in one copy, as somebody would who adds several things; then the tests of all of them."""
    commands = []
    for title, steps in recipes():
        ends = [text for language, _, text in steps if language == "sh"]
        assert len(ends) == 1, f"{title}: end in the tests that show it"
        commands += ends[0].splitlines()
        for step in steps:
            if step[0] != "sh":
                carry_out(step, copy)
    subprocess.run(
        [sys.executable, "docs/house.py"], cwd=copy, check=True, capture_output=True
    )  # make picture
    show(commands, copy)
    for check in (
        ("ruff", "check", "--no-cache", "chalicelib", "scripts", "app.py"),
        ("mypy", "chalicelib"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", *check], cwd=copy, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout


def test_there_is_a_recipe_for_each_thing_people_add() -> None:
    titles = [title for title, _ in recipes()]
    assert titles == [
        "Add an aggregator",
        "Add an input format",
        "Add an output format",
        "Add a store",
        "Add a function",
        "Add a check of the YAML",
    ]


def test_a_diff_that_does_not_fit_is_refused() -> None:
    assert changed("\na\nb\nc\n", " a\n+x\n b\n") == "\na\nx\nb\nc\n"
    with pytest.raises(AssertionError, match="found them 0 times"):
        changed("\na\nc\n", " a\n-b\n")
    with pytest.raises(AssertionError, match="found them 2 times"):
        changed("\na\nb\na\n", "-a\n+c\n")
