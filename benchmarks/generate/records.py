"""Records to sort: 10 random printable bytes, a space, 88 bytes of filler, a newline."""

from __future__ import annotations

from pathlib import Path

import numpy as np

ROWS = 10_000_000
_BATCH = 500_000
_WIDTH, _KEY, _NUMBER = 100, 10, 12


def write(folder: Path, scale: float) -> str:
    """Write records.txt."""
    random = np.random.default_rng(7)
    rows = int(ROWS * scale)
    with (folder / "records.txt").open("wb") as file:
        for start in range(0, rows, _BATCH):
            file.write(_batch(random, start, min(_BATCH, rows - start)))
    return "random keys, seed 7"


def _batch(random: np.random.Generator, start: int, count: int) -> bytes:
    table = np.empty((count, _WIDTH), dtype=np.uint8)
    numbers = np.arange(start, start + count)
    table[:, :_KEY] = random.integers(33, 127, (count, _KEY), dtype=np.uint8)
    table[:, _KEY] = ord(" ")
    digits = np.char.zfill(numbers.astype("S12"), _NUMBER)
    filler = _KEY + 1 + _NUMBER
    table[:, _KEY + 1 : filler] = np.frombuffer(digits.tobytes(), dtype=np.uint8).reshape(count, _NUMBER)
    letters = np.arange(_WIDTH - 1 - filler)
    table[:, filler:-1] = ord("A") + (numbers[:, None] + letters[None, :]) % 26
    table[:, -1] = ord("\n")
    return table.tobytes()
