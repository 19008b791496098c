"""Many files dropped at once where few functions may run at once: the real deployment, on the emulator.

    python -m benchmarks.dropped_at_once [--files 100] [--slots 10]

Each file is a run. The exit code is 1 if one of them failed, did not end, or counted wrong.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from scripts.emulation import emulator as ministack
from tests.cloud.harness import IN, Cloud, Run
from tests.conftest import SHORT_OF_MEMORY, WARM_STARTS, checkout_in

#: Lambda keeps an event for six hours, but nobody waits here so long.
_PATIENCE = 1800.0


@dataclass(frozen=True, kw_only=True)
class Case:
    """A job of the tests, and what each file makes of it."""

    job: str
    lines: int
    tasks: str


CASES = (
    Case(job="wordcount", lines=20, tasks="1 x 1"),
    Case(job="small", lines=1200, tasks="5 x 3"),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dropped_at_once", description=__doc__)
    parser.add_argument("--files", type=int, default=100, help="default %(default)s")
    parser.add_argument("--slots", type=int, default=10, help="functions at once (default %(default)s)")
    options = parser.parse_args()
    settings = SHORT_OF_MEMORY | WARM_STARTS | {"LAMBDA_ACCOUNT_CONCURRENCY": str(options.slots)}
    print(
        "| files | tasks of each | functions at once | right | wrong | failed | open | seconds | the first after |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    well = True
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        with (
            ministack.running(place / "ministack.log", settings) as emulator,
            checkout_in(place, emulator) as cloud,
        ):
            for case in CASES:
                cloud.script("deploy", case.job, check=True)
                well = _play(cloud, case, options.files, options.slots) and well
    return 0 if well else 1


def _play(cloud: Cloud, case: Case, files: int, slots: int) -> bool:
    body = b"".join(b"word %d of %d\n" % (number, number % 10) for number in range(case.lines))
    began = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        names = [f"{case.job}/{number:03d}.txt" for number in range(files)]
        sources = [*pool.map(lambda name: cloud.put(IN, name, body), names)]
    first, ended = 0.0, dict[str, Run]()
    while len(ended) < len(sources) and time.monotonic() < began + _PATIENCE:
        time.sleep(1.0)
        ended = cloud.ended(case.job)
        first = first or (time.monotonic() - began if ended else 0.0)
    took, expected = time.monotonic() - began, Counter(body.decode().split())
    good = [run for run in ended.values() if run.succeeded]
    right = sum(run.counts() == expected for run in good)
    row = (files, case.tasks, slots, right, len(good) - right, len(ended) - len(good), files - len(ended))
    print(f"| {' | '.join(map(str, row))} | {took:.0f} | {first:.0f} |", flush=True)
    return right == files


if __name__ == "__main__":
    sys.exit(main())
