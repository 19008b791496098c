"""TPC-H lineitem, pipe-delimited, as dbgen writes it; made by tpchgen-cli."""

# ruff: noqa: S608 - the query is ours, and so are its file names
from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Literal

from chalicelib.mapreduce.shuffle.zstd import ZstdFile

PARTS = 8
Form = Literal["tbl", "gz", "zst", "parquet"]
_TYPES = {
    **dict.fromkeys(("orderkey", "partkey", "suppkey"), "BIGINT"),
    "linenumber": "INT",
    **dict.fromkeys(("quantity", "price", "discount", "tax"), "DOUBLE"),
    **dict.fromkeys(("returnflag", "linestatus"), "VARCHAR"),
    **dict.fromkeys(("shipdate", "commitdate", "receiptdate"), "DATE"),
    **dict.fromkeys(("instruct", "mode", "comment", "nothing"), "VARCHAR"),
}


def write(folder: Path, scale: float) -> str:
    """Write lineitem.tbl."""
    tool = Path(sys.executable).parent / "tpchgen-cli"
    if not tool.exists():
        raise SystemExit(
            f"{tool}: not found: run through `make bench`, which installs requirements-bench.txt"
        )
    options = ["-s", f"{scale:g}", "--tables", "lineitem", "--output-dir", str(folder)]
    subprocess.run([tool, "tbl", *options], check=True, stdout=subprocess.DEVNULL)
    return f"tpchgen-cli, scale factor {scale:g}"


def write_parts(folder: Path, source: Path) -> str:
    """lineitem-N.tbl: the same rows in PARTS files of about one size."""
    rest = source.stat().st_size
    with source.open("rb") as file:
        for number in range(PARTS):
            block = file.read(rest // (PARTS - number)) + file.readline()
            rest -= len(block)
            (folder / f"lineitem-{number}.tbl").write_bytes(block)
    return f"{source.name} in {PARTS} files"


def write_form(folder: Path, parts: list[Path], form: Form) -> str:
    """Each of the parts in another form: gzip and zstd as their tools do by default, Parquet with types."""
    for part in parts:
        if form == "parquet":
            _parquet(part, folder / f"{part.stem}.parquet")
            continue
        name = folder / f"{part.name}.{form}"
        opened = gzip.GzipFile(name, "wb", 6, mtime=0) if form == "gz" else ZstdFile(name, "wb")
        with opened as target, part.open("rb") as file:
            shutil.copyfileobj(file, target, 1 << 20)
    return f"{len(parts)} files as {form}"


def _parquet(part: Path, target: Path) -> None:
    import duckdb

    rows = f"read_csv('{part}', delim='|', header=false, auto_detect=false, quote='', columns={_TYPES})"
    with duckdb.connect() as database:
        database.execute(f"COPY (SELECT * EXCLUDE (nothing) FROM {rows}) TO '{target}' (FORMAT parquet)")
