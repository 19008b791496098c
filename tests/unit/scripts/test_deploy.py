"""`scripts/deploy.py`: its arguments, and mistakes told before AWS is asked for anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.deploy import parse
from tests.unit.scripts.user import ROOT, run_script


def test_work_days_are_days(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(["wordcount"]).work_days == 7
    assert parse(["wordcount", "--dry-run"]).dry_run
    with pytest.raises(SystemExit):
        parse(["wordcount", "--work-days", "0"])
    assert "--work-days: expected at least 1, got 0" in capsys.readouterr().err


def test_a_dry_run_has_nothing_to_wait_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(["wordcount", "--wait"]).wait
    with pytest.raises(SystemExit):
        parse(["wordcount", "--wait", "--dry-run"])
    assert "--wait: a dry run changes nothing" in capsys.readouterr().err


def test_help_says_what_a_dry_run_is() -> None:
    said = run_script("scripts/deploy.py", "--help").stdout
    assert (
        "deploy.py NAME --dry-run            print each step and what it would change, and change nothing"
        in said
    )


@pytest.mark.parametrize("option", ["--dry-run", "--delete"])
@pytest.mark.slow
def test_without_credentials_it_says_so_in_one_sentence(option: str, tmp_path: Path) -> None:
    script = str(ROOT / "scripts/deploy.py")
    done = run_script(script, "wordcount", option, cwd=tmp_path, AWS_DEFAULT_REGION="us-east-1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no usable AWS credentials" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_job_that_does_not_exist_is_told_first() -> None:
    done = run_script("scripts/deploy.py", "wordcuont", "--dry-run")
    assert done.stderr.startswith("error: ")
    assert "did you mean 'wordcount'?" in done.stderr
