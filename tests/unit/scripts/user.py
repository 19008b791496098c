"""Somebody with a checkout, a store and a screen, and runs in that store."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from chalicelib.core.keys import OutputKeys, RunKeys
from chalicelib.core.messages import encode
from chalicelib.core.outcome import Manifest, Verdict
from chalicelib.core.plan import Plan, Split
from chalicelib.core.plan_file import compose
from chalicelib.core.ports import Loc
from chalicelib.core.spec import InputSpec, JobSpec, OutputSpec, PlaceSpec
from chalicelib.core.tasks import Failure, Part
from chalicelib.stores.folder import FolderStore
from chalicelib.stores.memory import MemoryStore
from scripts import status, submit
from scripts.console import terminal

ROOT = Path(__file__).resolve().parents[3]
RUN, OLDER = "20261121T032424-0123456789ab", "20261120T000000-ba9876543210"
CODE = "4:cccccccccccc@3.13"
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
    tasks: int = 0,
) -> None:
    spec = JobSpec(
        job="wordcount:WordCount",
        input=InputSpec(url="s3://demo-in/"),
        work=PlaceSpec(url="s3://demo-work/"),
        output=OutputSpec(url="s3://demo-out/"),
    )
    plan = Plan(
        job=keys.job, run=keys.run, token="t", source=source, head=0, spec=spec, work=keys.work,
        output=output, partitions=16, created=created, code=CODE, tasks=0, page=0, pages=(), inputs=1,
        bytes=2048,
    )  # fmt: skip
    splits = [[Split(bucket="in", key=f"{task}", etag="e", start=0, stop=1, size=1)] for task in range(tasks)]
    store.put(keys.plan, compose(plan, splits)[1])
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
