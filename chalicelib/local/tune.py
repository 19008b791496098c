"""What a machine wants otherwise than a cloud: tasks for a few processes, a share of one memory.

Only what nobody has set is changed, and nothing that changes the output's bytes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from msgspec.structs import replace

from ..config.load import DEFAULT
from ..core.spec import KIB, MIB, JobSpec

#: A task's dictionary of this much text stays in the processor's cache; larger ones are slower.
_LARGEST_SPLIT = 32 * MIB
#: Of JSON most bytes are names, and fields that nobody takes.
_LARGEST_JSON_SPLIT = 64 * MIB
_SMALLEST_SPLIT = 256 * KIB
#: Tasks for each worker, so that they end together.
_TASKS_A_WORKER = 4
#: DuckDB streams its input, so that its tasks may be large, and each one costs it some 20 ms.
_LARGEST_SQL_SPLIT = 512 * MIB
_SQL_TASKS_A_WORKER = 2
_LARGEST_BUDGET = 1024 * MIB


def tune(spec: JobSpec, provenance: Mapping[str, str], input_bytes: int, workers: int) -> JobSpec:
    """The configuration with split size and memory budget fit for this machine."""
    if provenance.get("split_size") == DEFAULT and not (spec.split_lines or spec.map_tasks):
        tasks = workers * (_SQL_TASKS_A_WORKER if spec.is_sql else _TASKS_A_WORKER)
        # In whole steps, so that files a few bytes larger than others are cut into as many pieces.
        fair = -(-input_bytes // (tasks * _SMALLEST_SPLIT)) * _SMALLEST_SPLIT
        largest = _LARGEST_JSON_SPLIT if spec.input.format == "jsonl" else _LARGEST_SPLIT
        if spec.is_sql:
            largest = _LARGEST_SQL_SPLIT
        spec = replace(spec, split_size=min(max(fair, _SMALLEST_SPLIT), largest))
    if provenance.get("memory_budget") == DEFAULT:
        share = memory_bytes() // (2 * workers)
        spec = replace(spec, memory_budget=min(share, _LARGEST_BUDGET))
    return spec


def memory_bytes() -> int:
    """The machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def usable_cpus() -> int:
    """The processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
