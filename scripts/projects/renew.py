"""What `sluice init` does to a folder: which files it writes, renews, or leaves as they are. Pure.

A file of Sluice's begins with a line that has a digest of the rest. While that is true nobody has changed the file, and
an upgrade may replace it; a file that was changed is its owner's, and stays.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

Action = Literal["write", "renew", "keep", "same"]
_DIGITS = 12
_SEAL = re.compile(rf"\A# Written by `sluice init`, [^\n]*; ([0-9a-f]{{{_DIGITS}}})\n")
_BEGIN, _END = "# sluice: begin", "# sluice: end"
_BLOCK = re.compile(rf"^{_BEGIN}[^\n]*\n.*?^{_END}\n", re.MULTILINE | re.DOTALL)


class Change(NamedTuple):
    """What is to be done with one file; `text` is its content in the end."""

    path: str
    action: Action
    text: str
    #: Why it is kept, for people.
    why: str = ""


def sealed(text: str) -> str:
    """`text` below the line that shows whether it was changed."""
    return f"# Written by `sluice init`, which renews it with --upgrade until you change it; {_digest(text)}\n{text}"


def untouched(content: str) -> bool:
    """Whether `sealed` made the file as it is, in whatever version."""
    seal = _SEAL.match(content)
    return seal is not None and seal[1] == _digest(content[seal.end() :])


def changes(ours: Mapping[str, str], there: Mapping[str, str], *, upgrade: bool) -> Iterator[Change]:
    """What becomes of Sluice's files; `there` has the content of those that exist."""
    for path, plain in ours.items():
        text = sealed(plain)
        if path not in there:
            yield Change(path, "write", text)
        elif there[path] == text:
            yield Change(path, "same", text)
        elif not untouched(there[path]):
            why = f"it is yours; to have Sluice's, move it away and run `sluice init{' --upgrade' * upgrade}` again"
            yield Change(path, "keep", there[path], why)
        elif not upgrade:
            yield Change(
                path, "keep", there[path], "another version wrote it; `sluice init --upgrade` renews it"
            )
        else:
            yield Change(path, "renew", text)


def with_block(text: str, pins: str) -> str:
    """A list of requirements in which Sluice's own stand between two marks; all else is as it was."""
    block = f"{_BEGIN} (what Sluice itself needs; `sluice init --upgrade` keeps it)\n{pins}{_END}\n"
    if _BLOCK.search(text):
        return _BLOCK.sub(lambda _: block, text, count=1)
    return f"{text.rstrip()}\n\n{block}" if text.strip() else block


def without_hashes(requirements: str) -> str:
    """The versions of a list alone, one a line: whoever adds one would have to add the hashes of all it needs."""
    lines = re.sub(r"\s+--hash=\S+", "", requirements.replace("\\\n", "")).splitlines()
    return "".join(f"{line.strip()}\n" for line in lines if line.strip() and not line.startswith("#"))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
