from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from scripts.deployment.project import Project
from tests.unit.scripts.deployment.world import REGION, write_job


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        yield boto3.client("s3")


@pytest.fixture
def checkout(tmp_path: Path) -> Project:
    root = tmp_path / "checkout"
    for name in ("chalicelib/__pycache__", "jobs", "vendor", ".chalice/deployed"):
        (root / name).mkdir(parents=True)
    (root / "app.py").write_text("app = 1\n")
    (root / "requirements.txt").write_text("")
    (root / "chalicelib/__pycache__/x.pyc").write_text("")
    (root / "vendor/jobs").symlink_to("../jobs")
    (root / "jobs/tally.py").write_text(
        "from chalicelib import Job, Sum\n\n\nclass Tally(Job):\n"
        "    def mapper(self, _, line):\n        yield line, 1\n\n    reducer = Sum()\n"
    )
    write_job(root, "tally", "in-a")
    return Project(root)
