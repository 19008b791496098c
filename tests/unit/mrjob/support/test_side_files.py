"""What lies in a task's folder, and under which name."""

from __future__ import annotations

import io
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from chalicelib.core.errors import ConfigError, UserError
from chalicelib.mrjob.support.side_files import (
    SideFile,
    files_of,
    folder_of,
    links,
    listed,
    named_apart,
    side_file,
    unpack,
)


def test_a_name_may_follow_behind_a_hash() -> None:
    assert side_file("file", "data/stop.txt") == SideFile("file", "data/stop.txt", "stop.txt")
    assert side_file("file", "data/stop.txt#words.txt") == SideFile("file", "data/stop.txt", "words.txt")
    assert side_file("dir", "lib/") == SideFile("dir", "lib", "lib")
    assert listed(["a,b", "", "c#d"]) == ["a", "b", "c#d"]


@pytest.mark.parametrize("given", ["a#../b", "a#/etc/b", "a#..", "", "/", ".."])
def test_a_name_in_another_folder_is_refused(given: str) -> None:
    with pytest.raises(ConfigError, match="expected PATH or PATH#NAME"):
        side_file("file", given)


def test_two_of_one_name_are_named_apart() -> None:
    given = [side_file("file", name) for name in ("a/x", "b/x", "a/x", "c/x")]
    assert list(named_apart(given).values()) == ["x", "1-x", "2-x"]


def test_archives_are_unpacked_once(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("inner/x.txt", "x")
    side = side_file("archive", str(archive))
    names = {side: "a"}
    (first,) = links(names, lambda side: Path(side.source), tmp_path).values()
    assert (first / "inner/x.txt").read_text() == "x"
    (first / "inner/x.txt").write_text("kept")
    assert links(names, lambda side: Path(side.source), tmp_path) == {"a": first}
    assert (first / "inner/x.txt").read_text() == "kept"


@pytest.mark.parametrize(
    "filters",
    [True] if sys.version_info >= (3, 12) else [True, False],
    ids=lambda filters: f"filters={filters}",
)
@pytest.mark.parametrize(
    ("name", "kind"), [("../outside.txt", tarfile.REGTYPE), ("pipe", tarfile.FIFOTYPE), ("good", None)]
)
def test_an_archive_that_leads_outside_is_refused(
    name: str, kind: bytes | None, filters: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not filters:
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    with tarfile.open(tmp_path / "made.tar", "w") as tar:
        about = tarfile.TarInfo(name)
        about.type = kind or tarfile.REGTYPE
        tar.addfile(about, io.BytesIO())
    if kind is None:
        unpack(tmp_path / "made.tar", tmp_path / "in" / "here")
        assert (tmp_path / "in" / "here" / name).read_bytes() == b""
        return
    with pytest.raises(UserError, match=r"made\.tar: cannot be unpacked"):
        unpack(tmp_path / "made.tar", tmp_path / "in" / "here")
    assert not (tmp_path / "in" / "outside.txt").exists()


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_text("none")
    with pytest.raises(UserError, match="expected a tar or zip file"):
        unpack(tmp_path / "x.tar", tmp_path / "in")


def test_the_files_that_travel_are_those_of_a_folder_too(tmp_path: Path) -> None:
    (tmp_path / "lib" / "deep").mkdir(parents=True)
    for name in ("lib/a.py", "lib/deep/b.txt", "lib/a.pyc", "lib/.hidden", "c.txt"):
        (tmp_path / name).write_text("")
    assert list(files_of(tmp_path / "lib")) == [tmp_path / "lib/a.py", tmp_path / "lib/deep/b.txt"]
    assert list(files_of(tmp_path / "c.txt")) == [tmp_path / "c.txt"]
    assert list(files_of(tmp_path / "none")) == []


def test_files_are_relative_to_the_folder_of_the_script(tmp_path: Path) -> None:
    assert folder_of(str(tmp_path / "job.py")) == tmp_path
    assert folder_of(None) == Path.cwd()
