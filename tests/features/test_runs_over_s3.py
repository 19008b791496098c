"""`scripts/run.py` over `s3://` places: the bytes of a run over files, nothing there replaced, one version of each."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

import scripts.run as command
from chalicelib import Job, Sum
from chalicelib.core.errors import RunFailed, UserError
from chalicelib.core.messages import decode, encode
from chalicelib.core.outcome import Manifest
from chalicelib.core.ports import Loc
from chalicelib.core.tasks import Part
from chalicelib.local import LocalRun, run_local
from chalicelib.local.inputs import find_inputs
from chalicelib.local.remote.mixed_store import Remote
from chalicelib.local.remote.results_on_s3 import ResultsOnS3
from chalicelib.stores.memory import MemoryStore
from chalicelib.stores.s3 import make_client
from scripts.deployment.aws.owner import own_s3
from tests.features.test_local_engine import JOBS
from tests.worlds.simulation import spec

LINES = "".join(f"word{number % 97} of line {number}\n" for number in range(12_000))
Run = Callable[..., int]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    cached = (make_client, own_s3, command._s3)
    for one in cached:
        one.cache_clear()
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="data")
        yield client
    for one in cached:
        one.cache_clear()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    def call(job: str, *words: object) -> int:
        monkeypatch.setattr(
            sys, "argv", ["run.py", str(JOBS / f"{job}.yml"), *map(str, words), "--workers", "2"]
        )
        return command.main()

    return call


def keys(s3: Any, prefix: str) -> list[str]:
    return [
        row["Key"].removeprefix(prefix)
        for row in s3.list_objects_v2(Bucket="data", Prefix=prefix)["Contents"]
    ]


def body(s3: Any, key: str) -> bytes:
    found: bytes = s3.get_object(Bucket="data", Key=key)["Body"].read()
    return found


def test_objects_and_files_give_the_same_bytes_there_and_here(
    s3: Any, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    s3.put_object(Bucket="data", Key="in/a.txt", Body=LINES.encode())
    s3.put_object(Bucket="data", Key="in/_hidden/x", Body=b"never\n")
    s3.put_object(Bucket="data", Key="in/sub/", Body=b"")
    (tmp_path / "a.txt").write_text(LINES)
    (tmp_path / "b.txt").write_text("and of files\n")
    run("sums", tmp_path / "a.txt", tmp_path / "b.txt", "-o", tmp_path / "here")
    expected = (tmp_path / "here/part-00000.tsv").read_bytes()

    run("sums", "s3://data/in/", tmp_path / "b.txt", "--output", "s3://data/out", "--set", "split_size=65536")
    assert keys(s3, "out/") == ["_SUCCESS", "_manifest.json", "part-00000.tsv"]
    assert body(s3, "out/part-00000.tsv") == expected
    manifest = decode(Manifest, body(s3, "out/_manifest.json"), "manifest")
    assert (manifest.map_tasks > 2, manifest.inputs, manifest.records) == (True, 2, expected.count(b"\n"))
    assert manifest.parts == (Part(key="out/part-00000.tsv", bytes=len(expected), records=manifest.records),)
    mark = s3.head_object(Bucket="data", Key="out/_SUCCESS")["Metadata"]
    assert list(mark.values()) == [f"sums/{manifest.run}/1"]
    assert capsys.readouterr().out.endswith("s3://data/out/\n")

    run(
        "sums",
        "s3://data/in/a.txt",
        tmp_path / "b.txt",
        "-o",
        tmp_path / "mixed",
        "--work",
        tmp_path / "work",
    )
    assert (tmp_path / "mixed/part-00000.tsv").read_bytes() == expected


REFUSED = {
    "s3://data/in/a.txt -o s3://data/in/": "not empty (s3://data/in/a.txt), and what is published",
    "s3://data/in/ -o s3://data/in/out/": "results would become input",
    "s3://data/in/a.txt -o s3://data/new/ --force": "never replaced",
    "s3://data/in/a.txt -o s3://data/new/ --set accumulate=true": "accumulate",
    "s3://data/in/a -o {here}": "no such object",
    "s3://data/none/ -o {here}": "there are no objects",
    "s3://data/in/ s3://data/in/a.txt -o {here}": "s3://data/in/a.txt: named twice",
    "s3:// -o {here}": "expected s3://BUCKET",
    "s3://data/in/ -o {here} --work s3://data/work/": "expected a folder of this machine",
}


def test_what_cannot_be_is_refused_before_anything_is_written(s3: Any, run: Run, tmp_path: Path) -> None:
    s3.put_object(Bucket="data", Key="in/a.txt", Body=b"a\n")
    for words, message in REFUSED.items():
        with pytest.raises(UserError) as refused:
            run("sums", *words.format(here=tmp_path / "here").split())
        assert message in str(refused.value)
    assert keys(s3, "") == ["in/a.txt"]


def test_a_run_that_fails_says_so_there_and_names_its_bad_records_there(s3: Any, run: Run) -> None:
    s3.put_object(Bucket="data", Key="in/a.txt", Body=b"one\n\ntwo\n")
    with pytest.raises(RunFailed, match="raises"):
        run("raises", "s3://data/in/a.txt", "-o", "s3://data/failed/", "--set", "max_attempts=1")
    assert keys(s3, "failed/") == ["_FAILED", "_manifest.json"]
    aside = ("--set", "bad_records.policy=quarantine", "--set", "bad_records.max_fraction=1")
    run("raises", "s3://data/in/a.txt", "-o", "s3://data/aside/", *aside)
    (listed,) = decode(Manifest, body(s3, "aside/_manifest.json"), "manifest").quarantine
    assert b"s3://data/in/a.txt" in body(s3, listed)


class Overwrites(Job):
    """Its first record replaces the object that it is read from."""

    store = MemoryStore()

    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        if "line 0" in line:
            self.store.put(Loc("data", "in/a.txt"), LINES.upper().encode())
        yield line.split()[0], 1

    reducer = Sum()


def test_an_object_that_changes_in_mid_run_fails_the_run(tmp_path: Path) -> None:
    Overwrites.store.put(Loc("data", "in/a.txt"), LINES.encode())
    remote = Remote(Overwrites.store)
    found = find_inputs(["s3://data/in/"], open_s3=lambda: remote.store)
    asked = LocalRun(
        name="overwrites", spec=spec("overwrites:Overwrites", split_size=1 << 17), run="r", inputs=found, source="test",
        output=tmp_path / "out", work=tmp_path / "work", workers=1, load_job=lambda _: Overwrites, remote=remote,
    )  # fmt: skip
    with pytest.raises(RunFailed, match=r"s3://data/in/a\.txt: was overwritten"):
        run_local(asked)


def test_whoever_is_killed_while_publishing_is_made_up_for_and_nobody_else_gets_in(tmp_path: Path) -> None:
    store, place = MemoryStore(), Loc("out", "x/")
    there = ResultsOnS3(store, place)
    part = Part(key="part-00000.tsv", bytes=2, records=1)
    for name, text in (("mine", b"a\n"), ("others", b"b\n")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / part.key).write_bytes(text)
        (folder / "_SUCCESS").touch()
        manifest = Manifest(job="j", run=name, outcome="success", parts=(part,))
        (folder / "_manifest.json").write_bytes(encode(manifest))
    there.publish(tmp_path / "mine")
    whole = {info.key: store.get(Loc("out", info.key)) for info in store.list(place)}
    for lost in [("_SUCCESS",), ("_SUCCESS", "part-00000.tsv")]:  # it was killed before these
        store.delete("out", (f"x/{name}" for name in lost))
        with pytest.raises(UserError, match="run mine has begun to publish there"):
            there.publish(tmp_path / "others")
        with pytest.raises(UserError, match="is not empty"):
            there.require_free("others")
        there.require_free("mine")
        there.publish(tmp_path / "mine")
        assert {info.key: store.get(Loc("out", info.key)) for info in store.list(place)} == whole
