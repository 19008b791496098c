"""The jobs that most tests here share, deployed once."""

from __future__ import annotations

import pytest

from tests.cloud.harness import Cloud


@pytest.fixture(scope="session")
def cloud(checkout: Cloud) -> Cloud:
    """Three jobs side by side on the same buckets, deployed by the real `chalice deploy`."""
    for job in ("wordcount", "small", "scripted"):
        checkout.script("deploy", job, check=True)
    return checkout
