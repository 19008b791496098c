"""docs/schemas/ is made from the types, and what commands write is valid by it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import msgspec
import pytest

from chalicelib.core.outcome import Notice

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs/schemas"


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("schemas", ROOT / "docs/schemas.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check(name: str, document: Any) -> None:
    schema = json.loads((FOLDER / f"{name}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)


def test_they_are_those_of_the_types() -> None:
    made = script()
    assert {path.stem for path in FOLDER.iterdir()} == set(made.PUBLISHED)
    for name in made.PUBLISHED:
        assert (FOLDER / f"{name}.json").read_text() == made.text(name), "run `make schemas`"


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    return done.stdout


def test_what_a_run_leaves_and_status_says_is_valid(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("to be or not to be\n")
    work, out = str(tmp_path / "work"), str(tmp_path / "out")
    run("scripts/run.py", "wordcount", str(tmp_path / "in.txt"), "--output", out, "--work", work)
    check("manifest", json.loads((tmp_path / "out/_manifest.json").read_text()))
    status = json.loads(run("scripts/status.py", "wordcount", "latest", "--work", work, "--json"))
    assert status["phase"] == "succeeded"
    check("status", status)


def test_a_notice_is_valid_and_one_without_a_job_is_not() -> None:
    notice = Notice(
        job="words", run="r", outcome="failed", output="s3://o/", manifest="s3://o/_manifest.json"
    )
    said = json.loads(msgspec.json.encode(notice))
    check("notice", said)
    del said["job"]
    with pytest.raises(jsonschema.ValidationError, match="'job' is a required property"):
        check("notice", said)
