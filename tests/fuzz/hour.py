"""An hour of fuzzing: every format that strangers write, with new examples each round, and how much of the code it saw.

`make fuzz` runs it; `MINUTES=5` is shorter. Each round has a seed, which a finding names:
`FUZZ=5 pytest --hypothesis-seed=SEED tests/fuzz/...` finds it again.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: The tests whose input is what strangers write: events, keys, manifests, job files, objects, stored messages.
TESTS = (
    "tests/fuzz/test_formats.py",
    "tests/fuzz/test_outside.py",
    "tests/fuzz/test_parquet.py",
    "tests/fuzz/test_messages.py",
    "tests/fuzz/test_runfile.py",
    "tests/unit/config/test_load.py",
    "tests/unit/core/test_keys.py",
    "tests/unit/mapreduce/input/test_blocks.py",
    "tests/unit/mapreduce/sql/test_feed.py",
)
#: The code that reads what they write.
CODE = (
    "chalicelib/mapreduce/input/*",
    "chalicelib/mapreduce/sql/feed.py",
    "chalicelib/mapreduce/sql/tables.py",
    "chalicelib/mapreduce/shuffle/run_file.py",
    "chalicelib/mapreduce/shuffle/index.py",
    "chalicelib/run/events.py",
    "chalicelib/run/manifest.py",
    "chalicelib/functions/run_inputs.py",
    "chalicelib/config/*",
    "chalicelib/core/keys.py",
    "chalicelib/core/codec.py",
)


def one_round(seed: int) -> bool:
    """Whether nothing was found."""
    argv = [sys.executable, "-m", "coverage", "run", "--branch", "--append", "--include=chalicelib/*", "-m"]
    argv += ["pytest", "-q", "-n", "0", "--no-header", f"--hypothesis-seed={seed}", *TESTS]
    # What belongs to the suite only: it asks for the same examples each time.
    environ = {name: value for name, value in os.environ.items() if name != "CI"}
    return subprocess.run(argv, cwd=ROOT, env={"FUZZ": "5"} | environ, check=False).returncode == 0


def main() -> int:
    end = time.monotonic() + 60 * float(os.environ.get("MINUTES", "60"))
    seed = first = int(os.environ.get("SEED", "1"))
    bad = []
    while seed == first or time.monotonic() < end:
        print(f"--- round with seed {seed}", flush=True)
        if not one_round(seed):
            bad.append(seed)
        seed += 1
    report = [sys.executable, "-m", "coverage", "report", f"--include={','.join(CODE)}"]
    subprocess.run(report, cwd=ROOT, check=False)
    print(f"{seed - first} rounds; " + (f"seeds that found something: {bad}" if bad else "nothing found"))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
