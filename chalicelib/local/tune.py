"""What a machine wants otherwise than a cloud: tasks for a few processes, a share of one memory.

Only what nobody has set is changed, and nothing that changes the output's bytes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from ..config.load import DEFAULT
from ..core.ports import Loc, ObjectInfo
from ..core.spec import KIB, MIB, JobSpec
from .workers import timeouts_of

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
#: What it may read in place is one task of all processors: fewer rows to shuffle, and nothing to hand over.
_LARGEST_IN_PLACE = 4096 * MIB
#: Files that are looked into before the run: the others are likely to be of the same kind.
_LOOKED_INTO = 16
_LARGEST_BUDGET = 1024 * MIB


def tune(
    spec: JobSpec, provenance: Mapping[str, str], input_bytes: int, workers: int, *, in_place: bool = False
) -> JobSpec:
    """The configuration with split size and memory budget fit for this machine; `in_place` as `is_in_place` says."""
    if provenance.get("split_size") == DEFAULT and not (spec.split_lines or spec.map_tasks):
        tasks = workers * (_SQL_TASKS_A_WORKER if spec.is_sql else _TASKS_A_WORKER)
        # In whole steps, so that files a few bytes larger than others are cut into as many pieces.
        fair = -(-input_bytes // (tasks * _SMALLEST_SPLIT)) * _SMALLEST_SPLIT
        largest = _LARGEST_JSON_SPLIT if spec.input.format == "jsonl" else _LARGEST_SPLIT
        if spec.is_sql:
            largest = _LARGEST_SQL_SPLIT
        if in_place and input_bytes <= _LARGEST_IN_PLACE:
            fair = largest = input_bytes
        spec = replace(spec, split_size=min(max(fair, _SMALLEST_SPLIT), largest))
    if provenance.get("memory_budget") == DEFAULT:
        share = memory_bytes() // (2 * workers)
        spec = replace(spec, memory_budget=min(share, _LARGEST_BUDGET))
    return spec


def is_in_place(spec: JobSpec, inputs: Sequence[tuple[str, ObjectInfo]], tags: Mapping[Loc, str]) -> bool:
    """Whether all input of a job in SQL can, most likely, be read where it is."""
    stopped = "mapper" in timeouts_of(spec.timeout)  # then a task has to have edges to stop at
    if not spec.is_sql or stopped or any(bucket != "/" for bucket, _ in inputs):
        return False
    from ..mapreduce.sql import in_place  # only such jobs have DuckDB

    given = {one.tag: one for one in spec.inputs}
    return all(
        in_place.likely(given[tags.get(Loc(bucket, info.key), spec.input.tag)], Path(bucket, info.key))
        for bucket, info in inputs[:_LOOKED_INTO]
    )


def memory_bytes() -> int:
    """The machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def usable_cpus() -> int:
    """The processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
