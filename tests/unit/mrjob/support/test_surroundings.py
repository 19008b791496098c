"""A task's folder, variables and imports: put in place, and put back."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.mrjob.support import surroundings


@pytest.fixture(autouse=True)
def unchanged() -> Iterator[None]:
    def state() -> tuple[str, dict[str, str], list[str]]:
        variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        return os.getcwd(), variables, list(sys.path)

    before = state()
    yield
    surroundings.leave_all()
    assert state() == before


def test_a_task_has_a_folder_of_its_own_with_its_files(tmp_path: Path) -> None:
    (tmp_path / "some.txt").write_text("x")
    folder = surroundings.new_folder(tmp_path)
    surroundings.enter(folder, {"words.txt": tmp_path / "some.txt"}, {})
    assert Path.cwd() == folder
    assert os.listdir(".") == ["words.txt"]
    assert Path("words.txt").read_text() == "x"
    assert sys.path[0] == str(folder)
    surroundings.leave()
    assert not folder.exists()
    assert (tmp_path / "some.txt").exists()


def test_what_a_task_changes_is_put_back(tmp_path: Path) -> None:
    os.environ.update(KEPT="a", OWN_PATH="/b")
    surroundings.enter(surroundings.new_folder(tmp_path), {}, {"KEPT": "b", "NEW": "c", "OWN_PATH": "/a"})
    assert (os.environ["KEPT"], os.environ["NEW"], os.environ["OWN_PATH"]) == ("b", "c", f"/a{os.pathsep}/b")
    os.environ["ADDED"] = "x"
    del os.environ["KEPT"]
    surroundings.leave()
    assert os.environ["KEPT"] == "a"
    assert {"NEW", "ADDED"}.isdisjoint(os.environ)
    del os.environ["KEPT"], os.environ["OWN_PATH"]


def test_a_combiner_s_are_left_for_the_mapper_s(tmp_path: Path) -> None:
    outer, inner = surroundings.new_folder(tmp_path), surroundings.new_folder(tmp_path)
    surroundings.enter(outer, {}, {"ROLE": "mapper"})
    surroundings.enter(inner, {}, {"ROLE": "combiner"})
    surroundings.leave()
    assert (Path.cwd(), os.environ["ROLE"]) == (outer, "mapper")


def test_a_folder_that_is_gone_is_no_matter(tmp_path: Path) -> None:
    surroundings.enter(surroundings.new_folder(tmp_path), {}, {})
    os.rmdir(Path.cwd())
    surroundings.enter(surroundings.new_folder(tmp_path), {}, {})
    surroundings.leave_all()
    surroundings.leave()


def test_a_program_that_lost_its_right_to_be_run_has_it_again(tmp_path: Path) -> None:
    program = tmp_path / "shout"
    program.write_text("#!/bin/sh\ntr a-z A-Z\n")
    program.chmod(0o644)
    surroundings.enter(surroundings.new_folder(tmp_path), {"shout": program}, {})
    assert subprocess.run(["./shout"], input=b"a", capture_output=True, check=True).stdout == b"A"
    assert not os.access(program, os.X_OK)
