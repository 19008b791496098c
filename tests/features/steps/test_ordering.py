"""`order_by` and `limit`: the result is what `sorted()` gives, over any number of reducers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import Job, Range, Sum
from chalicelib.core.errors import ConfigError, DataTypeError
from chalicelib.job.order_by import First, Ordered, ascending, descending
from chalicelib.job.steps import expand
from chalicelib.mapreduce.shuffle.run_file import read_blocks
from tests.features.steps.jobs import TEXT, CountWords
from tests.strategies import examples
from tests.worlds.simulation import SCRATCH, Simulation, spec

# ---------------------------------------------------------------------------------------------------
# Sort keys

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
ZEROS = st.lists(st.sampled_from([0, 1, 2, 254, 255]), max_size=4).map(bytes)
NUMBERS = st.integers() | st.floats(allow_nan=False)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False)
SCALARS = [TEXTS, ZEROS, st.binary(max_size=5), NUMBERS, st.booleans(), DECIMALS]
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=-9, minutes=-30)), timezone(timedelta(hours=14))])
CALENDAR = [st.dates(), st.datetimes(), st.datetimes(timezones=ZONES), st.times(), st.times(timezones=ZONES)]
KINDS = [
    *SCALARS,
    *CALENDAR,
    *(st.tuples(kind, kind) for kind in CALENDAR),
    *(st.lists(kind, max_size=3).map(tuple) for kind in (TEXTS, ZEROS, NUMBERS, DECIMALS)),
    st.tuples(NUMBERS, TEXTS),
    st.lists(st.tuples(TEXTS, st.integers()), max_size=3),
]


@given(kind=st.sampled_from(KINDS), data=st.data())
@examples(300)
def test_sort_keys_sort_as_the_values_do(kind: st.SearchStrategy[Any], data: st.DataObject) -> None:
    one, other = data.draw(kind), data.draw(kind)
    assert (ascending(one) < ascending(other)) == (one < other)
    assert (descending(one) < descending(other)) == (other < one)
    assert (descending(one) == descending(other)) == (one == other)


@pytest.mark.parametrize("way", [ascending, descending])
@pytest.mark.parametrize("item", [{"a": 1}, float("nan"), Decimal("nan"), {1}])
def test_what_has_no_order_is_refused(way: Callable[[Any], Any], item: Any) -> None:
    with pytest.raises(DataTypeError, match=r"order_by: .*has no"):
        way(item)


@given(keys=st.lists(st.integers(0, 50), max_size=5000), count=st.integers(1, 60))
@examples(60)
def test_first_keeps_the_first_and_their_order(keys: list[int], count: int) -> None:
    first = First(count)
    pairs = [(key, number) for number, key in enumerate(keys)]
    for pair in pairs:
        first.add(pair)
    assert first.take() == sorted(pairs, key=lambda pair: pair[0])[:count]


# ---------------------------------------------------------------------------------------------------
# Whole runs

WORDS = [f"{word}{number % 37}" for number in range(400) for word in ("a", "b\0", "ä", "\U0001f600")][:1500]
LINES = "".join(f"{word}\n" for word in WORDS).encode()


def result(job: type[Job], body: bytes = LINES, **figures: Any) -> list[tuple[Any, Any]]:
    job_spec = spec(
        **{"split_size": 900, "partitions": 8, "reduce_size": 1, "output": {"format": "jsonl"}, **figures}
    )
    simulation = Simulation(job, job_spec, SCRATCH)
    simulation.drop("a.txt", body)
    simulation.run()
    assert "_SUCCESS" in simulation.output(), simulation.output()["_FAILED"].decode()
    rows = [json.loads(line) for line in simulation.text().splitlines()]
    return [(row["key"], row["value"]) for row in rows]


class Counted(Job):
    def mapper(self, _: None, line: str) -> Iterator[Any]:
        yield line, len(line) if "\0" in line else 1

    reducer = Sum()


COUNTED = sorted((word, count * (len(word) if "\0" in word else 1)) for word, count in Counter(WORDS).items())


def turned(word: str) -> Any:
    """A key function by which text sorts the other way round, in plain Python."""
    return [*(-ord(character) for character in word), 1]


ORDERS: list[tuple[Any, Callable[[tuple[str, int]], Any]]] = [
    ("key", lambda row: row[0]),
    ("-key", lambda row: turned(row[0])),
    ("value", lambda row: (row[1], row[0])),
    ("-value", lambda row: (-row[1], row[0])),
]


@pytest.mark.parametrize("limit", [None, 1, 7, 1000])
@pytest.mark.parametrize(("order", "key"), ORDERS, ids=[order for order, _ in ORDERS])
def test_results_are_those_of_sorted(order: str, key: Callable[[Any], Any], limit: int | None) -> None:
    job = type("Sorted", (Counted,), {"order_by": order, "limit": limit})
    assert result(job) == sorted(COUNTED, key=key)[:limit]


@pytest.mark.parametrize(
    "figures", [{"split_size": 1 << 20}, {"partitions": 1}, {"partitions": 3, "split_size": 64}]
)
@pytest.mark.parametrize("limit", [None, 5])
def test_sizes_change_nothing(figures: dict[str, Any], limit: int | None) -> None:
    job = type("Sorted", (Counted,), {"order_by": "-value", "limit": limit})
    assert result(job, **figures) == sorted(COUNTED, key=lambda row: (-row[1], row[0]))[:limit]


class ByLength(Counted):
    descending = True

    def order_by(self, key: str, value: int) -> Any:
        return len(key), value * self.params.get("sign", 1)


def test_a_method_may_say_what_the_order_is() -> None:
    assert result(ByLength, params={"sign": -1}) == sorted(
        COUNTED, key=lambda row: (-len(row[0]), row[1], row[0])
    )


class NoReducer(Job):
    """A key has several rows, which must stay in the order in which they came."""

    order_by = "-key"
    limit = 40

    def mapper(self, _: None, line: str) -> Iterator[Any]:
        yield len(line), line


def test_rows_of_one_key_stay_in_their_order() -> None:
    expected = sorted(((len(word), word) for word in WORDS), key=lambda row: -row[0])[:40]
    assert result(NoReducer) == expected


class OtherKeys(Job):
    """The reducer gives other keys than it got, so the order of those is not enough."""

    order_by = "key"

    def mapper(self, _: None, line: str) -> Iterator[Any]:
        yield line, 1

    def reducer(self, key: str, values: Iterator[int]) -> Iterator[Any]:
        yield key[::-1], sum(values)


def test_it_is_the_result_s_keys_that_are_ordered() -> None:
    assert result(OtherKeys) == sorted((word[::-1], count) for word, count in Counter(WORDS).items())


class MostWords(Job):
    """A limit in the middle: the steps after it see the first rows only."""

    class Top(Counted):
        order_by = "-value"
        limit = 10

    class Total(Job):
        def mapper(self, key: str, value: int) -> Iterator[Any]:
            yield "total", value

        reducer = Sum()

    steps = (Top, Total)


def test_a_limit_in_the_middle() -> None:
    top = sorted(COUNTED, key=lambda row: (-row[1], row[0]))[:10]
    assert result(MostWords) == [("total", sum(value for _, value in top))]


def test_a_limit_is_kept_over_many_invocations_of_one_attempt() -> None:
    """Each stops after its first steps, so what is mapped and what is written lies in pieces."""

    class Slow(NoReducer):
        limit = 70

    words = WORDS[:120]
    job_spec = spec(split_size=200, partitions=2, reduce_size=1, output={"format": "jsonl"})
    simulation = Simulation(Slow, job_spec, SCRATCH)
    simulation.when(
        lambda: simulation.invocations["reducer"] == 2, lambda: setattr(simulation, "_lifetime", 0.99)
    )
    simulation.drop("a.txt", "".join(f"{word}\n" for word in words).encode())
    simulation.run()
    pieces = [name for name in simulation.names() if name.endswith(".piece")]
    assert len(pieces) > 2
    assert all("/step-1/" in name for name in pieces)
    assert any("/step-1/map/" in name and name.endswith(".next") for name in simulation.names())
    rows = [json.loads(line) for line in simulation.text().splitlines()]
    expected = sorted(((len(word), word) for word in words), key=lambda row: -row[0])[:70]
    assert [(row["key"], row["value"]) for row in rows] == expected


# ---------------------------------------------------------------------------------------------------
# Which steps there are


def test_ascending_keys_without_a_limit_cost_no_step() -> None:
    (only,) = expand(type("Sorted", (Counted,), {"order_by": "key"}), {})
    assert isinstance(only.partitioner, Range)


@pytest.mark.parametrize("more", [{"order_by": "-key"}, {"order_by": "value"}, {"limit": 3}])
def test_all_else_is_one_more_step(more: dict[str, Any]) -> None:
    first, last = expand(type("Sorted", (Counted,), more), {})
    assert issubclass(last, Ordered)
    assert not issubclass(first, Ordered)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"order_by": "values"}, "Wrong.order_by: expected 'key', '-key', 'value', '-value' or a method"),
        ({"limit": 0}, "Wrong.limit: expected an integer >= 1, got 0"),
        ({"limit": True}, "Wrong.limit: expected an integer >= 1"),
        ({"mapper": Job.mapper, "reducer": None, "steps": [1]}, "expected Job classes, got 1 for step 1"),
        ({"steps": (CountWords,)}, "a job with steps has no mapper of its own"),
    ],
)
def test_mistakes_are_told(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        expand(type("Wrong", (Counted,), more), {})


def test_a_class_that_is_its_own_step_is_refused() -> None:
    class Endless(Job):
        pass

    Endless.steps = (Endless,)
    with pytest.raises(ConfigError, match="is it a step of itself"):
        expand(Endless, {})


def test_steps_may_depend_on_parameters() -> None:
    class Repeated(Job):
        def steps(self) -> Any:  # type: ignore[override]
            return [CountWords] + [Counted] * self.params["n"]

    assert expand(Repeated, {"n": 3}) == [CountWords, Counted, Counted, Counted]
    with pytest.raises(ConfigError, match=r"Repeated\.steps: KeyError: 'n' \(params: {}\)"):
        expand(Repeated, {})


def test_the_words_of_the_shared_text_are_ordered_too() -> None:
    job = type("Sorted", (CountWords,), {"order_by": "-value", "limit": 2})
    counted = Counter(TEXT.decode().split())
    assert result(job, TEXT) == sorted(counted.items(), key=lambda row: (-row[1], row[0]))[:2]


class Written(Counted):
    order_by = "-key"
    limit = 3

    def writer(self, key: str, value: int) -> str:
        return f"{key}={value}"


@pytest.mark.parametrize("job", [Written, type("Outer", (Job,), {"steps": (Written,), "order_by": "-key"})])
def test_rows_are_made_by_the_class_that_is_ordered(job: type[Job]) -> None:
    simulation = Simulation(job, spec(split_size=900, partitions=3), SCRATCH)
    simulation.drop("a.txt", LINES)
    simulation.run()
    expected = sorted(COUNTED, key=lambda row: turned(row[0]))[:3]
    assert simulation.text().decode().splitlines() == [f"{key}={value}" for key, value in expected]


# ---------------------------------------------------------------------------------------------------
# Keys and values of every type

ROW_KEYS = [
    st.integers(-3, 3),
    st.integers(),
    st.floats(allow_nan=False),
    TEXTS,
    ZEROS,
    st.booleans(),
    st.tuples(TEXTS, st.integers(-1, 1)),
    st.tuples(ZEROS, ZEROS),
]
ROW_VALUES = [st.integers(0, 3), NUMBERS, TEXTS, DECIMALS, st.lists(st.integers(0, 2), max_size=3), *ROW_KEYS]


@given(data=st.data(), keys=st.sampled_from(ROW_KEYS), values=st.sampled_from(ROW_VALUES))
@examples(120)
def test_rows_of_any_type_over_eight_reducers(
    data: st.DataObject, keys: st.SearchStrategy[Any], values: st.SearchStrategy[Any]
) -> None:
    rows = data.draw(st.lists(st.tuples(keys, values), min_size=1, max_size=40))
    order, limit = (
        data.draw(st.sampled_from(["key", "-key", "value", "-value"])),
        data.draw(st.none() | st.just(5)),
    )

    class Drawn(Job):
        order_by = order

        def mapper(self, _: None, line: str) -> Iterator[Any]:
            yield rows[int(line)]

    Drawn.limit = limit
    job_spec = spec(split_size=12, partitions=8, reduce_size=1, output={"format": "pairs"})
    simulation = Simulation(Drawn, job_spec, SCRATCH)
    simulation.drop("a.txt", "".join(f"{number}\n" for number in range(len(rows))).encode())
    simulation.run()
    found = [
        pair for block in read_blocks([simulation.text()], "the result") for pair in zip(*block, strict=True)
    ]
    by_key = sorted(rows, key=lambda row: row[0])
    expected = sorted(by_key, key=lambda row: row[order.endswith("value")], reverse=order.startswith("-"))
    assert found == expected[:limit]
