"""`scripts/clean.py`: the work of runs that ended goes, that of all others stays, and so do results and inputs."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from chalicelib import Job, Sum
from chalicelib.core.keys import OutputKeys, RunKeys, results_place
from chalicelib.core.ports import Loc
from chalicelib.run.status.runs import list_runs
from chalicelib.stores.folder import TEMPORARY, FolderStore
from chalicelib.stores.memory import MemoryStore
from chalicelib.stores.s3 import S3Store
from chalicelib.stores.s3_uploads import S3Uploads
from chalicelib.stores.unfinished import FolderUploads, Unfinished, Uploads
from scripts import clean
from scripts.console import terminal
from scripts.runs.world import open_store
from tests.worlds.simulation import OUT, WORK, Killed, Simulation, spec

DAY = 86_400.0


@dataclass
class Clock:
    time: float

    def now(self) -> float:
        return self.time

    def pause(self, seconds: float) -> None:
        raise AssertionError("nothing here waits")


class NoUploads:
    def list(self, prefix: Loc) -> Iterator[Unfinished]:
        return iter(())

    def abort(self, upload: Unfinished) -> None:
        raise AssertionError("there is none")


def script(
    root: Path, now: float, *argv: str, store: Any = None, uploads: Uploads | None = None
) -> tuple[int, list[str]]:
    out = io.StringIO()
    world = clean.World(
        root=root,
        environ={},
        screen=terminal.Screen(out, terminal=False),
        clock=Clock(now),
        open_store=(lambda work, runs: store) if store else open_store,
        uploads=lambda work: uploads or NoUploads(),
    )
    code = clean.main(argv, world)
    return code, out.getvalue().splitlines()


class Words(Job):
    def mapper(self, _: Any, line: str) -> Any:
        for word in line.split():
            yield word, 1

    reducer = Sum()


@pytest.fixture
def simulation(tmp_path: Path) -> Simulation:
    """Three runs: one old, one that ended just now, one that never ended (and one file of nobody)."""
    simulation = Simulation(Words, spec(), tmp_path)
    simulation.drop("old.txt", b"a\n")
    simulation.run()
    simulation.time += 8 * DAY
    simulation.drop("new.txt", b"b\n")
    simulation.run()
    live = RunKeys(WORK, "job", "20260101T000000-aaaaaaaaaaaa")
    (old, *_) = runs(simulation.memory)
    simulation.time -= 30 * DAY
    simulation.memory.put(live.plan, simulation.memory.get(old.plan))
    simulation.memory.put(live.done("map", 0), b"{}")
    simulation.memory.put(WORK.child("other/runs-of-nobody"), b"")
    simulation.time += 30 * DAY
    return simulation


def runs(store: MemoryStore) -> list[RunKeys]:
    return list_runs(store, WORK)


def test_only_what_ended_long_ago_goes(simulation: Simulation, tmp_path: Path) -> None:
    before = simulation.objects()
    old, new = [keys for keys in runs(simulation.memory) if not keys.run.startswith("20260101")]
    if simulation.memory.head(old.run_done).modified > simulation.memory.head(new.run_done).modified:
        old, new = new, old
    code, lines = script(tmp_path, simulation.time, "--work", "s3://work/", store=simulation.memory)
    assert code == 0
    after = simulation.objects()
    gone = before.keys() - after.keys()
    assert gone
    assert gone == {name for name in before if name.startswith(f"work/{old.root.key}")}
    assert {name: before[name] for name in after} == after
    freed = sum(len(before[name]) for name in gone)
    assert lines[0].startswith(f"job  {old.run}  ended 8d 0h ago  {len(gone)} objects")
    assert lines[1] == f"freed {terminal.human_bytes(freed)}: {len(gone)} objects of 1 run"
    assert lines[2] == "left 1 run alone that had not ended"


def test_a_dry_run_deletes_nothing(simulation: Simulation, tmp_path: Path) -> None:
    before = simulation.objects()
    _, lines = script(tmp_path, simulation.time, "--work", "s3://work/", "--dry-run", store=simulation.memory)
    assert simulation.objects() == before
    assert any(line.startswith("would free") for line in lines)


def test_other_jobs_are_left_alone(simulation: Simulation, tmp_path: Path) -> None:
    before = simulation.objects()
    script(tmp_path, simulation.time, "jo", "--work", "s3://work/", store=simulation.memory)
    assert simulation.objects() == before


def test_a_verdict_alone_may_still_be_finishing(tmp_path: Path) -> None:
    """The manifest is made of the markers: they may not go before it is there."""
    simulation = Simulation(Words, spec(), tmp_path)
    simulation.drop("a.txt", b"a\n")
    simulation.run()
    (keys,) = runs(simulation.memory)
    ends = OutputKeys(results_place(OUT, keys.run))
    simulation.memory.delete("out", [ends.success.key])
    argv = ("--work", "s3://work/", "--older-than", "0s")
    script(tmp_path, simulation.time + DAY / 2, *argv, store=simulation.memory)
    assert runs(simulation.memory) == [keys]
    script(tmp_path, simulation.time + DAY + 1, *argv, store=simulation.memory)
    assert runs(simulation.memory) == []


def test_a_cleaning_that_was_interrupted_is_finished_by_the_next(tmp_path: Path) -> None:
    simulation = Simulation(Words, spec(), tmp_path)
    simulation.drop("a.txt", b"a\n")
    simulation.run()
    (keys,) = runs(simulation.memory)

    class Dies(MemoryStore):
        def __init__(self) -> None:
            self.__dict__ = simulation.memory.__dict__

        def delete(self, bucket: str, names: Any) -> None:
            super().delete(bucket, list(names)[:-1])
            raise Killed

    argv = ("--work", "s3://work/", "--older-than", "1h")
    with pytest.raises(Killed):
        script(tmp_path, simulation.time + DAY, *argv, store=Dies())
    assert runs(simulation.memory) == [keys]
    script(tmp_path, simulation.time + 2 * DAY, *argv, store=simulation.memory)
    assert runs(simulation.memory) == []
    assert "out/" + OutputKeys(results_place(OUT, keys.run)).success.key in simulation.names()


def test_a_time_must_be_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        script(tmp_path, 0.0, "--older-than", "soon")
    assert "expected a time such as 7d, 12h or 30m, got 'soon'" in capsys.readouterr().err


def test_a_work_folder_with_what_killed_processes_left(tmp_path: Path) -> None:
    work, out = tmp_path / "work", tmp_path / "out"
    work.mkdir()
    out.mkdir()
    store = FolderStore([work, out])
    keys = RunKeys(Loc(str(work), ""), "job", "20260101T000000-aaaaaaaaaaaa")
    store.put(keys.run_done, b"{}")
    store.put(keys.done("map", 0), b"12345")
    store.put(Loc(str(out), "part-00000.tsv"), b"x")
    now = os.stat(work).st_mtime
    left = work / "runs/job/20260101T000000-aaaaaaaaaaaa/map" / f"{TEMPORARY}1"
    left.write_bytes(b"half")
    code, lines = script(
        tmp_path, now + 3 * DAY, "--work", str(work), "--older-than", "2d", uploads=FolderUploads()
    )
    assert code == 0
    assert lines[-1] == "freed 7 B: 2 objects of 1 run, 1 unfinished upload"
    assert [path.name for path in work.rglob("*") if path.is_file()] == []
    assert (out / "part-00000.tsv").exists()


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        for bucket in ("work", "out"):
            client.create_bucket(Bucket=bucket)
        yield client
        client.close()


def test_multipart_uploads_that_nobody_can_be_writing_are_aborted(s3: Any, tmp_path: Path) -> None:
    mine = "runs/job/20260101T000000-aaaaaaaaaaaa/map/000000.0.ab.run"
    for key in (mine, "runs/another/r/map/000000.0.ab.run", "elsewhere"):
        begun = s3.create_multipart_upload(Bucket="work", Key=key)
        s3.upload_part(Bucket="work", Key=key, PartNumber=1, UploadId=begun["UploadId"], Body=b"x")
    uploads = S3Uploads(s3)
    (found,) = uploads.list(Loc("work", "runs/job/"))
    argv = ("job", "--work", "s3://work/")
    script(tmp_path, found.started + 60, *argv, store=MemoryStore(), uploads=uploads)
    assert len(list(uploads.list(Loc("work", "")))) == 3
    _, lines = script(tmp_path, found.started + 4000, *argv, store=MemoryStore(), uploads=uploads)
    assert "1 unfinished upload" in lines[-1]
    assert mine not in {upload.loc.key for upload in uploads.list(Loc("work", ""))}
    assert len(list(uploads.list(Loc("work", "")))) == 2
    uploads.abort(found)  # a second time is no error


def test_on_s3_the_work_of_a_run_goes_and_its_results_stay(s3: Any, tmp_path: Path) -> None:
    simulation = Simulation(Words, spec(), tmp_path)
    simulation.drop("a.txt", b"a b\n")
    simulation.run()
    store = S3Store(s3)
    for name, body in simulation.objects().items():
        bucket, _, key = name.partition("/")
        if bucket != "in":
            store.put(Loc(bucket, key), body)
    results = [info.key for info in store.list(Loc("out", ""))]
    now = max(info.modified for info in store.list(Loc("work", "")))
    argv = ("job", "--work", "s3://work/", "--older-than", "2d")
    _, lines = script(tmp_path, now + DAY, *argv, store=store, uploads=S3Uploads(s3))
    assert lines == ["freed 0 B: 0 objects of 0 runs"]
    _, lines = script(tmp_path, now + 3 * DAY, *argv, store=store, uploads=S3Uploads(s3))
    assert lines[-1].endswith("of 1 run")
    assert list(store.list(Loc("work", ""))) == []
    assert [info.key for info in store.list(Loc("out", ""))] == results
