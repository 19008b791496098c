"""What the programs by hand share: two forked processes over line-aligned blocks, standard library only.

Splits are handed out as processes ask for them. What one process has for the other goes through shared
memory, once: nothing here survives a crash, which is what a framework is measured against.
"""

from __future__ import annotations

import gc
import itertools
import marshal
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

BLOCK = 1 << 20
_SPLIT = 8 << 20
_NONE_LEFT = 0xFFFF
_SHARED = "/dev/shm"  # noqa: S108 - memory, on purpose


class Split(NamedTuple):
    """Half-open range of bytes; a line belongs to the split its first byte is in."""

    path: str
    start: int
    stop: int


class Half:
    """One of the two processes' view: which one it is, its input, and the way to the other."""

    def __init__(self, files: Sequence[str]) -> None:
        self.number = 0
        self._prefix = f"{_SHARED}/by-hand-{os.getpid()}-"
        self._splits = [split for path in files for split in _cut(path)]
        self._bells = [os.pipe(), os.pipe()]
        self._tickets, tickets = os.pipe()
        numbers = [*range(len(self._splits)), _NONE_LEFT, _NONE_LEFT]
        os.write(tickets, b"".join(number.to_bytes(2, "big") for number in numbers))

    def become(self, number: int) -> None:
        """Be that one of the two from now on; close the pipe ends that are the other's."""
        self.number = number
        os.close(self._bells[number][1])
        os.close(self._bells[1 - number][0])

    def blocks(self) -> Iterator[bytes]:
        """Blocks of about a megabyte of whole lines, of the splits this process gets."""
        while (number := int.from_bytes(os.read(self._tickets, 2), "big")) != _NONE_LEFT:
            yield from _blocks(self._splits[number])

    def swap(self, theirs: Any) -> Any:
        """Give the other process `theirs`; return what it gives."""
        self.send(marshal.dumps(theirs))
        return marshal.loads(self.receive())  # noqa: S302 - from our other half

    def send(self, theirs: bytes) -> None:
        Path(f"{self._prefix}{self.number}").write_bytes(theirs)
        os.write(self._bells[1 - self.number][1], b"x")

    def receive(self) -> bytes:
        """What the other process sent; waits for it."""
        if not os.read(self._bells[self.number][0], 1):
            sys.exit("the other process died")
        path = Path(f"{self._prefix}{1 - self.number}")
        mine = path.read_bytes()
        path.unlink()
        return mine


def run(work: Callable[[Half], None], half: Half) -> int:
    """Do `work` in two processes. Returns the exit code."""
    gc.disable()
    gc.freeze()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            half.become(1)
            work(half)
            code = 0
        finally:
            os._exit(code)
    half.become(0)
    work(half)
    return 1 if os.waitpid(child, 0)[1] else 0


def halves(table: dict[Any, Any]) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """The table by a bit of the keys' hashes, which forked processes agree on."""
    first: dict[Any, Any] = {}
    second: dict[Any, Any] = {}
    for key, value in table.items():
        if hash(key) & 64:
            first[key] = value
        else:
            second[key] = value
    return first, second


def _cut(path: str) -> Iterator[Split]:
    size = Path(path).stat().st_size
    count = max(1, size // _SPLIT)
    edges = [size * i // count for i in range(count + 1)]
    return (Split(path, start, stop) for start, stop in itertools.pairwise(edges))


def _blocks(split: Split) -> Iterator[bytes]:
    with Path(split.path).open("rb") as file:
        at = split.start
        if at:
            file.seek(at - 1)
            at += len(file.readline()) - 1
        while at < split.stop:
            block = file.read(min(BLOCK, split.stop - at))
            if not block.endswith(b"\n"):
                block += file.readline()
            at += len(block)
            yield block
