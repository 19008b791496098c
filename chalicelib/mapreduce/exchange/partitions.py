"""How many partitions a run has, and which of them one reduce task takes. Pure arithmetic."""

from __future__ import annotations

from ...core.spec import MIB

#: Inputs up to this size come out as one part, sorted from end to end.
ONE_PARTITION = 8 * MIB
MAX_PARTITIONS = 4096


def default_partitions(input_bytes: int, reduce_size: int, least: int = 16) -> int:
    """A power of two from `least` to 4 096, about four for each `reduce_size` of input; 1 for little input."""
    if input_bytes <= ONE_PARTITION:
        return 1
    wanted = -(-input_bytes * 4 // reduce_size)
    return min(max(1 << (wanted - 1).bit_length(), least), MAX_PARTITIONS)


def pack_partitions(sizes: list[int], reduce_size: int, most: int | None = None) -> list[tuple[int, int]]:
    """Contiguous ranges of partitions `[first, last)` of about `reduce_size` bytes, by their real sizes.

    Covers all partitions; one larger than `reduce_size` gets a range of its own, but for empty ones. There
    are at most `most` ranges, which are larger if they must be.
    """
    ranges = _packed(sizes, reduce_size)
    if most is not None and len(ranges) > most:
        low, high = reduce_size, sum(sizes)
        while low < high:
            middle = (low + high) // 2
            if len(_packed(sizes, middle)) > most:
                low = middle + 1
            else:
                high = middle
        ranges = _packed(sizes, low)
    return ranges


def _packed(sizes: list[int], reduce_size: int) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    first, held = 0, 0
    for partition, size in enumerate(sizes):
        if held and size and held + size > reduce_size:
            ranges.append((first, partition))
            first, held = partition, 0
        held += size
    ranges.append((first, len(sizes)))
    return ranges
