"""Whole runs against plain Python: any text, any sizes, the same bytes.

The oracle knows what a line is by a regular expression and nothing of splits, partitions or tasks.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import Avg, Count, Job, Max, Min, Sum
from chalicelib.mapreduce.shuffle.spill import FAN_IN
from tests.strategies import examples
from tests.worlds.simulation import Simulation, spec

# ---------------------------------------------------------------------------------------------------
# Jobs


class Lines(Job):
    """How often each line occurs."""

    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        yield line, 1

    reducer = Sum()


class InOrder(Job):
    """All lines that begin with the same character, in the order in which the reducer meets them."""

    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        yield line[:1], line

    def reducer(self, key: str, values: Iterator[str]) -> Iterator[Any]:
        yield key, list(values)


class AllPairs(Job):
    """No reducer: every pair comes out."""

    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        yield (line[:1], len(line)), line


class Combined(Job):
    """The user's own combiner and reducer."""

    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        for character in line:
            yield character, 1

    def combiner(self, key: str, values: Iterator[int]) -> Iterator[Any]:
        yield key, sum(values)

    reducer = combiner


class Lengths(Job):
    """By first character: how many lines, the shortest, the longest, the mean length."""

    kind: Any = None

    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        yield line[:1], len(line)


class Fewest(Lengths):
    reducer = Min()


class Most(Lengths):
    reducer = Max()


class Mean(Lengths):
    reducer = Avg()


class HowMany(Lengths):
    reducer = Count()


# ---------------------------------------------------------------------------------------------------
# Texts and their oracle

PIECES = ["\n", "\n", "\r\n", "\r", "a", "b", "ab ", "ß", "€", "😀", "\t", "\\", "x" * 20, "\u2028", "\x0b"]
texts = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)
inputs = st.lists(texts, min_size=1, max_size=4)
partitions = st.sampled_from([1, 2, 5, 16])
sizes = st.one_of(st.integers(1, 12), st.integers(1, 120))


def lines_of(body: str) -> list[str]:
    """The lines of a text: what stands before each `\\n` or `\\r\\n`, and the rest if there is any."""
    return [re.sub(r"\r?\n?\Z", "", line, count=1) for line in re.findall(r"[^\n]*\n|[^\n]+", body)]


def all_lines(bodies: list[str]) -> list[str]:
    return [line for body in bodies for line in lines_of(body)]


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    """Run a job over texts in a simulated cloud; the parts, one after the other."""
    scratch = tmp_path_factory.mktemp("scratch")

    def go(job: type[Job], bodies: list[str], **figures: Any) -> bytes:
        simulation = started(scratch, job, [body.encode() for body in bodies], **figures)
        simulation.run()
        assert "_SUCCESS" in simulation.output(), simulation.output()["_FAILED"].decode()
        assert not any(scratch.iterdir()), "spills are left behind"
        return simulation.text()

    return go


def started(scratch: Path, job: type[Job], bodies: list[bytes], **figures: Any) -> Simulation:
    simulation = Simulation(job, spec(trigger="marker", **figures), scratch)
    for number, body in enumerate(bodies):
        simulation.add(f"{number:03d}.txt", body)
    simulation.drop("_READY", b"")
    return simulation


Run = Callable[..., bytes]

# ---------------------------------------------------------------------------------------------------
# Every record exactly once


@given(bodies=inputs, split_size=sizes, count=partitions, reduce_size=sizes)
@examples(80)
def test_every_line_is_mapped_exactly_once(
    run: Run, bodies: list[str], split_size: int, count: int, reduce_size: int
) -> None:
    found = run(Lines, bodies, split_size=split_size, partitions=count, reduce_size=reduce_size)
    rows = [row.split("\t") for row in found.decode().split("\n")[:-1]]
    expected = Counter(all_lines(bodies))
    assert {key: int(value) for key, value in rows} == {
        escaped(line): count for line, count in expected.items()
    }
    assert len(rows) == len(expected)
    if count == 1:
        assert [key for key, _ in rows] == list(map(escaped, sorted(expected)))


