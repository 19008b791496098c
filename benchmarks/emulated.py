"""What the smallest runs take on the emulator, through the real deployment: cold, warm, and with steps.

    .venv/bin/python -m benchmarks.emulated [--rounds 5] [--json FILE]

Its part of `make bench-goals`, in a program of its own because it needs Chalice. Emulator and functions share this
machine's processors. A function is made cold as AWS does it, by a change of its configuration.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

from chalicelib.core.ports import Loc
from chalicelib.stores.s3 import S3Store, make_client
from scripts import demo
from scripts.console.terminal import Screen
from scripts.deployment.aws.clients import connect
from scripts.deployment.deploy import Deployer
from scripts.deployment.load import load_target
from scripts.deployment.project import Project
from scripts.deployment.target import function_names
from scripts.emulation import emulator
from scripts.projects.where import project_root

JOBS = Path(__file__).resolve().parent / "jobs"
ONE, THREE = "steps_one", "steps_three"
SMALL, TINY = 1 << 20, 1000
#: Warm runs for each cold one: they take little time, and differ more.
_WARM = 4
PATIENCE = 60.0

#: Lists of seconds by what was measured.
Seconds = dict[str, list[float]]


def main() -> int:
    parser = argparse.ArgumentParser(description="What the smallest runs take on the emulator.")
    parser.add_argument(
        "--rounds", type=int, default=5, help="cold runs; of warm ones there are four times as many"
    )
    parser.add_argument("--json", type=Path, help="write all seconds to this file, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as name:
        folder = Path(name)
        os.environ["TMPDIR"] = name  # the emulator leaves its functions' code behind: let it go with us
        with emulator.running(folder / "ministack.log") as cloud:
            demo.use(cloud, folder)
            _deploy(folder / "checkout")
            found = measured(options.rounds)
    for what, seconds in found.items():
        print(
            f"{what}: median {median(seconds):.3f} s of {len(seconds)}, from {min(seconds):.3f} to {max(seconds):.3f}"
        )
    if options.json:
        options.json.write_text(json.dumps(found))
    return 0


def _deploy(folder: Path) -> None:
    """Both jobs, by the real `chalice deploy`, in a copy of this checkout."""
    folder.mkdir()
    project = Project(project_root()).copy_to(folder)
    (folder / "jobs/steps.py").write_text((JOBS / "steps.py").read_text())
    for job in (ONE, THREE):
        (folder / f"jobs/{job}.yml").write_text(
            (JOBS / f"{job}.yml").read_text()
            + f'input: {{url: "s3://sluice-demo-in/{job}/"}}\n'
            + 'work: {url: "s3://sluice-demo-work/"}\n'
            + f'output: {{url: "s3://sluice-demo-out/{job}/"}}\n'
        )
        target = load_target(job, project, os.environ)
        deployer = Deployer(
            project=project, clients=connect(), environ=os.environ, say=Screen(sys.stderr).print
        )
        deployer.deploy(target)


def measured(rounds: int) -> Seconds:
    """Seconds from a PUT to `_SUCCESS`, of runs whose answers are right."""
    watch = {job: _Runs(job) for job in (ONE, THREE)}
    small, tiny = text(SMALL), text(TINY)
    found: Seconds = {"1 MB, cold": [], "1 MB, warm": [], "1 KB, one step": [], "1 KB, three steps": []}
    for _ in range(rounds):
        make_cold(ONE)
        found["1 MB, cold"].append(watch[ONE].seconds(small))
    for body in (tiny, tiny):  # warm up
        watch[THREE].seconds(body)
        watch[ONE].seconds(body)
    for _ in range(_WARM * rounds):
        found["1 MB, warm"].append(watch[ONE].seconds(small))
        found["1 KB, one step"].append(watch[ONE].seconds(tiny))
        found["1 KB, three steps"].append(watch[THREE].seconds(tiny))
    return found


def text(size: int) -> bytes:
    """The beginning of Python's help on its own language, again and again."""
    from pydoc_data.topics import topics

    whole = "\n".join(topics[name] for name in sorted(topics)).encode()
    return (whole * (size // len(whole) + 1))[:size]


def make_cold(job: str) -> None:
    """End all processes of the job's functions; the next call of each starts one."""
    client: Any = make_client("lambda")
    for name in function_names(job):
        client.update_function_configuration(
            FunctionName=name, Timeout=client.get_function_configuration(FunctionName=name)["Timeout"]
        )
    for name in function_names(job):
        while client.get_function_configuration(FunctionName=name)["LastUpdateStatus"] == "InProgress":
            time.sleep(0.05)


class _Runs:
    """The runs of a job, one after the other."""

    def __init__(self, job: str) -> None:
        self._store = S3Store(make_client("s3"))
        self._in, self._out = Loc("sluice-demo-in", f"{job}/"), Loc("sluice-demo-out", f"{job}/")
        self._seen: set[str] = set()

    def seconds(self, body: bytes) -> float:
        """From a PUT to `_SUCCESS`. Raises TimeoutError if there is none, ValueError if the words are not counted."""
        began = time.perf_counter()
        self._store.put(self._in.child(f"{len(self._seen):04d}.txt"), body)
        while not (success := self._success()):
            if time.perf_counter() - began > PATIENCE:
                raise TimeoutError(f"{self._in}: no _SUCCESS within {PATIENCE:.0f} s")
            time.sleep(0.005)
        took = time.perf_counter() - began
        self._seen.add(success)
        if demo.total(self._store, Loc(self._out.bucket, success.removesuffix("_SUCCESS"))) != _counted(body):
            raise ValueError(f"{success}: the words are not counted right")
        return took

    def _success(self) -> str:
        """The key of the new run's `_SUCCESS`; empty if there is none yet."""
        ended = (info.key for info in self._store.list(self._out) if info.key.endswith("/_SUCCESS"))
        return next((key for key in ended if key not in self._seen), "")


def _counted(body: bytes) -> Counter[str]:
    return Counter(body.decode(errors="replace").split())


if __name__ == "__main__":
    sys.exit(main())
