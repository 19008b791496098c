"""The answers that programs write, read into one shape and compared.

A program writes OUT, or OUT.0, OUT.1 ..., or a folder OUT of part-*; Sluice's parts are rows of
`key<TAB>value`, of SQL jobs columns with tabs between them, with its own escapes. Counts and order must be
the same; sums of floats, which depend on the order of addition, must agree in seven digits, and quantiles, which are
told within a hundredth, to a hundredth.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Literal

#: By key a tuple of numbers; or of a sorted output its size and digest.
Answer = dict[bytes, tuple[float | str, ...]] | tuple[int, str]

#: How rows are written: as the programs by hand do, as Sluice's pairs, or as rows of its SQL jobs.
Form = Literal["plain", "pairs", "sql"]

_ESCAPED = re.compile(rb"\\(.)")
_UNESCAPES = {b"n": b"\n", b"t": b"\t", b"\\": b"\\"}


class Near(float):
    """A number that is known within a hundredth of itself."""


def read(workload: str, out: Path, form: Form = "plain") -> Answer:
    """The answer at `out`."""
    files = _files(out)
    if not files:
        raise ValueError(f"no output at {out}")
    if workload == "w6":
        return _sorted(files)
    parse = _PARSERS[form][workload]
    answer: dict[bytes, tuple[float | str, ...]] = {}
    rows = 0
    for line in _lines(files):
        key, numbers = parse(line)
        answer[key] = numbers
        rows += 1
    if rows != len(answer):
        raise ValueError(f"{rows} rows, of only {len(answer)} keys")
    return answer


def digest(out: Path) -> bytes:
    """Of the files at `out`, with their names."""
    found = hashlib.blake2b()
    for path in _files(out):
        found.update(f"{path.name} {path.stat().st_size}\n".encode())
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                found.update(block)
    return found.digest()


def difference(expected: Answer, got: Answer) -> str:
    """What is wrong with an answer, in words; empty if nothing is."""
    if isinstance(expected, tuple) or isinstance(got, tuple):
        return "" if expected == got else f"expected size and digest {expected}, got {got}"
    if expected == got:
        return ""
    unlike = (key for key in expected.keys() | got.keys() if not _alike(expected.get(key), got.get(key)))
    shown = [f"{key!r}: expected {expected.get(key)}, got {got.get(key)}" for key in islice(unlike, 3)]
    return "; ".join(shown)


def _alike(expected: tuple[float | str, ...] | None, got: tuple[float | str, ...] | None) -> bool:
    if expected is None or got is None or len(expected) != len(got):
        return False
    return all(map(_equal, expected, got))


def _equal(left: float | str, right: float | str) -> bool:
    if isinstance(left, int | str) or isinstance(right, str):
        return left == right
    within = 0.0101 if isinstance(left, Near) else 1e-7
    return math.isclose(left, right, rel_tol=within, abs_tol=1e-6)


def _files(out: Path) -> list[Path]:
    if out.is_dir():
        return sorted(out.glob("part-*"))
    found = [out] if out.exists() else []
    return found + sorted(out.parent.glob(f"{out.name}.[0-9]*"))


def _lines(files: list[Path]) -> Iterator[bytes]:
    for path in files:
        with path.open("rb") as file:
            for line in file:
                yield line.rstrip(b"\n")


def _sorted(files: list[Path]) -> tuple[int, str]:
    digest = hashlib.blake2b()
    size = 0
    for path in files:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                size += len(block)
                digest.update(block)
    return size, digest.hexdigest()


# Rows as the programs by hand write them

Row = tuple[bytes, tuple[float | str, ...]]


def _count(separator: bytes) -> Callable[[bytes], Row]:
    def parse(line: bytes) -> Row:
        key, _, count = line.rpartition(separator)
        return key, (int(count),)

    return parse


def _summary(line: bytes) -> Row:
    flag, status, *sums, count = line.split(b"|")
    return flag + status, (*map(float, sums), int(count))


def _prefix_sum(line: bytes) -> Row:
    key, total = line.split(b",")
    return key, (float(total),)


def _revenue(line: bytes) -> Row:
    return b"revenue", (float(line),)


def _best(line: bytes) -> Row:
    address, rank, revenue = line.split(b",")
    return address, (float(rank), float(revenue))


def _home(line: bytes) -> Row:
    key, of = line.split(b"\t")
    found = json.loads(of)
    return key, (found["n"], *(float(found[name]) for name in ("mean", "lo", "hi")), Near(found["q"]))


def _everyday(line: bytes) -> Row:
    """A key and a value that may be lists of numbers and texts."""
    key, value = line.split(b"\t")
    if key.startswith(b"["):
        key = json.dumps(json.loads(key)).encode()
    return key, tuple(_flat(json.loads(value)))


def _flat(value: Any) -> Iterator[float | str]:
    if isinstance(value, list):
        for part in value:
            yield from _flat(part)
    else:
        yield value


_ROWS: dict[str, Callable[[bytes], Row]] = {
    "w1": _count(b"\t"),
    "w2": _summary,
    "w3": _revenue,
    "w4": _prefix_sum,
    "w5": _best,
    "w7": _count(b","),
    **dict.fromkeys(("w8", "w8q"), _home),
    **dict.fromkeys(("w9", "w10", "w11", "w12"), _everyday),
}

# Rows as Sluice writes them: jobs that ask for csv give what the programs by hand do, all others tsv


def _pair(line: bytes) -> Row:
    key, _, value = line.partition(b"\t")
    if value.isdigit():
        return _unescaped(key), (int(value),)
    numbers: Any = json.loads(value)
    return _unescaped(key), tuple(numbers) if isinstance(numbers, list) else (numbers,)


def _columns(keys: int) -> Callable[[bytes], Row]:
    """Rows whose first columns are the key, the others numbers."""

    def parse(line: bytes) -> Row:
        fields = line.split(b"\t")
        return b"".join(map(_unescaped, fields[:keys])), tuple(json.loads(field) for field in fields[keys:])

    return parse


def _unescaped(text: bytes) -> bytes:
    return _ESCAPED.sub(lambda match: _UNESCAPES[match[1]], text) if b"\\" in text else text


_PARSERS: dict[Form, dict[str, Callable[[bytes], Row]]] = {
    "plain": _ROWS,
    "pairs": _ROWS | dict.fromkeys(("w1", "w2", "w3", "w4", "w5"), _pair),
    "sql": _ROWS | {"w1": _columns(1), "w2": _columns(2), "w5": _columns(1)},
}
