"""The names of `mrjob.py2`, for jobs that once ran on two versions of Python."""

from __future__ import annotations

from io import StringIO
from urllib.parse import ParseResult, urljoin, urlparse
from urllib.request import pathname2url, urlopen

__all__ = [
    "PY2",
    "ParseResult",
    "StringIO",
    "integer_types",
    "pathname2url",
    "string_types",
    "to_unicode",
    "urljoin",
    "urlopen",
    "urlparse",
    "xrange",
]

PY2 = False
string_types: tuple[type, ...] = (str,)
integer_types: tuple[type, ...] = (int,)
xrange = range


def to_unicode(s: bytes | str) -> str:
    """Text of bytes: UTF-8, or latin-1 if they are none. Raises TypeError for what is neither bytes nor text."""
    if isinstance(s, str):
        return s
    if not isinstance(s, bytes):
        raise TypeError(f"expected bytes or text, got {s!r}")
    try:
        return s.decode()
    except UnicodeDecodeError:
        return s.decode("latin-1")
