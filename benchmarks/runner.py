"""Measures programs in turns, and lets no time count whose answer is wrong."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from tempfile import mkdtemp
from typing import Any

from . import answers
from .answers import Answer, Form
from .measure import Usage, measure
from .workloads import Program, Workload, oracle_of

#: Seconds after which a program is ended.
LIMIT = 900
#: Letters of what is wrong with an answer.
_SHOWN = 300


@dataclass
class Timing:
    """What a program took for a workload. The first run warms up and does not count."""

    runs: list[Usage] = field(default_factory=list)
    #: Why there is no time.
    problem: str = ""

    @property
    def wall(self) -> float | None:
        return self._median(lambda run: run.wall)

    @property
    def processor(self) -> float | None:
        """User and system seconds of all its processes."""
        return self._median(lambda run: run.user + run.system)

    def _median(self, seconds: Callable[[Usage], float]) -> float | None:
        return None if self.problem or not self.runs else median(map(seconds, self.runs))

    def to_json(self) -> dict[str, Any]:
        return {
            "wall": self.wall,
            "processor": self.processor,
            "problem": self.problem,
            "runs": [asdict(run) for run in self.runs],
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Timing:
        """What `to_json` made."""
        return cls([Usage(**run) for run in kept["runs"]], kept["problem"])


def compare(
    workload: Workload,
    programs: Sequence[Program],
    files: Sequence[Path],
    rounds: int,
    scratch: Path,
    warm_up: bool = True,
) -> dict[str, Timing]:
    """Time the programs on a workload, in turns (A B C A B C), so that drift of the machine hits all.

    `warm_up`: with a round before the first, which does not count.
    """
    judge = Judge(workload.name, oracle(workload, files, scratch))
    timings = {program.name: Timing() for program in programs}
    for round_ in range(0 if warm_up else 1, rounds + 1):
        for program in programs:
            timing = timings[program.name]
            if timing.problem:
                continue
            usage, timing.problem = _once(workload, program, files, scratch, judge)
            spent = f"{usage.wall:8.2f} s, {usage.user + usage.system:6.2f} of processors"
            told = timing.problem or f"{spent}{'' if round_ else '  (warming up)'}"
            print(f"{workload.name} {program.title:24s} {told}", flush=True)
            if round_:
                timing.runs.append(usage)
    return timings


class Judge:
    """Compares answers with the one that counts. Files with the same bytes as right ones are not read again."""

    def __init__(self, workload: str, expected: Answer) -> None:
        self._workload, self._expected = workload, expected
        self._right: set[tuple[Form, bytes]] = set()

    def problem(self, out: Path, form: Form) -> str:
        """What is wrong with the answer at `out`, in words; empty if nothing is."""
        digest = form, answers.digest(out)
        if digest in self._right:
            return ""
        try:
            wrong = answers.difference(self._expected, answers.read(self._workload, out, form))
        except (ValueError, KeyError, TypeError) as error:
            return f"unreadable answer: {error}"
        if wrong:
            return f"wrong answer: {wrong[:_SHOWN]}"
        self._right.add(digest)
        return ""


def oracle(workload: Workload, files: Sequence[Path], scratch: Path) -> Answer:
    """The answer of DuckDB, or of the plain program where there is one."""
    program = oracle_of(workload.name)
    if program.missing:
        raise SystemExit(
            f"answers are checked against {program.title}: {program.missing}: run through `make bench`"
        )
    with workplace(scratch) as folder:
        _, problem = _run(workload, program, files, folder)
        if problem:
            raise SystemExit(
                f"{workload.name}: {program.title}, whose answer is to be checked against: {problem}"
            )
        return answers.read(workload.name, folder / "out")


def _once(
    workload: Workload, program: Program, files: Sequence[Path], scratch: Path, judge: Judge
) -> tuple[Usage, str]:
    with workplace(scratch) as folder:
        usage, problem = _run(workload, program, files, folder)
        return usage, problem or judge.problem(folder / "out", program.form)


def _run(workload: Workload, program: Program, files: Sequence[Path], folder: Path) -> tuple[Usage, str]:
    command = program.command(workload.name, folder / "out", files)
    usage = measure(command, environment(folder), folder, LIMIT)
    if usage.ok:
        return usage, ""
    return usage, f"failed with code {usage.code}: {last_line(folder)}"


def environment(folder: Path) -> dict[str, str]:
    """This one's, without what would configure Sluice or others, and with temporary files in `folder`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")}
    return kept | {"TMPDIR": str(folder), "HOME": str(folder)}


def last_line(folder: Path) -> str:
    lines = (folder / "log").read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


@contextmanager
def workplace(scratch: Path) -> Iterator[Path]:
    """A folder for one run, removed after it."""
    scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(mkdtemp(dir=scratch))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
