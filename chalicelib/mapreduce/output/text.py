"""Results to bytes: tsv, jsonl, text, typed pairs. Whole blocks of pairs at a time."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import wraps
from itertools import chain
from typing import Any

import msgspec

from ...aggregators.values import ranked
from ...core.codec import CALENDAR, Unsupported, surrogate_text
from ...core.errors import DataTypeError
from ..shuffle.run_file import BLOCK_PAIRS, RunWriter, frame

Rows = Callable[[Sequence[Any], Sequence[Any]], bytes]

_encoder = msgspec.json.Encoder(decimal_format="number")
_json, _json_lines = _encoder.encode, _encoder.encode_lines
_JSON_TYPES = frozenset({str, bool, type(None)})
#: What JSON has a word for, if what is in it has one, and of these what holds others.
_MAYBE_JSON = frozenset({*_JSON_TYPES, int, float, Decimal, dict, list, tuple})
_CONTAINERS = frozenset({dict, list, tuple})
_UNESCAPES = {"\\\\": "\\", "\\t": "\t", "\\n": "\n"}
_ESCAPED = re.compile(r"\\[\\tn]")
#: Bytes that are no UTF-8 go through text and come out as they were.
_LOSSLESS = ("utf-8", "surrogateescape")
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n"})


def tsv(keys: Sequence[Any], values: Sequence[Any]) -> bytes:
    """`key<TAB>value` lines: text and dates as they are, with tab, newline and backslash escaped; else JSON."""
    if set(map(type, keys)) == {bytes}:
        return _tsv_of_bytes(keys, values)
    rows = zip(_column(keys), _column(values), strict=True)
    return "".join([f"{key}\t{value}\n" for key, value in rows]).encode(*_LOSSLESS)


def _tsv_of_bytes(keys: Sequence[bytes], values: Sequence[Any]) -> bytes:
    """The same for keys that need not become text first, at a third of the cost."""
    escaped = _escaped_bytes(keys)
    kinds = set(map(type, values))
    if kinds == {int}:
        return b"".join([b"%b\t%d\n" % row for row in zip(escaped, values, strict=True)])
    cells = (
        _escaped_bytes(values)
        if kinds == {bytes}
        else [cell.encode(*_LOSSLESS) for cell in map(str, _column(values))]
    )
    return b"".join([b"%b\t%b\n" % row for row in zip(escaped, cells, strict=True)])


def jsonl(keys: Sequence[Any], values: Sequence[Any]) -> bytes:
    """One `{"key": ..., "value": ...}` a line."""
    rows = zip(_json_column(keys), _json_column(values), strict=True)
    return b"".join([b'{"key":%b,"value":%b}\n' % row for row in rows])


def text_lines(keys: Sequence[Any], values: Sequence[Any]) -> bytes:
    """The value alone, or the key where the value is None, on a line; text and bytes as they are."""
    kinds = set(map(type, values))
    cells = keys if kinds == {type(None)} else values
    if kinds == {type(None)} or type(None) not in kinds:
        kinds = set(map(type, cells))
        if kinds == {bytes}:
            return b"\n".join(cells) + b"\n"
        if kinds == {str}:
            return ("\n".join(cells) + "\n").encode()
    items = [key if value is None else value for key, value in zip(keys, values, strict=True)]
    return b"".join([_raw(item) + b"\n" for item in items])


def pair_rows(keys: Sequence[Any], values: Sequence[Any]) -> bytes:
    """Keys and values as the blocks of a run file, types and all."""
    if 0 < len(keys) <= BLOCK_PAIRS:  # no need to cut them
        return frame(keys, values)
    frames: list[bytes] = []
    RunWriter(frames.append, 1).add(0, list(keys), list(values))
    return b"".join(frames)


def named(rows: Rows) -> Rows:
    """The same, with an error that names the key of the pair that cannot be written."""

    @wraps(rows)
    def checked(keys: Sequence[Any], values: Sequence[Any]) -> bytes:
        try:
            return rows(keys, values)
        except (Unsupported, UnicodeEncodeError):
            for key, value in zip(keys, values, strict=True):
                try:
                    rows([key], [value])
                except Unsupported as error:
                    raise DataTypeError(f"result of key {key!r}: {error}") from error
                except UnicodeEncodeError as error:
                    raise DataTypeError(f"result of key {key!r}: {surrogate_text(error)}") from error
            raise

    return checked


#: By the name in `output.format`, but for csv, which remembers its columns. Each raises DataTypeError for a pair
#: that cannot be written.
FORMATS: dict[str, Rows] = {
    "tsv": named(tsv),
    "jsonl": named(jsonl),
    "text": named(text_lines),
    "pairs": pair_rows,
}


def unescape(text: str) -> str:
    """A tsv cell's text as it was before it was written."""
    return _ESCAPED.sub(lambda found: _UNESCAPES[found[0]], text) if "\\" in text else text


