"""Where a run's time goes, from samples of this process: by stage, and by line of the job's own code.

For runs in one process. The operating system rings every few milliseconds of processor time; whatever line of the
job's code is being worked for then, and else whatever room of ours, gets the time. A line in C rings when it ends, and
what C does between two calls of the job's code rings when the next one begins.
"""

from __future__ import annotations

import linecache
import signal
import sysconfig
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import Any, NamedTuple

from ..aggregators import Aggregator
from ..core.spec import InputSpec
from ..job.job import Job

#: Seconds of processor time between two samples.
_EVERY = 0.002
_OURS = Path(__file__).resolve().parent.parent
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
#: Whose methods are at work in which phase.
_PHASES = {"MapWork": "map", "ReduceWork": "reduce"}
#: Bytes of code that a function has before anything of its own.
_PROLOGUE = 8

YOURS, CALLS, READS = "your code", "calls of your code", "reading records"
FOLDS, SORTS, FILES = "aggregators", "collecting and sorting pairs", "run files: writing and reading"
GROUPS, ROWS, REST = "grouping", "rows of the results", "the run itself: plan, markers, files"
_STAGES = (
    ("mapreduce/input/", READS),
    ("mapreduce/output/", ROWS),
    ("mapreduce/reduce/", GROUPS),
    ("mapreduce/shuffle/collect.py", SORTS),
    ("mapreduce/shuffle/key_order.py", SORTS),
    ("mapreduce/shuffle/memory_size.py", SORTS),
    ("mapreduce/shuffle/secondary_sort.py", SORTS),
    ("mapreduce/shuffle/", FILES),
    ("mapreduce/sql/", "SQL"),
    ("mapreduce/", CALLS),
    ("core/codec.py", FILES),
    ("aggregators/", FOLDS),
    ("job/partitioners.py", SORTS),
    ("mrjob/", CALLS),
    ("join.py", CALLS),
)


class Line(NamedTuple):
    """A line of the job's own code."""

    file: str
    number: int

    @property
    def text(self) -> str:
        return linecache.getline(self.file, self.number).strip()


class Timings:
    """Samples this process while it is entered, in the main thread."""

    def __init__(self) -> None:
        #: Samples of each phase (`map`, `reduce` or nothing) and stage, and of lines of the job's code.
        self.stages: Counter[tuple[str, str]] = Counter()
        self.lines: Counter[Line] = Counter()
        #: Seconds of processor time.
        self.seconds = 0.0
        self._known: dict[CodeType, str | None] = {}

    def __enter__(self) -> Timings:
        self._began = time.process_time()
        self._before = signal.signal(signal.SIGPROF, self._sample)
        signal.setitimer(signal.ITIMER_PROF, _EVERY, _EVERY)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, self._before)
        self.seconds = time.process_time() - self._began

    def share(self, *stages: str, phase: str = "") -> float:
        """The part of all time that these stages took, in one phase or in both."""
        found = sum(
            samples for (own, stage), samples in self.stages.items() if stage in stages and phase in ("", own)
        )
        return found / (self.stages.total() or 1)

    def _sample(self, _number: int, frame: FrameType | None) -> None:
        stage = None
        # What it takes has been made until now, by C: a row's dict, say.
        begins = frame is not None and frame.f_lasti <= _PROLOGUE
        while frame is not None:
            code = frame.f_code
            if stage is None and (stage := self._stage_of(code)) == YOURS:
                if begins:
                    stage = READS
                else:  # some of what the compiler adds to a function belongs to no line: it counts for its first
                    self.lines[Line(code.co_filename, frame.f_lineno or code.co_firstlineno)] += 1
            begins = False
            if phase := _PHASES.get(code.co_qualname.partition(".")[0]):
                self.stages[phase, CALLS if stage == READS and phase == "reduce" else stage or REST] += 1
                return
            frame = frame.f_back
        self.stages["", REST] += 1

    def _stage_of(self, code: CodeType) -> str | None:
        """What a frame works for; nothing for a library's, which works for whoever called it."""
        if code not in self._known:
            self._known[code] = _stage(code.co_filename)
        return self._known[code]


def _stage(file: str) -> str | None:
    path = Path(file)
    if path.is_relative_to(_OURS):
        inside = path.relative_to(_OURS).as_posix()
        return next((stage for prefix, stage in _STAGES if inside.startswith(prefix)), REST)
    return None if file.startswith(("<", *_LIBRARIES)) else YOURS


def report(found: Timings, folder: Path, most: int = 12) -> list[str]:
    """The table of stages and that of lines, the costliest first; files are named as seen from `folder`."""
    total = found.stages.total() or 1
    rows = [f"{found.seconds:.2f} s of processor time in one process:"]
    for (phase, stage), samples in found.stages.most_common():
        if samples / total >= 0.01:
            rows.append(f"{samples / total:6.0%} {found.seconds * samples / total:8.2f} s  {phase:7}{stage}")
    if found.lines:
        rows.append("of it, by line of your code (what it calls included):")
    for line, samples in found.lines.most_common(most):
        name = Path(line.file)
        shown = name.relative_to(folder) if name.is_relative_to(folder) else name
        seconds = found.seconds * samples / total
        rows.append(f"{samples / total:6.0%} {seconds:8.2f} s  {shown}:{line.number}: {line.text}")
    return rows


#: A share of all time from which on it pays to do something about it.
_WORTH = 0.2


def advice(found: Timings, inputs: Iterable[InputSpec], steps: Iterable[type[Job]]) -> list[str]:
    """What would be faster, the most first: each with the time that is at stake here, and what it gained elsewhere."""
    classes = [
        step for step in steps if not (step.__module__.startswith("chalicelib.") or hasattr(step, "mrjob"))
    ]
    told: list[tuple[float, str]] = []

    def tell(share: float, text: str) -> None:
        if share >= _WORTH:
            told.append((share, f"{share:.0%} {text}"))

    for spec in inputs:
        if spec.format == "jsonl" and not spec.type:
            tell(
                found.share(READS),
                "is documents becoming dicts: give input.type a class with the fields you need",
            )
        if spec.format == "text" and any(_writes(step, "mapper") for step in classes[:1]):
            share = found.share(YOURS, CALLS, FOLDS, READS, phase="map")
            tell(share, "goes into single records: write mapper_chunk, which gets many lines at once")
        if spec.format in ("csv", "tsv") and spec.header:
            tell(
                found.share(READS),
                "is rows becoming dicts: leave input.header out, and take fields by place; or use SQL",
            )
    if any(_is_function(step, "reducer") and step.combiner is None for step in classes):
        share = found.share(SORTS, FILES, GROUPS)
        tell(
            share,
            "carries single values to the reducer: an aggregator (or a combiner) folds them in map tasks",
        )
    told.sort(reverse=True)
    return [text for _, text in told]


def _writes(step: type[Job], method: str) -> bool:
    return getattr(step, method) is not getattr(Job, method)


def _is_function(step: type[Job], part: str) -> bool:
    found: Any = getattr(step, part)
    return callable(found) and not isinstance(found, Aggregator)
