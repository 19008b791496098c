"""Simulated functions die in this process, and leave it as a task had it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.mrjob.support import surroundings


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    surroundings.leave_all()
