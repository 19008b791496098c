"""The memory that the figures assume for the shuffle's index is what building it takes here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from chalicelib.run.estimate.figures import FIGURES

ROOT = Path(__file__).resolve().parents[4]
#: Builds the reduce plan of so many map tasks, partitions and reduce tasks; prints by how many bytes its peak memory
#: grew.
PROGRAM = """
import sys
from chalicelib.core.keys import RunKeys
from chalicelib.core.messages import Stats, decode, encode
from chalicelib.core.plan import Plan
from chalicelib.core.ports import Loc
from chalicelib.core.tasks import MapMarker
from chalicelib.run.reduce_plan import build_reduce_plan
from tests.worlds.simulation import spec

maps, partitions, reduces = map(int, sys.argv[1:])
keys = RunKeys(Loc("work", ""), "job", "20260101T000000-0123456789ab")
step = 1 << 20
offsets = range(step, step * (partitions + 2), step)


def marker(task):
    file = keys.run_file(task, 0, "0123456789ab").key
    fields = {"task": task, "attempt": 0, "token": "0123456789ab", "run_file": file}
    body = encode(MapMarker(**fields, offsets=tuple(offsets), stats=Stats(), started=1.0, finished=2.0))
    return decode(MapMarker, body, file)


def peak():
    (line,) = (line for line in open("/proc/self/status") if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


size = step * maps * partitions
plan = Plan(job="job", run=keys.run, token="x", source="s", head=0, spec=spec(reduce_size=size // reduces),
            work=keys.work, output=Loc("out", ""), partitions=partitions, tasks=maps, page=32, pages=(), inputs=1,
            bytes=size, created=0.0, code="")
before = peak()
found, index = build_reduce_plan(plan, [marker(task) for task in range(maps)])
assert len(found.tasks) == reduces, len(found.tasks)
print(peak() - before)
"""


@pytest.mark.parametrize(("maps", "partitions", "reduces"), [(400, 2048, 1), (400, 1024, 1024)])
def test_memory_of_the_index(maps: int, partitions: int, reduces: int) -> None:
    run = [sys.executable, "-c", PROGRAM, str(maps), str(partitions), str(reduces)]
    taken = int(subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    assumed = maps * partitions * FIGURES.offset + maps * reduces * FIGURES.slice
    assert assumed == pytest.approx(taken, rel=0.3), (
        "what the index takes has changed: figures.py has offset, slice"
    )