def to_json(item: Any) -> bytes:
    """JSON of anything that Sluice carries; bytes become text, NaN and infinities become null.

    Dates, moments and times are their ISO 8601 text, sets lists in the order of `ranked`. Raises Unsupported for
    anything else.
    """
    return _json(item if type(item) in _JSON_TYPES else _plain(item))


def _column(items: Sequence[Any]) -> Sequence[Any]:
    """The items as tsv cells: text, or what formats as the cell's text."""
    kinds = set(map(type, items))
    if kinds == {int}:
        return items
    if kinds == {str}:
        return _escaped(items)
    if kinds == {float} and all(map(math.isfinite, items)):
        return _json(items)[1:-1].decode().split(",")
    if items and kinds <= _CONTAINERS:
        return b"\n".join(_json_column(items)).decode().split("\n")
    return list(map(_cell, items))


def _json_column(items: Sequence[Any]) -> list[bytes]:
    """`to_json` of each; all at once where JSON has words for all that they hold. JSON never holds a newline."""
    try:
        if _has_words(items):
            return _json_lines(items).split(b"\n")[:-1]
    except (OverflowError, UnicodeEncodeError):
        pass  # an int over 64 bits; text that is not valid, which the other way tells of
    return list(map(to_json, items))


def _has_words(items: Sequence[Any]) -> bool:
    """Whether JSON has words for all of these: none of bytes, of Decimals that are no numbers, of keys but text."""
    kinds = set(map(type, items))
    if not kinds <= _MAYBE_JSON:
        return False
    if Decimal in kinds and not all(item.is_finite() for item in items if type(item) is Decimal):
        return False
    for kind in kinds & _CONTAINERS:
        some: Sequence[Any] = items if len(kinds) == 1 else [item for item in items if type(item) is kind]
        if kind is dict:
            if not set(map(type, chain.from_iterable(some))) <= {str}:
                return False
            some = [item.values() for item in some]
        if not _has_words(list(chain.from_iterable(some))):
            return False
    return True


def _escaped(items: Sequence[str]) -> Sequence[str]:
    """All cells at once where no newline is in them, which is ten times as fast as one by one."""
    text = "\n".join(items)
    if text.count("\n") != len(items) - 1:
        return [item.translate(_ESCAPES) for item in items]
    if "\\" not in text and "\t" not in text:
        return items
    return text.replace("\\", "\\\\").replace("\t", "\\t").split("\n")


def _escaped_bytes(items: Sequence[bytes]) -> Sequence[bytes]:
    text = b"\n".join(items)
    if text.count(b"\n") != len(items) - 1:
        return [_cell(item).encode(*_LOSSLESS) for item in items]
    if b"\\" not in text and b"\t" not in text:
        return items
    return text.replace(b"\\", b"\\\\").replace(b"\t", b"\\t").split(b"\n")


def cell_text(item: Any) -> str:
    """An item as a tsv cell's text before tab, newline and backslash are escaped."""
    if type(item) is bytes:
        return item.decode(*_LOSSLESS)
    if type(item) is str:
        return item
    if type(item) in CALENDAR:
        return str(item.isoformat())
    return repr(item) if type(item) is float and not math.isfinite(item) else to_json(item).decode()


def _cell(item: Any) -> str:
    if type(item) is str:
        return item.translate(_ESCAPES)
    if type(item) is bytes:
        return item.decode(*_LOSSLESS).translate(_ESCAPES)
    if type(item) is float and not math.isfinite(item):
        return repr(item)
    return item.isoformat() if type(item) in CALENDAR else to_json(item).decode()


def _raw(item: Any) -> bytes:
    if type(item) is str:
        return item.encode()
    if type(item) in CALENDAR:
        return str(item.isoformat()).encode()
    return item if type(item) is bytes else to_json(item)


def _plain(item: Any) -> Any:
    """The same with what JSON has no word for put into words."""
    kind = type(item)
    if kind in _JSON_TYPES:
        return item
    if kind is int:
        return item if -(1 << 63) <= item < 1 << 64 else msgspec.Raw(b"%d" % item)
    if kind in (float, Decimal):
        return item if math.isfinite(item) else None
    if kind is bytes:
        return item.decode(errors="backslashreplace")
    if isinstance(item, tuple | list):
        return [_plain(part) for part in item]
    if isinstance(item, dict):
        return {key if type(key) is str else _name(key): _plain(part) for key, part in item.items()}
    if kind in CALENDAR:
        return item.isoformat()
    if isinstance(item, set | frozenset):
        return [_plain(part) for part in ranked(item)]
    raise Unsupported(
        f"{item!r} is a {kind.__module__}.{kind.__qualname__}, which cannot be written: convert it first"
    )


def _name(key: Any) -> str:
    """A dict's key that is no text as a name in JSON."""
    return str(key.isoformat()) if type(key) in CALENDAR else to_json(key).decode()