@given(bodies=inputs, split_size=sizes, budget=st.sampled_from([None, 1]))
@examples(50)
def test_values_reach_a_reducer_in_input_order(
    run: Run, bodies: list[str], split_size: int, budget: int | None
) -> None:
    expected = defaultdict(list)
    for line in all_lines(bodies):
        expected[line[:1]].append(line)
    output = {"format": "jsonl"}
    found = run(InOrder, bodies, split_size=split_size, partitions=1, memory_budget=budget, output=output)
    rows = [json.loads(row) for row in found.decode().split("\n")[:-1]]
    assert [(row["key"], row["value"]) for row in rows] == sorted(expected.items())


@given(body=texts, chunk=st.integers(1, 9), spare=st.integers(0, 2))
@examples(30)
def test_files_of_exactly_n_splits(run: Run, body: str, chunk: int, spare: int) -> None:
    """The size an exact multiple of the split size, or a byte or two beside it."""
    size = len(body.encode())
    padded = body + "y" * (-size % chunk) + "z" * spare
    found = run(InOrder, [padded], split_size=chunk, partitions=1, output={"format": "jsonl"})
    values = [line for row in found.decode().split("\n")[:-1] for line in json.loads(row)["value"]]
    assert Counter(values) == Counter(lines_of(padded))


# ---------------------------------------------------------------------------------------------------
# The same bytes

JOBS = [Lines, InOrder, AllPairs, Combined, Fewest, Most, Mean, HowMany]


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.__name__)
@given(bodies=inputs, count=partitions, data=st.data())
@examples(12)
def test_the_bytes_do_not_depend_on_any_size(
    run: Run, job: type[Job], bodies: list[str], count: int, data: st.DataObject
) -> None:
    plain = run(job, bodies, partitions=count)
    figures = {
        "split_size": data.draw(sizes, "split_size"),
        "reduce_size": data.draw(sizes, "reduce_size"),
        "memory_budget": data.draw(st.sampled_from([None, 1, 1000]), "memory_budget"),
    }
    assert run(job, bodies, partitions=count, **figures) == plain
    other = run(job, bodies, partitions=data.draw(partitions, "other partitions"), **figures)
    assert sorted(other.splitlines()) == sorted(plain.splitlines())


@given(bodies=inputs, split_size=sizes)
@examples(25)
def test_several_inputs_are_as_good_as_one(run: Run, bodies: list[str], split_size: int) -> None:
    """Cut at line ends, the same text in more files is the same text."""
    whole = "".join(body if body.endswith("\n") or not body else f"{body}\n" for body in bodies)
    assert run(Lines, bodies, split_size=split_size) == run(Lines, [whole])


def test_many_inputs_with_a_tiny_budget_are_merged_in_several_passes(run: Run) -> None:
    """More spills than are merged at once: in one map task, and (one run file each) in one reduce task."""
    bodies = [f"b{number}\na{number}\nc\n" for number in range(FAN_IN + 6)]
    expected: defaultdict[str, list[str]] = defaultdict(list)
    for line in all_lines(bodies):
        expected[line[:1]].append(line)
    for split_size in (1 << 20, 12):
        output = {"format": "jsonl"}
        found = run(InOrder, bodies, split_size=split_size, memory_budget=1, partitions=1, output=output)
        rows = [json.loads(row) for row in found.decode().splitlines()]
        assert [(row["key"], row["value"]) for row in rows] == sorted(expected.items())
        assert run(Lines, bodies, split_size=split_size, memory_budget=1, partitions=3) == run(
            Lines, bodies, partitions=3
        )


class Flood(Job):
    """Many pairs from little input, so that blocks and chunks are filled and one key spans them."""

    def mapper_chunk(self, text: str) -> Iterator[Any]:
        for line in text.splitlines():
            for number in range(3000):
                yield f"{line}{number % 7}", number


