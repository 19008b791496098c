#!/usr/bin/env python
"""Write the hashes of the versions that requirements files list, so that pip refuses any other file.

`make pins` runs it, after a version was changed. It asks the package index for each version that is listed, by
pip-tools, and for no other: versions are chosen by hand. All files of a version are listed, for every platform.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

_HASH = re.compile(r"\s*--hash=(\S+)")
_PINNED = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[[^]]*\])?==(?P<version>[^\s;#\\]+)")
_COMMENT = re.compile(r"\s+#\s*(?P<text>.*)$")


def without_hashes(text: str) -> str:
    """The file as a person would write it: a version a line."""
    return _HASH.sub("", text.replace("\\\n", ""))


def hashes_of(text: str) -> dict[str, list[str]]:
    """The hashes in a requirements file, by `name==version`."""
    found = {}
    for line in text.replace("\\\n", "").splitlines():
        if pinned := _PINNED.match(line):
            found[_identity(pinned)] = _HASH.findall(line)
    return found


def with_hashes(text: str, hashes: Mapping[str, Sequence[str]]) -> str:
    """The file with the hashes behind each version; a comment goes above it. Raises KeyError if one has none."""
    lines = []
    for line in without_hashes(text).splitlines():
        pinned = _PINNED.match(line)
        if not pinned:
            lines.append(line)
            continue
        if comment := _COMMENT.search(line):
            lines.append(f"# {comment['text']}")
        known = [f"    --hash={value}" for value in hashes[_identity(pinned)]]
        lines.append(" \\\n".join([_COMMENT.sub("", line).rstrip(), *known]))
    return "\n".join(lines) + "\n"


def _identity(pinned: re.Match[str]) -> str:
    return f"{re.sub(r'[-_.]+', '-', pinned['name']).lower()}=={pinned['version']}"


def one_version_each(text: str) -> list[str]:
    """The file, or several in which a package that is listed in versions for several Pythons has one, for any."""
    listed: dict[str, list[str]] = {}
    for line in text.splitlines():
        if pinned := _PINNED.match(line):
            listed.setdefault(pinned["name"].lower(), []).append(line)
    rounds = max(map(len, listed.values()), default=1)
    texts = []
    for number in range(rounds):
        kept = []
        for line in text.splitlines():
            pinned = _PINNED.match(line)
            several = listed[pinned["name"].lower()] if pinned else [line]
            if len(several) == 1:
                kept.append(line)
            elif line == several[min(number, len(several) - 1)]:
                kept.append(line.partition(";")[0])
        texts.append("\n".join(kept) + "\n")
    return texts


def ask_each(name: str, folder: Path) -> dict[str, list[str]]:
    """What the index says of all versions in `folder/name`: pip-tools leaves out those that are for another Python."""
    text, found = (folder / name).read_text("utf-8"), {}
    for one in one_version_each(text):
        (folder / name).write_text(one, "utf-8")
        found.update(ask(name, folder))
    return found


def ask(name: str, folder: Path) -> dict[str, list[str]]:
    """What the index says of the versions in `folder/name` and the files that it includes."""
    asked = folder / f"{name}.asked"
    subprocess.run(
        [
            sys.executable, "-m", "piptools", "compile", "--quiet", "--generate-hashes", "--allow-unsafe",
            "--no-strip-extras", "--no-annotate", "--no-header", "--no-emit-options", "--output-file", asked, name,
        ],
        cwd=folder,
        check=True,
    )  # fmt: skip
    return hashes_of(asked.read_text("utf-8"))


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="pin.py", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="requirements*.txt")
    files: list[Path] = parser.parse_args(argv).files
    with tempfile.TemporaryDirectory(prefix="sluice-pins-") as name:
        folder = Path(name)
        for file in files:  # hashes of versions that were changed would be in the way
            (folder / file.name).write_text(without_hashes(file.read_text("utf-8")), "utf-8")
        for file in files:
            file.write_text(with_hashes(file.read_text("utf-8"), ask_each(file.name, folder)), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
