"""Every row of the threat model names tests that exist, and every door has a row."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "docs" / "threat-model.md"
#: What every row is about, as its first cell begins.
DOORS = {
    "input bucket: names", "input bucket: bytes", "input bucket: packed bombs", "input bucket: Parquet",
    "input bucket: csv", "manifests", "YAML", "job code", "requirements", "side files", "work bucket", "output bucket",
    "events of the coordinator and the supervisor", "calls of the mapper and the reducer", "the deployed zip",
    "policies and roles", "the emulator on loopback", "scripts' output", "a run's report", "the dashboard",
    "local folders", "totals",
}  # fmt: skip
KINDS = set("STRIDE")


def rows() -> list[list[str]]:
    lines = [line for line in MODEL.read_text().splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_a_row_says_all_and_its_tests_exist(row: list[str]) -> None:
    door, what, kinds, defence, tests = row
    assert all((door, what, defence))
    assert set(kinds.split(", ")) <= KINDS
    named = re.findall(r"`(tests/[^`]+?)::(test_\w+)`", tests)
    assert named, f"{door}: no test"
    for path, name in named:
        tree = ast.parse((ROOT / path).read_text())
        assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, path


def test_every_door_has_a_row() -> None:
    assert {row[0] for row in rows()} >= DOORS
    assert {kind for row in rows() for kind in row[2].split(", ")} == KINDS
