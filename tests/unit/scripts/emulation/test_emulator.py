"""The emulator's environment, without starting one; it is started by the tests of the deployment."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.emulation import emulator


def test_programs_see_the_emulator_and_nothing_of_the_users_aws() -> None:
    base = {"AWS_PROFILE": "work", "AWS_SESSION_TOKEN": "x", "AWS_DATA_PATH": "/models", "PATH": "/bin"}
    found = emulator.client_environment("http://127.0.0.1:1", emulator.Keys("AKIA1", "s"), base)
    assert (found["AWS_ACCESS_KEY_ID"], found["AWS_SECRET_ACCESS_KEY"]) == ("AKIA1", "s")
    assert found["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert (found["PATH"], found["AWS_DATA_PATH"]) == ("/bin", "/models")
    assert "AWS_PROFILE" not in found
    assert "AWS_SESSION_TOKEN" not in found


def test_a_missing_program_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_MINISTACK", str(tmp_path / "none"))
    with pytest.raises(emulator.EmulatorError, match=r"no such program; `scripts/cloud\.py install`"):
        emulator.start(tmp_path / "log")


def test_a_number_that_is_no_emulators_is_left_alone() -> None:
    emulator.stop(1)


def test_keys_are_new_each_time_and_long() -> None:
    first, second = emulator.new_keys(), emulator.new_keys()
    assert first.key_id != second.key_id
    assert first.secret != second.secret
    assert len(first.secret) >= 40
