"""Objects made to do harm, by a seed and a number, each with an oracle that knows which of its records are good.

The oracle is the generator's own knowledge of what it put into an object, never what Sluice makes of it.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import duckdb

from chalicelib import Job, Sum
from chalicelib.core.spec import BadRecordsSpec
from chalicelib.mapreduce.shuffle.zstd import ZstdCompressor

#: Bytes that a record may have in these jobs.
LONGEST = 1024
QUARANTINE = BadRecordsSpec(policy="quarantine", max=1_000_000, max_fraction=1.0)


class Lines(Job):
    def mapper(self, _: Any, line: str) -> Any:
        yield line, 1

    reducer = Sum()


class Documents(Job):
    def mapper(self, _: Any, document: Any) -> Any:
        if not isinstance(document["id"], str):  # as a job that others write for has to
            raise TypeError("an id is text")
        yield document["id"], 1

    reducer = Sum()


class Rows(Job):
    def mapper(self, _: Any, row: list[str]) -> Any:
        yield json.dumps(row), 1

    reducer = Sum()


class Columns(Job):
    def mapper(self, _: Any, row: dict[str, Any]) -> Any:
        yield str(row["id"]), 1

    reducer = Sum()


@dataclass(kw_only=True)
class Case:
    """One object, what it is dropped on, and what must come of it."""

    kind: str
    key: str
    body: bytes
    job: type[Job] = Lines
    input: dict[str, Any] = field(default_factory=dict)
    trigger: str = "each"
    #: Objects that are there before.
    beside: dict[str, bytes] = field(default_factory=dict)
    #: The keys of all good records, and how many others there are; None: that is not known.
    good: Counter[str]
    bad: int | None = 0
    #: The object as a whole may be refused, or some of it be set aside: then what is left must be good all the same,
    #: unless a checksum at its end is all that tells. unseen: the format has no checksum that could tell.
    damaged: Literal["", "cut", "changed", "unseen"] = ""
    ends: Literal["success", "failed", "either", "not at all"] = "success"


# -- records -------------------------------------------------------------------------------------------

_ODD = "\0\x01\x07\x0b\x0c\x1b\x1c\x1d\x1e\x7f\x85\x9b\u200b\u202e\u2028\u2029\ufeff\ufffd\U0001f600é☃=+-@\"',;\t\\"
_INVALID = (b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"ok \x80")


def _text(chance: random.Random, most: int = 12) -> str:
    return "".join(
        chance.choice(_ODD) if chance.random() < 0.3 else chance.choice("abc 01")
        for _ in range(chance.randrange(most))
    )


def _records(
    chance: random.Random, good: Callable[[], tuple[str, bytes]], bad: Callable[[], bytes], most: int = 40
) -> tuple[list[bytes], Counter[str], int]:
    """(lines, keys of the good ones, how many are bad)."""
    lines, keys, wrong = [], Counter[str](), 0
    for _ in range(chance.randrange(most)):
        if chance.random() < 0.3:
            lines.append(bad())
            wrong += 1
        else:
            key, line = good()
            keys[key] += 1
            lines.append(line)
    return lines, keys, wrong


def _joined(chance: random.Random, lines: list[bytes]) -> bytes:
    ends = [chance.choice([b"\n", b"\r\n"]) for _ in lines]
    if ends and lines[-1] and chance.random() < 0.3:
        ends[-1] = b""  # a last line without an end
    mark = b"\xef\xbb\xbf" if lines and chance.random() < 0.1 else b""
    return mark + b"".join(line + end for line, end in zip(lines, ends, strict=True))


def _bad_text(chance: random.Random) -> bytes:
    if chance.random() < 0.5:
        return b"x" + chance.choice(_INVALID)
    return b"x" * (LONGEST + chance.randrange(1, 2000))


def _lines(chance: random.Random) -> tuple[bytes, Counter[str], int]:
    def good() -> tuple[str, bytes]:
        text = "x" + _text(chance) + "x"  # no mark and no carriage return at its edges
        return text, text.encode()

    lines, keys, wrong = _records(chance, good, lambda: _bad_text(chance))
    return _joined(chance, lines), keys, wrong


# -- kinds ---------------------------------------------------------------------------------------------


def text(chance: random.Random) -> Case:
    body, keys, wrong = _lines(chance)
    return Case(kind="text", key="a.txt", body=body, good=keys, bad=wrong)


def documents(chance: random.Random) -> Case:
    """Nesting without end, numbers of thousands of digits, what is no JSON, and what is no document of the job's."""

    def good() -> tuple[str, bytes]:
        identity = _text(chance)
        inner: Any = chance.choice([None, 1e300, -0.0, [{}], "\0", 2**63])
        for _ in range(chance.randrange(40)):
            inner = [inner] if chance.random() < 0.5 else {_text(chance, 4): inner}
        document = {"id": identity, "more": inner}
        return identity, json.dumps(document, ensure_ascii=chance.random() < 0.5).encode()

    def bad() -> bytes:
        deep = chance.choice([b"[", b'{"a":'])
        return chance.choice(
            [
                b'{"id": "x"', b"{'id': 'x'}", b'{"id": "x"} {"id": "y"}', b'{"id": "\xff"}', b"nothing", b"[1, 2]",
                b'{"id": NaN}', b'{"no": 1}', b'"id"', b"17", b"null", b'{"id": "\\ud800"}', b'{"id": "a\tb"}',
                deep * (LONGEST // len(deep) // 2), b'{"id": ' + b"[" * 480 + b"]" * 480 + b"}",
                b'{"id": "' + b"x" * LONGEST + b'"}', b'{"id": "x",}', b'{"id": 01}', b'\x00{"id": "x"}',
            ]
        )  # fmt: skip

    lines, keys, wrong = _records(chance, good, bad)
    return Case(
        kind="jsonl", key="a.jsonl", body=_joined(chance, lines), job=Documents, input={"format": "jsonl"},
        good=keys, bad=wrong,
    )  # fmt: skip


def rows(chance: random.Random) -> Case:
    def good() -> tuple[str, bytes]:
        cells = ["x" + _text(chance, 6).replace("\\", "") for _ in range(chance.randrange(1, 6))]
        quoted = ['"' + cell.replace('"', '""') + '"' for cell in cells]
        return json.dumps(cells), ",".join(quoted).encode()

    lines, keys, wrong = _records(chance, good, lambda: _bad_text(chance))
    if chance.random() < 0.2:
        lines.append(b'x,"a quote that never closes')
        wrong += 1
    return Case(
        kind="csv", key="a.csv", body=_joined(chance, lines).removeprefix(b"\xef\xbb\xbf"), job=Rows,
        input={"format": "csv"}, good=keys, bad=wrong,
    )  # fmt: skip


_PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda body: ZstdCompressor().compress(body, ZstdCompressor.FLUSH_FRAME),
}


