"""Fixtures that more than one test module uses."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from scripts.emulation import emulator as ministack  # noqa: E402

# On CI every run tries the same examples: a change is blamed for what it broke, not for what chance found.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ministack.Emulator]:
    """One MiniStack for all tests of the session; each makes and removes what it needs in it."""
    with ministack.running(tmp_path_factory.mktemp("ministack") / "ministack.log") as started:
        yield started
