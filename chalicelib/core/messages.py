"""What all messages have in common: frozen structs that are stored as JSON and checked when they are read.

And the figures that many of them carry.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from .errors import CorruptData

#: A number of things, a byte's place, a task's number.
Count = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]


#: What msgspec raises for bytes that are not what was expected, however wrong they are.
UNDECODABLE = (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError)


class Message(Struct, frozen=True, kw_only=True):
    """Base of everything that is stored as JSON."""


class Stats(Message, frozen=True, kw_only=True):
    """What an attempt or a whole phase read, wrote and used; added up, but for `memory` and `peak`: the largest counts.

    Attempts of earlier versions did not say what is below `starts`, which is then 0, and all of it is unknown.
    """

    records_in: int = 0
    records_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    #: Bytes spilled to local disk.
    spilled: int = 0
    seconds: float = 0.0
    gets: int = 0
    puts: int = 0
    lists: int = 0
    invokes: int = 0
    #: Invocations that said how they began, and those among them that were the first of a new process.
    starts: int = 0
    cold: int = 0
    #: Seconds that these new processes took before their first invocation began; not part of `seconds`.
    init: float = 0.0
    #: Seconds of `seconds` until the work began, in which input was read, and in the job's own code. The rest went
    #: into sorting and writing; a reduce attempt writes while it reads, so that counts as reading.
    starting: float = 0.0
    reading: float = 0.0
    code: float = 0.0
    #: MiB that the function has, and the most that its process has ever held.
    memory: int = 0
    peak: int = 0

    def __add__(self, other: Stats) -> Stats:
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
        added = dict(zip(self.__struct_fields__, (a + b for a, b in pairs), strict=True))
        return Stats(**{**added, **self._largest(other)})

    def __mul__(self, factor: float) -> Stats:
        """Of so many times as many attempts; counts are rounded."""
        scaled: dict[str, Any] = {
            name: value * factor if isinstance(value, float) else round(value * factor)
            for name, value in msgspec.structs.asdict(self).items()
        }
        return Stats(**{**scaled, **self._largest(self)})

    def _largest(self, other: Stats) -> dict[str, int]:
        return {"memory": max(self.memory, other.memory), "peak": max(self.peak, other.peak)}


class Wasted(Message, frozen=True, kw_only=True):
    """What attempts of a phase used that no marker tells of: they failed, were overtaken by another, or are lost."""

    #: Attempts that said what they used, and that.
    attempts: Count = 0
    stats: Stats = Stats()
    #: Attempts that left nothing: killed, out of memory, or still at work when this was written.
    lost: Count = 0
    #: The most seconds that these can have been billed for.
    lost_seconds: float = 0.0

    def heard(self, attempts: int, stats: Stats) -> Wasted:
        """The same, now that so many attempts have said what they used: as many fewer are lost."""
        lost = max(0, self.attempts + self.lost - attempts)
        seconds = self.lost_seconds * lost / self.lost if self.lost else 0.0
        return Wasted(attempts=attempts, stats=stats, lost=lost, lost_seconds=seconds)

    def __add__(self, other: Wasted) -> Wasted:
        return Wasted(
            attempts=self.attempts + other.attempts,
            stats=self.stats + other.stats,
            lost=self.lost + other.lost,
            lost_seconds=self.lost_seconds + other.lost_seconds,
        )


def sum_counters(*counters: Mapping[str, int]) -> dict[str, int]:
    """What the user's code counted, added up by name."""
    total: dict[str, int] = {}
    for some in counters:
        for name, count in some.items():
            total[name] = total.get(name, 0) + count
    return total


M = TypeVar("M", bound=Message)


def encode(message: Message) -> bytes:
    return msgspec.json.encode(message)


#: Types of which msgspec knows all that it wants to know.
_known: set[type[Any]] = set()
_first = threading.Lock()


def known(kind: type[M]) -> type[M]:
    """The type itself, ready for any thread to decode.

    At the first use of a struct msgspec 0.22 looks up the types of its fields, and while one thread does, another that
    decodes the same struct crashes the process.
    """
    if kind not in _known:
        with _first:
            msgspec.json.Decoder(kind)
            _known.add(kind)
    return kind


def decode(kind: type[M], body: bytes, where: str) -> M:
    """Decode `body` as `kind`. Raises CorruptData, naming `where`, if it is anything else."""
    try:
        return msgspec.json.decode(body, type=known(kind))
    except UNDECODABLE as error:
        raise CorruptData(f"{where}: expected a {kind.__name__}: {error}") from error


def to_payload(message: Message) -> dict[str, Any]:
    """As plain JSON types, for an invoker."""
    payload: dict[str, Any] = msgspec.to_builtins(message)
    return payload


def from_payload(kind: type[M], payload: object, where: str) -> M:
    try:
        return msgspec.convert(payload, type=known(kind))
    except (msgspec.ValidationError, UnicodeEncodeError, RecursionError) as error:
        raise CorruptData(f"{where}: expected a {kind.__name__} payload: {error}") from error
