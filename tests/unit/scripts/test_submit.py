"""`scripts/submit.py`: what is uploaded, what is refused, and how its runs are followed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from chalicelib.config.load import load_job
from chalicelib.core.errors import NotFound, RunFailed, UserError
from chalicelib.core.keys import OutputKeys
from chalicelib.core.messages import encode
from chalicelib.core.outcome import Manifest
from chalicelib.core.ports import Loc
from chalicelib.core.tasks import Failure
from chalicelib.stores.memory import MemoryStore
from chalicelib.stores.s3 import S3Store
from chalicelib.stores.upload import upload_file
from scripts.submit import parse
from scripts.submitting.uploads import plan_uploads
from tests.unit.local.test_inputs import as_nobody
from tests.unit.scripts.user import (
    BOOM,
    RUN,
    User,
    begin,
    finish,
    results,
    run_keys,
)


def tree(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def keys_in(store: MemoryStore) -> list[str]:
    return [info.key for info in store.list(Loc("demo-in", ""))]


def test_uploads_files_and_folders_by_their_relative_names(user: User) -> None:
    user.job()
    data = tree(user.root / "data", a="1", sub__b="22", sub__c="")
    single = tree(user.root, single="x") / "single"
    assert user.submit("wordcount", data, single) == 0
    expected = ["wordcount/a", "wordcount/single", "wordcount/sub/b", "wordcount/sub/c"]
    assert keys_in(user.store) == expected
    assert user.store.get(Loc("demo-in", "wordcount/sub/b")) == b"22"
    assert sorted(line.split()[0] for line in user.lines[:-1]) == [f"s3://demo-in/{key}" for key in expected]


def test_a_run_has_the_settings_that_were_deployed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["wordcount", "a.txt", "--set", "params.min=4"])
    said = " ".join(capsys.readouterr().err.split())
    assert (
        "--set params.min=4: a run has the settings that its job was deployed with: deploy it with SLUICE_"
        in said
    )


def test_prefix_dir_keeps_the_folders_name(user: User) -> None:
    user.job()
    user.submit("wordcount", "--prefix-dir", tree(user.root / "data", sub__b="2"))
    assert keys_in(user.store) == ["wordcount/data/sub/b"]


def test_a_marker_job_gets_a_manifest_last(user: User) -> None:
    user.job(trigger="marker")
    created: list[str] = []
    user.store = MemoryStore(on_created=lambda loc: created.append(loc.key))
    user.submit("wordcount", tree(user.root / "data", a="1", b="2"))
    assert created[:2] == ["wordcount/a", "wordcount/b"]
    (manifest,) = created[2:]
    assert manifest.startswith("wordcount/_submit/")
    assert manifest.endswith(".manifest")
    body = user.store.get(Loc("demo-in", manifest)).decode()
    assert body == "s3://demo-in/wordcount/a\ns3://demo-in/wordcount/b\n"


def test_a_manifest_that_is_held_to_its_folder_lies_above_what_it_names(user: User) -> None:
    user.job(trigger="marker\nmanifest: {scope: folder}")
    user.submit("wordcount", tree(user.root / "data", a="1", sub__b="2"))
    (manifest,) = set(keys_in(user.store)) - {"wordcount/a", "wordcount/sub/b"}
    assert re.fullmatch(r"wordcount/_submit-[^/]+\.manifest", manifest)


@pytest.mark.parametrize(
    ("names", "argv", "told"),
    [
        ([], ["missing.txt"], "missing.txt: no such file or folder"),
        ([], ["."], "nothing to upload"),
        (["x/a", "y/a"], ["x/a", "y/a"], "would be uploaded as a, and so would"),
        (["x/a", "y/a"], ["x", "y"], "would be uploaded as a, and so would"),
        (["_hidden"], ["_hidden"], "names that start with _ or . are hidden"),
    ],
)
def test_refuses_before_anything_is_uploaded(
    user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str], argv: list[str], told: str
) -> None:
    user.job()
    place = tmp_path / "place"
    place.mkdir()
    for name in names:
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text("1")
    monkeypatch.chdir(place)
    with pytest.raises(UserError, match=told):
        user.submit("wordcount", *argv)
    assert keys_in(user.store) == []


@pytest.mark.parametrize("name", ["_READY", "x.manifest", "line\nbreak", "space "])
def test_a_marker_job_refuses_names_it_would_misread(user: User, name: str) -> None:
    user.job(trigger="marker")
    (user.root / name).write_text("1")
    with pytest.raises(UserError, match="rename it"):
        user.submit("wordcount", user.root / name)


def test_files_of_a_folder_that_start_nothing_are_skipped_and_told(user: User) -> None:
    user.job(more=", suffix: .txt")
    data = user.root / "data"
    data.mkdir()
    for name in ("a.txt", "b.log", ".hidden.txt"):
        (data / name).write_text("1")
    user.submit("wordcount", data)
    assert keys_in(user.store) == ["wordcount/a.txt"]
    assert sum(line.startswith("skipped") for line in user.lines) == 2
    with pytest.raises(UserError, match=r"input\.suffix is '.txt'"):
        user.submit("wordcount", data / "b.log")


def test_hidden_folders_and_links_are_skipped_and_told(user: User) -> None:
    user.job()
    data = tree(user.root / "data", a="1", _tmp__b="2", **{".git__c": "3"}, sub___x__d="4", sub__e="5")
    (data / "again").symlink_to(data / "sub")
    user.submit("wordcount", data)
    assert keys_in(user.store) == ["wordcount/a", "wordcount/sub/e"]
    told = [line for line in user.lines if line.startswith("skipped")]
    assert sorted(told) == [
        f"skipped {data}/.git/: a hidden folder",
        f"skipped {data}/_tmp/: a hidden folder",
        f"skipped {data}/again/: a link to a folder",
        f"skipped {data}/sub/_x/: a hidden folder",
    ]


def test_a_folder_that_cannot_be_read_uploads_nothing(user: User) -> None:
    user.job()
    data = tree(user.root / "data", a="1", sub__b="2")
    data.chmod(0o755)
    (data / "sub").chmod(0)
    job = load_job("wordcount", root=user.root, environ={}, require_cloud=True)
    told = as_nobody(data, lambda: plan_uploads([Path(".")], job, prefix_dir=False) and None)
    assert "nothing was uploaded" in told
    assert "sub: cannot be read: Permission denied" in told


def test_wait_follows_the_runs_of_its_own_objects_only(user: User) -> None:
    user.job()
    data = tree(user.root / "data", a="1", b="2")
    before = "20261121T034500-0"
    begin(user.store, run_keys(before), results(before), "s3://demo-in/wordcount/a")

    def start(run: str, source: str) -> Callable[[], None]:
        return lambda: begin(user.store, run_keys(run), results(run), source)

    def end(run: str, failure: Failure | None = None) -> Callable[[], None]:
        return lambda: finish(user.store, run_keys(run), results(run), failure)

    user.clock.steps = [
        start("20261121T034500-1", "s3://demo-in/wordcount/a"),
        start("20261121T034500-2", "s3://demo-in/wordcount/other"),
        end("20261121T034500-1"),
        start("20261121T034500-3", "s3://demo-in/wordcount/b"),
        end("20261121T034500-3"),
    ]
    assert user.submit("wordcount", data, "--wait") == 0
    text = user.out.getvalue()
    assert "20261121T034500-1: s3://demo-out/wordcount/20261121T034500-1/" in text
    assert "20261121T034500-3: s3://demo-out/wordcount/20261121T034500-3/" in text
    assert "20261121T034500-2" not in text
    assert "20261121T034500-0" not in text


def test_that_no_run_has_begun_yet_is_said(user: User) -> None:
    user.job()
    data = tree(user.root / "data", a="1")
    user.submit("wordcount", data)
    assert user.lines[-1] == (
        "scripts/status.py wordcount shows the run, or that it has not begun yet; --wait waits"
    )
    user.clock.steps = [
        lambda: begin(user.store, run_keys(), results(), "s3://demo-in/wordcount/a"),
        lambda: finish(user.store, run_keys(), results()),
    ]
    user.submit("wordcount", data, "--wait")
    waiting = user.lines.index("waiting for 1 run to begin")
    assert user.lines[waiting + 1].split()[:2] == ["wordcount", run_keys().run]


def test_wait_for_a_run_that_fails(user: User) -> None:
    user.job()
    data = tree(user.root / "data", a="1")
    user.clock.steps = [
        lambda: begin(user.store, run_keys(), results(), "s3://demo-in/wordcount/a"),
        lambda: finish(user.store, run_keys(), results(), BOOM),
    ]
    assert user.submit("wordcount", data, "--wait") == 1
    assert "no number: 'x'" in user.out.getvalue()
    assert "line 7, in mapper" in user.out.getvalue()


def refuse(user: User, reason: str, source: str = "") -> None:
    failure = Failure(phase="plan", task=0, attempt=0, error="ConfigError", message=reason)
    manifest = Manifest(
        job="wordcount", run=RUN, outcome="failed", reason=reason, source=source, failures=(failure,)
    )
    user.store.put(OutputKeys(results()).manifest, encode(manifest))
    user.store.put(OutputKeys(results()).failure, b"")


@pytest.mark.parametrize(
    ("reason", "source"),
    [("s3://demo-in/wordcount/a: it was deleted", ""), ("bad", "s3://demo-in/wordcount/a")],
)
def test_wait_for_a_run_that_was_refused(user: User, reason: str, source: str) -> None:
    user.job()
    data = tree(user.root / "data", a="1")
    user.clock.steps = [lambda: refuse(user, reason, source)]
    assert user.submit("wordcount", data, "--wait") == 1
    assert reason in user.out.getvalue()


def test_wait_gives_up_on_a_job_that_is_not_deployed(user: User) -> None:
    user.job()
    data = tree(user.root / "data", a="1")
    user.clock.steps = [lambda: None] * 4
    with pytest.raises(RunFailed, match=r"s3://demo-in/wordcount/a: is the job deployed\? scripts/deploy.py"):
        user.submit("wordcount", data, "--wait", "--start-timeout", "3")
    user.clock.steps = [lambda: refuse(user, "the class is missing")] + [lambda: None] * 4
    with pytest.raises(RunFailed, match="the class is missing"):
        user.submit("wordcount", data, "--wait", "--start-timeout", "3")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> object:
    for name, value in {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield boto3.client("s3", region_name="us-east-1")


def test_upload_in_parts_and_with_any_name(s3, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    s3.create_bucket(Bucket="demo-in")
    body = os.urandom(1 << 20) * 9
    path = tmp_path / "large"
    path.write_bytes(body)
    loc = Loc("demo-in", "a b+c%20/ü")
    upload_file(s3, path, loc)
    assert S3Store(s3).get(loc) == body
    assert "-2" in S3Store(s3).head(loc).etag  # two parts: the managed transfer cut it


def test_upload_errors_are_the_stores(s3, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "a"
    path.write_bytes(b"1")
    with pytest.raises(NotFound, match=r"s3://nobucket/k: .*NoSuchBucket"):
        upload_file(s3, path, Loc("nobucket", "k"))
    with pytest.raises(UserError, match="No such file"):
        upload_file(s3, tmp_path / "missing", Loc("nobucket", "k"))
