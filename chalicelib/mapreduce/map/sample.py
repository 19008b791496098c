"""Bounds for a total order, from a sample of the keys that the mapper makes of the input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from msgspec.structs import replace

from ...core.plan import Split
from ...core.spec import BadRecordsSpec
from ...job.partitioners import Hash
from ..guard.quarantine import Quarantine
from ..shuffle.key_order import sort_keys
from ..shuffle.run_file import RunWriter, read_blocks
from .task import MapTask

#: Bytes of input that one sample maps.
_WINDOW = 1 << 16
#: Splits of Parquet files that are mapped for a sample: a row group is read as a whole or not at all.
_TABLES = 8
#: By the input's format: how it is sampled, if not as text.
_KINDS = {"pairs": "pairs", "parquet": "tables"}


def sample_bounds(task: MapTask, splits: Iterable[Split], samples: int) -> list[Any]:
    """At most `task.partitions - 1` keys, ascending and distinct, that cut the keys of a sample evenly.

    The mapper runs over `samples` windows of 64 KiB at even distances (over whole objects where they
    cannot be split); little input is taken whole. Of typed pairs, whose splits then must be as small as can
    be, it is the first block of `samples` splits, of Parquet some splits as a whole. Memory: the sample's keys;
    `splits` are gone through several times, and not kept.
    """
    body = bytearray()
    writer = RunWriter(body.extend, 1)
    sampling = replace(
        task,
        job=replace(task.job, partitioner=Hash(), order=None),
        partitions=1,
        quarantine=_PassedOver(BadRecordsSpec(policy="quarantine"), "map"),
    )
    sampling.run(list(_sampled(task, splits, samples)), writer)
    writer.finish()
    keys = [key for block, _ in read_blocks([bytes(body)], "the sample of keys") for key in block]
    sort_keys(keys)  # the keys of a partition may come in any order
    partitions = task.partitions
    wanted = (keys[len(keys) * number // partitions] for number in range(1, partitions)) if keys else ()
    return _distinct(wanted)


def _sampled(task: MapTask, splits: Iterable[Split], samples: int) -> Iterator[Split]:
    """What is read of the splits: pieces of text and pairs, and some whole splits of Parquet."""

    def of(kind: str) -> Iterator[Split]:
        kinds = {tag: source.spec.format for tag, source in task.sources.items()}
        return (split for split in splits if _KINDS.get(kinds[split.tag], "text") == kind)

    def size(kind: str) -> int:
        return sum(split.stop - split.start for split in of(kind))

    yield from _windows(of("text"), size("text"), samples)
    yield from _first_blocks(of("pairs"), size("pairs"), samples)
    tables = sum(1 for _ in of("tables"))
    yield from islice(of("tables"), 0, None, -(-tables // _TABLES) or 1)


class _PassedOver(Quarantine):
    """Sampling skips bad records; the map task reports them."""

    def add(self, *record: Any, **more: Any) -> None:
        pass


def _distinct(keys: Iterable[Any]) -> list[Any]:
    bounds: list[Any] = []
    for key in keys:
        if not bounds or bounds[-1] != key:
            bounds.append(key)
    return bounds


def _windows(splits: Iterable[Split], total: int, samples: int) -> Iterator[Split]:
    """Small pieces of the splits, evenly spread over all their bytes, in order."""
    step = max(total // samples, _WINDOW)
    at, following = 0, 0
    for split in splits:
        size = split.stop - split.start
        while following < at + size:
            start = split.start + following - at
            yield replace(split, start=start, stop=min(start + _WINDOW, split.stop))
            following += step
        at += size


def _first_blocks(splits: Iterable[Split], total: int, samples: int) -> Iterator[Split]:
    """The beginnings of some splits, evenly spread over all their bytes, in order."""
    step = max(total // samples, 1)
    at, following = 0, 0
    for split in splits:
        at += split.stop - split.start
        if following < at:
            yield replace(split, stop=split.start + 1)
            following = -(-at // step) * step
