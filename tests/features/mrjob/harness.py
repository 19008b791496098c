"""Run a job of tests/features/mrjob/jobs and hand back what mrjob's users look at."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

JOBS = Path(__file__).resolve().parent / "jobs"
if str(JOBS) not in sys.path:
    sys.path.insert(0, str(JOBS))  # as Python does for the folder of a script

from chalicelib.mrjob import MRJob  # noqa: E402

RUNNERS = ("inline", "local")
TEXT = [
    b"The quick brown fox jumps over the lazy dog\n",
    b"the fox and the dog: a tale of the wood, and of the fox\r\n",
    b"\n",
    "naïve straße, the fox's end".encode(),
]


class Result:
    def __init__(self, output: bytes, pairs: list[Any], counters: list[dict[str, dict[str, int]]]) -> None:
        self.output = output
        self.pairs = pairs
        self.counters = counters

    @property
    def lines(self) -> list[bytes]:
        return self.output.splitlines()


def run(job: type[MRJob], *args: str, stdin: Sequence[bytes] = TEXT, runner: str = "inline") -> Result:
    made = job(args=["-r", runner, *args]).sandbox(stdin=stdin)
    with made.make_runner() as started:
        started.run()
        chunks = list(started.cat_output())
        return Result(b"".join(chunks), list(made.parse_output(chunks)), started.counters())
