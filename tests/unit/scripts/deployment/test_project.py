"""The checkout that is deployed."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from scripts.deployment.load import load_target
from scripts.deployment.package import write_zip
from scripts.deployment.policies import policies
from scripts.deployment.project import LIBRARIES, Project
from scripts.deployment.target import DeployError
from tests.unit.scripts.deployment.world import target


def test_a_missing_link_to_the_jobs_is_explained(checkout: Project) -> None:
    checkout.check_vendor()
    (checkout.root / "vendor/jobs").unlink()
    (checkout.root / "vendor/jobs").write_text("../jobs")  # what git leaves where links are off
    with pytest.raises(DeployError, match=r"not a link to \.\./jobs"):
        checkout.check_vendor()


def test_project_defaults_travel_only_while_they_exist(checkout: Project) -> None:
    link = checkout.root / "vendor/sluice.yml"
    checkout.link_defaults()
    assert not link.is_symlink()
    (checkout.root / "sluice.yml").write_text("max_attempts: 2\n")
    for _ in range(2):
        checkout.link_defaults()
        assert link.read_text() == "max_attempts: 2\n"
    (checkout.root / "sluice.yml").unlink()
    checkout.link_defaults()
    assert not link.is_symlink()


def test_a_copy_is_complete_and_leaves_the_checkout_alone(checkout: Project, tmp_path: Path) -> None:
    checkout.write_stage("tally", {"mine": 1}, policies(target()))
    (checkout.folder / "deployed/tally.json").write_text("{}")
    (tmp_path / "copy").mkdir()
    copy = checkout.copy_to(tmp_path / "copy")
    copy.check_vendor()
    assert copy.stages() == {}
    assert not (copy.root / "chalicelib/__pycache__").exists()
    copy.write_stage("tally", {"theirs": 2}, policies(target()))
    assert checkout.stages() == {"tally": {"mine": 1}}


def names(zipped: Path) -> set[str]:
    with zipfile.ZipFile(zipped) as archive:
        return set(archive.namelist())


def test_libraries_travel_between_copies_unless_they_are_unfinished(
    checkout: Project, tmp_path: Path
) -> None:
    (tmp_path / "copy").mkdir()
    copy = checkout.copy_to(tmp_path / "copy")
    folder = copy.root / LIBRARIES
    write_zip(folder / "whole.zip", [("colour.py", b"RED = 1\n")])
    whole = (folder / "whole.zip").read_bytes()
    (folder / "half.zip").write_bytes(whole[: len(whole) // 2])
    checkout.take_packages(copy)
    assert [path.name for path in (checkout.root / LIBRARIES).iterdir()] == ["whole.zip"]
    assert (checkout.root / LIBRARIES / "whole.zip").read_bytes() == whole


def test_each_package_is_of_the_files_as_they_are(checkout: Project) -> None:
    """Chalice names a zip by what is in the files, not by their names, and would take an old one again."""
    job = load_target("tally", checkout, {})
    assert "chalicelib/new.py" not in names(checkout.pack(job))
    (checkout.root / "chalicelib/new.py").touch()
    assert "chalicelib/new.py" in names(checkout.pack(job))
    (checkout.root / "chalicelib/new.py").unlink()
    assert "chalicelib/new.py" not in names(checkout.pack(job))


def test_a_broken_config_is_reported_and_not_overwritten(checkout: Project) -> None:
    path = checkout.folder / "config.json"
    path.write_text("{")
    with pytest.raises(DeployError, match=r"config\.json: expected JSON"):
        checkout.write_stage("tally", {}, policies(target()))
    assert path.read_text() == "{"
