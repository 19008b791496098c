"""What MiniStack unpacks once for all processes of a function."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scripts.emulation.shared_code import share_code


@pytest.fixture
def unpack(tmp_path: Path) -> Any:
    """Unpacks a zip of `main.py` with this text into a new folder of this name, as MiniStack does."""
    runtime = SimpleNamespace(zipfile=zipfile)
    (tmp_path / "shared").mkdir()
    share_code(runtime, tmp_path / "shared")

    def unpacked(name: str, text: str) -> Path:
        folder = tmp_path / name
        (folder / "code").mkdir(parents=True)
        with zipfile.ZipFile(folder / "code.zip", "w") as file:
            file.writestr(zipfile.ZipInfo("main.py"), text)
        with runtime.zipfile.ZipFile(folder / "code.zip") as file:
            file.extractall(folder / "code")
        return folder / "code" / "main.py"

    return unpacked


def test_processes_share_the_files_of_one_code(unpack: Any) -> None:
    one, same, other = unpack("one", "a"), unpack("same", "a"), unpack("other", "b")
    assert [path.read_text() for path in (one, same, other)] == ["a", "a", "b"]
    assert one.samefile(same)
    assert not one.samefile(other)


def test_the_end_of_a_process_leaves_the_files_to_the_others(unpack: Any) -> None:
    one, same = unpack("one", "a"), unpack("same", "a")
    shutil.rmtree(one.parents[1])
    assert same.read_text() == "a"
    assert unpack("later", "a").read_text() == "a"


def test_a_folder_that_holds_something_keeps_it(unpack: Any, tmp_path: Path) -> None:
    (tmp_path / "full" / "code").mkdir(parents=True)
    (tmp_path / "full" / "code" / "layer.py").write_text("kept")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("main.py", "a")
    runtime = SimpleNamespace(zipfile=zipfile)
    share_code(runtime, tmp_path / "shared")
    with runtime.zipfile.ZipFile(tmp_path / "a.zip") as file:
        file.extractall(tmp_path / "full" / "code")
    assert sorted(path.name for path in (tmp_path / "full" / "code").iterdir()) == ["layer.py", "main.py"]
