"""Many small runs, one after the other, in one process: right answers, and nothing that grows.

`make soak` does five hundred; otherwise a few, enough to see a leak of one a run.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from chalicelib import Job, Sum
from chalicelib.local import LocalRun, run_local
from chalicelib.local.inputs import find_inputs
from tests.chaos.table import render
from tests.worlds.simulation import spec

RUNS = int(os.environ.get("SOAK", "12"))
#: Runs until caches and pools have what they will ever have.
WARM = 4
#: Bytes of memory that may come and go, whatever the number of runs, and bytes a run may seem to leave:
#: one leaked buffer of a run file a run would be more.
SLACK, A_RUN = 12 << 20, 4 << 10


class Words(Job):
    def mapper(self, _: object, line: str) -> object:
        for word in line.split():
            yield word, 1

    reducer = Sum()


@dataclass(frozen=True)
class Held:
    """What this process holds, and what lies in the folder for temporary files of all runs."""

    memory: int
    descriptors: int
    threads: int
    children: int
    temporary: int

    @classmethod
    def now(cls, scratch: Path) -> Held:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return cls(
            memory=pages * os.sysconf("SC_PAGE_SIZE"),
            descriptors=len(os.listdir("/proc/self/fd")),
            threads=threading.active_count(),
            children=len(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()),
            temporary=sum(1 for path in scratch.rglob("*") if path.is_file()),
        )


def text(number: int) -> str:
    chance = random.Random(number)
    return "\n".join(" ".join(f"w{chance.randrange(60)}" for _ in range(6)) for _ in range(80))


def one(number: int, place: Path) -> dict[str, int]:
    """Drop a file and run over it; what was counted."""
    source, out = place / "in" / f"{number}.txt", place / "out" / str(number)
    source.write_text(text(number))
    out.mkdir()
    run_local(
        LocalRun(
            name="soak",
            spec=spec(split_size=1200, partitions=4, reduce_size=200),
            run=f"20261121T{number // 3600:02d}{number // 60 % 60:02d}{number % 60:02d}-{number:012d}",
            inputs=find_inputs([str(source)]),
            source="test",
            output=out,
            work=place / "work",
            workers=2,
            load_job=lambda _: Words,
        )
    )
    rows = [line.split("\t") for part in out.glob("part-*") for line in part.read_text().splitlines()]
    assert len(rows) == len({word for word, _ in rows})
    return {word: int(count) for word, count in rows}


def test_many_small_runs_leave_nothing_behind(tmp_path: Path) -> None:
    for name in ("in", "out", "work"):
        (tmp_path / name).mkdir()
    began, before = time.monotonic(), Held.now(tmp_path / "work/tmp")
    first = before
    for number in range(RUNS):
        assert one(number, tmp_path) == Counter(text(number).split()), f"run {number}"
        if number == WARM - 1:
            before = Held.now(tmp_path / "work/tmp")
    after = Held.now(tmp_path / "work/tmp")
    assert after.descriptors == before.descriptors
    assert after.threads == before.threads
    assert after.children == before.children == first.children
    assert after.temporary == 0
    assert after.memory - before.memory < SLACK + A_RUN * RUNS
    rows = [
        (
            name,
            *(
                f"{held.memory >> 20} MiB" if name == "memory" else getattr(held, name)
                for held in (first, before, after)
            ),
        )
        for name in Held.__dataclass_fields__
    ]
    print(f"\n{RUNS} runs, all right, in {time.monotonic() - began:.0f} s")
    print(render([f"after {RUNS} runs", "at first", f"after {WARM}", "at the end"], rows))
