"""What is measured: the workloads, the programs that do them, and what is aimed at.

A new program is one entry in PROGRAMS; a new way to write a Sluice job is one entry in `_OUR_WAYS` and
a file benchmarks/jobs/WORKLOAD_WAY.yml for every workload it can do.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from . import generate
from .answers import Form

ROOT = Path(__file__).resolve().parent.parent
_HERE = ROOT / "benchmarks"
_PEERS = ROOT / ".venv-peers/bin/python"
_MRJOB = ROOT / ".venv-mrjob/bin/python"


@dataclass(frozen=True)
class Workload:
    name: str
    title: str
    files: Callable[[Path, float], list[Path]]


WORKLOADS = [
    Workload("w1", "word count", generate.text_files),
    Workload("w2", "TPC-H Q1", generate.lineitem_files),
    Workload("w3", "TPC-H Q6", generate.lineitem_files),
    Workload("w4", "AMPLab aggregation", lambda root, scale: generate.visits_files(root, scale)[1:]),
    Workload("w5", "AMPLab join", generate.visits_files),
    Workload("w6", "total sort", generate.records_files),
    Workload("w7", "telemetry JSON", generate.telemetry_files),
    Workload("w8", "homes by zip", generate.homes_files),
    Workload("w8q", "homes, 8 % bad", generate.bad_homes_files),
    Workload("w9", "sessions", generate.clicks_files),
    Workload("w10", "join of three", generate.orders_files),
    Workload("w11", "TF-IDF, 4 steps", generate.documents_files),
    Workload("w12", "mrjob job", generate.sales_files),
]


@dataclass(frozen=True)
class Program:
    """One way to do some of the workloads."""

    name: str
    title: str
    workloads: frozenset[str]
    #: From workload, output and input files to a command line.
    command: Callable[[str, Path, Sequence[Path]], list[str]]
    #: Why it cannot run on this machine; empty if it can.
    missing: str = ""
    #: How it writes its answer.
    form: Form = "plain"


def _script(
    name: str,
    title: str,
    workloads: str,
    script: str,
    *options: str,
    python: Path = Path(sys.executable),
    missing: str = "",
) -> Program:
    path = str(_HERE / "programs" / script)
    start = [path] if path.endswith(".sh") else [str(python), path]

    def command(workload: str, out: Path, files: Sequence[Path]) -> list[str]:
        return [*start, *options, workload, str(out), *map(str, files)]

    return Program(name, title, frozenset(workloads.split()), command, missing)


def sluice(way: str, title: str, workers: int = 2) -> Program:
    """Sluice with the jobs benchmarks/jobs/WORKLOAD_WAY.yml."""

    def job(workload: str) -> Path:
        return _HERE / "jobs" / f"{workload}_{way}.yml"

    def command(workload: str, out: Path, files: Sequence[Path]) -> list[str]:
        places = ["--output", str(out), "--workers", str(workers)]
        inputs = _inputs_of(workload, way, list(map(str, files)))
        return [sys.executable, str(ROOT / "scripts/run.py"), str(job(workload)), *inputs, *places]

    able = frozenset(workload.name for workload in WORKLOADS if job(workload.name).exists())
    return Program(f"sluice-{way}", title, able, command, form="sql" if way.startswith("sql") else "pairs")


def _inputs_of(workload: str, way: str, files: list[str]) -> list[str]:
    """How a job's inputs are told; those of a join are two or three."""
    if workload == "w10":
        return [f"{tag}={name}" for tag, name in zip(("customers", "tickets", "orders"), files, strict=True)]
    if workload == "w11":
        return [*files, "--set", f"params.documents={_documents(files[0])}"]
    if workload != "w5" or way not in ("record", "chunk"):
        return files
    rankings, *visits = files
    if way == "chunk":
        return [*visits, "--set", f"files={rankings}"]
    return [f"rankings={rankings}", *(f"visits={name}" for name in visits)]


def _documents(path: str) -> int:
    """How many there are: they have numbers, and come in order."""
    with Path(path).open("rb") as file:
        file.seek(max(0, Path(path).stat().st_size - 4096))
        *_, last = file
    return int(last.split(b"\t")[0].removeprefix(b"doc-")) + 1


