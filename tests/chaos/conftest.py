"""An emulator of our own, in whose functions faults can be put; the job of this folder is deployed to it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from scripts.deployment.project import ROOT, Project
from scripts.deployment.waiters import fast_waiters
from scripts.emulation import emulator as ministack
from tests.cloud.harness import Cloud, connect
from tests.conftest import SHORT_OF_MEMORY

HERE = Path(__file__).parent
COMPILED = shutil.ignore_patterns("__pycache__", "*.pyc")

#: Makes a cloud whose functions' clocks run so many times as fast, and are wrong by up to so many seconds; Lambda's
#: first retry comes after so many of our seconds.
MakeCloud = Callable[[float, float, float], Cloud]


@pytest.fixture(scope="module")
def make_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeCloud]:
    with ExitStack() as stack:

        def make(speed: float, skew: float, retry: float) -> Cloud:
            folder = tmp_path_factory.mktemp("chaos")
            return stack.enter_context(troubled(folder, speed, skew, retry))

        yield make


@contextmanager
def troubled(folder: Path, speed: float, skew: float, retry: float) -> Iterator[Cloud]:
    """`<folder>/scenarios` is where the faults are told what to do."""
    (folder / "scenarios").mkdir()
    settings = SHORT_OF_MEMORY | {
        "PYTHONPATH": str(HERE / "faults"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "FAULTS_FOLDER": str(folder / "scenarios"),
        "FAULTS_SPEED": str(speed),
        "FAULTS_SKEW": str(skew),
        "FAULTS_ZERO": str(time.time()),
        "LAMBDA_ASYNC_RETRY_BASE_SECONDS": str(retry),
    }
    with ministack.running(folder / "ministack.log", settings) as emulator:
        root = folder / "checkout"
        root.mkdir()
        Project(ROOT).copy_to(root)
        shutil.copytree(ROOT / "scripts", root / "scripts", ignore=COMPILED)
        shutil.copy2(HERE / "wordcount.yml", root / "jobs" / "chaos.yml")
        environ = emulator.environment() | {"AWS_DATA_PATH": str(fast_waiters(folder / "models"))}
        cloud = connect(root, environ)
        cloud.script("deploy", "chaos", check=True)
        yield cloud
        for client in (cloud.s3, cloud.functions, cloud.iam, cloud.logs):
            client.close()
