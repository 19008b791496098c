"""Which partition a key belongs to: a stable hash of its encoding, the same on every engine.

Never Python's `hash()`, which differs from process to process. Keys that are equal in Python
(`1`, `1.0`, `True`) are one key, so they hash alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zlib import crc32

import msgspec

from .codec import Unsupported, surrogate_text

_encode = msgspec.msgpack.Encoder().encode
_EXACT = frozenset({str, bytes, type(None)})


def key_bytes(key: Any) -> bytes:
    """The canonical encoding of a key: UTF-8 of text, bytes as they are, else msgpack."""
    if type(key) is str:
        return key.encode()
    if type(key) is bytes:
        return key
    try:
        return _encode(_canonical(key))
    except OverflowError:
        return repr(_canonical(key)).encode()


def partitions_of(keys: Sequence[Any], partitions: int) -> list[int]:
    """The partition of each key: CRC-32 of its encoding, modulo `partitions`.

    Raises Unsupported for text that is not valid Unicode.
    """
    if partitions == 1:
        return [0] * len(keys)
    kinds = set(map(type, keys))
    try:
        if kinds == {str}:
            return [code % partitions for code in map(crc32, map(str.encode, keys))]
        if kinds == {bytes}:
            return [code % partitions for code in map(crc32, keys)]
        return [crc32(key_bytes(key)) % partitions for key in keys]
    except UnicodeEncodeError as error:
        raise Unsupported(surrogate_text(error)) from error


def _canonical(key: Any) -> Any:
    """Equal numbers as one number."""
    kind = type(key)
    if kind in _EXACT:
        return key
    if kind is bool:
        return int(key)
    if kind is float and key.is_integer():
        return int(key)
    if kind is tuple:
        return tuple(map(_canonical, key))
    return key