def _no_module(name: str) -> str:
    return "" if importlib.util.find_spec(name) else f"{name} is not installed"


def _no_peer(*tools: str) -> str:
    if not _PEERS.exists():
        return "not installed: `make bench-peers`"
    return next((f"{tool} is not on this machine" for tool in tools if not shutil.which(tool)), "")


def _no_tool(*tools: str) -> str:
    return next((f"{tool} is not on this machine" for tool in tools if not shutil.which(tool)), "")


_ALL = "w1 w2 w3 w4 w5 w6 w7"

#: Sluice's ways to write a job, in the order of the table.
_OUR_WAYS = {
    "record": "Sluice, per record",
    "chunk": "Sluice, per chunk",
    "typed": "Sluice, typed JSON",
    "blocks": "Sluice, sort by blocks",
    "sql": "Sluice, SQL",
}

#: What people write: of these the plain program is what answers are checked against.
_EVERYDAY = "w8 w8q w9 w10 w11 w12"

PLAIN = _script("plain", "plain Python", _EVERYDAY, "plain.py", missing=_no_module("duckdb"))
ORACLE = _script("duckdb", "DuckDB", _ALL, "duck.py", missing=_no_module("duckdb"))

PROGRAMS = [
    *(sluice(way, title) for way, title in _OUR_WAYS.items()),
    _script("hand-record", "by hand, per record", "w1 w2 w3 w4 w7", "by_hand_record.py"),
    _script("hand-block", "by hand, per block", _ALL, "by_hand.py"),
    _script("hand-orjson", "by hand, orjson", "w7", "by_hand.py", "--orjson", missing=_no_module("orjson")),
    ORACLE,
    PLAIN,
    _script(
        "mrjob",
        "mrjob, inline",
        "w12",
        "mrjob_inline.py",
        python=_MRJOB,
        missing="" if _MRJOB.exists() else "not installed: `make .venv-mrjob/.made`",
    ),
    _script("polars", "Polars", _ALL, "pola.py", missing=_no_module("polars")),
    _script("gnu", "GNU sort, mawk", "w1 w2 w3 w4 w5 w6", "gnu.sh", missing=_no_tool("mawk", "split")),
    _script("lithops", "Lithops", "w1 w2 w3 w4 w6 w7", "lith.py", python=_PEERS, missing=_no_peer()),
    _script("spark-rdd", "PySpark, RDD", _ALL, "spark.py", "rdd", python=_PEERS, missing=_no_peer("java")),
    _script(
        "spark-frame",
        "PySpark, DataFrame",
        _ALL,
        "spark.py",
        "frame",
        python=_PEERS,
        missing=_no_peer("java"),
    ),
]


def oracle_of(workload: str) -> Program:
    """The program whose answer counts."""
    return ORACLE if workload in ORACLE.workloads else PLAIN


@dataclass(frozen=True)
class Goal:
    """`program` takes at most `ratio` times what `against` takes, in the same run.

    That is the time of whole processes where both have as many of them, processor seconds where not.
    """

    program: str
    workloads: str
    ratio: float
    against: str
    by: Literal["time", "processor"] = "time"


GOALS = [
    Goal("sluice-record", "w1 w2 w3 w4 w7", 0.95, "hand-record"),
    Goal("sluice-chunk", "w1 w2 w3 w4 w7", 0.95, "hand-block"),
    Goal("sluice-typed", "w7", 0.95, "hand-orjson"),
    Goal("sluice-record", "w6", 1.2, "gnu"),
    Goal("sluice-blocks", "w6", 0.8, "gnu"),
    Goal("sluice-sql", "w1 w2 w3 w4 w5 w7", 1.2, "duckdb"),
    Goal("sluice-record", "w8", 1.5, "plain", "processor"),
    Goal("sluice-record", "w8q", 1.8, "plain", "processor"),
    Goal("sluice-record", "w9 w10 w11 w12", 1.3, "plain", "processor"),
    Goal("sluice-record", "w12", 0.25, "mrjob", "processor"),
]


def of_goals(workload: str) -> list[Program]:
    """The programs that a workload's goals name, in the order of PROGRAMS."""
    named = {
        name for goal in GOALS if workload in goal.workloads.split() for name in (goal.program, goal.against)
    }
    return [program for program in PROGRAMS if program.name in named]
