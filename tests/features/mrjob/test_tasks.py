"""Single tasks over streams, as users' own tests run them, and the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest

from chalicelib.mrjob import MRStep

from .harness import JOBS, run

from next_word_stats import MRNextWordStats  # isort: skip
from small import MRCounters, MRInitJob, MRRawFiles, MRThreshold  # isort: skip
from word_freq_count import MRWordFreqCount  # isort: skip

ROOT = Path(__file__).resolve().parents[3]


def test_methods_are_plain_generators() -> None:
    job = MRWordFreqCount(args=[]).sandbox()
    assert list(job.mapper(None, "To be, or not to be")) == [
        (w, 1) for w in ["to", "be", "or", "not", "to", "be"]
    ]
    assert list(job.reducer("be", [1, 1])) == [("be", 2)]


def test_a_mapper_and_a_reducer_over_stdin() -> None:
    job = MRWordFreqCount(args=[]).sandbox(stdin=[b"b a\n", b"b\r\n"])
    job.run_mapper()
    mapped = job.stdout.getvalue()
    assert mapped == b'"b"\t1\n"a"\t1\n"b"\t1\n'
    for work in (job.run_combiner, job.run_reducer):
        job.sandbox(stdin=BytesIO(b"".join(sorted(mapped.splitlines(keepends=True)))))
        work()
        assert job.stdout.getvalue() == b'"a"\t1\n"b"\t2\n'


def test_a_later_step_by_its_number() -> None:
    job = MRNextWordStats(args=[]).sandbox(
        stdin=[b'"a"\t["A: total", 2]\n', b'"a"\t["B: stats", ["b", 1]]\n']
    )
    job.run_reducer(step_num=1)
    assert job.stdout.getvalue() == b'["a", "b"]\t[2, 1, 50.0]\n'
    with pytest.raises(ValueError, match="Out-of-range step: 2"):
        list(job.reduce_pairs([], step_num=2))


def test_pairs_go_through_a_task_without_streams() -> None:
    job = MRInitJob(args=[])
    assert list(job.map_pairs([(None, "x")])) == [(None, 10)]
    assert list(job.reduce_pairs([("k", 1), ("k", 2), ("l", 4)])) == [(None, 30), (None, 40)]
    assert list(MRInitJob(args=[]).combine_pairs([("k", 1)])) == [(None, 2)]


def test_a_raw_mapper_gets_path_and_uri(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    job = MRRawFiles(args=[str(tmp_path / "x"), "s3://bucket/y"])
    assert list(job.map_pairs([])) == [("y", 5)]


def test_outside_of_a_run_counters_and_status_go_to_stderr() -> None:
    job = MRCounters(args=[]).sandbox()
    job.increment_counter("a,b", "c", 2)
    job.set_status("busy")
    assert job.stderr.getvalue() == b"reporter:counter:a;b,c,2\nreporter:status:busy\n"
    with pytest.raises(TypeError, match="must be an integer"):
        job.increment_counter("a", "b", 1.5)


def test_a_job_knows_whether_it_is_a_task() -> None:
    assert not MRThreshold(args=["--least", "2"]).is_task()
    assert MRThreshold(args=["--mapper", "--step-num=0"]).is_task()


def test_steps_are_compared_and_shown_by_their_parts() -> None:
    step = MRStep(mapper=len, combiner_init=None)
    assert step == MRStep(mapper=len)
    assert step != MRStep(mapper=abs)
    assert repr(step) == "MRStep(mapper=<built-in function len>)"
    with pytest.raises(TypeError, match="unexpected keyword argument 'maper'"):
        MRStep(maper=len)
    with pytest.raises(ValueError, match="no mappers and no reducers"):
        MRStep(jobconf={})


def test_output_stays_in_the_output_folder(tmp_path: Path) -> None:
    result = run(MRWordFreqCount, "--output-dir", str(tmp_path / "out"), stdin=[b"a b a\n"])
    parts = sorted((tmp_path / "out").glob("part-*"))
    assert b"".join(part.read_bytes() for part in parts) == result.output == b'"a"\t2\n"b"\t1\n'


# -- the command line ------------------------------------------------------------------------------------


def command(script: str, *args: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, str(JOBS / script), *args],
        input=stdin,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )


def test_a_script_runs_over_files_and_stdin(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("a b\n")
    for runner in ("inline", "local"):
        done = command("word_freq_count.py", "-r", runner, str(tmp_path / "one.txt"), "-", stdin=b"b c")
        assert (done.stdout, done.returncode) == (b'"a"\t1\n"b"\t2\n"c"\t1\n', 0), done.stderr.decode()


def test_a_script_writes_to_a_folder_and_prints_when_told(tmp_path: Path) -> None:
    quiet = command("word_freq_count.py", "-o", str(tmp_path / "a"), "-q", stdin=b"a")
    assert (quiet.stdout, quiet.stderr, quiet.returncode) == (b"", b"", 0)
    assert [part.read_bytes() for part in (tmp_path / "a").glob("part-*")] == [b'"a"\t1\n']
    loud = command("word_freq_count.py", "-o", str(tmp_path / "b"), "--cat-output", stdin=b"a")
    assert loud.stdout == b'"a"\t1\n'
    assert command("word_freq_count.py", "--no-output", stdin=b"a").stdout == b""


def test_a_script_runs_one_task_and_shows_its_help() -> None:
    assert command("word_freq_count.py", "--mapper", stdin=b"b a\n").stdout == b'"b"\t1\n"a"\t1\n'
    assert b"--stop-words-file" in command("most_used_word.py", "--help").stdout


def test_a_script_that_cannot_run_says_why_and_fails() -> None:
    done = command("word_freq_count.py", "/no/such/file")
    assert done.returncode == 1
    assert b"/no/such/file: no such file" in done.stderr
    assert b"Traceback" not in done.stderr
    unknown = command("word_freq_count.py", "-r", "emr")
    assert unknown.returncode != 0
    assert b"expected one of inline, local, lambda" in unknown.stderr


def test_a_script_says_which_step_it_is_at() -> None:
    done = command("next_word_stats.py", "-r", "local", stdin=b"a b a b\n")
    assert [line for line in done.stderr.decode().splitlines() if "step" in line] == [
        "Running step 1 of 2...",
        "Running step 2 of 2...",
    ]
