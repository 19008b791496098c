"""Where the time goes from the PUT of a file to `_SUCCESS`, on the emulator through the real deployment.

    .venv/bin/python -m benchmarks.cloud [--size 64] [FILE]

Prints a table for a first (cold) and a second (warm) run of the word count over `size` MiB, and the whole time
of some warm runs over 1 KB and 1 MB. The emulator and all workers share this machine's processors, so the figures
say how the time divides, not what AWS would take.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from chalicelib.core.keys import RunKeys, parse_done, results_place
from chalicelib.core.plan_file import read_head
from chalicelib.core.ports import Loc
from chalicelib.run.status.runs import list_runs
from chalicelib.stores.s3 import S3Store, make_client
from scripts import demo
from scripts.console.terminal import Screen
from scripts.emulation import emulator

MIB = 1 << 20
PATIENCE = 600.0


class Times(NamedTuple):
    """Seconds from the PUT to each step of a run."""

    planned: float
    first_mapper: float
    last_mapper: float
    first_reducer: float
    last_reducer: float
    success: float
    #: Seconds of all map and all reduce attempts together, and how many there were.
    map_seconds: float
    reduce_seconds: float
    mappers: int
    reducers: int


def main() -> int:
    parser = argparse.ArgumentParser(description="Where the time goes on the emulator.")
    parser.add_argument("--size", type=int, default=64, help="MiB of text")
    parser.add_argument("file", nargs="?", help="text to take it from (default: Python's own help texts)")
    options = parser.parse_args()
    text = _text(options.file, options.size * MIB)
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as name:
        folder = Path(name)
        with emulator.running(folder / "ministack.log") as cloud:
            demo.use(cloud, folder)
            os.environ["SLUICE_SPLIT_SIZE"] = "8MiB"
            demo.deploy(folder / "checkout", Screen(sys.stderr))
            runs = {
                f"{options.size} MiB, cold": _measure("cold.txt", text),
                f"{options.size} MiB, warm": _measure("warm.txt", text),
            }
            small = {
                label: [_measure(f"{size}-{number}.txt", text[:size]) for number in range(6)][1:]
                for label, size in (("1 KB", 1000), ("1 MB", MIB))
            }
    _print(runs)
    for label, found in small.items():
        median = statistics.median(times.success for times in found)
        print(f"\n{label}, warm, from PUT to _SUCCESS: median {median:.2f} s of {len(found)} runs")
    return 0


def _text(file: str | None, size: int) -> bytes:
    if file:
        return Path(file).read_bytes()[:size]
    from pydoc_data.topics import topics

    whole = "\n".join(topics[name] for name in sorted(topics)).encode()
    return (whole * (size // len(whole) + 1))[:size]


def _measure(name: str, body: bytes) -> Times:
    store = S3Store(make_client("s3"))
    work, output = Loc("sluice-demo-work", ""), Loc("sluice-demo-out", "wordcount/")
    before = {keys.run for keys in list_runs(store, work, demo.JOB)}
    put = time.time()
    store.put(Loc("sluice-demo-in", f"wordcount/{name}"), body)
    while time.time() - put < PATIENCE:
        for keys in list_runs(store, work, demo.JOB):
            success = results_place(output, keys.run).child("_SUCCESS")
            if keys.run not in before and any(True for _ in store.list(success)):
                return _times(store, keys, put, time.time())
        time.sleep(0.02)
    raise TimeoutError(f"{name}: no _SUCCESS within {PATIENCE:.0f} s")


def _times(store: S3Store, keys: RunKeys, put: float, success: float) -> Times:
    maps = _markers(store, keys, "map")
    reduces = _markers(store, keys, "reduce")
    head = read_head(store, keys)
    return Times(
        planned=head.created - put,
        first_mapper=min(marker["started"] for marker in maps) - put,
        last_mapper=max(marker["finished"] for marker in maps) - put,
        first_reducer=min(marker["started"] for marker in reduces) - put,
        last_reducer=max(marker["finished"] for marker in reduces) - put,
        success=success - put,
        map_seconds=sum(marker["stats"]["seconds"] for marker in maps),
        reduce_seconds=sum(marker["stats"]["seconds"] for marker in reduces),
        mappers=len(maps),
        reducers=len(reduces),
    )


def _markers(store: S3Store, keys: RunKeys, phase: Any) -> list[dict[str, Any]]:
    prefix = keys.phase(phase)
    done = [info.key for info in store.list(prefix) if parse_done(info.key) is not None]
    return [json.loads(store.get(Loc(prefix.bucket, key))) for key in done]


def _print(runs: dict[str, Times]) -> None:
    rows = [
        ("the event, the coordinator's start and the plan", lambda t: t.planned),
        ("the tree, until the first mapper works", lambda t: t.first_mapper - t.planned),
        ("the map phase", lambda t: t.last_mapper - t.first_mapper),
        ("the supervisor sees it, the shuffle, the tree", lambda t: t.first_reducer - t.last_mapper),
        ("the reduce phase", lambda t: t.last_reducer - t.first_reducer),
        ("the end: markers, manifest, `_SUCCESS`", lambda t: t.success - t.last_reducer),
        ("**from PUT to `_SUCCESS`**", lambda t: t.success),
        ("all map attempts together", lambda t: t.map_seconds),
        ("all reduce attempts together", lambda t: t.reduce_seconds),
    ]
    print(f"| seconds | {' | '.join(runs)} |\n|---|{'--:|' * len(runs)}")
    for label, figure in rows:
        print(f"| {label} | {' | '.join(f'{figure(times):.2f}' for times in runs.values())} |")
    counts = ", ".join(f"{times.mappers} map and {times.reducers} reduce tasks" for times in runs.values())
    print(f"\n{counts}")


if __name__ == "__main__":
    sys.exit(main())
