"""What a supervisor takes by the number of tasks, against sums done by hand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from chalicelib.core.spec import MIB, JobSpec, MemorySpec, TimeoutSpec
from chalicelib.run.estimate import supervision
from chalicelib.run.estimate.figures import FIGURES
from tests.worlds.simulation import spec

ROOT = Path(__file__).resolve().parents[4]
WHOLE = MemorySpec(supervisor=1769)


def names(settings: JobSpec, tasks: int, slack: float = 1.0) -> list[str]:
    return [limit.name for limit in supervision.limits(settings, tasks, 16, FIGURES, slack)]


def test_a_look_is_pages_of_a_listing() -> None:
    """100 000 tasks are 200 pages: each 60 ms at S3 and 45 ms of a whole processor; half of the tasks are missing."""
    found = supervision.look(spec(memory=WHOLE), 100_000, FIGURES)
    assert found == pytest.approx(200 * (0.060 + 0.045) + 50_000 * 3e-6)


def test_a_block_of_the_index_is_what_is_done_in_one_piece() -> None:
    """4 096 partitions make blocks of 1 023 run files; up to 512 map tasks there is one piece."""

    def piece(tasks: int) -> float:
        return supervision.index_piece(spec(), tasks, 4096, FIGURES)

    assert piece(256) * 2 == pytest.approx(piece(512))
    assert piece(1023) == piece(16_000) == pytest.approx(piece(512) * 1023 / 512)


def test_memory_is_bounded_by_a_block_until_there_are_very_many_tasks() -> None:
    def needed(tasks: int) -> float:
        return supervision.memory(tasks, 4096, FIGURES) / MIB

    assert needed(16_000) < needed(100_000) < 130
    assert needed(2_000_000) > 256


def test_limits_come_with_the_number_of_tasks_and_go_with_the_settings() -> None:
    assert names(spec(), 300_000) == []
    assert names(spec(), 1_000_000) == ["timeout.supervisor"]
    assert names(spec(), 1_000_000, slack=2.0) == []
    assert names(spec(), 3_000_000, slack=2.0) == ["memory.supervisor", "timeout.supervisor"]
    small = spec(memory=MemorySpec(supervisor=256))
    assert names(small, 500_000) == ["timeout.supervisor"]
    assert names(small, 500_000, slack=2.0) == []
    assert names(small, 2_000_000, slack=2.0) == ["memory.supervisor", "timeout.supervisor"]
    settings = spec(memory=WHOLE, timeout=TimeoutSpec(supervisor=900))
    assert names(settings, 2_000_000) == []


def test_it_is_light_to_import() -> None:
    """A coordinator imports it when it begins a large run."""
    program = (
        "import sys, chalicelib.functions.coordinator as c; before = set(sys.modules);"
        "import chalicelib.run.estimate.supervision; print(*sorted(set(sys.modules) - before))"
    )
    run = [sys.executable, "-c", program]
    added = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    rooms = "chalicelib.run.estimate"
    assert set(added) == {rooms, f"{rooms}.figures", f"{rooms}.supervision"}
