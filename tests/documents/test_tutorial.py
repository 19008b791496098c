"""docs/tutorial.md: every command, as it stands there, in an empty folder with a wheel beside it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from scripts.emulation.emulator import program

pytestmark = [pytest.mark.slow, pytest.mark.cloud]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(\w*) ?([\w/.-]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = "@@ block"
#: Of the environment, what could make a difference between this machine and the reader's.
OURS = ("AWS_", "SLUICE_", "PYTEST_", "PYTHON", "MAKE", "MFLAGS", "VIRTUAL_ENV", "GIT_")


class Block(NamedTuple):
    language: str
    path: str
    text: str


def blocks() -> list[Block]:
    return [Block(*found) for found in BLOCK.findall(PAGE.read_text())]


def script(steps: list[Block]) -> Iterator[str]:
    """All commands as one shell session; files are written where the page shows them."""
    yield "set -euo pipefail"
    for number, step in enumerate(steps):
        if step.language == "sh":
            yield f"echo '{MARK} {number}'\n{step.text}"
        elif step.path:
            yield f"cat > {step.path} <<'WRITTEN'\n{step.text}WRITTEN"


def environment(folder: Path) -> dict[str, str]:
    """A shell in which this Python is `python3`, nobody is known to AWS, and the emulator need not be downloaded."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    base = Path(getattr(sys, "_base_executable", sys.executable)).parent
    return kept | {
        "PATH": f"{base}:{os.environ['PATH']}",
        "SLUICE_MINISTACK": str(program()),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "TMPDIR": str(folder),
    }


@pytest.fixture(scope="module")
def said(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Mapping[int, str]]]:
    """(the project's folder, what the commands of each block printed)"""
    folder = tmp_path_factory.mktemp("tutorial")
    shutil.copy(wheel, folder)
    (folder / "tmp").mkdir()
    env = environment(folder / "tmp")
    session = "\n".join(script(blocks()))
    done = subprocess.run(
        ["bash", "-c", session], cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=900, check=False,
    )  # fmt: skip
    project = folder / "words"
    try:
        assert done.returncode == 0, done.stdout
        parts = re.split(rf"^{MARK} (\d+)\n", done.stdout, flags=re.MULTILINE)[1:]
        yield project, {int(number): text for number, text in zip(parts[::2], parts[1::2], strict=True)}
    finally:
        if (project / ".sluice" / "cloud.json").exists():
            subprocess.run([project / ".venv/bin/sluice", "cloud", "down"], cwd=project, env=env, check=False)


def test_all_commands_work_and_print_what_the_page_shows(said: tuple[Path, Mapping[int, str]]) -> None:
    printed, shown = said[1], 0
    steps = blocks()
    for number, step in enumerate(steps):
        if step.language or step.path:
            continue
        for line in step.text.splitlines():
            assert line in printed[number - 1], f"{line!r} is not in what was printed:\n{printed[number - 1]}"
            shown += 1
    assert len(printed) == sum(step.language == "sh" for step in steps) > 5
    assert shown > 10


def test_the_runs_on_the_emulator_succeeded(said: tuple[Path, Mapping[int, str]]) -> None:
    output = "".join(said[1].values())
    for job in ("stems", "wordcount"):
        assert re.search(rf"^{job} .* succeeded .* records", output, re.MULTILINE), output
    assert (
        "Lambda ARN: arn:aws:lambda:us-east-1:000000000000:function:sluice-wordcount-mapper" in output
    )  # Chalice's


def test_the_workflow_has_no_command_that_was_not_run(said: tuple[Path, Mapping[int, str]]) -> None:
    workflow = yaml.safe_load((said[0] / ".github/workflows/test.yml").read_text())
    ran = [line for step in blocks() if step.language == "sh" for line in step.text.splitlines()]
    steps = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    assert steps
    assert [step for step in steps if step not in ran] == []


def test_nothing_that_is_generated_is_tracked(said: tuple[Path, Mapping[int, str]]) -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=said[0], check=True, capture_output=True, text=True
    ).stdout
    assert sorted(path for path in listed.split() if not path.startswith(("counts/", "stems/", "wheels/"))) == [
        ".github/workflows/test.yml", ".gitignore", "Makefile", "app.py", "jobs/stems.py", "jobs/stems.yml",
        "jobs/wordcount.py", "jobs/wordcount.yml", "jobs/wording.py", "line.txt", "pytest.ini",
        "requirements-dev.txt", "requirements.txt", "sluice.yml", "tests/test_stems.py", "tests/test_wordcount.py",
    ]  # fmt: skip
