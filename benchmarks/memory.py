"""How much memory workers take when input is made to need more than there is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .measure import measure
from .report import MIB, table
from .runner import LIMIT, environment, last_line, workplace
from .workloads import ROOT

#: A worker's peak may be this much above its budget.
_AIM = 1.25
_JOBS = ROOT / "benchmarks/jobs"
_BATCH = 100_000
_LINE = 100


@dataclass(frozen=True)
class Case:
    """Input that is hard on memory, at scale 1, and the rows that must come out."""

    name: str
    title: str
    job: str
    #: Fills a folder.
    make: Callable[[Path, float], None]
    #: From the scale to what the number of output records must be.
    records: Callable[[float], int]
    #: From the scale to settings of the job.
    settings: Callable[[float], list[str]] = lambda _: []
    #: From the folder to the inputs as the command line names them.
    inputs: Callable[[Path], list[str]] = lambda folder: [str(folder)]
    yml: str = "memory.yml"


def _distinct(folder: Path, scale: float) -> None:
    """Lines of 100 bytes, each with a key of its own, in no order: 10 million."""
    count = int(10_000_000 * scale)
    keys = np.random.default_rng(3).permutation(count).tolist()
    _lines(folder, (b"key-%012x" % key for key in keys), count)


def _hot(folder: Path, scale: float) -> None:
    """Lines of 100 bytes: every second one has the same key, all others one of a hundred thousand."""
    count = int(10_000_000 * scale)
    keys = np.random.default_rng(4).integers(0, 100_000, count).tolist()
    _lines(folder, (b"hot" if i % 2 else b"key-%012x" % key for i, key in enumerate(keys)), count)


def _hot_keys(scale: float) -> int:
    count = int(10_000_000 * scale)
    return 1 + len(set(np.random.default_rng(4).integers(0, 100_000, count)[::2].tolist()))


def _lines(folder: Path, keys: Iterable[bytes], count: int) -> None:
    with (folder / "lines.txt").open("wb") as file:
        source = iter(keys)
        for start in range(0, count, _BATCH):
            batch = [next(source) for _ in range(min(_BATCH, count - start))]
            file.write(b"".join([key + b" " + b"x" * (_LINE - 2 - len(key)) + b"\n" for key in batch]))


def _many_files(folder: Path, scale: float) -> None:
    """100 000 files of one kilobyte."""
    body = b"".join(b"word-%02d %s\n" % (i, b"x" * 91) for i in range(10))
    for number in range(int(100_000 * scale)):
        below = folder / f"{number // 1000:03d}"
        below.mkdir(exist_ok=True)
        (below / f"{number:06d}.txt").write_bytes(body)


def _one_file(folder: Path, scale: float) -> None:
    """One file of 100 MB, to be cut into 100 000 splits."""
    _lines(folder, (b"word-%02d" % (i % 10) for i in range(int(1_000_000 * scale))), int(1_000_000 * scale))


def _join(folder: Path, scale: float) -> None:
    """One million rows and ten million that refer to them, four of five to one that is there."""
    count = int(1_000_000 * scale)
    numbers = np.random.default_rng(5)
    keys = iter(numbers.permutation(count).tolist())
    with (folder / "left.csv").open("wb") as file:
        for start in range(0, count, _BATCH):
            batch = range(min(_BATCH, count - start))
            file.write(b"".join([b"key-%08x,%s\n" % (next(keys), b"l" * 80) for _ in batch]))
    with (folder / "right.csv").open("wb") as file:
        for start in range(0, 10 * count, _BATCH):
            some = _references(start, count).tolist()
            file.write(
                b"".join([b"key-%08x,%d,%s\n" % (key, start + i, b"r" * 60) for i, key in enumerate(some)])
            )


def _references(start: int, count: int) -> np.ndarray[Any, Any]:
    """What the rows from `start` on refer to, up to a batch of them; numbers from `count` on are not there."""
    size = min(_BATCH, 10 * count - start)
    return np.random.default_rng(1000 + start).integers(0, count * 5 // 4, size)


def _joined(scale: float) -> int:
    count = int(1_000_000 * scale)
    return sum(int((_references(start, count) < count).sum()) for start in range(0, 10 * count, _BATCH))


CASES = [
    Case("distinct", "10 million distinct keys", "memory:First", _distinct, lambda s: int(10_000_000 * s)),
    Case("hot", "one key with half of all records", "memory:Length", _hot, _hot_keys),
    Case("files", "100 000 tiny files", "memory:First", _many_files, lambda _: 10),
    Case(
        "splits",
        "100 000 tiny splits of one file",
        "memory:First",
        _one_file,
        lambda _: 10,
        lambda _: ["split_size=1000"],
    ),
    Case(
        "join",
        "10 million rows joined with 1 million",
        "memory:Joined",
        _join,
        _joined,
        inputs=lambda folder: [f"left={folder / 'left.csv'}", f"right={folder / 'right.csv'}"],
        yml="memory_join.yml",
    ),
]


def strain(case: Case, scale: float, budget: int, scratch: Path, workers: int = 2) -> dict[str, Any]:
    """Make a case's input, run it within `budget` bytes a worker, and say what it took."""
    with workplace(scratch) as folder:
        source = folder / "in"
        source.mkdir()
        case.make(source, scale)
        settings = [f"memory_budget={budget}", f"job={case.job}", *case.settings(scale)]
        out = folder / "out"
        command = [sys.executable, str(ROOT / "scripts/run.py"), str(_JOBS / case.yml), *case.inputs(source)]
        command += ["--output", str(out), "--workers", str(workers)]
        command += [part for setting in settings for part in ("--set", setting)]
        usage = measure(command, environment(folder), folder, LIMIT)
        if not usage.ok:
            return {"case": case.name, "problem": f"failed with code {usage.code}: {last_line(folder)}"}
        rows = sum(path.read_bytes().count(b"\n") for path in out.glob("part-*"))
        wrong = "" if rows == case.records(scale) else f"expected {case.records(scale)} rows, got {rows}"
        size = sum(path.stat().st_size for path in source.rglob("*") if path.is_file())
    return {
        "case": case.name,
        "problem": wrong,
        "input": size,
        "budget": budget,
        "worker": usage.worker,
        "largest": usage.largest,
        "together": usage.together,
        "seconds": usage.wall,
    }


def memory_text(rows: list[dict[str, Any]], scale: float, described: str) -> str:
    """A table: peaks beside the budget."""
    titles = {case.name: case.title for case in CASES}
    header = ["input", "MB", "budget", "worker", "worker / budget", "largest process", "all", "seconds"]
    lines = []
    for row in rows:
        if row["problem"]:
            lines.append([titles[row["case"]], *[""] * 6, row["problem"]])
            continue
        sizes = [f"{row[name] / MIB:.0f}" for name in ("budget", "worker", "largest", "together")]
        ratio = f"{row['worker'] / row['budget']:.2f}"
        amounts = [f"{row['input'] / 1e6:.0f}", sizes[0], sizes[1], ratio, sizes[2], sizes[3]]
        lines.append([titles[row["case"]], *amounts, f"{row['seconds']:.1f}"])
    data = "" if scale == 1 else f" Data of {scale:g} times the size named."
    return f"{described}.{data} Sizes in MiB; at most {_AIM} is aimed at.\n\n{table(header, lines)}"
