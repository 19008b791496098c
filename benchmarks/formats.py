"""What formats cost over text: TPC-H query 1 over compressed files and Parquet, and rows written in each format."""

# ruff: noqa: S608 - the queries are ours, and so are the names of files
from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import answers, generate
from .measure import Usage, measure
from .report import table
from .runner import LIMIT, Timing, compare, environment, last_line, workplace
from .workloads import ORACLE, ROOT, WORKLOADS, Program, sluice

_RUN = [sys.executable, str(ROOT / "scripts/run.py")]
_JOBS = ROOT / "benchmarks/jobs"

#: By the form of eight files: what it is called, and Sluice's ways for it.
INPUTS: Mapping[generate.Form, tuple[str, tuple[str, ...]]] = {
    "tbl": ("text", ("record", "sql")),
    "gz": ("text, .gz", ("record", "sql")),
    "zst": ("text, .zst", ("record", "sql")),
    "parquet": ("Parquet", ("record_parquet", "sql_parquet")),
}
_WAYS = {"record": "Sluice, per record", "sql": "Sluice, SQL", "duckdb": "DuckDB"}

#: A row of either table, as JSON.
Row = dict[str, Any]
#: How many rows there are, and the sums of their durations and revenues.
Totals = tuple[int, int, float]

_DICT = "STRUCT(revenue DOUBLE, duration INT)"
_TSV = "delim='\\t', quote='', escape='', header=false, auto_detect=false"


@dataclass(frozen=True)
class Output:
    """A way to write rows."""

    format: str
    compression: str = "none"
    job: str = "formats_rows"

    @property
    def title(self) -> str:
        return self.format + ("" if self.compression == "none" else f", {self.compression}")

    @property
    def settings(self) -> list[str]:
        return ["--set", f"output.format={self.format}", "--set", f"output.compression={self.compression}"]


#: The first is what all others are compared with.
OUTPUTS = (
    Output("text", job="formats_lines"),
    Output("text", "gz", job="formats_lines"),
    Output("text", "zst", job="formats_lines"),
    Output("tsv"),
    Output("csv"),
    Output("csv", "gz"),
    Output("csv", "zst"),
    Output("jsonl"),
    Output("jsonl", "zst"),
    Output("parquet"),
    Output("pairs"),
)


def inputs(data: Path, scale: float, rounds: int, scratch: Path) -> Iterator[Row]:
    """A row for each form of input and each program."""
    (workload,) = [one for one in WORKLOADS if one.name == "w2"]
    for form, (title, ways) in INPUTS.items():
        files = generate.lineitem_forms(data, scale, form)
        programs = [_named(sluice(way, way)) for way in ways] + [ORACLE]
        timings = compare(workload, programs, files, rounds, scratch)
        size = sum(path.stat().st_size for path in files)
        for name, timing in timings.items():
            yield _row(timing, form=title, way=name, size=size)


def _named(program: Program) -> Program:
    way = program.name.removeprefix("sluice-").removesuffix("_parquet")
    return replace(program, name=way, title=_WAYS[way])


def outputs(data: Path, scale: float, rounds: int, scratch: Path) -> Iterator[Row]:
    """A row for each of OUTPUTS, whose turns alternate."""
    visits = generate.visits_files(data, scale)[1:]
    expected = _expected(visits)
    found = {output: Timing() for output in OUTPUTS}
    sizes: dict[Output, int] = {}
    right: set[bytes] = set()
    for turn in range(rounds + 1):
        for output, timing in found.items():
            if not timing.problem:
                usage, sizes[output], timing.problem = _written(output, visits, scratch, expected, right)
                told = timing.problem or f"{usage.user + usage.system:6.2f} s of processors"
                print(f"{output.title:12s} {told}{'' if turn else '  (warming up)'}", flush=True)
                timing.runs += [usage] if turn else []
    for output, timing in found.items():
        yield _row(timing, form=output.title, way="", size=sizes[output])


def _row(timing: Timing, **of: Any) -> Row:
    return of | {"wall": timing.wall, "processor": timing.processor, "problem": timing.problem}


def _written(
    output: Output, visits: Sequence[Path], scratch: Path, expected: Totals, right: set[bytes]
) -> tuple[Usage, int, str]:
    """What one run used, the bytes that it wrote, and what is wrong with them; `right` knows what was right before."""
    with workplace(scratch) as folder:
        out = folder / "out"
        command = [*_RUN, str(_JOBS / f"{output.job}.yml"), *map(str, visits), "--output", str(out)]
        usage = measure([*command, "--workers", "2", *output.settings], environment(folder), folder, LIMIT)
        if not usage.ok:
            return usage, 0, f"failed with code {usage.code}: {last_line(folder)}"
        size = sum(path.stat().st_size for path in out.glob("part-*"))
        digest = answers.digest(out)
        if digest in right:
            return usage, size, ""
        found = _of_pairs(out, folder) if output.format == "pairs" else read_totals(out, output)
        if not same(expected, found):
            return usage, size, f"wrong rows: expected {expected}, got {found}"
        right.add(digest)
        return usage, size, ""


