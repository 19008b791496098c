"""Which Python the functions have, and whether this machine has it."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest

from scripts.deployment.compiled import with_compiled
from scripts.deployment.runtime import HERE, Runtime, find_python, is_like_here


@pytest.fixture(autouse=True)
def _anew() -> None:
    find_python.cache_clear()


def interpreter(path: Path, says: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{says}\n")
    path.chmod(0o755)
    return path


def test_only_machines_of_its_kind_import_what_functions_import() -> None:
    assert is_like_here("x86_64") == (sys.platform == "linux" and platform.machine() == "x86_64")
    assert is_like_here("x86_64") != is_like_here("arm64")
    assert Runtime(HERE, "x86_64").can_run == is_like_here("x86_64")


def test_an_interpreter_is_believed_that_starts_and_has_the_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    assert find_python(HERE) == Path(sys.executable)
    assert find_python("9.7") is None
    find_python.cache_clear()
    interpreter(tmp_path / "python9.7", "echo 'pyenv: python9.7: command not found' >&2; exit 127")
    interpreter(tmp_path / "pyenv/versions/9.7.1/bin/python9.7", "echo 9.8")
    assert find_python("9.7") is None
    assert not Runtime("9.7", "x86_64").can_run
    find_python.cache_clear()
    found = interpreter(tmp_path / "pyenv/versions/9.7.4/bin/python9.7", "echo 9.7")
    assert find_python("9.7") == found
    assert Runtime("9.7", "arm64").cache_tag == "cpython-97"


def test_modules_are_compiled_alike_in_this_process_and_by_another_interpreter(tmp_path: Path) -> None:
    entries = [("a.py", b"A = 'a' + 1 if 0 else {1, 2}\n"), ("b.txt", b"("), ("c.py", b"(")]
    link = tmp_path / "python"
    link.symlink_to(sys.executable)
    here = list(with_compiled(entries, Path(sys.executable)))
    assert here == list(with_compiled(entries, link))
    assert [name for name, _ in here] == [
        "a.py",
        f"__pycache__/a.{sys.implementation.cache_tag}.pyc",
        "b.txt",
        "c.py",
    ]
    assert list(with_compiled(iter(entries), None)) == entries
