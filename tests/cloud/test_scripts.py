"""The scripts against the emulator, as a user runs them."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.cloud.harness import IN, OUT, Cloud

pytestmark = pytest.mark.cloud


def test_submit_uploads_and_waits_for_the_results(cloud: Cloud, tmp_path: Path) -> None:
    files = {"first file.txt": "red blue red\n", "100% + ünï.txt": "green\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text, "utf-8")

    done = cloud.script("submit", "small", *(str(tmp_path / name) for name in files), "--wait")

    assert done.returncode == 0, done.stdout + done.stderr
    ended = cloud.ended("small")
    for name, text in files.items():
        run = ended[f"s3://{IN}/small/{name}"]
        assert run.counts() == Counter(text.split())
        assert f"s3://{OUT}/small/{run.run}/" in done.stdout
    listed = cloud.script("status", "small", check=True).stdout
    for name in files:
        assert ended[f"s3://{IN}/small/{name}"].run in listed


def test_a_program_submits_and_has_the_records(cloud: Cloud) -> None:
    cloud.count("small", {"by a program.txt": b"red blue red\n"})
    program = (
        "from scripts.submitting.from_python import submit\n"
        f"run = submit('small', 's3://{IN}/small/by a program.txt')\n"
        "print(dict(line.split('\\t') for line in run.result()), run.done, run.wait()[0].records)"
    )
    done = cloud.execute("-c", program)
    assert done.stdout == "{'blue': '1', 'red': '2'} True 2\n", done.stderr


def test_submit_to_a_marker_job_is_one_run_over_all_files(cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "set" / "deeper").mkdir(parents=True)
    (tmp_path / "set" / "a b.txt").write_text("red\n")
    (tmp_path / "set" / "deeper" / "+.txt").write_text("red blue\n")

    done = cloud.script("submit", "scripted", str(tmp_path / "set"), "--wait")

    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = [run for source, run in cloud.ended("scripted").items() if "/_submit/" in source]
    assert run.counts() == {"red": 2, "blue": 1}
    assert run.manifest["inputs"] == 2


def test_what_is_there_is_run_over_and_a_run_is_done_again(cloud: Cloud) -> None:
    run = cloud.count("small", {"there already.txt": b"red blue red\n"})["there already.txt"]
    runs = [run.run]
    for argv in (["small", run.source], ["small", "--again", "latest"]):
        done = cloud.script("submit", *argv, "--wait")
        assert done.returncode == 0, done.stdout + done.stderr
        (told,) = re.findall(r"starts (\S+)", done.stdout)
        assert f"{told}: s3://{OUT}/small/{told}/" in done.stdout
        runs.append(told)
    assert len(set(runs)) == 3
    told = json.loads(cloud.script("audit", "small", "--json").stdout)  # others may have left what is amiss
    (found,) = [finding for finding in told if finding["object"] == run.source]
    assert (found["state"], sorted(found["runs"])) == ("twice", sorted(runs))


def test_submit_tells_of_a_failed_run_with_the_users_traceback(cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("!raise alarm\n")

    done = cloud.script("submit", "scripted", str(tmp_path / "bad"), "--wait")

    assert done.returncode == 1
    assert "ValueError: this line is cursed: alarm" in done.stdout
    assert "scripted.py" in done.stdout
    assert "Traceback" not in done.stderr


def test_status_tells_all_of_a_run(cloud: Cloud) -> None:
    body = "one two two three three three\n" * 500
    run = cloud.count("small", {"to look at.txt": body.encode()})["to look at.txt"]

    shown = cloud.script("status", "small", run.run)
    state = json.loads(cloud.script("status", "small", run.run, "--json", check=True).stdout)

    assert shown.returncode == 0, shown.stderr
    assert f"s3://{OUT}/small/{run.run}/" in shown.stdout
    assert state["phase"] == "succeeded"
    assert state["source"] == run.source
    assert state["map"]["done"] == state["map"]["total"] == run.manifest["map_tasks"]
    assert state["map"]["stats"]["records_in"] == 500
    assert state["output_records"] == 3
    assert state["input_bytes"] == len(body)


def test_cost_adds_up_what_status_tells_of_each_run(cloud: Cloud) -> None:
    cloud.count("small", {f"to pay {number}.txt": b"one two two\n" * 100 for number in range(2)})

    told = json.loads(cloud.script("status", "small", "--json", "--last", "1000", check=True).stdout)["runs"]
    found = json.loads(cloud.script("cost", "small", "--json", check=True).stdout)

    assert found["total"]["runs"] == len(told) >= 2
    assert found["total"]["dollars"] == pytest.approx(sum(run["cost"] for run in told), rel=0.01)
    assert found["region"] == found["cost_region"] == told[0]["region"] == "us-east-1"
    assert found["errors"] == []
