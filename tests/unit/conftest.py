"""What the unit tests share: each leaves the modules of its own jobs behind to nobody."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def no_modules_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A job's folder is put on `sys.path`, and its `helper` would be that of every later test of the process."""
    path, before = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    ours = str(tmp_path_factory.getbasetemp())
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(ours):
            del sys.modules[name]
