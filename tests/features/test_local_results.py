"""`scripts/run.py`: whole results or the old ones, one run at a time, nothing lost unsaid, nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.features.test_local_engine import JOBS, ROOT, command

SLEEPS = JOBS / "sleeps.yml"
SUMS = JOBS / "sums.yml"
POISONED = JOBS / "raises.yml"
ASIDE = ("--set", "bad_records.policy=quarantine", "--set", "bad_records.max_fraction=1")


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text("one two\ntwo\n")
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@contextmanager
def sleeping(texts: Path, out: Path, *more: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A run that has begun and would take very long."""
    mark = texts.parent / "begun"
    mark.unlink(missing_ok=True)
    running = subprocess.Popen(
        [sys.executable, ROOT / "scripts/run.py", SLEEPS, texts, "--output", out, "--workers", "1",
         "--set", f"params.mark={mark}", *more],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        until = time.monotonic() + 30
        while not mark.exists():
            assert running.poll() is None, running.communicate()
            assert time.monotonic() < until
            time.sleep(0.02)
        yield running
    finally:
        with_group(running, signal.SIGKILL)
        running.communicate()


def with_group(running: subprocess.Popen[str], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(running.pid, number)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


RESULTS = ["_SUCCESS", "_manifest.json", "part-00000.tsv"]


def test_a_second_run_on_one_output_is_refused_by_name(texts: Path, out: Path) -> None:
    with sleeping(texts, out):
        for more in ([], ["--force"]):
            refused = command(SUMS, texts, "--output", out, *more)
            assert refused.returncode == 1
            assert "is writing its results here" in refused.stderr
            assert f"error: {out}: run 2" in refused.stderr
    command(SUMS, texts, "--output", out, check=True)  # it was killed, and holds nothing up
    assert names(out) == RESULTS


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_ended_run_leaves_the_old_results_and_nothing_of_its_own(
    number: signal.Signals, texts: Path, out: Path
) -> None:
    command(SUMS, texts, "--output", out, check=True)
    before = (out / "part-00000.tsv").read_bytes()
    with sleeping(texts, out, "--force") as running:
        running.send_signal(number)
        _, told = running.communicate(timeout=30)
        assert running.returncode == 128 + number
        assert "Traceback" not in told
        with pytest.raises(ProcessLookupError):
            os.killpg(running.pid, 0)
    assert names(out) == RESULTS
    assert (out / "part-00000.tsv").read_bytes() == before


def test_a_run_that_somebody_stops_ends_at_once_and_leaves_the_old_results(
    texts: Path, out: Path, tmp_path: Path
) -> None:
    command(SUMS, texts, "--output", out, check=True)
    before = (out / "part-00000.tsv").read_bytes()
    work = tmp_path / "work"
    script = [
        sys.executable,
        ROOT / "scripts/stop.py",
        "sleeps",
        "latest",
        "--work",
        work,
        "--why",
        "too long",
    ]
    with sleeping(texts, out, "--force", "--work", work) as running:
        told = subprocess.run(script, capture_output=True, text=True, check=True).stdout
        assert "too long; 0 of 1 map task done" in told
        _, errors = running.communicate(timeout=30)
        assert running.returncode == 1
        assert ": too long" in errors
        assert f"{out} still holds the results of the run before" in errors
    assert names(out) == RESULTS
    assert (out / "part-00000.tsv").read_bytes() == before


def test_what_a_killed_run_leaves_is_removed_by_the_next_one(texts: Path, out: Path) -> None:
    with sleeping(texts, out) as running:
        running.kill()  # the parent alone: its worker sleeps on
        running.wait()
        assert any(name.startswith(".sluice-run-") for name in names(out))
        command(SUMS, texts, "--output", out, check=True)
    assert names(out) == RESULTS


def test_a_failed_run_leaves_the_earlier_results(texts: Path, out: Path) -> None:
    command(SUMS, texts, "--output", out, check=True)
    before = (out / "part-00000.tsv").read_bytes()
    (texts / "a.txt").write_text("one\n\n")
    failed = command(JOBS / "raises.yml", texts, "--output", out, "--force", "--set", "max_attempts=1")
    assert failed.returncode == 1
    assert f"{out} still holds the results of the run before" in failed.stderr
    assert names(out) == RESULTS
    assert (out / "part-00000.tsv").read_bytes() == before


def test_bad_records_are_told_and_kept_beside_the_results(texts: Path, out: Path) -> None:
    (texts / "a.txt").write_text("one\n\ntwo\n\n")
    done = command(POISONED, texts, "--output", out, *ASIDE)
    assert done.returncode == 0
    assert f"set aside: 2 bad records, listed in {out}/_quarantine/" in done.stdout
    (name,) = json.loads((out / "_manifest.json").read_bytes())["quarantine"]
    assert name.startswith("_quarantine/")
    assert len((out / name).read_text().splitlines()) == 2
    command(SUMS, texts, "--output", out, "--force", check=True)
    assert names(out) == RESULTS


def test_bad_records_in_a_kept_work_folder_are_told(texts: Path, out: Path, tmp_path: Path) -> None:
    (texts / "a.txt").write_text("one\n\n")
    done = command(POISONED, texts, "--output", out, "--work", tmp_path / "work", *ASIDE)
    (name,) = json.loads((out / "_manifest.json").read_bytes())["quarantine"]
    assert (tmp_path / "work" / name).is_file()
    assert f"set aside: 1 bad record, listed in {(tmp_path / 'work' / name).parent}" in done.stdout


def test_the_bad_records_of_a_run_that_fails_for_them_are_kept(texts: Path, out: Path) -> None:
    """Each task is within the limit, all together are not."""
    (texts / "a.txt").write_text("one\n\n")
    (texts / "b.txt").write_text("two\n\n")
    few = ("--set", "bad_records.max=1", "--set", "split_size=5")
    for more in ([], ["--force"]):
        failed = command(POISONED, texts, "--output", out, *ASIDE, *few, *more)
        assert failed.returncode == 1
        paths = sorted((out / "_quarantine").rglob("*.jsonl"))
        assert len(paths) == 2
        for path in paths:
            assert str(path) in failed.stderr
            assert str(path) in (out / "_FAILED").read_text()
            assert len(path.read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--output", "gs://bucket/out/"], "--output gs://bucket/out/: expected a folder of this machine or s3://"),
        (["--output", "{out}", "--work", "s3://bucket/w/"], "--work s3://bucket/w/: expected a folder"),
        (["--output", "{out}", "--work", "{texts}/w"], "intermediate files would become input"),
        (["{texts}*", "--output", "{out}", "--work", "{texts}/w"], "intermediate files would become input"),
        (["{texts}*", "--output", "{texts}/out"], "results would become input"),
        (["--output", "{out}", "--work", "{out}"], "expected another folder than that of the results"),
        (["--output", "/proc/out"], "/proc/out: cannot be used for results"),
        (["--output", "{out}", "--work", "/proc/work"], "--work /proc/work: cannot be written to"),
    ],
)  # fmt: skip
def test_places_that_cannot_be_used_are_refused_in_a_sentence(
    arguments: list[str], told: str, texts: Path, out: Path
) -> None:
    filled = [part.format(out=out, texts=texts) for part in arguments]
    given = [] if filled[0].endswith("*") else [texts]
    done = command(SUMS, *given, *filled)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert names(texts) == ["a.txt"]
    assert not out.exists() or names(out) == []
    assert not Path("s3:").exists()
