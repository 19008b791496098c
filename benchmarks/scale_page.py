"""docs/scale.md, whose tables several programs write: each between its own marks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs/scale.md"


def as_table(rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown, of its head and rows."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def written(page: str, mark: str, text: str) -> str:
    """`text` between the page's `<!-- scale: MARK -->` and the next `<!-- end -->`. Raises SystemExit without them."""
    pattern = re.compile(rf"(<!-- scale: {mark} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not pattern.search(page):
        raise SystemExit(f"{PAGE}: expected the marks <!-- scale: {mark} --> and <!-- end -->")
    return pattern.sub(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", page, count=1)
