"""What goes wrong in a run, and markers that start one over many files."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest

from chalicelib.core.keys import PLAN_DONE, PLAN_SILENT
from tests.cloud.harness import IN, OUT, WORK, Cloud, Run

pytestmark = pytest.mark.cloud

JOB = "scripted"


def ended(cloud: Cloud, url: str) -> Run:
    return cloud.wait(JOB, [url])[url]


def begun(cloud: Cloud, url: str) -> str:
    """The run that this object starts, once its plan is written and its tree started."""

    def look() -> str | None:
        run = cloud.run_of(JOB, url)
        started = [f"runs/{JOB}/{run}/{name}" for name in (PLAN_DONE, PLAN_SILENT)]
        return run if run and any(cloud.find(WORK, key) is not None for key in started) else None

    return cloud.until(look, JOB, f"the run of {url} to begin")


# ---------------------------------------------------------------------------------------------------
# Markers


def test_ready_starts_one_run_over_the_files_of_its_folder(cloud: Cloud) -> None:
    files = {"one.txt": b"red blue red\n", "zwei drei.txt": b"blue", "deeper/水.txt": b"red\n"}
    for name, body in files.items():
        cloud.put(IN, f"scripted/ready/{name}", body)
    cloud.put(IN, "scripted/ready/_hidden", b"not this\n")
    cloud.put(IN, "scripted/ready.txt", b"nor this\n")
    marker = cloud.put(IN, "scripted/ready/_READY")

    run = ended(cloud, marker)

    assert run.counts() == Counter(b" ".join(files.values()).decode().split())
    assert run.manifest["inputs"] == 3


def test_a_manifest_starts_one_run_over_what_it_names_with_all_its_outputs(cloud: Cloud) -> None:
    cloud.put(IN, "scripted/named/a+b c%.txt", b"red\n")
    cloud.put(IN, "scripted/named/folder/1.txt", b"blue ?why blue\n")
    cloud.put(IN, "scripted/named/folder/2.txt", b"blue\n")
    cloud.put(IN, "scripted/named/unnamed.txt", b"green\n")
    body = f"# what to read\nscripted/named/a+b c%.txt\n\ns3://{IN}/scripted/named/folder/\n"
    marker = cloud.put(IN, "scripted/named/list of today.manifest", body.encode())

    run = ended(cloud, marker)

    assert run.counts() == {"red": 1, "blue": 3}
    (listed,) = [part for part in run.manifest["parts"] if "/output=asked/part-" in part["key"]]
    asked = cloud.get(OUT, listed["key"])
    assert asked is not None
    assert (json.loads(asked), listed["records"]) == ({"key": "?why", "value": 1}, 1)
    assert cloud.script("get", JOB, run.run, "--kind", "asked", check=True).stdout.encode() == asked


def test_only_markers_start_runs(cloud: Cloud) -> None:
    cloud.put(IN, "scripted/quiet/file.txt", b"quiet\n")
    ended(cloud, cloud.start("quiet", {"other.txt": b"loud\n"}))

    assert {source for source in cloud.runs(JOB).values() if "/quiet" in source} == {
        f"s3://{IN}/scripted/quiet.manifest"
    }


# ---------------------------------------------------------------------------------------------------
# Failures


def test_a_mapper_that_raises_fails_the_run_and_status_shows_where(cloud: Cloud) -> None:
    lines = ["fine words", "!raise thirteen", "never reached"]
    run = ended(cloud, cloud.start("raising", {"cursed file.txt": "\n".join(lines).encode()}))
    status = cloud.script("status", JOB, run.run, "--watch")
    state = json.loads(cloud.script("status", JOB, run.run, "--json").stdout)

    assert not run.succeeded
    assert run.parts == []
    place = f"s3://{IN}/scripted/raising/cursed file.txt, line at byte {len(lines[0]) + 1}"
    for text in (run.failure, status.stdout):
        assert place in text
        assert "Traceback (most recent call last)" in text
        assert 'raise ValueError(f"this line is cursed: {name}")' in text
        assert "ValueError: this line is cursed: thirteen" in text
    assert status.returncode == 1
    assert state["phase"] == "failed"
    assert state["attempts_failed"] == 1, "the code will do the same again"
    assert [failure["error"] for failure in state["failures"]] == ["ValueError"]


def test_logs_tell_what_the_jobs_code_logged_and_printed_with_task_and_attempt(cloud: Cloud) -> None:
    filler = b"word " * 13_000 + b"\n"
    said = {f"{number}.txt": b"!say %d\n%s!say more\n" % (number, filler) for number in range(2)}
    run = begun(cloud, cloud.start("saying", said))

    told = cloud.script("logs", JOB, run, "--json", "--follow", "--every", "0.2", check=True).stdout

    lines = [line for line in map(json.loads, told.splitlines()) if line.get("phase") == "map"]
    assert {line["run"] for line in lines} == {run}
    assert all(line["function"] == "mapper" and line["level"] == "INFO" for line in lines)
    for task in range(2):
        own = [line["message"] for line in lines if line["task"] == task and line["attempt"] == 0]
        assert own == [f"printed {task}", f"logged {task}", "printed more", "logged more"]


def test_one_bad_task_of_many_fails_the_run_and_is_named(cloud: Cloud) -> None:
    good = {f"{number}.txt": b"word " * 13_000 for number in range(4)}
    run = ended(cloud, cloud.start("among", {**good, "bad.txt": b"x " * 30_000 + b"\n!raise me\n"}))

    assert not run.succeeded
    assert [failure["task"] for failure in run.manifest["failures"]] == [4]
    assert f"s3://{IN}/scripted/among/bad.txt, line at byte 60001" in run.failure


def test_a_task_that_may_fail_is_left_out_and_named(cloud: Cloud) -> None:
    words = {f"{number}.txt": f"word{number} all\n".encode() + b"word " * 13_000 for number in range(6)}
    url = cloud.start("bearing", {**words, "bad.txt": b"x " * 30_000 + b"\n!raise me\n"})
    run = ended(cloud, url)

    assert run.succeeded, run.failure
    assert run.counts() == Counter(b" ".join(words.values()).decode().split())
    (left_out,) = run.manifest["left_out"]
    assert (left_out["task"], left_out["objects"], left_out["bytes"]) == (6, 1, 60_011)
    assert left_out["inputs"] == [f"s3://{IN}/scripted/bearing/bad.txt[0:60011]"]
    assert b"1 of 7 map tasks" in run.files["_SUCCESS"]


def test_a_function_that_dies_is_started_again_by_lambda(cloud: Cloud) -> None:
    run = ended(cloud, cloud.start("dying", {"file.txt": b"before\n!die gates/died\nafter\n"}))

    assert run.succeeded, run.failure
    assert run.counts() == {"before": 1, "after": 1}
    assert cloud.find(WORK, "gates/died") is not None
    marker = json.loads(cloud.get(WORK, f"runs/{JOB}/{run.run}/map/000000.silent"))
    assert marker["attempt"] == 0


def test_an_input_overwritten_during_the_run_fails_it(cloud: Cloud) -> None:
    gate = b"!wait gates/overwritten\n"
    # One task has the gate, another small object, and the beginning of the victim. Behind small objects nothing longer
    # is read ahead; where there is but one, it counts as longer itself.
    small, victim = b"small words\n", b"old words\n" * 30_000
    url = cloud.start("changing", {"1 gate.txt": gate, "2 small.txt": small, "3 victim.txt": victim})
    begun(cloud, url)
    cloud.put(IN, "scripted/changing/3 victim.txt", b"new words\n")
    cloud.put(WORK, "gates/overwritten")

    run = ended(cloud, url)

    assert not run.succeeded
    assert run.parts == []
    assert f"s3://{IN}/scripted/changing/3 victim.txt" in run.failure
    assert "overwritten" in run.failure
    assert "Traceback" not in run.failure
    failures = run.manifest["failures"]
    assert {failure["error"] for failure in failures} == {"InputChanged"}
    assert len({failure["task"] for failure in failures}) == len(failures), "it is tried once"


def test_a_run_that_is_stopped_commits_nothing_more(cloud: Cloud) -> None:
    url = cloud.start("stopped", {"1.txt": b"!wait gates/stopped\nred\n"})
    run = begun(cloud, url)
    told = cloud.script("stop", JOB, run, "--why", "wrong file", check=True).stdout
    result = ended(cloud, url)
    assert not result.succeeded
    assert re.search(r"stopped by arn:aws:\S+: wrong file", result.failure)
    assert "0 of 1 map task done" in told
    cloud.put(WORK, "gates/stopped")

    def late() -> bool:
        return any(key.endswith(".overtaken") for key in cloud.listing(WORK, f"runs/{JOB}/{run}/map/"))

    cloud.until(lambda: late() or None, JOB, "the end of the attempt that was under way")
    assert cloud.find(OUT, f"{JOB}/{run}/_SUCCESS") is None
    assert not [key for key in cloud.listing(WORK, f"runs/{JOB}/{run}/map/") if key.endswith(".run")]
    assert cloud.script("stop", JOB, run).returncode == 1


def test_text_that_is_no_utf8_fails_the_run_with_its_place(cloud: Cloud) -> None:
    run = ended(cloud, cloud.start("coding", {"latin 1.txt": "fine\nna\u00efve\n".encode("latin-1")}))

    assert not run.succeeded
    assert f"s3://{IN}/scripted/coding/latin 1.txt" in run.failure
    assert "byte 7" in run.failure
    assert "Traceback" not in run.failure


@pytest.mark.parametrize(
    ("name", "line", "problem"),
    [
        ("no object", "scripted/nowhere.txt", f"s3://{IN}/scripted/nowhere.txt"),
        ("no prefix", "scripted/nothing here/", f"s3://{IN}/scripted/nothing here/"),
        ("no bucket", "s3://sluice-no-such-bucket/things/", "sluice-no-such-bucket"),
        ("no bucket for object", "s3://sluice-no-such-bucket/thing.txt", "sluice-no-such-bucket"),
    ],
)
def test_a_manifest_that_names_what_is_not_there_fails_its_run(
    cloud: Cloud, name: str, line: str, problem: str
) -> None:
    marker = cloud.put(IN, f"scripted/missing/{name}.manifest", f"# today\n{line}\n".encode())

    run = ended(cloud, marker)

    assert not run.succeeded
    assert problem in run.failure
    assert f"{marker}, line 2" in run.failure
    assert "Traceback" not in run.failure


# ---------------------------------------------------------------------------------------------------
# Supervision


def test_supervision_is_handed_over_until_a_slow_mapper_is_done(cloud: Cloud) -> None:
    rest = b"word " * 13_000
    waits = b"!wait gates/slow\ndone\n" + rest
    # In two tasks: once half of them is done, one supervisor has an eye on the others.
    url = cloud.start("slow", {"1.txt": b"done\n" + rest, "2.txt": waits})
    run = begun(cloud, url)

    def handed_over() -> dict[str, Any] | None:
        body = cloud.find(WORK, f"runs/{JOB}/{run}/reduce/lease")
        lease = json.loads(body) if body else {"hops": 0}
        return lease if lease["hops"] >= 2 else None

    cloud.until(handed_over, JOB, "two hand-overs of the supervisor")
    cloud.put(WORK, "gates/slow")

    result = ended(cloud, url)
    assert result.succeeded, result.failure
    assert result.counts() == {"done": 2, "word": 26_000}
    assert [key for key in cloud.listing(WORK, f"runs/{JOB}/{run}/map/") if key.endswith(".failed")] == []