def packed(chance: random.Random) -> Case:
    """Whole, in several streams, cut, changed, or with something behind it; or no such stream at all."""
    body, keys, wrong = _lines(chance)
    suffix = chance.choice(sorted(_PACKERS))
    pack = _PACKERS[suffix]
    case = Case(kind=f"packed{suffix}", key=f"a.txt{suffix}", body=pack(body), good=keys, bad=wrong)
    trick = chance.choice(["whole", "streams", "cut", "changed", "behind", "no stream"])
    if trick == "streams":
        at = chance.randrange(len(body) + 1)
        case.body = pack(body[:at]) + pack(body[at:])
    elif trick == "cut" and case.body:
        case.body, case.damaged = case.body[: chance.randrange(1, len(case.body))], "cut"
    elif trick == "changed":
        at = chance.randrange(len(case.body))
        case.body = case.body[:at] + bytes([case.body[at] ^ (1 << chance.randrange(8))]) + case.body[at + 1 :]
        case.damaged = "unseen" if suffix == ".zst" else "changed"  # as Python writes it
    elif trick == "behind":
        case.body, case.damaged = case.body + b"behind it", "cut"
    elif trick == "no stream" and body:
        case.body, case.damaged = body, "changed"
    if case.damaged:
        case.bad, case.ends = None, "either"
    return case


def bombs(chance: random.Random) -> Case:
    """A few bytes that unpack to one line of 32 MiB, behind good ones and before others.

    What unpacks to more than 2,000 times its size is refused as a whole: so is all but .gz.
    """
    suffix = chance.choice(sorted(_PACKERS))
    filler = chance.choice([b"\0", b"x", b"["])
    body = b"first\n" + filler * (32 << 20) + b"\nlast\n"
    packed = _PACKERS[suffix](body)
    return Case(
        kind=f"bomb{suffix}",
        key=f"a{suffix}",
        body=packed,
        good=Counter(("first", "last")),
        bad=1,
        ends="failed" if len(body) > 2000 * len(packed) else "success",
    )


#: Names that an object may have, and that are no reason to leave it out.
_NAMES = (
    "a b+c%20.txt", "%2e%2e%2fup", "é☃😀.txt", "x\x1b[2J\x07.txt", "n\new\\line", "tab\there", "'\"`$(id);|&", "-rf",
    "CON", "a.gz/b.txt", "A.GZ", "x..", "part-00000.txt", "plan.json", "map/000000.done",
    "runs/job/20260101T000000-a/plan.json", "a\u202etxt.exe", "x" * 900, "d/" * 60 + "f", "a=b/c=d/e", "_c=v/f",
    "é.txt", "*?[x]{}", "~", "a\\b", "S3://in/data/x",
)  # fmt: skip
#: Names of what is never input.
_HIDDEN = (
    "_x",
    ".x",
    "_SUCCESS",
    "_READY",
    "d/_x",
    "_d/x",
    ".d/x",
    "d/",
    "a/.b/c",
    "x.manifest/",
    "_manifest.json",
)


def names(chance: random.Random) -> Case:
    if chance.random() < 0.3:
        return Case(
            kind="hidden names", key=chance.choice(_HIDDEN), body=b"x\n", good=Counter(), ends="not at all"
        )
    body, keys, wrong = _lines(chance)
    return Case(kind="names", key=chance.choice(_NAMES), body=body, good=keys, bad=wrong)


