"""Columns of keys or values to bytes and back, type for type.

A column is a list. It is written as msgpack in the cheapest of several shapes that gives back exactly
what went in. Most columns are plain scalars and go through msgspec at C speed. What msgpack cannot tell
apart (a tuple from a list, a Decimal) is taken apart into columns until it can: tuples of one length are a
column for each place, other tuples, lists, dicts and sets are their lengths and one column of all that they
hold. Only what is left then (an int over 64 bits, what is nested deep) and columns of few items are tagged
value by value. Carried are None, bool, int, float, str, bytes, Decimal, date, datetime, time and tuples, lists,
dicts, sets and frozensets of them.

What a set holds is written in one order, for Python has another in every process. A datetime or time keeps the
offset of its zone; a zone with rules (ZoneInfo) is refused: two that have one such zone compare by the clock on the
wall, and by the instant once only offsets are left, so what is equal would depend on where values were stored.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime, time, timezone
from decimal import Decimal
from itertools import accumulate, chain, islice, pairwise
from operator import attrgetter
from typing import Any

import msgspec

from .errors import CorruptData, DataTypeError

PLAIN, TUPLES, TAGGED, NONES = range(4)
#: Shapes whose body is the columns of their parts.
TUPLE_PLACES, LIST_PLACES, SOME_TUPLES, SOME_LISTS, DICTS, MIXED = range(4, 10)
#: Decimals as texts; text of which most is said again.
DECIMALS, WORDS = 10, 11
#: Dates and times as ISO 8601; sets by their lengths and all that they hold.
DATES, DATETIMES, TIMES, SETS, FROZENSETS = range(12, 17)

SCALARS = frozenset({type(None), bool, int, float, str, bytes})
#: Dates, moments and times of day.
CALENDAR = frozenset({date, datetime, time})
KEY_TYPES = SCALARS | CALENDAR | {tuple}
#: The same for a message.
KEYS_ARE = "None, bool, int, float, str, bytes, date, datetime, time or a tuple of them"
_CONTAINERS = frozenset({list, dict})
_SETS = frozenset({set, frozenset})
_CARRIED = KEY_TYPES | _CONTAINERS | _SETS | {Decimal}
#: A longer column of nothing is written in full, so that few bytes cannot claim to be billions of items.
MAX_NONES = 1 << 20
#: Shorter columns are not taken apart. That one value by itself is written as it always was is also what the states of
#: `Distinct` and others rest upon: what they keep of a value is its column of one.
_FEW = 8
#: How deep columns are taken apart, and how many places a tuple may have for a column each.
_DEPTH, _PLACES = 6, 64
#: How many different texts a column of `WORDS` has at most, as many as a byte can number. How many of a column are
#: looked at first, and how many different ones among them promise that it is one.
_WORDS, _LOOK, _PROMISE = 256, 64, 24
#: What a column of several kinds is sorted into.
_KINDS = (Decimal, tuple, list, dict, date, datetime, time, set, frozenset)
#: So many of these are written though there are none of them, as files of older code have them.
_ALWAYS = 4
_SHAPE_OF = {tuple: SOME_TUPLES, list: SOME_LISTS, set: SETS, frozenset: FROZENSETS}
_KIND_OF = {shape: kind for kind, shape in _SHAPE_OF.items()}
_CALENDAR_SHAPES: dict[type[Any], int] = {date: DATES, datetime: DATETIMES, time: TIMES}
_CALENDAR_KINDS = {shape: kind for kind, shape in _CALENDAR_SHAPES.items()}
_OF_PARTS = frozenset({*range(TUPLE_PLACES, MIXED + 1), SETS, FROZENSETS})
#: Sets of one of these kinds are in the order of Python; what others hold, in that of its encoding.
_SORTED = ({str}, {int}, {bytes}, {date})
_TAG_TUPLE, _TAG_INT, _TAG_DECIMAL, _TAG_DICT, _TAG_SET, _TAG_FROZENSET = range(1, 7)
_CALENDAR_TAGS: dict[int, type[Any]] = {7: date, 8: datetime, 9: time}
_TAGS_OF_CALENDAR = {kind: tag for tag, kind in _CALENDAR_TAGS.items()}
#: Behind a date's text: its fold, and the name that was given to its zone.
_MARK = "~"

#: TypeError: a dict whose key is a list; RecursionError: lists nested thousands deep.
_UNDECODABLE = (
    msgspec.DecodeError,
    msgspec.ValidationError,
    ValueError,
    ArithmeticError,
    TypeError,
    RecursionError,
)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Any]).decode
_decode_tuples = msgspec.msgpack.Decoder(list[tuple[Any, ...]]).decode
_decode_texts = msgspec.msgpack.Decoder(list[str]).decode
_decode_parts = msgspec.msgpack.Decoder(list[tuple[int, bytes]]).decode
_zone, _fold = attrgetter("tzinfo"), attrgetter("fold")
_decode_words = msgspec.msgpack.Decoder(tuple[list[str], bytes]).decode


class Unsupported(DataTypeError):
    """A value of a type that is not carried; the catcher adds job, key and place."""


def encode_column(items: Sequence[Any]) -> tuple[int, bytes]:
    """(shape, bytes) of a column. Raises Unsupported for a type that is not carried."""
    if items and items[0] is None and len(items) <= MAX_NONES and set(map(type, items)) == {type(None)}:
        return NONES, len(items).to_bytes(4, "little")
    return _encoded(items, 0)


def _encoded(items: Sequence[Any], depth: int) -> tuple[int, bytes]:
    kinds = set(map(type, items))
    try:
        if kinds == {str}:
            return _words(items) or (PLAIN, _encode(items))
        if kinds <= SCALARS:
            return PLAIN, _encode(items)
        if kinds == {tuple} and len(items) >= _FEW and depth < _DEPTH and (places := _places_of(items)):
            return _parts(TUPLE_PLACES, places, depth)
        if kinds == {tuple} and set(map(type, chain.from_iterable(items))) <= SCALARS:
            return TUPLES, _encode(items)
        if kinds <= SCALARS | _CONTAINERS and _are_plain(items, kinds):
            return PLAIN, _encode(items)
    except (OverflowError, TypeError):
        pass  # an int over 64 bits, or a type msgspec does not know: tags will carry it or refuse it
    except UnicodeEncodeError as error:
        raise Unsupported(surrogate_text(error)) from error
    try:
        return _apart(items, kinds, depth) or (TAGGED, _encode([_tagged(item) for item in items]))
    except UnicodeEncodeError as error:
        raise Unsupported(surrogate_text(error)) from error


def _words(items: Sequence[str]) -> tuple[int, bytes] | None:
    """Text that is said again and again, each once and where it stands: decoded, it is the same object everywhere."""
    count = len(items)
    if count < _WORDS or len(set(items[:: count // _LOOK])) > _PROMISE:
        return None
    words = dict.fromkeys(items)
    if len(words) > _WORDS:
        return None
    numbers = dict(zip(words, range(_WORDS)))  # noqa: B905 - as many numbers as are needed
    return WORDS, _encode((list(words), bytes(map(numbers.__getitem__, items))))


def _places_of(items: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]] | None:
    """The columns of tuples that are all of one length, if that is not too long."""
    try:
        places = list(zip(*items, strict=True))
    except ValueError:
        return None
    return places if len(places) <= _PLACES else None


def _apart(items: Sequence[Any], kinds: set[type], depth: int) -> tuple[int, bytes] | None:
    """A column by its parts; nothing for one that is better tagged, or holds what is not carried."""
    if len(items) < _FEW or depth == _DEPTH or not kinds <= _CARRIED:
        return None
    if len(kinds - SCALARS) + bool(kinds & SCALARS) > 1:
        return _mixed(items, kinds, depth)
    (kind,) = kinds if len(kinds) == 1 else (None,)
    if kind is Decimal:
        return DECIMALS, _encode(items)  # as text
    if kind in CALENDAR:
        return _CALENDAR_SHAPES[kind], _encode(_calendar_texts(kind, items))
    if kind is dict:
        held = [list(chain.from_iterable(items)), list(chain.from_iterable(map(dict.values, items)))]
        return _parts(DICTS, [list(map(len, items)), *held], depth)
    if kind in _SETS:
        items = list(map(_in_one_order, items))
    elif kind is tuple or kind is list:
        lengths = set(map(len, items))
        if len(lengths) == 1 and 0 < max(lengths) <= _PLACES:
            places = list(zip(*items, strict=True))
            return _parts(TUPLE_PLACES if kind is tuple else LIST_PLACES, places, depth)
    else:
        return None
    return _parts(_SHAPE_OF[kind], [list(map(len, items)), list(chain.from_iterable(items))], depth)


def _in_one_order(items: Collection[Any]) -> list[Any]:
    """What a set holds, in an order that is the same in every process."""
    if len(items) < 2 or set(map(type, items)) in _SORTED:
        return sorted(items)
    return sorted(items, key=lambda item: _encode(_tagged(item)))


def _calendar_texts(kind: type[Any], items: Sequence[Any]) -> list[str]:
    """Dates, moments or times, all of one kind, as text."""
    if kind is not date:
        zones = list(map(_zone, items))
        known = zones.count(None) == len(zones) or all(zone is UTC for zone in zones)
        if not known or any(map(_fold, items)):
            return list(map(calendar_text, items))
    return list(map(kind.isoformat, items))


def calendar_text(item: Any) -> str:
    """A date, datetime or time as text that is another for each other one. Raises Unsupported for a zone with rules."""
    text: str = item.isoformat()
    if type(item) is date:
        return text
    zone, name = item.tzinfo, ""
    if zone is not None and zone is not UTC:
        if type(zone) is not timezone:
            raise Unsupported(
                f"{item!r} is in a zone that has rules, and Sluice carries a zone's offset only: convert it first"
                " (`.astimezone(timezone.utc)`)"
            )
        own = zone.tzname(None)
        name = own if own != timezone(zone.utcoffset(None)).tzname(None) else ""
    return f"{text}{_MARK}{item.fold}{name}" if item.fold or name else text


def _calendar_items(kind: type[Any], texts: list[str]) -> list[Any]:
    try:
        return list(map(kind.fromisoformat, texts))
    except ValueError:  # some of them have a fold or a name, unless they are damaged
        return [_calendar_item(kind, text) for text in texts]


def _calendar_item(kind: type[Any], text: str) -> Any:
    iso, mark, rest = text.partition(_MARK)
    item = kind.fromisoformat(iso)
    if not mark:
        return item
    if kind is date or rest[:1] not in ("0", "1"):
        raise ValueError(f"{text!r} is no {kind.__name__}")
    zone = timezone(item.utcoffset(), rest[1:]) if rest[1:] else item.tzinfo
    return item.replace(fold=int(rest[0]), tzinfo=zone)


def _mixed(items: Sequence[Any], kinds: set[type], depth: int) -> tuple[int, bytes]:
    """A column of several kinds: of which kind each item is, and the items of each kind."""
    codes = dict.fromkeys(SCALARS, 0) | {kind: code for code, kind in enumerate(_KINDS, 1)}
    last = max(_ALWAYS, *(number for number, kind in enumerate(_KINDS, 1) if kind in kinds), 0)
    of_kinds: list[list[Any]] = [[item for item in items if type(item) in SCALARS]]
    of_kinds += (
        [item for item in items if type(item) is kind] if kind in kinds else [] for kind in _KINDS[:last]
    )
    return _parts(MIXED, [list(map(codes.__getitem__, map(type, items))), *of_kinds], depth)


def _parts(shape: int, columns: Sequence[Sequence[Any]], depth: int) -> tuple[int, bytes]:
    """Columns one after the other; the lengths and kinds among them are found by their place."""
    return shape, _encode([_encoded(column, depth + 1) for column in columns])


def decode_column(shape: int, body: bytes | memoryview) -> list[Any]:
    """The column that `encode_column` was given. Raises CorruptData for anything else."""
    try:
        if shape == NONES:
            count = int.from_bytes(body, "little")
            if len(body) != 4 or count > MAX_NONES:
                raise ValueError(f"expected 4 bytes and at most {MAX_NONES} items")
            return [None] * count
        return _decoded(shape, body, 0)
    except _UNDECODABLE as error:
        raise CorruptData(f"a column of shape {shape} does not decode: {error}") from error


def _decoded(shape: int, body: bytes | memoryview, depth: int) -> list[Any]:
    """Every item takes a byte at least, so that few bytes cannot claim to be many items."""
    if shape == PLAIN:
        return _decode(body)
    if shape == TUPLES:
        return _decode_tuples(body)
    if shape == TAGGED:
        return _decode_tagged(body)
    if shape == DECIMALS:
        return list(map(Decimal, _decode_texts(body)))
    if shape == WORDS:
        return _said(*_decode_words(body))
    if shape in _CALENDAR_KINDS:
        return _calendar_items(_CALENDAR_KINDS[shape], _decode_texts(body))
    if shape not in _OF_PARTS or depth == _DEPTH:
        raise ValueError(f"expected a column of shape 0 to {FROZENSETS}, got {shape} at depth {depth}")
    parts = [_decoded(own, part, depth + 1) for own, part in _decode_parts(body)]
    if shape in (TUPLE_PLACES, LIST_PLACES):
        rows = zip(*parts, strict=True)
        return list(rows) if shape == TUPLE_PLACES else list(map(list, rows))
    if shape == MIXED:
        return _unmixed(*parts)
    lengths, *columns = parts
    return _cut(shape, lengths, columns)


def _said(words: list[str], numbers: bytes) -> list[str]:
    if numbers and max(numbers) >= len(words):
        raise ValueError(f"word {max(numbers)} of {len(words)}")
    return list(map(words.__getitem__, numbers))


def _cut(shape: int, lengths: list[int], columns: list[list[Any]]) -> list[Any]:
    """Tuples, lists, dicts or sets of these lengths, from the columns of all that they hold."""
    total = sum(lengths)
    if len(columns) != 1 + (shape == DICTS) or any(len(column) != total for column in columns):
        raise ValueError(f"expected {total} items, got {', '.join(str(len(column)) for column in columns)}")
    if shape == DICTS:
        pairs = zip(*columns, strict=True)
        return [dict(islice(pairs, length)) for length in lengths]
    kind, (items,) = _KIND_OF[shape], columns
    if kind is tuple or kind is list:  # whose slices are cheaper
        if min(lengths, default=0) < 0:
            raise ValueError("a length below 0")
        row = kind(items)
        return [row[start:stop] for start, stop in pairwise(accumulate(lengths, initial=0))]
    rest = iter(items)
    return [kind(islice(rest, length)) for length in lengths]


def _unmixed(codes: list[int], *columns: list[Any]) -> list[Any]:
    sizes = list(map(len, columns))
    if sum(sizes) != len(codes) or [codes.count(code) for code in range(len(columns))] != sizes:
        raise ValueError("the kinds of items are others than the items")
    sources = list(map(iter, columns))
    return [next(sources[code]) for code in codes]


def type_names(items: Iterable[Any]) -> str:
    """The types of `items` for a message: `int and str`."""
    names = sorted({type(item).__name__ for item in items})
    return " and ".join(names)


def _are_plain(items: Sequence[Any], kinds: set[type]) -> bool:
    """Whether plain msgpack gives back exactly these (a tuple becomes a list, a subclass its base)."""
    if not kinds <= SCALARS | _CONTAINERS:
        return False
    if len(items) > 1 and not _are_plain(items[:1], set(map(type, items[:1]))):
        return False  # most columns are of one kind, which the first item shows
    for kind in kinds & _CONTAINERS:
        some: Sequence[Any] = items if len(kinds) == 1 else [item for item in items if type(item) is kind]
        if kind is dict and not set(map(type, chain.from_iterable(some))) <= SCALARS:
            return False
        inner = list(chain.from_iterable(map(dict.values, some) if kind is dict else some))
        if not _are_plain(inner, set(map(type, inner))):
            return False
    return True


def _tagged(item: Any) -> Any:
    kind = type(item)
    if kind is int:
        in_range = -(1 << 63) <= item < (1 << 64)
        return item if in_range else msgspec.msgpack.Ext(_TAG_INT, str(item).encode())
    if kind in SCALARS:
        return item
    if kind is tuple:
        return msgspec.msgpack.Ext(_TAG_TUPLE, _encode([_tagged(part) for part in item]))
    if kind is list:
        return [_tagged(part) for part in item]
    if kind is dict:
        flat = [_tagged(part) for pair in item.items() for part in pair]
        return msgspec.msgpack.Ext(_TAG_DICT, _encode(flat))
    if kind is Decimal:
        return msgspec.msgpack.Ext(_TAG_DECIMAL, str(item).encode())
    if kind in CALENDAR:
        return msgspec.msgpack.Ext(_TAGS_OF_CALENDAR[kind], calendar_text(item).encode())
    if kind in _SETS:
        held = _encode(list(map(_tagged, _in_one_order(item))))
        return msgspec.msgpack.Ext(_TAG_SET if kind is set else _TAG_FROZENSET, held)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    raise Unsupported(
        f"{name} is not a type that Sluice carries"
        " (None, bool, int, float, str, bytes, Decimal, date, datetime, time and tuples, lists, dicts, sets and"
        " frozensets of them): convert it first"
    )


def _untag(code: int, body: memoryview) -> Any:
    if code == _TAG_TUPLE:
        return tuple(_decode_tagged(body))
    if code == _TAG_INT:
        return int(bytes(body))
    if code == _TAG_DECIMAL:
        return Decimal(bytes(body).decode())
    if code == _TAG_DICT:
        flat = iter(_decode_tagged(body))
        return dict(zip(flat, flat, strict=True))
    if code in (_TAG_SET, _TAG_FROZENSET):
        held = _decode_tagged(body)
        return set(held) if code == _TAG_SET else frozenset(held)
    if code in _CALENDAR_TAGS:
        return _calendar_item(_CALENDAR_TAGS[code], bytes(body).decode())
    raise ValueError(f"unknown tag {code}")


_decode_tagged = msgspec.msgpack.Decoder(list[Any], ext_hook=_untag).decode


def surrogate_text(error: UnicodeEncodeError) -> str:
    """A message for text that cannot be written."""
    return (
        f"text {error.object[error.start : error.start + 20]!r} holds a lone surrogate and is not valid"
        " Unicode: read the input with `errors: replace`, or as bytes"
    )
