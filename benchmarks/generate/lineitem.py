"""TPC-H lineitem, pipe-delimited, as dbgen writes it; made by tpchgen-cli."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


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
