"""docs/compared.md: each row names a test that is there, and all systems and features have a row."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/compared.md").read_text()


def rows(heading: str) -> list[list[str]]:
    section = TEXT.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines[1:]]


def test_each_row_names_a_test_that_is_there() -> None:
    missing = []
    for row in [*rows("The systems"), *rows("The features")]:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row[-1])
        if not named:
            missing.append(row[0])
        for path, name in named:
            file = ROOT / path
            if not file.is_file() or not re.search(rf"^def {name}\(", file.read_text(), re.MULTILINE):
                missing.append(f"{path}::{name}")
    assert missing == []


def test_examples_that_are_named_are_there() -> None:
    named = re.findall(r"`((?:jobs|scripts)/\w+\.py)`", TEXT)
    assert named
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_all_are_compared() -> None:
    assert len(rows("The systems")) == 13
    assert len(rows("The features")) >= 42
    assert all(len(row) == 4 and all(row) for row in [*rows("The systems"), *rows("The features")])
    assert all(len(row) == 3 and all(row) for row in rows("What is refused or not there, and why"))
