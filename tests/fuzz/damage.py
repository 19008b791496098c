"""What is done to bytes before they are read: random bytes, and good ones that were changed somehow."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import strategies as st

from chalicelib.core.errors import SluiceError

T = TypeVar("T")


def or_refused(read: Callable[[], T], told: str, kind: type[SluiceError] = SluiceError) -> T | None:
    """What `read` gives; None if it refuses with an error of ours whose text has `told`. Nothing else passes."""
    try:
        return read()
    except kind as error:
        if told in str(error):
            return None
        raise AssertionError(f"expected {told!r} in {error}") from error


#: Any JSON there is, up to what surprises: huge and negative numbers, lone surrogates, wrong nesting.
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["../../etc/passwd", "/", "", "\0", "runs/job/r/", "s3://", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def damaged(draw: st.DrawFn, good: bytes) -> bytes:
    """`good` with some bytes flipped, cut out, doubled or put in."""
    body = bytearray(good)
    for _ in range(draw(st.integers(1, 3))):
        if not body:
            break
        at = draw(st.integers(0, len(body) - 1))
        length = draw(st.integers(1, 12))
        match draw(st.sampled_from(["flip", "cut", "double", "insert", "truncate", "digit"])):
            case "flip":
                body[at] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del body[at : at + length]
            case "double":
                body[at:at] = body[at : at + length]
            case "insert":
                body[at:at] = draw(st.binary(max_size=length))
            case "truncate":
                del body[at:]
            case _:
                body[at : at + 1] = draw(
                    st.sampled_from([b"-1", b"9" * 25, b'"', b"[", b"}", b"null", b"1e9"])
                )
    return bytes(body)


@st.composite
def twisted(draw: st.DrawFn, good: bytes) -> bytes:
    """A JSON document with one of its values, however deep, replaced by another, or a key lost."""
    document = json.loads(good)
    here, steps = document, draw(st.integers(0, 6))
    while True:
        places: list[Any] = list(here) if isinstance(here, dict) else list(range(len(here)))
        if not places:
            return json.dumps(draw(json_values)).encode()
        place = draw(st.sampled_from(places))
        below = here[place]
        if steps and isinstance(below, dict | list) and below:
            here, steps = below, steps - 1
            continue
        if draw(st.booleans()):
            here[place] = draw(json_values)
        else:
            del here[place]
        return json.dumps(document).encode()
