"""What a user sees: `scripts/status.py`, `scripts/submit.py` and their terminal, in memory and for real."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from chalicelib.core.errors import Forbidden, NotFound, RunFailed, StoreError, UserError
from chalicelib.core.keys import OutputKeys, RunKeys
from chalicelib.core.messages import encode
from chalicelib.core.outcome import Manifest, Verdict
from chalicelib.core.plan import Plan
from chalicelib.core.plan_file import compose
from chalicelib.core.ports import Loc
from chalicelib.core.spec import InputSpec, JobSpec, OutputSpec, PlaceSpec
from chalicelib.core.tasks import Failure, Part
from chalicelib.stores.folder import FolderStore
from chalicelib.stores.memory import MemoryStore
from chalicelib.stores.s3 import S3Store
from chalicelib.stores.upload import upload_file
from scripts import status, submit
from scripts.console import terminal

ROOT = Path(__file__).resolve().parents[3]
RUN, OLDER = "20261121T032424-0123456789ab", "20261120T000000-ba9876543210"
T0 = 1_795_232_664.0

JOB = """\
job: wordcount:WordCount
input: {{url: "s3://demo-in/{name}/"{more}}}
work: {{url: "s3://demo-work/"}}
output: {{url: "s3://demo-out/{name}/"}}
trigger: {trigger}
"""


class FakeClock:
    """Each pause plays the next of the scheduled steps."""

    def __init__(self) -> None:
        self.time = T0
        self.steps: list[Callable[[], None]] = []

    def now(self) -> float:
        return self.time

    def pause(self, seconds: float) -> None:
        self.time += seconds
        if not self.steps:
            raise AssertionError("waits for something that this test does not let happen")
        self.steps.pop(0)()


@dataclass
class User:
    """Somebody with a checkout, a store and a screen."""

    root: Path
    store: MemoryStore = field(default_factory=lambda: MemoryStore(now=lambda: T0))
    clock: FakeClock = field(default_factory=FakeClock)
    out: io.StringIO = field(default_factory=io.StringIO)
    terminal: bool = False

    def job(self, name: str = "wordcount", trigger: str = "each", more: str = "") -> None:
        (self.root / "jobs").mkdir(exist_ok=True)
        (self.root / f"jobs/{name}.yml").write_text(JOB.format(name=name, trigger=trigger, more=more))

    def screen(self) -> terminal.Screen:
        return terminal.Screen(self.out, terminal=self.terminal)

    def status(self, *argv: str) -> int:
        world = status.World(
            root=self.root, environ={}, screen=self.screen(), clock=self.clock,
            open_store=lambda work, runs: self.store,
        )  # fmt: skip
        return status.main(argv, world)

    def submit(self, *argv: str | Path) -> int:
        world = submit.World(
            root=self.root, environ={}, screen=self.screen(), clock=self.clock, store=lambda: self.store,
            upload=lambda path, loc: self.store.put(loc, path.read_bytes()) and None,
        )  # fmt: skip
        return submit.main([str(arg) for arg in argv], world)

    @property
    def lines(self) -> list[str]:
        return self.out.getvalue().splitlines()


def begin(
    store: MemoryStore | FolderStore,
    keys: RunKeys,
    output: Loc,
    source: str = "s3://demo-in/wordcount/a.txt",
    created: float = T0,
) -> None:
    spec = JobSpec(
        job="wordcount:WordCount",
        input=InputSpec(url="s3://demo-in/"),
        work=PlaceSpec(url="s3://demo-work/"),
        output=OutputSpec(url="s3://demo-out/"),
    )
    plan = Plan(
        job=keys.job, run=keys.run, token="t", source=source, head=0, spec=spec, work=keys.work,
        output=output, partitions=16, created=created, code="c", tasks=0, page=0, pages=(), inputs=1,
        bytes=2048,
    )  # fmt: skip
    store.put(keys.plan, compose(plan, [])[1])
    store.put(keys.plan_done, b"")


def finish(
    store: MemoryStore | FolderStore, keys: RunKeys, output: Loc, failure: Failure | None = None
) -> None:
    outcome = "failed" if failure else "success"
    reason, failures = (failure.message, (failure,)) if failure else ("", ())
    store.put(keys.run_done, encode(Verdict(outcome=outcome, reason=reason, failures=failures)))
    manifest = Manifest(
        job=keys.job, run=keys.run, outcome=outcome, reason=reason, failures=failures, records=1234,
        bytes=5000, parts=() if failure else (Part(key="p", bytes=5000, records=1234),),
        started=T0, finished=T0 + 12,
    )  # fmt: skip
    results = OutputKeys(output)
    store.put(results.manifest, encode(manifest))
    store.put(results.failure if failure else results.success, b"")


BOOM = Failure(
    phase="map", task=3, attempt=1, error="ValueError", message="no number: 'x'",
    detail='Traceback:\n  File "jobs/wordcount.py", line 7, in mapper\nValueError: \x1b[31mx',
)  # fmt: skip


def run_keys(run: str = RUN, job: str = "wordcount") -> RunKeys:
    return RunKeys(Loc("demo-work", ""), job, run)


def results(run: str = RUN, job: str = "wordcount") -> Loc:
    return Loc("demo-out", f"{job}/{run}/")


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path)


# ---------------------------------------------------------------------------------------------------
# status


def test_lists_the_runs_of_a_job_one_line_each_newest_last(user: User) -> None:
    user.job()
    for run in (RUN, OLDER):
        begin(user.store, run_keys(run), results(run))
    finish(user.store, run_keys(OLDER), results(OLDER))
    assert user.status("wordcount") == 0
    older, newer = user.lines
    assert older.split()[:2] == [OLDER, "succeeded"]
    assert "1,234 records" in older
    assert newer.split()[:2] == [RUN, "shuffling"]


def test_lists_the_runs_of_all_jobs_and_names_what_it_cannot_read(user: User) -> None:
    user.job("one")
    user.job("two")
    (user.root / "jobs/broken.yml").write_text("job: 7 8\nwork: []\n")
    begin(user.store, run_keys(job="one"), results(job="one"))
    begin(user.store, run_keys(OLDER, job="two"), results(OLDER, job="two"))
    assert user.status() == 0
    assert [line.split()[:2] for line in user.lines[:2]] == [["two", OLDER], ["one", RUN]]
    assert any("broken.yml" in line for line in user.lines[2:])


def test_old_runs_are_counted_not_shown(user: User) -> None:
    user.job()
    for number in range(5):
        begin(user.store, run_keys(f"2026-{number}"), results(f"2026-{number}"))
    user.status("wordcount", "--last", "2")
    assert [line.split()[0] for line in user.lines[:2]] == ["2026-3", "2026-4"]
    assert user.lines[2] == "... and 3 older; --last 5 shows all"


def test_no_runs_yet_says_where_and_what_to_do(user: User) -> None:
    user.job()
    assert user.status("wordcount") == 0
    (line,) = user.lines
    assert "s3://demo-work/runs/wordcount/" in line
    assert "scripts/submit.py wordcount" in line


def test_a_refused_run_is_listed_though_the_work_place_has_nothing_of_it(user: User) -> None:
    user.job()
    failure = Failure(phase="plan", task=0, attempt=0, error="InputError", message="gone")
    manifest = Manifest(job="wordcount", run=RUN, outcome="failed", reason="gone", failures=(failure,))
    user.store.put(OutputKeys(results()).manifest, encode(manifest))
    user.store.put(OutputKeys(results()).failure, b"")
    user.status("wordcount")
    assert user.lines[0].split()[:2] == [RUN, "failed"]


def test_the_full_picture_of_a_failed_run(user: User) -> None:
    user.job()
    begin(user.store, run_keys(), results())
    finish(user.store, run_keys(), results(), BOOM)
    assert user.status("wordcount", "latest") == 0
    text = user.out.getvalue()
    assert user.lines[0] == f"wordcount  {RUN}  failed after 12s"
    assert f"s3://demo-out/wordcount/{RUN}/" in text
    assert "why it failed: no number: 'x'" in text
    assert 'File "jobs/wordcount.py", line 7, in mapper' in text
    assert "about $0.00" in text
    assert "\x1b" not in text  # neither ours nor the user's


def test_json_of_a_run_and_of_a_list(user: User) -> None:
    user.job()
    begin(user.store, run_keys(), results())
    finish(user.store, run_keys(), results(), BOOM)
    user.status("wordcount", RUN, "--json")
    one = json.loads(user.out.getvalue())
    assert (one["phase"], one["failures"][0]["detail"]) == ("failed", BOOM.detail)
    user.out.truncate(0)
    user.out.seek(0)
    user.status("wordcount", "--json")
    many = json.loads(user.out.getvalue())
    assert many["errors"] == []
    assert [run["run"] for run in many["runs"]] == [RUN]


@pytest.mark.parametrize(("failure", "code"), [(None, 0), (BOOM, 1)])
def test_watch_follows_to_the_end_and_says_how_it_ended(
    user: User, failure: Failure | None, code: int
) -> None:
    user.job()
    begin(user.store, run_keys(), results())
    user.clock.steps = [lambda: None, lambda: finish(user.store, run_keys(), results(), failure)]
    assert user.status("wordcount", RUN, "--watch") == code
    news = [line.split()[2] for line in user.lines if line.startswith("wordcount")]
    assert news == ["shuffling", "failed" if failure else "succeeded", "failed" if failure else "succeeded"]
    assert user.clock.steps == []


def test_watch_of_a_list_ignores_how_older_runs_ended(user: User) -> None:
    user.job()
    begin(user.store, run_keys(OLDER), results(OLDER))
    finish(user.store, run_keys(OLDER), results(OLDER), BOOM)
    begin(user.store, run_keys(), results())
    user.clock.steps = [lambda: finish(user.store, run_keys(), results())]
    assert user.status("wordcount", "--watch") == 0


def test_watch_as_json_gives_an_object_a_change(user: User) -> None:
    user.job()
    begin(user.store, run_keys(), results())
    user.clock.steps = [lambda: None, lambda: finish(user.store, run_keys(), results())]
    assert user.status("wordcount", "latest", "--watch", "--json") == 0
    assert [json.loads(line)["phase"] for line in user.lines] == ["shuffling", "succeeded"]


def test_a_terminal_is_redrawn_with_colours(user: User) -> None:
    user.job()
    user.terminal = True
    begin(user.store, run_keys(), results())
    user.clock.steps = [lambda: finish(user.store, run_keys(), results())]
    assert user.status("wordcount", "latest", "--watch") == 0
    text = user.out.getvalue()
    assert "\x1b[" in text
    assert "━" in text
    # The last picture is whole, however narrow the screen.
    assert f"s3://demo-out/wordcount/{RUN}/  1 part, 1,234 records" in text


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["nojob"], "nojob"),
        (["wordcount", "20990101T000000-000000000000"], "s3://demo-work/runs/wordcount/20990101T000000"),
        (["wordcount", "latest"], "there is no run of wordcount yet"),
        (["wordcount", "../../etc"], "expected a run's id"),
        (["--work", "/no/such/folder"], "no such folder"),
        (["--work", "s3://"], "expected s3://BUCKET/PREFIX/"),
    ],
)
def test_mistakes_are_one_clear_block(user: User, argv: list[str], told: str) -> None:
    user.job()
    err = io.StringIO()
    assert terminal.run_main(lambda: user.status(*argv), err) == 1
    assert told in err.getvalue()
    assert err.getvalue().startswith("error: ")
    assert "Traceback" not in err.getvalue()


def local_run(folder: Path) -> None:
    """What the local engine leaves: the work folder, and results in a folder of their own."""
    work, output = folder / "work", folder / "results"
    work.mkdir()
    output.mkdir()
    store = FolderStore([work, output])
    keys = RunKeys(Loc(str(work), ""), "wordcount", RUN)
    begin(store, keys, Loc(str(output), ""), source=str(folder / "a.txt"))
    finish(store, keys, Loc(str(output), ""))


def run_script(*argv: str, cwd: Path = ROOT, **environ: str) -> subprocess.CompletedProcess[str]:
    path = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true"}
    return subprocess.run(
        [sys.executable, *argv], cwd=cwd, env=path | environ, capture_output=True, text=True, timeout=60
    )


def test_the_script_reads_a_local_work_folder_from_anywhere(tmp_path: Path) -> None:
    local_run(tmp_path)
    script = str(ROOT / "scripts/status.py")
    done = run_script(script, "wordcount", "latest", "--work", "work", "--watch", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"output    {tmp_path}/results/  1 part, 1,234 records" in done.stdout
    listed = run_script(script, "--work", str(tmp_path / "work"))
    assert listed.stdout.split()[:3] == ["wordcount", RUN, "succeeded"]


def test_the_script_without_credentials_says_so_in_one_sentence() -> None:
    done = run_script("scripts/status.py", "--work", "s3://bucket/", AWS_DEFAULT_REGION="us-east-1")
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "AWS_PROFILE" in done.stderr


# ---------------------------------------------------------------------------------------------------
# submit


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


def test_wait_follows_the_runs_of_its_own_objects_only(user: User) -> None:
    user.job()
    data = tree(user.root / "data", a="1", b="2")
    begin(user.store, run_keys("2026-0"), results("2026-0"), "s3://demo-in/wordcount/a")  # was there before

    def start(run: str, source: str) -> Callable[[], None]:
        return lambda: begin(user.store, run_keys(run), results(run), source)

    def end(run: str, failure: Failure | None = None) -> Callable[[], None]:
        return lambda: finish(user.store, run_keys(run), results(run), failure)

    user.clock.steps = [
        start("2026-1", "s3://demo-in/wordcount/a"),
        start("2026-2", "s3://demo-in/wordcount/other"),
        end("2026-1"),
        start("2026-3", "s3://demo-in/wordcount/b"),
        end("2026-3"),
    ]
    assert user.submit("wordcount", data, "--wait") == 0
    text = user.out.getvalue()
    assert "2026-1: s3://demo-out/wordcount/2026-1/" in text
    assert "2026-3: s3://demo-out/wordcount/2026-3/" in text
    assert "2026-2" not in text
    assert "2026-0" not in text


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


# ---------------------------------------------------------------------------------------------------
# terminal


@pytest.mark.parametrize(
    ("size", "told"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (64 << 20, "64.0 MiB"),
     ((1 << 20) - 1, "1.0 MiB"), (1 << 50, "1.0 PiB")],
)  # fmt: skip
def test_bytes_for_people(size: int, told: str) -> None:
    assert terminal.human_bytes(size) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.04, "0.04s"), (0.999, "1.0s"),
     (9.94, "9.9s"), (9.96, "10s"), (59.6, "1m 00s"), (75, "1m 15s"), (3600, "1h 00m"),
     (90_000, "1d 1h")],
)  # fmt: skip
def test_seconds_for_people(seconds: float, told: str) -> None:
    assert terminal.human_seconds(seconds) == told


@pytest.mark.parametrize(
    ("dollars", "told"),
    [(0, "$0.0000"), (0.00001, "less than $0.0001"), (0.0012, "$0.0012"), (1234.5, "$1,234.50")],
)
def test_dollars_for_people(dollars: float, told: str) -> None:
    assert terminal.human_dollars(dollars) == told


@pytest.mark.parametrize(
    ("done", "total", "filled"), [(0, 3, 0), (1, 3, 8), (999, 1000, 23), (3, 3, 24), (0, 0, 24)]
)
def test_a_bar_is_full_only_at_the_end(done: int, total: int, filled: int) -> None:
    assert terminal.plain(terminal.bar(done, total, terminal=False)) == "#" * filled + "-" * (24 - filled)


def raising(error: BaseException) -> Callable[[], int]:
    def main() -> int:
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (UserError("a: wrong\nb: too"), 1, "error: a: wrong\n  b: too\n"),
        (StoreError("s3://b: \x1b[2Jslow"), 1, "error: s3://b: \\x1b[2Jslow\n"),
        (Forbidden("s3://b: no"), 1, "error: s3://b: no\n"),
        (KeyboardInterrupt(), 130, "\ninterrupted\n"),
    ],
)
def test_errors_are_one_block(error: BaseException, code: int, told: str) -> None:
    err = io.StringIO()
    assert (terminal.run_main(raising(error), err), err.getvalue()) == (code, told)


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        terminal.run_main(raising(ZeroDivisionError()), io.StringIO())


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    local_run(tmp_path)
    command: Sequence[str] = [
        sys.executable,
        str(ROOT / "scripts/status.py"),
        "--work",
        str(tmp_path / "work"),
    ]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, timeout=60)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")