def same(expected: Totals, found: Totals) -> bool:
    """Whether two totals are the same; the sum of floats to seven digits."""
    return expected[:2] == found[:2] and abs(expected[2] - found[2]) <= 1e-7 * abs(expected[2])


def _expected(visits: Sequence[Path]) -> Totals:
    columns = {f"c{number}": "VARCHAR" for number in range(9)}
    return _totals(f"read_csv({list(map(str, visits))}, header=false, columns={columns})", "c8", "c3")


def read_totals(out: Path, output: Output) -> Totals:
    """Of the parts that were written in any format but pairs."""
    parts = f"'{out}/part-*'"
    if output.format == "text":
        columns = dict.fromkeys(("url", "ip", "day", "revenue", "duration"), "VARCHAR")
        return _totals(f"read_csv({parts}, {_TSV}, columns={columns})", "duration", "revenue")
    if output.format == "tsv":
        rows = f"read_csv({parts}, {_TSV}, columns={{'key': 'VARCHAR', 'value': 'VARCHAR'}})"
        return _totals(rows, "value->>'duration'", "value->>'revenue'")
    if output.format == "csv":
        columns = dict.fromkeys(("key", "ip", "day", "revenue", "duration"), "VARCHAR")
        return _totals(f"read_csv({parts}, header=false, columns={columns})", "duration", "revenue")
    if output.format == "jsonl":
        columns = {"key": "VARCHAR", "value": _DICT}
        rows = f"read_json({parts}, format='newline_delimited', columns={columns})"
        return _totals(rows, "value.duration", "value.revenue")
    return _totals(f"read_parquet({parts})", "duration", "revenue")


def _totals(rows: str, duration: str, revenue: str) -> Totals:
    import duckdb

    query = f"SELECT count(*), sum(({duration})::BIGINT), sum(({revenue})::DOUBLE) FROM {rows}"
    with duckdb.connect() as database:
        found = database.execute(query).fetchone()
    assert found is not None
    return int(found[0]), int(found[1] or 0), float(found[2] or 0.0)


def _of_pairs(out: Path, folder: Path) -> Totals:
    """By a job that reads them, as nothing else can."""
    command = [*_RUN, str(_JOBS / "formats_totals.yml"), str(out), "--output", str(folder / "totals")]
    usage = measure(command, environment(folder), folder, LIMIT)
    if not usage.ok:
        raise SystemExit(f"{command}: failed with code {usage.code}: {last_line(folder)}")
    (line,) = [line for part in (folder / "totals").glob("part-*") for line in part.read_text().splitlines()]
    _, count, duration, revenue = line.split(",")
    return int(count), int(duration), float(revenue)


def formats_text(
    read: Sequence[Row], written: Sequence[Row], scale: float, rounds: int, described: str
) -> str:
    """Both tables."""
    data = "" if scale == 1 else f", data of {scale:g} times the published size"
    return "\n\n".join(
        [
            f"{described}. Medians of {rounds}{data}; seconds of processors, and of whole processes.",
            "TPC-H query 1 (W2) over eight files; *over text* are processor seconds beside the same program's:",
            _table(read, ["input", "program"]),
            "Each visit (W4's data) as a row of five fields, without a shuffle; *over text* is beside the first line:",
            _table(written, ["output"]),
        ]
    )


def _table(rows: Sequence[Row], header: Sequence[str]) -> str:
    first = {}
    for row in rows:
        first.setdefault(row["way"], row)
    found = []
    for row in rows:
        base, name = first[row["way"]], [row["form"], *([_WAYS[row["way"]]] if row["way"] else [])]
        if row["processor"] is None or base["processor"] is None:
            found.append([*name, *[""] * 4, row["problem"].partition(":")[0] or "no text to compare with"])
            continue
        ratio, size = row["processor"] / base["processor"], row["size"] / base["size"]
        numbers = [
            f"{row['wall']:.2f}",
            f"{row['processor']:.2f}",
            f"{ratio:.2f}",
            f"{row['size'] / 1e6:.1f}",
        ]
        found.append([*name, *numbers, f"{size:.2f}"])
    columns = ["seconds", "of processors", "over text", "MB", "over text"]
    return table([*header, *columns], found)
