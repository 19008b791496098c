"""HTML in which nothing that came from elsewhere is taken for HTML."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from typing import Any

#: What ends a script, or begins a comment in one; JSON may write the three characters that these need as escapes.
_IN_A_SCRIPT = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
#: Control characters and what turns the direction of text, by which a name can pass for another.
_HIDDEN = {*range(0x20), 0x7F, *range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)} - {
    0x09,
    0x0A,
}


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def text(value: object) -> Html:
    """As HTML: what is `Html` stays, all else is escaped, and characters that do not show are shown."""
    if isinstance(value, Html):
        return value
    shown = str(value).translate(
        {code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" for code in _HIDDEN}
    )
    return Html(html.escape(shown.encode("utf-8", "backslashreplace").decode()))


def tag(name: str, *children: object, **attributes: str | bool) -> Html:
    """An element. An attribute's name has `_` for `-`, and may end in one; True gives one without a value."""
    told = "".join(
        f" {key.strip('_').replace('_', '-')}" + ("" if value is True else f'="{text(value)}"')
        for key, value in attributes.items()
        if value is not False
    )
    return Html(f"<{name}{told}>{''.join(map(text, children))}</{name}>")


def join(parts: Iterable[Html]) -> Html:
    return Html("".join(parts))


def data(value: Any, name: str) -> Html:
    """A value as JSON that the page's script reads, and that nothing in it can end."""
    body = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for character, escape in _IN_A_SCRIPT.items():
        body = body.replace(character, escape)
    return Html(f'<script type="application/json" id="{name}">{body}</script>')
