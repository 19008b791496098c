"""`scripts/submit.py` over objects that are there already, and `--again`: which runs begin, and what they read."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.core.errors import UserError
from chalicelib.core.keys import TotalsKeys
from chalicelib.core.ports import Loc
from chalicelib.core.totals import Pointer, Waiting
from chalicelib.functions.run_inputs import starts
from chalicelib.functions.stop import stop
from chalicelib.run import totals_pointer
from chalicelib.run.status.runs import list_runs
from scripts import submit
from scripts.console import terminal
from tests.worlds.simulation import IN, WORK, Simulation, spec

JOB = """\
job: words:Words
input: {{url: "s3://demo-in/data/"}}
work: {{url: "s3://demo-work/"}}
output: {{url: "s3://demo-out/"}}
trigger: {trigger}
"""


class Words(Job):
    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        for word in line.split():
            yield word, 1

    reducer = Sum()


class Broken(Words):
    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        raise ValueError("not today")


class Bucket(Simulation):
    """S3 tells of what is put by somebody else than `add`, and the job has names that are allowed on AWS."""

    def __init__(self, root: Path, trigger: str = "each", job: type[Job] = Words, **how: Any) -> None:
        self.told, self._root, self._puts = False, root, 0
        figures = {"accumulate": True} if how.pop("accumulate", False) else {}
        super().__init__(job, spec(trigger=trigger, **figures, **how.pop("figures", {})), root, **how)
        (root / "jobs").mkdir()
        text = JOB.format(trigger=trigger) + ("accumulate: true\n" if figures else "")
        (root / "jobs/job.yml").write_text(text)

    def _created(self, loc: Loc) -> None:
        super()._created(loc)
        if self.told and loc.bucket == "in" and starts(loc, self.spec):
            self.told = False
            self.drop(loc.key.removeprefix(IN.key), self.memory.get(loc))

    def mend(self) -> None:
        self._job = Words

    def submit(self, *argv: str) -> str:
        """What it says; all runs that it starts have ended then."""
        out = io.StringIO()
        world = submit.World(
            root=self._root, environ={}, screen=terminal.Screen(out, terminal=False), clock=self,
            store=lambda: _Renamed(self), upload=lambda path, loc: None, invoker=lambda job: _Renamed(self),
        )  # fmt: skip
        self.told = True
        self.time += 1
        assert submit.main([argv[0], "job", *argv[1:]] if argv[0][0] == "-" else ["job", *argv], world) == 0
        self.told = False
        self.run()
        assert self.errors == []
        return out.getvalue()

    def runs(self) -> dict[str, dict[str, int]]:
        """What the successful runs counted, by id."""
        found: dict[str, dict[str, int]] = {}
        for name in self.names():
            if name.startswith("out/") and name.endswith("/_SUCCESS"):
                found[name.split("/")[1]] = {}
        for name, body in self.objects().items():
            if name.startswith("out/") and "/part-" in name and name.split("/")[1] in found:
                rows = (line.split("\t") for line in body.decode().splitlines())
                found[name.split("/")[1]] |= {word: int(number) for word, number in rows}
        return found


class _Renamed:
    """The simulation's buckets by names that a job on AWS can have."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._bucket.memory, name)
        if not callable(method):
            return method
        return lambda loc, *args, **kwargs: method(
            Loc(loc.bucket.removeprefix("demo-"), loc.key), *args, **kwargs
        )

    def put(self, loc: Loc, body: bytes) -> str:
        return self._bucket.memory.put(
            Loc(loc.bucket.removeprefix("demo-"), loc.key), body.replace(b"demo-", b"")
        )

    def invoke(self, function: str, payload: dict[str, Any]) -> None:
        self._bucket.deliver(function, json.loads(json.dumps(payload).replace("demo-", "")))


def outputs(bucket: Bucket) -> dict[str, bytes]:
    return {name: body for name, body in bucket.objects().items() if name.startswith("out/")}


PLACE = "s3://demo-in/data/"


@pytest.mark.parametrize("duplicates", [False, True])
def test_each_object_that_is_there_is_a_run_of_its_own(duplicates: bool, tmp_path: Path) -> None:
    bucket = Bucket(tmp_path, duplicates=duplicates)
    for name, text in {"a.txt": b"x x", "sub/b.txt": b"y", "_no/c.txt": b"z", "d/": b""}.items():
        bucket.add(name, text)
    told = bucket.submit(PLACE)
    first = outputs(bucket)
    assert sorted(bucket.runs().values(), key=str) == [{"x": 2}, {"y": 1}]
    assert "2 objects, 4 B" in told
    assert len(set(re.findall(r"starts (20231114T221321-\S{12})", told))) == 2
    bucket.submit(PLACE)
    assert sorted(bucket.runs().values(), key=str) == [{"x": 2}, {"x": 2}, {"y": 1}, {"y": 1}]
    assert first.items() <= outputs(bucket).items()


