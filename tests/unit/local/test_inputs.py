"""`local.inputs` and `local.tune`: what a command line's names stand for, and figures for one machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.config.load import DEFAULT
from chalicelib.core.errors import UserError
from chalicelib.core.ports import Loc
from chalicelib.core.spec import KIB, MIB, SqlSpec, TimeoutSpec
from chalicelib.local.inputs import find_inputs
from chalicelib.local.tune import is_in_place, memory_bytes, tune
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
    assert all(info.size == len((Path("/") / info.key).read_bytes()) for _, info in found)
    return [str((Path("/") / info.key).relative_to(tree)) for _, info in found]


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


def test_a_pattern_finds_nothing_hidden_that_it_does_not_ask_for(tree: Path) -> None:
    assert names(tree, "*") == ["a.txt", "b.txt", "sub/c.log", "sub/deep/d.txt"]
    assert names(tree, "**/*.txt") == ["a.txt", "b.txt", "sub/deep/d.txt"]
    assert names(tree, "_*/*.txt") == ["_x/e.txt"]
    assert names(tree, "sub/_*") == ["sub/_g"]


def test_a_folder_by_a_column_is_not_hidden(tree: Path) -> None:
    (tree / "_day=1").mkdir()
    (tree / "_day=1/part-00000.tsv").write_text("1")
    assert "_day=1/part-00000.tsv" in names(tree, ".")


def test_links_to_folders_are_told_and_broken_ones_to_files_refused(tree: Path) -> None:
    (tree / "again").symlink_to(tree / "sub")
    left_out: list[str] = []
    assert len(find_inputs([str(tree)], left_out=left_out)) == 4
    assert left_out == [f"{tree}/again: a link to a folder"]
    (tree / "gone.txt").symlink_to(tree / "nowhere")
    with pytest.raises(UserError, match=r"gone\.txt: expected a file, this is a broken link"):
        find_inputs([str(tree)])


def as_nobody(folder: Path, work: Callable[[], None]) -> str:
    """The UserError that this raises in `folder`, for somebody who may not read everything."""
    read, wrote = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.chdir(folder)
            if os.geteuid() == 0:  # who may read everything
                os.setresuid(65534, 65534, 65534)
            work()
        except UserError as error:
            os.write(wrote, str(error).encode())
        finally:
            os._exit(0)
    os.close(wrote)
    with os.fdopen(read) as told:
        text = told.read()
    os.waitpid(pid, 0)
    return text


@pytest.mark.parametrize("given", [".", "sub", "sub/*/*.txt", "**/*.txt"])
def test_a_folder_that_cannot_be_read_is_refused(given: str, tree: Path) -> None:
    tree.chmod(0o755)
    (tree / "sub/deep").chmod(0)
    assert "sub/deep: cannot be read: " in as_nobody(tree, lambda: find_inputs([given]) and None)


@pytest.mark.parametrize("given", [".", "sub", "sub/c.log", "sub/*.log"])
def test_a_file_that_cannot_be_read_is_refused(given: str, tree: Path) -> None:
    tree.chmod(0o755)
    (tree / "sub/c.log").chmod(0)
    (tree / ".hidden").chmod(0)
    told = as_nobody(tree, lambda: find_inputs([given]) and None)
    assert "sub/c.log: cannot be read: permission denied" in told
    assert ".hidden" not in told


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


def test_a_job_in_sql_is_one_task_where_files_are_read_in_place(tmp_path: Path) -> None:
    job = spec("", sql=SqlSpec(map="FROM input"), input={"format": "csv", "columns": "a INTEGER"})
    for name, body in (("a.csv", b"1\n"), ("b.csv", b"1\r\n"), ("c.csv.gz", b"")):
        (tmp_path / name).write_bytes(body)
    plain, carriages, packed = find_inputs([str(tmp_path)])
    told = [
        is_in_place(job, given, {}) for given in ([plain], [plain, carriages], [packed], [("s3", plain[1])])
    ]
    assert told == [True, False, False, False]
    assert not is_in_place(spec(), [plain], {})
    assert not is_in_place(replace(job, timeout=TimeoutSpec(mapper=60)), [plain], {})
    assert is_in_place(job, [plain], {Loc(plain[0], plain[1].key): job.input.tag})

    given = {"split_size": DEFAULT}
    assert tune(job, given, 999 * MIB, 2, in_place=True).split_size == 999 * MIB
    assert (tune(job, given, 1 << 40, 2, in_place=True).split_size or 0) <= 512 * MIB
    assert tune(job, {"split_size": "--set"}, 999 * MIB, 2, in_place=True) == job
