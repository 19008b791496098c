"""Requirements files with the hashes of what they list."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.pin import hashes_of, one_version_each, with_hashes, without_hashes

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted(ROOT.glob("requirements*.txt"))

PLAIN = """\
# What is needed.
-r other.txt

Py_Colour[deep]==1.0 ; python_version < "3.14"    # paints
shade==2.0
"""
PINNED = """\
# What is needed.
-r other.txt

# paints
Py_Colour[deep]==1.0 ; python_version < "3.14" \\
    --hash=sha256:aa \\
    --hash=sha256:bb
shade==2.0 \\
    --hash=sha256:cc
"""
HASHES = {"py-colour==1.0": ["sha256:aa", "sha256:bb"], "shade==2.0": ["sha256:cc"]}


def test_hashes_come_and_go_and_the_rest_stays() -> None:
    assert with_hashes(PLAIN, HASHES) == PINNED
    assert with_hashes(PINNED, HASHES) == PINNED
    assert hashes_of(PINNED) == HASHES
    assert "hash" not in without_hashes(PINNED)
    assert hashes_of(without_hashes(PINNED)) == {"py-colour==1.0": [], "shade==2.0": []}


def test_a_version_without_hashes_is_an_error() -> None:
    with pytest.raises(KeyError, match=r"shade==2\.0"):
        with_hashes(PLAIN, {"py-colour==1.0": ["sha256:aa"]})


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_everything_that_is_installed_is_pinned_by_hash(path: Path) -> None:
    """Were one line without, pip would refuse the file; were all, it would take whatever it is given."""
    text = path.read_text()
    assert not any("coding:" in line for line in text.splitlines()[:2]), (
        "pip takes it for the file's encoding"
    )
    lines = [
        line for line in text.replace("\\\n", "").splitlines() if line and not line.startswith(("#", "-r "))
    ]
    assert lines
    for line in lines:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z0-9,]+\])?==", line), line
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", line), line


def test_a_package_in_versions_for_several_pythons_is_asked_for_in_each() -> None:
    text = 'a==1\nb==2 ; python_version >= "3.12"\nb==1 ; python_version < "3.12"\nc==1 ; os_name == "nt"\n'
    assert [one.split("\n")[:-1] for one in one_version_each(text)] == [
        ["a==1", "b==2 ", 'c==1 ; os_name == "nt"'], ["a==1", "b==1 ", 'c==1 ; os_name == "nt"'],
    ]  # fmt: skip
    assert one_version_each(PLAIN) == [PLAIN]
