"""Secondary sort: the values of a group arrive in order, whatever was cut, spilled or combined on the way."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib import Avg, Job, Range, Sum
from chalicelib.core.errors import ConfigError, DataTypeError
from chalicelib.mapreduce.output.text import jsonl
from chalicelib.testing import run_job
from tests.features.model import pieces, slowed
from tests.worlds.simulation import Simulation, spec

LINES = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(-5, 5), st.text("xyz", max_size=3)), max_size=60
)


class Sorted(Job):
    """`key|number|word` lines; values are the words, sorted by number, those of one number in input order."""

    sort_values = True

    def sort_key(self, key: str, value: Any) -> Any:
        return value[0]

    def mapper(self, _: Any, line: str) -> Any:
        key, number, word = line.split("|")
        yield key, (int(number), word)

    def reducer(self, key: str, values: Any) -> Any:
        yield key, list(values)


class ByThemselves(Sorted):
    sort_key = Job.sort_key


class Unreduced(Sorted):
    reducer = None


class Ordered(Sorted):
    partitioner = Range()


class Combined(ByThemselves):
    """The combiner gives other values than it gets: they are sorted all the same."""

    def combiner(self, key: str, values: Any) -> Any:
        for number, word in values:
            yield key, (-number, word)


def lines(records: list[tuple[str, int, str]]) -> list[str]:
    return [f"{key}|{number}|{word}" for key, number, word in records]


def grouped(records: list[tuple[str, int, str]]) -> dict[str, list[tuple[int, str]]]:
    found: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for key, number, word in records:
        found[key].append((number, word))
    return dict(sorted(found.items()))


@given(LINES, st.sampled_from([1 << 20, 7, 30]), st.sampled_from([1, 5]))
@settings(max_examples=60, deadline=None)
def test_values_come_in_order(records: list[tuple[str, int, str]], split_size: int, partitions: int) -> None:
    how = {"split_size": split_size, "partitions": partitions}
    by_number = {key: sorted(group, key=lambda pair: pair[0]) for key, group in grouped(records).items()}
    assert dict(run_job(Sorted, lines(records), **how)) == by_number
    assert run_job(Ordered, lines(records), **how) == list(by_number.items())
    by_all = {key: sorted(group) for key, group in grouped(records).items()}
    assert dict(run_job(ByThemselves, lines(records), **how)) == by_all
    flat = [(key, value) for key, group in by_number.items() for value in group]
    assert sorted(run_job(Unreduced, lines(records), **how), key=lambda pair: pair[0]) == flat
    turned = {key: sorted((-n, word) for n, word in group) for key, group in grouped(records).items()}
    if split_size > 1000:  # elsewhere a combiner may run more than once
        assert dict(run_job(Combined, lines(records), **how)) == turned


RECORDS = [("ab"[number % 5 == 0], number * 7919 % 1000, f"w{number}") for number in range(4000)]


@pytest.mark.parametrize("job", [Sorted, ByThemselves, Ordered])
@pytest.mark.parametrize("budget", [None, 20_000])
@pytest.mark.parametrize("seconds", [0.0, 0.1])
def test_a_group_larger_than_memory(
    job: type[Job], budget: int | None, seconds: float, tmp_path: Path
) -> None:
    """With little memory values come from many spills; with little time a task is cut into pieces."""
    place: list[Simulation] = []
    world = Simulation(
        slowed(job, place, seconds),
        spec(split_size=5000, partitions=3, memory_budget=budget, output={"format": "jsonl"}),
        tmp_path,
        lifetime=10.0 if seconds else 300.0,
    )
    place.append(world)
    world.drop("a.txt", "\n".join(lines(RECORDS)).encode())
    world.run()
    assert world.errors == []
    by_number = {key: sorted(group, key=lambda pair: pair[0]) for key, group in grouped(RECORDS).items()}
    if job is ByThemselves:
        by_number = {key: sorted(group) for key, group in by_number.items()}
    expected = {jsonl([key], [value]) for key, value in by_number.items()}
    assert set(world.text().splitlines(keepends=True)) == expected
    assert (pieces(world) > 0) == (seconds > 0)


VALUES = {
    "None": [None, None],
    "lists": [[2, "x"], [1, "y"], [1, "x"]],
    "tuples": [(2, None), (1, "y")],
    "bytes": [b"b", b"a", b""],
    "mixed numbers": [1, True, 0.5, False, 1 << 80],
}


@pytest.mark.parametrize("values", VALUES.values(), ids=list(VALUES))
@pytest.mark.parametrize("split_size", [1, 1 << 20])
def test_types_survive(values: list[Any], split_size: int) -> None:
    class Numbered(Job):
        sort_values = True

        def mapper(self, _: Any, line: str) -> Any:
            yield None, values[int(line)]

        def reducer(self, key: None, values: Any) -> Any:
            yield key, list(values)

    found = run_job(Numbered, map(str, range(len(values))), split_size=split_size)
    expected = values if values == [None, None] else sorted(values)
    assert [repr(value) for value in found[0][1]] == [repr(value) for value in expected]


@pytest.mark.parametrize("values", [[1, "x"], [None, 1], [{"a": 1}, {"a": 2}]], ids=repr)
@pytest.mark.parametrize("split_size", [1, 1 << 20])
def test_what_does_not_compare_is_told(values: list[Any], split_size: int) -> None:
    """In one task as in two that meet in the merge; in groups of their own they never meet."""

    class Mixed(Job):
        sort_values = True

        def mapper(self, _: Any, line: str) -> Any:
            yield line if self.params else "k", values[int(line)]

        def reducer(self, key: str, values: Any) -> Any:
            yield key, list(values)

    with pytest.raises(
        DataTypeError, match=r"sort_values: values of one group do not compare .*sort_key\(self"
    ):
        run_job(Mixed, ["0", "1"], split_size=split_size)
    alone = run_job(Mixed, ["0", "1"], split_size=split_size, params={"alone": True})
    assert alone == [("0", [values[0]]), ("1", [values[1]])]


@pytest.mark.parametrize("bad", [float("nan"), (1.0, float("nan"))], ids=repr)
def test_nan_has_no_place(bad: Any) -> None:
    class Nan(Sorted):
        def sort_key(self, key: str, value: Any) -> Any:
            return bad

    with pytest.raises(DataTypeError, match="sort key is NaN"):
        run_job(Nan, lines([("a", 1, "")]))


def test_keys_of_two_types_are_refused_as_ever() -> None:
    class Two(Job):
        sort_values = True

        def mapper(self, _: Any, line: str) -> Any:
            yield int(line) if line == "1" else line, 1

    for split_size in (1, 100):
        with pytest.raises(DataTypeError, match="keys of one job must be of one type"):
            run_job(Two, ["1", "x"], split_size=split_size)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"reducer": Sum()}, r"sort_values with reducer = Sum\(\): an aggregator takes values in any order"),
        ({"combiner": Avg()}, r"sort_values with combiner = Avg\(\)"),
        ({"sort_values": False}, "sort_key is of no use without sort_values"),
    ],
)
def test_what_makes_no_sense_is_refused(parts: dict[str, Any], message: str) -> None:
    job = type("Made", (Sorted,), parts)
    with pytest.raises(ConfigError, match=message):
        run_job(job, ["a|1|x"])
