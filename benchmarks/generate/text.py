"""Text to count words in: the sources of Debian's Linux package, or an imitation where it is missing.

`apt-get install linux-source-6.1` brings the real one. C sources are harder than prose: one word in nine
occurs for the first time.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np

_ENDINGS = (".c", ".h", ".rst", ".txt")


def write(folder: Path, parts: int, size: int) -> str:
    """Write part-NNN.txt, each of at most `size` bytes, cut at line ends."""
    archive = _newest_archive()
    if archive is None:
        _cut(_imitation(), folder, parts, size)
        return "imitation of C sources, seed 5"
    tree = folder / "unpacked"
    tree.mkdir()
    _unpack(archive, tree)
    _cut(_sources(tree), folder, parts, size)
    shutil.rmtree(tree)
    return f"C sources of {archive.name.partition('.tar')[0]}"


def _cut(texts: Iterator[bytes], folder: Path, parts: int, size: int) -> None:
    held = bytearray()
    for part in range(parts):
        while len(held) < size:
            held += next(texts)
        end = held.rfind(b"\n", 0, size) + 1
        (folder / f"part-{part:03d}.txt").write_bytes(held[:end])
        del held[:end]


# The real one


def _newest_archive() -> Path | None:
    """As Debian installs it. The version must be 6.1 for the same bytes as in the published table."""
    return max(Path("/usr/src").glob("linux-source-*.tar.xz"), default=None)


def _unpack(archive: Path, tree: Path) -> None:
    with tarfile.open(archive, "r|xz") as tar:
        for member in tar:
            if member.isfile() and member.name.endswith(_ENDINGS):
                tar.extract(member, tree, filter="data")


def _sources(tree: Path) -> Iterator[bytes]:
    """The files in order of path, without lines that are no UTF-8; after the last one, all over again."""
    paths = sorted(os.fspath(path) for path in tree.rglob("*") if path.is_file())
    while True:
        for path in paths:
            data = Path(path).read_bytes()
            if data and not data.endswith(b"\n"):
                data += b"\n"
            yield data if _is_text(data) else b"".join(filter(_is_text, data.splitlines(keepends=True)))


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


# The imitation. Figures measured on 64 MiB of the real one: 8.2 bytes and 0.26 line ends a word; the
# word of rank r has the share 0.117 / (r + 3) ** 1.06; of the distinct words, two in three occur once.

_VOCABULARY = 300_000
_NEW_WORDS = 0.08
_BATCH = 100_000
_BETWEEN = (b" ", b"\n", b"\n\t", b"\n\t\t")
_BETWEEN_SHARES = (0.74, 0.11, 0.10, 0.05)
_LETTERS = np.frombuffer(b"etaoinsrhldcu_mpfgybwvkx0123TESDAIRP", dtype="S1")


def _imitation() -> Iterator[bytes]:
    random = np.random.default_rng(5)
    ranks = np.arange(_VOCABULARY)
    shares = np.cumsum(1 / (ranks + 4) ** 1.06)
    # Frequent words are short: 2 letters at rank 1, about 12 at rank 300 000.
    words = _words(random, 2 + np.log2(ranks + 1) * 0.55)
    for number in range(1 << 30):
        known = np.searchsorted(shares, random.random(_BATCH) * shares[-1]).tolist()
        tokens = [words[rank] for rank in known]
        for place in np.flatnonzero(random.random(_BATCH) < _NEW_WORDS).tolist():
            tokens[place] = b"%b_%x_%x" % (tokens[place], number, place)
        ends = random.choice(len(_BETWEEN), _BATCH, p=_BETWEEN_SHARES).tolist()
        yield b"".join(chain.from_iterable(zip(tokens, map(_BETWEEN.__getitem__, ends), strict=True)))


def _words(random: np.random.Generator, lengths: np.ndarray) -> list[bytes]:
    letters = _LETTERS[random.integers(0, len(_LETTERS), (len(lengths), 20))].view("S20").ravel().tolist()
    return [text[:length] for text, length in zip(letters, lengths.astype(int).tolist(), strict=True)]
