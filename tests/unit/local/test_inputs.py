"""`local.inputs` and `local.tune`: what a command line's names stand for, and figures for one machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.config.load import DEFAULT
from chalicelib.core.errors import UserError
from chalicelib.core.spec import KIB, MIB
from chalicelib.local.inputs import find_inputs
from chalicelib.local.tune import memory_bytes, tune
from tests.worlds.simulation import spec


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in (
        "b.txt",
        "a.txt",
        "sub/c.log",
        "sub/deep/d.txt",
        ".hidden",
        "_x/e.txt",
        ".git/f.txt",
        "sub/_g",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def names(tree: Path, *given: str, suffix: str = "") -> list[str]:
    found = find_inputs([str(tree / name) for name in given], suffix)
    assert all(info.size == len((Path("/") / info.key).read_bytes()) for info in found)
    return [str((Path("/") / info.key).relative_to(tree)) for info in found]


def test_a_folder_is_its_visible_files_by_path(tree: Path) -> None:
    assert names(tree, ".") == ["a.txt", "b.txt", "sub/c.log", "sub/deep/d.txt"]
    assert names(tree, ".", suffix=".txt") == ["a.txt", "b.txt", "sub/deep/d.txt"]


def test_the_order_given_is_kept_and_patterns_are_sorted(tree: Path) -> None:
    assert names(tree, "b.txt", "a.txt") == ["b.txt", "a.txt"]
    assert names(tree, "*.txt") == ["a.txt", "b.txt"]
    assert names(tree, "sub/**/*.*") == ["sub/c.log", "sub/deep/d.txt"]


def test_a_hidden_file_may_be_named(tree: Path) -> None:
    assert names(tree, ".hidden") == [".hidden"]


def test_a_name_with_pattern_letters_is_first_a_name(tree: Path) -> None:
    (tree / "[1].txt").write_text("odd")
    assert names(tree, "[1].txt") == ["[1].txt"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["none.txt"], "no such file or folder, and as a pattern it matches nothing"),
        (["*.none"], "matches nothing"),
        (["_x/../a.txt", "a.txt"], "named twice"),
        ([".", "sub"], "named twice"),
    ],
)
def test_mistakes_are_named(tree: Path, given: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        names(tree, *given)


def test_only_what_nobody_set_is_tuned() -> None:
    plain = spec()
    both = {"split_size": DEFAULT, "memory_budget": DEFAULT}
    tuned = tune(plain, both, 400 * MIB, 4)
    assert tuned.split_size == 25 * MIB
    assert tuned.memory_budget is not None
    assert tuned.memory_budget * 4 <= memory_bytes()
    assert tune(plain, {"split_size": "jobs/x.yml:3", "memory_budget": "--set"}, 400 * MIB, 4) == plain


def test_splits_stay_within_reason() -> None:
    given = {"split_size": DEFAULT}
    assert tune(spec(), given, 10, 8).split_size == 256 * KIB
    assert tune(spec(), given, 1 << 50, 8).split_size == 32 * MIB
