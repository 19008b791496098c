"""Columns of keys or values to bytes and back, type for type.

A column is a list. It is written as msgpack in the cheapest of four shapes that gives back exactly
what went in: most columns are plain scalars and go through msgspec at C speed; only what msgpack
cannot tell apart (a tuple from a list, an int over 64 bits, a dict with keys that are no text) pays
for tags. Carried are None, bool, int, float, str, bytes, Decimal and tuples, lists and dicts of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import chain
from typing import Any

import msgspec

from .errors import CorruptData, DataTypeError

PLAIN, TUPLES, TAGGED, NONES = range(4)

SCALARS = frozenset({type(None), bool, int, float, str, bytes})
KEY_TYPES = SCALARS | {tuple}
_CONTAINERS = frozenset({list, dict})
#: A longer column of nothing is written in full, so that few bytes cannot claim to be billions of items.
MAX_NONES = 1 << 20
_TAG_TUPLE, _TAG_INT, _TAG_DECIMAL, _TAG_DICT = 1, 2, 3, 4

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


class Unsupported(DataTypeError):
    """A value of a type that is not carried; the catcher adds job, key and place."""


def encode_column(items: Sequence[Any]) -> tuple[int, bytes]:
    """(shape, bytes) of a column. Raises Unsupported for a type that is not carried."""
    kinds = set(map(type, items))
    try:
        if kinds <= SCALARS:
            if kinds == {type(None)} and len(items) <= MAX_NONES:
                return NONES, len(items).to_bytes(4, "little")
            return PLAIN, _encode(items)
        if kinds == {tuple} and set(map(type, chain.from_iterable(items))) <= SCALARS:
            return TUPLES, _encode(items)
        if kinds <= SCALARS | _CONTAINERS and all(map(_is_plain, items)):
            return PLAIN, _encode(items)
    except (OverflowError, TypeError):
        pass  # an int over 64 bits, or a type msgspec does not know: tags will carry it or refuse it
    except UnicodeEncodeError as error:
        raise Unsupported(surrogate_text(error)) from error
    try:
        return TAGGED, _encode([_tagged(item) for item in items])
    except UnicodeEncodeError as error:
        raise Unsupported(surrogate_text(error)) from error


def decode_column(shape: int, body: bytes | memoryview) -> list[Any]:
    """The column that `encode_column` was given. Raises CorruptData for anything else."""
    try:
        if shape == PLAIN:
            return _decode(body)
        if shape == TUPLES:
            return _decode_tuples(body)
        if shape == NONES:
            count = int.from_bytes(body, "little")
            if len(body) != 4 or count > MAX_NONES:
                raise ValueError(f"expected 4 bytes and at most {MAX_NONES} items")
            return [None] * count
        if shape == TAGGED:
            return _decode_tagged(body)
    except _UNDECODABLE as error:
        raise CorruptData(f"a column of shape {shape} does not decode: {error}") from error
    raise CorruptData(f"expected a column of shape 0 to {NONES}, got {shape}")


def type_names(items: Iterable[Any]) -> str:
    """The types of `items` for a message: `int and str`."""
    names = sorted({type(item).__name__ for item in items})
    return " and ".join(names)


def _is_plain(item: Any) -> bool:
    """Whether plain msgpack gives back exactly this (a tuple becomes a list, a subclass its base)."""
    kind = type(item)
    if kind is list:
        return set(map(type, item)) <= SCALARS or all(map(_is_plain, item))
    if kind is dict:
        return set(map(type, item)) <= SCALARS and _is_plain(list(item.values()))
    return kind in SCALARS


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
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    raise Unsupported(
        f"{name} is not a type that Sluice carries"
        " (None, bool, int, float, str, bytes, Decimal and tuples, lists and dicts of them): convert it first"
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
    raise ValueError(f"unknown tag {code}")


_decode_tagged = msgspec.msgpack.Decoder(list[Any], ext_hook=_untag).decode


def surrogate_text(error: UnicodeEncodeError) -> str:
    """A message for text that cannot be written."""
    return (
        f"text {error.object[error.start : error.start + 20]!r} holds a lone surrogate and is not valid"
        " Unicode: read the input with `errors: replace`, or as bytes"
    )