def manifests(chance: random.Random) -> Case:
    """Names twice and a hundred times, prefixes that overlap, comments, and names that lead elsewhere or nowhere."""
    there = {
        f"{folder}{number}": f"{folder}{number}\n".encode()
        for folder in ("p/", "p/q/", "")
        for number in "123"
    }
    lines, named = [], set[str]()
    for _ in range(chance.randrange(1, 20)):
        if chance.random() < 0.4:
            folder = chance.choice(["p/", "p/q/"])
            line, found = folder, {key for key in there if key.startswith(folder)}
        else:
            line = chance.choice(sorted(there))
            found = {line}
        prefix = chance.choice(["data/", "s3://in/data/"])
        lines += [f"{prefix}{line}".encode()] * chance.choice([1, 1, 1, 100])
        named |= found
        if chance.random() < 0.2:
            lines.append(chance.choice([b"", b"# data/none", b"   "]))
    chance.shuffle(lines)
    case = Case(
        kind="manifests", key="go.manifest", body=_joined(chance, lines), trigger="marker", beside=there,
        good=Counter(named), bad=0,
    )  # fmt: skip
    if chance.random() < 0.4:
        trick = chance.choice(
            [
                b"data/none", b"data/none/", b"s3://work/", b"s3://out/", b"other/x", b"s3://", b"s3://in/",
                b"\xff\xfe", b"/data/1", b"data/../other", b"../data/1", b"s3://in/data", b"x" * 3000, b"\0",
            ]
        )  # fmt: skip
        lines.insert(chance.randrange(len(lines) + 1), trick)
        case.body, case.ends = b"\n".join(lines) + b"\n", "failed"
    return case


def columns(good: bytes, count: int) -> Callable[[random.Random], Case]:
    """Parquet files, whole and damaged. `good` has the ids 0 ... count - 1."""

    def parquet(chance: random.Random) -> Case:
        body, damaged = bytearray(good), chance.random() < 0.8
        if damaged:
            for _ in range(chance.randrange(1, 4)):
                at = chance.randrange(len(body))
                match chance.choice(["flip", "cut", "insert", "truncate", "numbers"]):
                    case "flip":
                        body[at] ^= 1 << chance.randrange(8)
                    case "cut":
                        del body[at : at + chance.randrange(1, 30)]
                    case "insert":
                        body[at:at] = chance.randbytes(chance.randrange(1, 30))
                    case "numbers":
                        body[at : at + 4] = b"\xff\xff\xff\x7f"
                    case _:
                        del body[max(at, 1) :]
        damaged = bytes(body) != good
        return Case(
            kind="parquet", key="a.parquet", body=bytes(body), job=Columns, input={"format": "parquet"},
            good=Counter(str(number) for number in range(count)), bad=None if damaged else 0,
            damaged="unseen" if damaged else "", ends="either" if damaged else "success",
        )  # fmt: skip

    return parquet


def case(seed: int, number: int, parquet: Callable[[random.Random], Case]) -> Case:
    """The object of that number."""
    chance = random.Random(f"hostile {seed}/{number}")
    kinds = [text, documents, rows, packed, names, manifests, parquet, bombs]
    return chance.choices(kinds, [20, 20, 20, 20, 12, 12, 4, 0.3])[0](chance)


def judged(made: Case, failure: str | None, counts: Counter[str], bad: int) -> str:
    """The verdict on one object that is input: its run's `failure`, if it failed, else what was counted of it and how
    many records were set aside. Raises AssertionError for a wrong one.
    """
    if failure is not None:
        assert made.ends != "success", failure
        assert made.key in failure, failure
        assert "Traceback" not in failure, failure
        return "failed"
    assert made.ends != "failed", "it should have been refused"
    if made.bad is not None:
        if counts != made.good or bad != made.bad:
            missing, more = made.good - counts, counts - made.good
            raise AssertionError(f"{bad} bad of {made.bad}; missing {missing}, too many {more}")
    elif not bad and made.damaged != "unseen":
        assert counts == made.good, "damage that nobody was told of"
    elif made.damaged == "cut":
        assert counts <= made.good
    return "success"


def good_parquet(path: Path, rows: int = 60) -> Callable[[random.Random], Case]:
    """The maker of Parquet files; the good one is written to `path`."""
    query = f"SELECT i AS id, 'text ' || i AS t, [i, i] AS l FROM range({rows}) made(i)"
    with duckdb.connect() as database:
        database.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
    return columns(path.read_bytes(), rows)


def told(found: Counter[tuple[str, str]]) -> str:
    """How objects of each kind ended, a line each."""
    kinds: dict[str, Counter[str]] = {}
    for (kind, verdict), count in found.items():
        kinds.setdefault(kind, Counter())[verdict] += count
    return "\n".join(
        f"{kind:>14}: " + ", ".join(f"{count:,} {verdict}" for verdict, count in sorted(verdicts.items()))
        for kind, verdicts in sorted(kinds.items())
    )
