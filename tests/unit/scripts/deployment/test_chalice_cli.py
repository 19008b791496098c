"""Chalice in a process of its own, here a stand-in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chalicelib.core.ports import Loc
from scripts.deployment.chalice_cli import chalice
from scripts.deployment.target import DeployError


def stand_in(folder: Path, code: str) -> dict[str, str]:
    """An environment in which `chalice` is a program of one function."""
    (folder / "chalice/cli").mkdir(parents=True)
    (folder / "chalice/__init__.py").write_text("")
    (folder / "chalice/cli/__init__.py").write_text(f"import sys, pathlib\ndef main():\n    {code}\n")
    return {"PYTHONPATH": str(folder), "PATH": os.environ["PATH"]}


def test_chalice_gets_its_arguments(tmp_path: Path) -> None:
    environ = stand_in(tmp_path, "print(sys.argv[1:])")
    output = chalice("deploy", "tally", tmp_path, environ)
    assert output == str(["--project-dir", str(tmp_path), "deploy", "--stage", "tally"])


def test_chalice_may_be_told_where_the_code_lies(tmp_path: Path) -> None:
    made = "from chalice.cli import factory; made = factory.create_botocore_session()"
    environ = stand_in(tmp_path, f"{made}; print(sys.argv[1:], made.handlers)")
    (tmp_path / "chalice/cli/factory.py").write_text(
        "class Session:\n    handlers = []\n    def register(self, event, handler):\n"
        "        self.handlers.append(event)\ncreate_botocore_session = Session\n"
    )
    output = chalice("deploy", "tally", tmp_path, environ, code=Loc("work", "_code/tally/aa.zip"))
    assert output == str(["--project-dir", str(tmp_path), "deploy", "--stage", "tally"]) + " " + str(
        [f"provide-client-params.lambda.{name}" for name in ("CreateFunction", "UpdateFunctionCode")]
    )


def test_a_failure_shows_what_chalice_said(tmp_path: Path) -> None:
    environ = stand_in(tmp_path, "print('no such role'); return 2")
    with pytest.raises(
        DeployError, match=r"chalice deploy --stage tally.* failed; its output:\nno such role"
    ):
        chalice("deploy", "tally", tmp_path, environ)


def test_a_zip_without_its_dependencies_is_an_error_and_is_not_used_again(tmp_path: Path) -> None:
    packages = tmp_path / ".chalice/deployments"
    packages.mkdir(parents=True)
    old, broken = packages / "old.zip", packages / "broken.zip"
    old.write_text("")
    os.utime(old, (1, 1))
    warning = r"\nCould not install dependencies:\nmsgspec==9\nYou will have to build these yourself\n"
    environ = stand_in(tmp_path, f"pathlib.Path({str(broken)!r}).touch(); print('{warning}')")
    with pytest.raises(DeployError, match="could not install msgspec==9; "):
        chalice("deploy", "tally", tmp_path, environ)
    assert old.exists()
    assert not broken.exists()
