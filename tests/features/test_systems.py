"""An example for each system that docs/compared.md names, written for Sluice, beside plain Python."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chalicelib import Count, Each, FirstLetter, Job, Max, Quantiles, Record, Sum, Top
from chalicelib.testing import run_job
from tests.features.io.runs import job_spec, run

TEXT = ["to be or not to be", "that is the question", "whether tis nobler", "in the mind to suffer", "to be"]
WORDS = Counter(" ".join(TEXT).split())
VISITS = [f"10.{n % 4}.{n % 3}.{n},/{'ab'[n % 2]},{n * 7 % 13}.25" for n in range(60)]


class Words(Job):
    def mapper(self, _: None, line: str) -> Iterator[Any]:
        for word in line.split():
            yield word, 1

    reducer = Sum()


# -- MARLA: words over chunks of text, so many mappers, reducers by first letter -------------------------


class Marla(Job):
    def mapper_chunk(self, text: str) -> Each:
        return Each(text.split(), 1)

    partitioner = FirstLetter()
    reducer = Sum()


def test_marla(tmp_path: Path) -> None:
    body = "\n".join(TEXT * 20).encode()
    world = run(Marla, job_spec(map_tasks=4, partitions=3), {"a.txt": body}, tmp_path)
    rows = dict(line.split("\t") for line in world.text().decode().splitlines())
    assert rows == {word: str(20 * count) for word, count in WORDS.items()}
    assert json.loads(world.output()["_manifest.json"])["map_tasks"] == 4


# -- Corral: word count, then a second stage over its counts ---------------------------------------------


class Frequencies(Job):
    def mapper(self, word: str, count: int) -> Iterator[Any]:
        yield count, word

    def reducer(self, count: int, words: Iterator[str]) -> Iterator[Any]:
        yield count, sorted(words)


class Corral(Job):
    steps = (Words, Frequencies)


def test_corral() -> None:
    wanted = defaultdict(list)
    for word, count in sorted(WORDS.items()):
        wanted[count].append(word)
    assert run_job(Corral, TEXT) == sorted(wanted.items())


# -- Ribble: whole files, filtered and sorted ------------------------------------------------------------


class Ribble(Job):
    def mapper_raw(self, path: str) -> Iterator[Any]:
        for word in Path(path).read_text().split():
            yield word, 1

    reducer = Sum()
    order_by = "-value"

    def having(self, _word: str, count: int) -> bool:
        return count > 1


def test_ribble() -> None:
    wanted = sorted(
        ((word, count) for word, count in WORDS.items() if count > 1), key=lambda row: (-row[1], row[0])
    )
    assert run_job(Ribble, TEXT) == wanted


# -- AWS's reference architecture: AMPLab's query 2, revenue by the first bytes of an address -------------


class Refarch(Job):
    def mapper(self, _: None, line: str) -> Iterator[Any]:
        address, _, revenue = line.split(",")
        yield address[:8], float(revenue)

    reducer = Sum()


def test_refarch() -> None:
    wanted: dict[str, float] = defaultdict(float)
    for line in VISITS:
        wanted[line.split(",")[0][:8]] += float(line.split(",")[2])
    assert run_job(Refarch, VISITS, split_size=50) == sorted(wanted.items())


# -- gomr: an inverted index, on this machine or not ------------------------------------------------------


class Gomr(Job):
    def mapper(self, _: None, line: str) -> Iterator[Any]:
        for word in set(line.split()):
            yield word, line[:5]

    def reducer(self, word: str, lines: Iterator[str]) -> Iterator[Any]:
        yield word, sorted(set(lines))


def test_gomr() -> None:
    index = {word: sorted({line[:5] for line in TEXT if word in line.split()}) for word in WORDS}
    assert run_job(Gomr, TEXT, split_size=9) == sorted(index.items())


# -- Malwarebytes: JSON telemetry rolled up into csv -----------------------------------------------------


class Rollup(Job):
    def mapper(self, _: None, event: dict[str, Any]) -> Iterator[Any]:
        yield (event["country"], event["version"]), event["threats"]

    reducer = Record(events=Count(), threats=Sum())


def test_malwarebytes(tmp_path: Path) -> None:
    events = [{"country": ["DE", "NO", "FR"][n % 3], "version": n % 2, "threats": n} for n in range(40)]
    spec = job_spec(input={"format": "jsonl"}, output={"format": "csv", "header": True, "one_file": True})
    world = run(Rollup, spec, {"a.json": "\n".join(map(json.dumps, events)).encode()}, tmp_path)
    groups = defaultdict(list)
    for event in events:
        groups[event["country"], event["version"]].append(event["threats"])
    wanted = [f"{c},{v},{len(some)},{sum(some)}" for (c, v), some in sorted(groups.items())]
    assert world.text().decode().split() == ["key_0,key_1,events,threats", *wanted]


# -- PyWren and Lithops: a function over many items, and one value of all --------------------------------


class Squares(Job):
    shuffle = False

    def mapper(self, _: None, line: str) -> Iterator[Any]:
        yield int(line), int(line) ** 2


class SumOfSquares(Job):
    def mapper(self, _: None, line: str) -> Iterator[Any]:
        yield None, int(line) ** 2

    reducer = Sum()


def test_pywren() -> None:
    numbers = [str(n) for n in range(50)]
    assert run_job(Squares, numbers, split_size=20) == [(n, n * n) for n in range(50)]
    assert run_job(SumOfSquares, numbers, split_size=20) == [(None, sum(n * n for n in range(50)))]


# -- Flint: flatMap, filter and reduceByKey of PySpark ---------------------------------------------------


class Flint(Job):
    """How many drop-offs in a box by the hour, as in its queries over taxi trips."""

    def mapper(self, _: None, trip: list[str]) -> Iterator[Any]:
        hour, longitude, latitude = int(trip[0]), float(trip[1]), float(trip[2])
        if -74.0144 < longitude < -74.013 and 40.713 < latitude < 40.716:
            yield hour, 1

    reducer = Sum()


def test_flint() -> None:
    trips = [(n % 24, -74.0145 + n % 5 * 0.0004, 40.712 + n % 3 * 0.0015) for n in range(200)]
    inside = [hour for hour, x, y in trips if -74.0144 < x < -74.013 and 40.713 < y < 40.716]
    lines = [f"{hour},{x},{y}" for hour, x, y in trips]
    assert inside
    assert run_job(Flint, lines, input={"format": "csv"}, split_size=40) == sorted(Counter(inside).items())


# -- Sawzall: count, total and sum of squares of numbers; its tables --------------------------------------


class Sawzall(Job):
    def mapper(self, _: None, line: str) -> Iterator[Any]:
        x = float(line)
        yield "count", 1
        yield "total", x
        yield "sum_of_squares", x * x

    reducer = Sum()


class Tables(Job):
    def mapper(self, _: None, line: str) -> Iterator[Any]:
        yield None, int(line)

    reducer = Record(largest=Top(2), most=Max(), middle=Quantiles(0.5))


def test_sawzall() -> None:
    numbers = [3, 1, 4, 1, 5, 9, 2, 6, 5]
    lines = list(map(str, numbers))
    squares = sum(n * n for n in numbers)
    assert run_job(Sawzall, lines) == [("count", 9), ("sum_of_squares", squares), ("total", sum(numbers))]
    ((_, found),) = run_job(Tables, lines, split_size=3)
    assert (found["largest"], found["most"]) == ([9, 6], 9)


# -- Hadoop: Grep, SecondarySort, NLineInputFormat with MultipleOutputs -----------------------------------


class Grep(Job):
    def mapper(self, _: None, line: str) -> Iterator[Any]:
        for found in re.findall(self.params["pattern"], line):
            yield found, 1

    reducer = Sum()
    order_by = "-value"


class SecondarySort(Job):
    sort_values = True

    def mapper(self, _: None, line: str) -> Iterator[Any]:
        left, right = line.split()
        yield int(left), int(right)

    def reducer(self, left: int, rights: Iterator[int]) -> Iterator[Any]:
        yield left, list(rights)


class Kinds(Words):
    def reducer(self, word: str, counts: Iterator[int]) -> Iterator[Any]:  # type: ignore[override]
        total = sum(counts)
        yield (self.output("often", word) if total > 1 else word), total


def test_hadoop(tmp_path: Path) -> None:
    found = Counter(re.findall("t[a-z]", "\n".join(TEXT)))
    grepped = run_job(Grep, TEXT, params={"pattern": "t[a-z]"}, split_size=11)
    assert grepped == sorted(found.items(), key=lambda row: (-row[1], row[0]))
    pairs = [(n % 4, n * 7 % 11) for n in range(30)]
    wanted = [(left, sorted(right for one, right in pairs if one == left)) for left in range(4)]
    assert run_job(SecondarySort, [f"{left} {right}" for left, right in pairs], split_size=8) == wanted
    world = run(
        Kinds, job_spec(split_lines=2, outputs={"often": {}}), {"a.txt": "\n".join(TEXT).encode()}, tmp_path
    )
    often = b"".join(body for name, body in world.output().items() if name.startswith("output=often/"))
    assert dict(row.split("\t") for row in often.decode().splitlines()) == {
        word: str(count) for word, count in WORDS.items() if count > 1
    }
    assert json.loads(world.output()["_manifest.json"])["map_tasks"] == 3


# -- Flink: transitive closure, a loop of a number of rounds known before --------------------------------


class Edges(Job):
    def mapper(self, _: None, line: str) -> Iterator[Any]:
        left, right = line.split()
        yield (left, right), None

    def reducer(self, edge: tuple[str, str], _values: Iterator[None]) -> Iterator[Any]:
        yield edge, None


class Paths(Job):
    """Every two paths that meet are one more; those that are there stay."""

    def mapper(self, path: tuple[str, str], _: None) -> Iterator[Any]:
        yield path[1], ["to", path[0]]
        yield path[0], ["from", path[1]]

    def reducer(self, node: str, ends: Iterator[list[str]]) -> Iterator[Any]:
        found = [tuple(end) for end in ends]
        before = [end for way, end in found if way == "to"]
        behind = [end for way, end in found if way == "from"]
        for left in before:
            yield (left, node), None
            for right in behind:
                yield (left, right), None


class Once(Job):
    def reducer(self, path: tuple[str, str], _values: Iterator[None]) -> Iterator[Any]:
        self.count(f"paths in step {len(self.run.steps)}")
        yield path, None


class Closure(Job):
    def steps(self) -> list[type[Job]]:
        return [Edges, *[Paths, Once] * self.params["rounds"]]


def test_flink() -> None:
    edges = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "b"), ("x", "y")]
    closed = set(edges)
    while more := {(a, d) for a, b in closed for c, d in closed if b == c} - closed:
        closed |= more
    found = run_job(Closure, [f"{a} {b}" for a, b in edges], params={"rounds": 3}, split_size=5)
    assert [path for path, _ in found] == sorted(closed)


# -- Tuplex: rows on which a function raises are set aside, and the others count --------------------------


class Tuplex(Job):
    """Prices of flats as people write them."""

    def mapper(self, _: None, row: dict[str, str]) -> Iterator[Any]:
        price = int(row["price"].strip("$+").replace(",", ""))
        beds = int(row["facts"].split(" bds")[0])
        yield beds, price

    reducer = Max()


def test_tuplex(tmp_path: Path) -> None:
    rows = [(f"${n},500+", f"{n % 4} bds") for n in range(1, 30)] + [("call us", "2 bds"), ("$9", "studio")]
    body = "price;facts\n" + "".join(f"{price};{facts}\n" for price, facts in rows)
    spec = job_spec(
        input={"format": "csv", "header": True, "delimiter": ";"},
        bad_records={"policy": "quarantine", "max": 5, "max_fraction": 0.5},
    )
    world = run(Tuplex, spec, {"a.csv": body.encode()}, tmp_path)
    wanted = {beds: max(n for n in range(1, 30) if n % 4 == beds) * 1000 + 500 for beds in range(4)}
    assert {
        int(k): int(v) for k, v in (row.split("\t") for row in world.text().decode().splitlines())
    } == wanted
    assert json.loads(world.output()["_manifest.json"])["bad"] == 2
