"""Between what a user's method yields and what Sluice shuffles: the bytes of mrjob's lines, cut at the first tab.

mrjob sorts and groups lines by their bytes before the first tab, so these are our key, and what follows is the
value (None where there is no tab). So lists and dicts, which no Python dictionary takes as keys, can be keys, and
keys come in mrjob's order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, groupby
from operator import itemgetter
from typing import Any

from .protocol import JSONProtocol, PairProtocol, ValueProtocol, _of_json, _to_json

Pair = tuple[Any, Any]
#: A line in two: what it is sorted and grouped by, and the rest.
Cut = tuple[bytes, bytes | None]
Encode = Callable[[Any, Any], Cut]
Decode = Callable[[bytes, Iterator[bytes | None]], tuple[Any, Iterator[Any]]]

#: How many encoded keys are remembered, and how many bytes each may have.
_REMEMBERED = 1 << 16
_LONGEST = 64

#: How many encoded values that are tuples of ints are remembered; those that are met first, as more are met but once.
_ROWS = 1 << 12
_TEXTS, _NUMBERS = frozenset({str}), frozenset({int})

#: What all lines that hold no key are grouped by.
NO_KEY = b""


def drops_keys(read: Callable[[bytes], Any]) -> bool:
    """Whether a protocol reads every key as None: to mrjob, all such lines are one group."""
    return isinstance(getattr(read, "__self__", None), ValueProtocol)


def encoder(write: Callable[[Any, Any], bytes], keyless: bool) -> Encode:
    """From pairs to cut lines, for a reader that is `keyless` or not."""
    if keyless:
        return lambda key, value: (NO_KEY, write(key, value))
    parts = _parts_of(write, "write")
    if parts is not None:
        return _remembering(parts)

    return lambda key, value: cut(write(key, value))


def cut(line: bytes, keyless: bool = False) -> Cut:
    """A whole line in two."""
    if keyless:
        return NO_KEY, line
    head, tab, rest = line.partition(b"\t")
    return head, rest if tab else None


def groups_of(lines: Iterable[bytes], keyless: bool) -> Iterator[tuple[bytes, Iterator[bytes | None]]]:
    """Sorted lines by what they are grouped by."""
    for head, pairs in groupby((cut(line, keyless) for line in lines), itemgetter(0)):
        yield head, (rest for _, rest in pairs)


class _Words(dict[str, bytes]):
    """Text as a protocol writes it, by the text."""

    def __init__(self, dumps: Callable[[Any], bytes]) -> None:
        super().__init__()
        self._dumps = dumps

    def __missing__(self, word: str) -> bytes:
        found = self._dumps(word)
        if len(found) <= _LONGEST:
            if len(self) >= _REMEMBERED:
                self.clear()
            self[word] = found
        return found


def _remembering(protocol: PairProtocol) -> Encode:
    """Encodes key and value separately, and no repeated word twice, nor tuple of numbers.

    Of no other tuples, which may be equal and yet be written differently, as (1,), (1.0,) and (True,) are.
    """
    is_json = type(protocol) is JSONProtocol
    dumps = _to_json if is_json else protocol._dumps
    words = _Words(dumps)
    word = words.__getitem__
    rows: dict[Any, bytes] = {}
    numbers = [dumps(number) for number in range(256)]

    def encode(key: Any, value: Any) -> Cut:
        kind = type(key)
        if kind is str:
            head = word(key)
        elif is_json and (kind is tuple or kind is list) and _TEXTS.issuperset(map(type, key)):
            head = b"[%b]" % b", ".join(map(word, key))
        else:
            head = dumps(key)
        if type(value) is int and 0 <= value < 256:
            return head, numbers[value]
        if is_json and type(value) is tuple and _NUMBERS.issuperset(map(type, value)):
            row = rows.get(value)
            if row is None:
                row = dumps(value)
                if len(rows) < _ROWS and len(row) <= _LONGEST:
                    rows[value] = row
            return head, row
        return head, dumps(value)

    return encode


def decoder(read: Callable[[bytes], Pair], keyless: bool) -> Decode:
    """From a group of cut lines to its key and its values, one after the other."""
    parts = _parts_of(read, "read")
    if parts is not None:
        word, scalar = _words(parts), _scalars(parts)
        return lambda head, rests: (word(head), map(scalar, rests))

    def decode(head: bytes, rests: Iterator[bytes | None]) -> tuple[Any, Iterator[Any]]:
        pairs = (read(joined(head, rest, keyless)) for rest in rests)
        first = next(pairs)
        return first[0], (value for _, value in chain((first,), pairs))

    return decode


def joined(head: bytes, rest: bytes | None, keyless: bool = False) -> bytes:
    """The whole line again."""
    if keyless:
        return rest or b""
    return head if rest is None else head + b"\t" + rest


def sorted_rests(rests: Iterable[bytes | None]) -> Iterator[bytes | None]:
    """Values in the order of their lines, as SORT_VALUES asks for."""
    return iter(sorted(rests, key=rest_order))


def rest_order(rest: bytes | None) -> bytes:
    return rest or b""


def _words(protocol: PairProtocol) -> Callable[[bytes], Any]:
    """`_loads`, with a shortcut for JSON text without escapes, which most keys are."""
    loads = protocol._loads
    if type(protocol) is not JSONProtocol:
        return loads

    def load(head: bytes) -> Any:
        return head[1:-1].decode() if head.startswith(b'"') and b"\\" not in head else loads(head)

    return load


def _scalars(protocol: PairProtocol) -> Callable[[Any], Any]:
    """`_loads` with a table of small numbers: values that may be shared, since nobody can change them."""
    loads = _of_json if type(protocol) is JSONProtocol else protocol._loads
    known = {protocol._dumps(number): number for number in range(1000)}

    def load(rest: bytes) -> Any:
        found = known.get(rest)
        return loads(rest) if found is None else found

    return load


def _parts_of(method: Callable[..., Any], name: str) -> PairProtocol | None:
    """The protocol that this `read` or `write` belongs to, if it handles key and value separately, in the usual way."""
    owner = getattr(method, "__self__", None)
    if isinstance(owner, PairProtocol) and getattr(type(owner), name) is getattr(PairProtocol, name):
        return owner
    return None
