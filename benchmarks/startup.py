"""What a start costs: the whole of `scripts/run.py` on a tiny file, and a function's imports beside boto3's own."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from .measure import Usage, measure
from .report import table
from .runner import LIMIT, environment, last_line, workplace
from .workloads import ROOT

#: Seconds a run on a tiny file may take, and milliseconds a function's imports may add.
AIM_RUN, _AIM_IMPORTS = 0.15, 50

#: What every function needs before any of our code: boto3 and its clients.
_BOTO = "import boto3; [boto3.client(name, region_name='us-east-1') for name in ('s3', 'lambda')]"
_OURS = "import chalicelib.stores.s3, chalicelib.aws.invoker"
_TINY = "the quick brown fox\n" * 50
_FUNCTIONS = ("coordinator", "mapper", "supervisor", "reducer")


def start(scratch: Path, rounds: int) -> dict[str, Any]:
    """Median seconds of whole runs, and median milliseconds of processor time that imports take."""
    codes = {"boto3": _BOTO} | {name: f"{_BOTO}; {_OURS}, chalicelib.functions.{name}" for name in _FUNCTIONS}
    runs: list[float] = []
    imports: dict[str, list[float]] = {name: [] for name in codes}
    for _ in range(rounds):
        runs.append(tiny_run(scratch, "wordcount").wall)
        for name, code in codes.items():
            imports[name].append(_processor_time(code) * 1000)
    return {"run": median(runs), "imports": {name: median(times) for name, times in imports.items()}}


def tiny_run(scratch: Path, job: str) -> Usage:
    """What `scripts/run.py` takes with a job that counts words, over a file of 1 KB. Its answer is checked."""
    with workplace(scratch) as folder:
        (folder / "tiny.txt").write_text(_TINY)
        command = [sys.executable, str(ROOT / "scripts/run.py"), job, str(folder / "tiny.txt")]
        usage = measure([*command, "--output", str(folder / "out")], environment(folder), folder, LIMIT)
        if not usage.ok:
            raise SystemExit(f"scripts/run.py failed with code {usage.code}: {last_line(folder)}")
        got = sorted(
            line for path in (folder / "out").glob("part-*") for line in path.read_text().splitlines()
        )
        expected = sorted(f"{word}\t{count}" for word, count in Counter(_TINY.split()).items())
        if got != expected:
            raise SystemExit(f"scripts/run.py {job} counts wrong: expected {expected}, got {got}")
        return usage


def _processor_time(code: str) -> float:
    """Seconds of user and system time from after the interpreter's own start."""
    timed = f"import time; before = time.process_time(); {code}; print(time.process_time() - before)"
    found = subprocess.run(
        [sys.executable, "-c", timed], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return float(found.stdout)


def startup_text(started: dict[str, Any], described: str) -> str:
    """Two tables: whole runs, and imports."""
    base = started["imports"]["boto3"]
    rows: list[Sequence[str]] = [
        [name, f"{taken:.0f}", "" if name == "boto3" else f"{taken - base:.0f}"]
        for name, taken in started["imports"].items()
    ]
    header = ["imports of", "ms of processor time", f"more than boto3's (aim: {_AIM_IMPORTS})"]
    run = f"`scripts/run.py` on a file of 1 KB, whole process: {started['run']:.2f} s (aim: {AIM_RUN})."
    return f"{described}.\n\n{run}\n\n{table(header, rows)}"