def test_one_object_and_all_that_is_watched(tmp_path: Path) -> None:
    bucket = Bucket(tmp_path)
    bucket.add("a", b"x")
    bucket.add("b", b"y")
    bucket.submit(PLACE + "a", PLACE + "a")
    assert list(bucket.runs().values()) == [{"x": 1}]
    bucket.submit("--existing")
    assert sorted(bucket.runs().values(), key=str) == [{"x": 1}, {"x": 1}, {"y": 1}]


@pytest.mark.parametrize("duplicates", [False, True])
def test_a_marker_job_has_one_run_over_all_of_them(duplicates: bool, tmp_path: Path) -> None:
    bucket = Bucket(tmp_path, "marker", duplicates=duplicates)
    for name, text in {"may/a": b"x x", "may/deep/b": b"y", "may/_no": b"z", "june/c": b"w"}.items():
        bucket.add(name, text)
    bucket.add("may/_READY", b"")
    assert "starts one run over 2 objects" in bucket.submit(PLACE + "may/")
    assert list(bucket.runs().values()) == [{"x": 2, "y": 1}]
    bucket.submit("--existing")
    bucket.submit(PLACE + "may/a", PLACE + "june/")
    found = sorted(bucket.runs().values(), key=str)
    assert found == [{"w": 1, "x": 2, "y": 1}, {"w": 1, "x": 2}, {"x": 2, "y": 1}]


def test_a_success_job_has_a_run_for_each_result_and_none_for_what_failed(tmp_path: Path) -> None:
    bucket = Bucket(tmp_path, "success")
    for run, end in (("r1", "_SUCCESS"), ("r2", "_FAILED"), ("r3", "_SUCCESS")):
        bucket.add(f"{run}/part-00000.tsv", run.encode())
        bucket.add(f"{run}/{end}", b"")
    bucket.submit("--existing")
    assert sorted(bucket.runs().values(), key=str) == [{"r1": 1}, {"r3": 1}]
    (done,) = [run for run, counted in bucket.runs().items() if counted == {"r3": 1}]
    bucket.submit("--again", done)
    assert sorted(bucket.runs().values(), key=str) == [{"r1": 1}, {"r3": 1}, {"r3": 1}]


def test_a_run_that_failed_is_done_again_once_the_job_is_mended(tmp_path: Path) -> None:
    bucket = Bucket(tmp_path, job=Broken)
    bucket.drop("a.txt", b"x")
    bucket.run()
    (failed,) = {name.split("/")[1] for name in outputs(bucket)}
    before = outputs(bucket)
    assert f"out/{failed}/_FAILED" in before
    bucket.mend()
    bucket.submit("--again", "latest")
    assert list(bucket.runs().values()) == [{"x": 1}]
    assert failed not in bucket.runs()
    assert before.items() <= outputs(bucket).items()


def test_a_run_that_was_stopped_is_done_again(tmp_path: Path) -> None:
    bucket = Bucket(tmp_path, figures={"split_size": 2})

    def halt() -> None:
        stop(bucket.memory, list_runs(bucket.memory, WORK)[0], "alice", "", bucket.time)

    bucket.when(lambda: any(name.endswith("/plan.done") for name in bucket.names()), halt)
    bucket.drop("a.txt", b"x y z x")
    bucket.run()
    assert bucket.runs() == {}
    bucket.submit("--again", "latest")
    assert list(bucket.runs().values()) == [{"x": 2, "y": 1, "z": 1}]


def test_a_run_over_many_objects_is_done_again_over_these_alone(tmp_path: Path) -> None:
    bucket = Bucket(tmp_path, "marker", figures={"split_size": 2})
    for name in ("a", "b"):
        bucket.add(f"may/{name}", f"{name} {name} {name}".encode())
    bucket.submit(PLACE + "may/")
    ((run, counted),) = bucket.runs().items()
    bucket.add("may/c", b"c")
    bucket.add("may/b", b"B")
    assert "changed since that run, and read as they are now: 1 object: s3://in/data/may/b" in bucket.submit(
        "--again", run
    )
    (again,) = bucket.runs().keys() - {run}
    assert bucket.runs() == {run: counted, again: {"a": 3, "B": 1}}
    bucket.memory.delete("in", ["data/may/b"])
    with pytest.raises(UserError, match="read what is gone, and cannot be done again: s3://in/data/may/b"):
        bucket.submit("--again", run)


