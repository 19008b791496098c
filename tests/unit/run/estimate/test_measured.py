"""The memory that the figures assume for supervisor and coordinator is what their code takes here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from chalicelib.core.spec import MIB
from chalicelib.run.estimate import supervision
from chalicelib.run.estimate.figures import FIGURES
from tests.worlds.at_size import measured

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc"),
]

ROOT = Path(__file__).resolve().parents[4]
#: Looks at a map phase of which nothing is done; prints by how many bytes the peak memory grew.
WATCH = """
import sys
from types import SimpleNamespace
from chalicelib.functions.supervision.phase_watch import PhaseWatch
from chalicelib.run import stragglers
from tests.worlds.at_size import KEYS, peak
from tests.worlds.simulation import spec

tasks = int(sys.argv[1])
store = SimpleNamespace(list=lambda prefix, after="": iter(()), parallel_reads=0, requests={})
runtime = SimpleNamespace(store=store, clock=SimpleNamespace(now=lambda: 1000.0), seats=1)
before = peak()
watch = PhaseWatch(runtime, KEYS, "map", tasks)
assert not watch.look()
limits = stragglers.limits_for(spec(), "map", None)
assert stragglers.decide(watch.progress, watch.last_heard(), 1000.0, limits).start == ()
print((peak() - before) << 20)
"""


@pytest.mark.parametrize(("maps", "partitions"), [(4000, 4096), (30_000, 64)])
def test_memory_of_the_index(maps: int, partitions: int, tmp_path: Path) -> None:
    """A bare process takes 25 MiB of those that the figures have with boto3; here nothing was read ahead."""
    taken = measured("shuffle", tmp_path, maps, partitions)["MiB"] - 25
    needed = supervision.memory(maps, partitions, FIGURES)
    assumed = (needed - FIGURES.process - FIGURES.remembered) / MIB
    assert taken / 1.5 - 5 < assumed < taken * 2.2 + 5


def test_memory_of_a_look() -> None:
    run = [sys.executable, "-c", WATCH, "300000"]
    taken = int(subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    assert 300_000 * FIGURES.watched == pytest.approx(taken, rel=0.3), (
        "what a look takes has changed: watched"
    )


def test_memory_of_a_plan(tmp_path: Path) -> None:
    taken = measured("plan", tmp_path, 100_000, 1000)["MiB"] - 25
    assumed = (FIGURES.planning + 100_000 * FIGURES.planned) / MIB
    assert taken / 1.3 < assumed < taken * 4
