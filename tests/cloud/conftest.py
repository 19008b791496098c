"""The real deployment, once for all tests here: a temporary checkout with the jobs of `jobs/`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.deployment.project import ROOT, Project
from scripts.deployment.waiters import fast_waiters
from scripts.emulation.emulator import Emulator
from tests.cloud.harness import Cloud, connect

JOBS = Path(__file__).parent / "jobs"
COMPILED = shutil.ignore_patterns("__pycache__", "*.pyc")


@pytest.fixture(scope="session")
def checkout(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A copy of this checkout with our jobs beside its own; nothing is deployed yet."""
    folder = tmp_path_factory.mktemp("cloud")
    root = folder / "checkout"
    root.mkdir()
    Project(ROOT).copy_to(root)
    shutil.copytree(ROOT / "scripts", root / "scripts", ignore=COMPILED)
    for file in JOBS.iterdir():
        shutil.copy2(file, root / "jobs")
    environ = emulator.environment() | {"AWS_DATA_PATH": str(fast_waiters(folder / "models"))}
    cloud = connect(root, environ)
    yield cloud
    for client in (cloud.s3, cloud.functions, cloud.iam, cloud.logs):
        client.close()


@pytest.fixture(scope="session")
def cloud(checkout: Cloud) -> Cloud:
    """Three jobs side by side on the same buckets, deployed by the real `chalice deploy`."""
    for job in ("wordcount", "small", "scripted"):
        checkout.script("deploy", job, check=True)
    return checkout