class FloodInOrder(Flood):
    def reducer(self, key: str, values: Iterator[int]) -> Iterator[Any]:
        yield key, [sum(place * value for place, value in enumerate(values)) % 1_000_003]


@pytest.mark.parametrize("budget", [None, 1, 300_000])
@pytest.mark.parametrize("job", [Flood, FloodInOrder])
def test_keys_that_span_blocks_and_spills(run: Run, job: type[Job], budget: int | None) -> None:
    bodies = ["a\nb\na\n", "c\na\nb\na\n"]
    pairs = [(f"{line}{number % 7}", number) for line in all_lines(bodies) for number in range(3000)]
    expected: list[tuple[str, Any]] = sorted(pairs, key=lambda pair: pair[0])
    if job is FloodInOrder:
        grouped: defaultdict[str, list[int]] = defaultdict(list)
        for key, number in pairs:
            grouped[key].append(number)
        expected = [
            (key, [sum(place * value for place, value in enumerate(values)) % 1_000_003])
            for key, values in sorted(grouped.items())
        ]
    for split_size in (100, 4):
        found = run(job, bodies, split_size=split_size, memory_budget=budget, partitions=1)
        assert found.decode() == "".join(f"{key}\t{json.dumps(value)}\n" for key, value in expected)


# ---------------------------------------------------------------------------------------------------
# Compressed input


def in_two(compress: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Two members, frames or streams, one after the other, cut inside a line."""
    return lambda body: compress(body[: len(body) // 2]) + compress(body[len(body) // 2 :])


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstd.compress,
}
BODY = "".join(f"häß {number % 7}\r\nline {number * 977 % 1009}\n" for number in range(400)).encode()


@pytest.mark.parametrize("twice", [False, True], ids=["one member", "two members"])
@pytest.mark.parametrize("extension", COMPRESSIONS)
@pytest.mark.parametrize(
    "body", [BODY, BODY + b"no newline", b"", b"\n"], ids=["text", "no end", "empty", "newline"]
)
def test_compressed_input_equals_plain(
    run: Run, tmp_path: Path, extension: str, twice: bool, body: bytes
) -> None:
    compress = in_two(COMPRESSIONS[extension]) if twice else COMPRESSIONS[extension]
    simulation = Simulation(Lines, spec(split_size=50), tmp_path)
    simulation.drop(f"a.txt{extension}", compress(body))
    simulation.run()
    assert "_SUCCESS" in simulation.output()
    assert simulation.text() == run(Lines, [body.decode()])


@pytest.mark.parametrize("extension", COMPRESSIONS)
@pytest.mark.parametrize("keep", [0.02, 0.5, 0.99])
def test_a_truncated_object_fails_by_name(tmp_path: Path, extension: str, keep: float) -> None:
    whole = COMPRESSIONS[extension](BODY)
    simulation = Simulation(Lines, spec(), tmp_path)
    simulation.drop(f"cut.txt{extension}", whole[: int(len(whole) * keep)])
    simulation.run()
    output = simulation.output()
    assert "_SUCCESS" not in output
    assert f"s3://in/data/cut.txt{extension}: not a whole {extension} file" in output["_FAILED"].decode()
    assert simulation.invocations["mapper"] == 1, "what cannot get better is not tried again"


@pytest.mark.parametrize("extension", COMPRESSIONS)
def test_damage_in_the_middle_fails_by_name(tmp_path: Path, extension: str) -> None:
    whole = bytearray(COMPRESSIONS[extension](BODY))
    whole[len(whole) // 2] ^= 0xFF
    simulation = Simulation(Lines, spec(), tmp_path)
    simulation.drop(f"bad.txt{extension}", bytes(whole))
    simulation.run()
    assert "_SUCCESS" not in simulation.output()
    assert f"bad.txt{extension}" in simulation.output()["_FAILED"].decode()
