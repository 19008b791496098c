"""mrjob's protocols: what a line of bytes means as (key, value), in both directions, to the byte.

`read` takes a line without its end and returns (key, value); `write` returns a line. A job may bring its own class
with these two methods. JSON is written as Python's `json` writes it, which is what mrjob does unless a faster
library is installed.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterable, Sequence
from json.encoder import c_make_encoder, encode_basestring_ascii  # type: ignore[attr-defined]
from typing import Any, NoReturn, Protocol

import msgspec

from ..core.errors import UserError

Pair = tuple[Any, Any]


class LineProtocol(Protocol):
    def read(self, line: bytes) -> Pair: ...

    def write(self, key: Any, value: Any) -> bytes: ...


class PairProtocol:
    """Key and value encoded alike, with a tab between them; a key that repeats is decoded once.

    Neither encoding holds a tab, so each can be handled without the other.
    """

    _last_key_encoded: bytes | None = None
    _last_key_decoded: Any = None

    def _loads(self, value: bytes) -> Any:
        raise NotImplementedError

    def _dumps(self, value: Any) -> bytes:
        raise NotImplementedError

    def read(self, line: bytes) -> Pair:
        """(key, value) of a line. Raises ValueError if there is no tab in it."""
        raw_key, raw_value = line.split(b"\t", 1)
        if raw_key != self._last_key_encoded:
            self._last_key_encoded = raw_key
            self._last_key_decoded = self._loads(raw_key)
        return self._last_key_decoded, self._loads(raw_value)

    def write(self, key: Any, value: Any) -> bytes:
        return self._dumps(key) + b"\t" + self._dumps(value)


class ValueProtocol:
    """A line is the value alone; the key is read as None and not written."""

    def read(self, line: bytes) -> Pair:
        raise NotImplementedError

    def write(self, key: Any, value: Any) -> bytes:
        raise NotImplementedError


def _to_json(value: Any) -> bytes:
    """What `json.dumps` writes."""
    kind = type(value)
    if kind is str:
        return encode_basestring_ascii(value).encode()
    if kind is int:
        return b"%d" % value
    if (kind is tuple or kind is list) and (short := _of_one_kind(value)) is not None:
        return short
    try:
        return "".join(_chunks(value, 0)).encode()
    except (TypeError, ValueError, RecursionError):
        return json.dumps(value).encode()  # it knows what is wrong


def _encoder() -> Callable[[Any, int], Iterable[str]]:
    """What `json.dumps` makes anew for each value, made once; what it refuses, `json.dumps` is left to tell."""
    if c_make_encoder is None:
        return lambda value, _: (json.dumps(value),)
    default = json.JSONEncoder().default
    made: Callable[[Any, int], Iterable[str]] = c_make_encoder(
        None, default, encode_basestring_ascii, None, ": ", ", ", False, False, True
    )
    return made


_chunks = _encoder()
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_NUMBERS, _TEXTS = frozenset({int}), frozenset({str})


def _of_one_kind(values: Sequence[Any]) -> bytes | None:
    """The JSON of ints or of text that needs no escapes, as Python's `json` writes it, at a third of its cost."""
    kind = type(values[0]) if values else None
    try:
        if kind is int and _NUMBERS.issuperset(map(type, values)):
            return _encode(values).replace(b",", b", ")
        if kind is str and _TEXTS.issuperset(map(type, values)):
            found = _encode(values)
            # What `json` escapes holds a backslash here or is not ASCII, but for this one. Without escapes, a quote, a
            # comma and a quote are nothing but the end of one text and the begin of the next.
            if found.isascii() and b"\\" not in found and b"\x7f" not in found:
                return found.replace(b'","', b'", "')
    except (OverflowError, UnicodeEncodeError):
        pass  # an int over 64 bits, text that is not valid: `json` writes both
    return None


def _of_json(text: str | bytes) -> Any:
    """What `json.loads` reads, by a decoder that is three times as fast and takes nothing that `json` refuses."""
    try:
        return _decode(text)
    except (ValueError, RecursionError):
        # NaN and lone surrogates it reads; of all else it knows what is wrong.
        return json.loads(text if isinstance(text, str) else text.decode())


class StandardJSONProtocol(PairProtocol):
    """Two JSON documents with a tab between them. Tuples come back as lists, keys of dicts as text."""

    def _loads(self, value: bytes) -> Any:
        return _of_json(value)

    def _dumps(self, value: Any) -> bytes:
        return _to_json(value)


class StandardJSONValueProtocol(ValueProtocol):
    """The value as a JSON document."""

    def read(self, line: bytes) -> Pair:
        return None, _of_json(line)

    def write(self, key: Any, value: Any) -> bytes:  # noqa: ARG002 - the interface
        return _to_json(value)


class ReprProtocol(PairProtocol):
    """Two Python literals with a tab between them. They are read as literals, never evaluated."""

    def _loads(self, value: bytes) -> Any:
        return ast.literal_eval(value.decode())

    def _dumps(self, value: Any) -> bytes:
        return repr(value).encode()


class ReprValueProtocol(ValueProtocol):
    """The value as a Python literal."""

    def read(self, line: bytes) -> Pair:
        return None, ast.literal_eval(line.decode())

    def write(self, key: Any, value: Any) -> bytes:  # noqa: ARG002
        return repr(value).encode()


class BytesProtocol:
    """Key and value as they are, bytes, with a tab between them. A None is left out, and the tab with it."""

    def read(self, line: bytes) -> Pair:
        key, tab, value = line.partition(b"\t")
        return key, value if tab else None

    def write(self, key: Any, value: Any) -> bytes:
        return b"\t".join(part for part in (key, value) if part is not None)


class BytesValueProtocol(ValueProtocol):
    """The line as it is, bytes."""

    def read(self, line: bytes) -> Pair:
        return None, line

    def write(self, key: Any, value: Any) -> bytes:  # noqa: ARG002
        return bytes(value)


class TextProtocol:
    """Key and value as text, with a tab between them. A None is left out, and the tab with it.

    A line that is not UTF-8 is read as latin-1.
    """

    def read(self, line: bytes) -> Pair:
        key, tab, value = _text(line).partition("\t")
        return key, value if tab else None

    def write(self, key: Any, value: Any) -> bytes:
        return b"\t".join(part.encode() for part in (key, value) if part is not None)


class TextValueProtocol(ValueProtocol):
    """The line as text. One that is not UTF-8 is read as latin-1."""

    def read(self, line: bytes) -> Pair:
        return None, _text(line)

    def write(self, key: Any, value: Any) -> bytes:  # noqa: ARG002
        encoded: bytes = value.encode()
        return encoded


def _text(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")


class PickleProtocol:
    """Refused: reading a pickle runs whatever code was put into it, and stored data must not be able to."""

    def __init__(self) -> None:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise UserError(
            f"{type(self).__name__} is not supported: reading a pickle runs whatever code was put into it;"
            " use JSONProtocol, or ReprProtocol for tuples, sets and bytes"
        )


class PickleValueProtocol(PickleProtocol):
    """Refused, as PickleProtocol is."""


#: mrjob's names for the same protocols with other libraries, whose output differs at most in white space.
JSONProtocol = SimpleJSONProtocol = RapidJSONProtocol = UltraJSONProtocol = StandardJSONProtocol
JSONValueProtocol = SimpleJSONValueProtocol = StandardJSONValueProtocol
RapidJSONValueProtocol = UltraJSONValueProtocol = StandardJSONValueProtocol
RawProtocol = TextProtocol
RawValueProtocol = TextValueProtocol
