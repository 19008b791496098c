"""The emulator's environment, without starting one; it is started by the tests of the deployment."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.emulation import emulator


def test_programs_see_the_emulator_and_nothing_of_the_users_aws() -> None:
    base = {"AWS_PROFILE": "work", "AWS_SESSION_TOKEN": "x", "AWS_DATA_PATH": "/models", "PATH": "/bin"}
    found = emulator.client_environment("http://127.0.0.1:1", base)
    assert found["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert (found["PATH"], found["AWS_DATA_PATH"]) == ("/bin", "/models")
    assert "AWS_PROFILE" not in found
    assert "AWS_SESSION_TOKEN" not in found


def test_a_missing_program_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_MINISTACK", str(tmp_path / "none"))
    with pytest.raises(emulator.EmulatorError, match="no such program; run `make setup`"):
        emulator.start(tmp_path / "log")


def test_a_number_that_is_no_emulators_is_left_alone() -> None:
    emulator.stop(1)
