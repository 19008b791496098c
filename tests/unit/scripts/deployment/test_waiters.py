"""boto3's waits for an emulator."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.deployment.waiters import fast_waiters


def test_waiters_for_an_emulator_wait_as_long_in_shorter_steps(tmp_path: Path) -> None:
    fast_waiters(tmp_path)
    model = json.loads((tmp_path / "lambda/2015-03-31/waiters-2.json").read_text())
    waiter = model["waiters"]["FunctionActive"]
    assert (waiter["delay"], waiter["delay"] * waiter["maxAttempts"]) == (0.05, pytest.approx(300))