def test_a_run_that_could_not_be_planned_is_begun_again(tmp_path: Path) -> None:
    bucket = Bucket(tmp_path, figures={"params": {}})
    bucket.add("a.txt", b"x")
    loads = bucket.load_job

    def missing(_: str) -> Any:
        raise UserError("jobs/words.py: is not there")

    bucket.load_job = missing
    bucket.submit(PLACE)
    (refused,) = {name.split("/")[1] for name in outputs(bucket)}
    bucket.load_job = loads
    bucket.submit("--again", refused)
    assert list(bucket.runs().values()) == [{"x": 1}]
    with pytest.raises(UserError, match="there is no plan, so nobody knows what this run read"):
        bucket.submit("--again", "20260101T000000-a")


@pytest.mark.parametrize(
    ("trigger", "argv", "told"),
    [
        ("each", ["s3://demo-in/other/"], r"is outside of the job's input \(s3://demo-in/data/\)"),
        ("each", ["s3://else/data/"], "is outside of the job's input"),
        ("each", [PLACE + "nothing/"], "nothing there starts a run"),
        ("each", [PLACE + "_no"], "nothing there starts a run"),
        ("each", [PLACE + "nothing"], "there is no such object; all below a prefix: end it in /"),
        ("each", ["--existing", "--most", "1"], r"this is 2 runs.*and 1 are allowed.*--most 2"),
        ("success", ["--existing"], "nothing there starts a run.*expected a _SUCCESS"),
        ("marker", [PLACE + "nothing/"], "nothing there to read"),
        ("marker", [PLACE + "x\ny"], "a manifest cannot list a name that holds line breaks"),
    ],
)
def test_what_cannot_be_run_over_is_refused_before_anything_begins(
    trigger: str, argv: list[str], told: str, tmp_path: Path
) -> None:
    bucket = Bucket(tmp_path, trigger)
    for name in ("a", "b", "_no", "x\ny"):
        if trigger == "marker" or "\n" not in name:
            bucket.add(name, b"x")
    with pytest.raises(UserError, match=told):
        bucket.submit(*argv)
    assert outputs(bucket) == {}
    assert bucket.delivered == []


def test_what_is_in_the_totals_is_not_counted_twice(tmp_path: Path) -> None:
    bucket = Bucket(tmp_path, accumulate=True)
    keys = TotalsKeys(WORK, "job")
    bucket.add("a", b"x")
    totals_pointer.wait(bucket.memory, keys, Waiting(run="r1", parts=()))
    for argv in (["--existing"], ["--again", "r1"]):
        with pytest.raises(UserError, match=r"count(ed)?( them)? twice"):
            bucket.submit(*argv)
    merged = Pointer(generation=1, run="r1", step=1, parts=(), recent=("r1",))
    assert totals_pointer.read(bucket.memory, keys)._swap(merged)
    bucket.memory.delete("work", [keys.waiting("r1").key])
    for argv in (["--existing"], ["--again", "r1"]):
        with pytest.raises(UserError, match=r"count(ed)?( them)? twice"):
            bucket.submit(*argv)


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["job"], "expected files, folders or s3:// URLs, or --existing"),
        (["job", "--existing", "a"], "is all that the job watches"),
        (["job", "--again"], "expected NAME and the id of one run, got 0 ids"),
        (["job", "a.txt", PLACE], "expected files to upload or s3:// URLs of what is there, got both"),
        (["job", "--again", "--resume", "x"], "not allowed with"),
    ],
)
def test_one_kind_of_thing_is_submitted(
    argv: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        submit.parse(argv)
    assert told in capsys.readouterr().err


def test_what_is_uploaded_for_a_clock_starts_nothing_and_waits_for_nobody(tmp_path: Path) -> None:
    bucket = Bucket(tmp_path, "every 15m")
    (tmp_path / "a.txt").write_text("x")
    told = bucket.submit(str(tmp_path / "a.txt"))
    assert "trigger: every 15m: the run of the next period reads them" in told
    assert bucket.delivered == []
    for argv, sentence in (
        ([str(tmp_path / "a.txt"), "--wait"], "leave out --wait"),
        (["--existing"], "the clock starts a run over what is there already"),
    ):
        with pytest.raises(UserError, match=sentence):
            bucket.submit(*argv)


def test_with_totals_nothing_is_read_beside_the_clock(tmp_path: Path) -> None:
    bucket = Bucket(tmp_path, "every 15m", accumulate=True)
    bucket.add("a.txt", b"x")
    with pytest.raises(UserError, match="would be counted twice"):
        bucket.submit("s3://demo-in/data/a.txt")
