"""Bounds for a total order, from a sample of the keys that the mapper makes of the input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from msgspec.structs import replace as with_fields

from .job import BoundJob
from .mapping import MapTask
from .model import Split
from .partition import Hash
from .ports import Store
from .runfile import RunWriter, read_blocks
from .spec import JobSpec

#: Bytes of input that one sample maps.
_WINDOW = 1 << 16


def sample_bounds(
    job: BoundJob,
    spec: JobSpec,
    record_type: type[Any] | None,
    splits: Sequence[Split],
    samples: int,
    partitions: int,
    store: Store,
    scratch: Path,
) -> list[Any]:
    """At most `partitions - 1` keys, ascending and distinct, that cut the keys of a sample evenly.

    The mapper runs over `samples` windows of 64 KiB at even distances (over whole objects where they
    cannot be split); little input is taken whole. Memory: the sample's keys.
    """
    body = bytearray()
    writer = RunWriter(body.extend, 1)
    task = MapTask(
        replace(job, partitioner=Hash()),
        spec.input,
        store,
        1,
        spec.budget("mapper"),
        scratch,
        record_type,
    )
    task.run(list(_windows(splits, samples)), writer)
    writer.finish()
    keys = [key for block, _ in read_blocks([bytes(body)], "the sample of keys") for key in block]
    wanted = (keys[len(keys) * number // partitions] for number in range(1, partitions)) if keys else ()
    return _distinct(wanted)


def _distinct(keys: Iterable[Any]) -> list[Any]:
    bounds: list[Any] = []
    for key in keys:
        if not bounds or bounds[-1] != key:
            bounds.append(key)
    return bounds


def _windows(splits: Sequence[Split], samples: int) -> Iterator[Split]:
    """Small pieces of the splits, evenly spread over all their bytes, in order."""
    total = sum(split.stop - split.start for split in splits)
    step = max(total // samples, _WINDOW)
    at, following = 0, 0
    for split in splits:
        size = split.stop - split.start
        while following < at + size:
            start = split.start + following - at
            yield with_fields(split, start=start, stop=min(start + _WINDOW, split.stop))
            following += step
        at += size
