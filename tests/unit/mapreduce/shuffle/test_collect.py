"""`collect` and `spill`: pairs come out sorted and partitioned, however small the budget."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import Aggregator, Avg, Count, Job, Max, Record, Sum
from chalicelib.aggregators.base import Of
from chalicelib.core.errors import DataTypeError
from chalicelib.job.binding import bind
from chalicelib.job.job import Each
from chalicelib.job.partitioners import Hash
from chalicelib.mapreduce.shuffle.collect import (
    CHUNK,
    GroupCollector,
    PairCollector,
    StateCollector,
    check_pairs,
    map_collector,
)
from chalicelib.mapreduce.shuffle.spill import FAN_IN, Spiller
from chalicelib.stores.disk import LocalDisk
from tests.strategies import examples, key_lists


def partitions_of(keys: list[Any], partitions: int) -> list[int]:
    return list(Hash().partitions_of(keys, partitions))


def pair_collector() -> PairCollector:
    return PairCollector(Hash())


def group_collector(combiner: Any = lambda key, values: ()) -> GroupCollector:
    return GroupCollector(combiner, Hash())


def sum_collector() -> StateCollector:
    return StateCollector(Sum(), Hash())


def drained(collector: Any, pairs: Any, partitions: int) -> list[tuple[int, list[Any], list[Any]]]:
    source = iter(pairs)
    while collector.absorb(source):
        pass
    return list(collector.drain(partitions))


@given(key_lists, st.integers(1, 5))
@examples(100)
def test_states_whose_order_nobody_needs_are_the_same_states(keys: list[Any], partitions: int) -> None:
    found = []
    for in_order in (True, False):
        collector = sum_collector()
        collector.absorb(iter([(key, 1) for key in keys]))
        pieces = collector.drain(partitions, in_order)
        found.append([(partition, dict(zip(own, states, strict=True))) for partition, own, states in pieces])
    assert found[0] == found[1]
    assert sum(sum(states.values()) for _, states in found[1]) == len(keys)


def test_numbers_are_weighed_though_only_new_keys_are_looked_at() -> None:
    collector = sum_collector()
    weights = []
    for letters in (1, 1000):  # small keys first, then as many large ones
        collector.absorb(iter([(f"{letters}.{number}".ljust(letters), 1) for number in range(1000)]))
        weights.append(collector.weight())
    assert 100_000 < weights[0] < 400_000
    assert 1_000_000 < weights[1] - weights[0] < 1_400_000
    list(collector.drain(2))
    assert collector.weight() == 0


@given(key_lists, st.integers(1, 5))
@examples(100)
def test_pairs_come_out_by_partition_sorted_stably(keys: list[Any], partitions: int) -> None:
    pairs = [(key, number) for number, key in enumerate(keys)]
    found = drained(pair_collector(), pairs, partitions)
    assert [partition for partition, _, _ in found] == sorted(set(partitions_of(keys, partitions)))
    for partition, own, values in found:
        mine = [pair for pair in pairs if partitions_of([pair[0]], partitions) == [partition]]
        expected = mine if None in own else sorted(mine, key=lambda pair: pair[0])
        assert list(zip(own, values, strict=True)) == expected


@given(key_lists, st.integers(1, 5))
@examples(60)
def test_states_are_one_a_key(keys: list[Any], partitions: int) -> None:
    found = drained(sum_collector(), [(key, 2) for key in keys], partitions)
    states = {key: state for _, own, values in found for key, state in zip(own, values, strict=True)}
    assert states == {key: 2 * count for key, count in Counter(keys).items()}


def test_a_combiner_is_called_once_a_key_and_may_rename() -> None:
    calls = []

    def combiner(key: str, values: Iterator[int]) -> Iterator[Any]:
        calls.append(key)
        yield key.upper(), sum(values)

    pairs = [("a", 1), ("b", 2), ("a", 3), ("A", 9)]
    ((partition, keys, values),) = drained(group_collector(combiner), pairs, 1)
    assert sorted(calls) == ["A", "a", "b"]
    assert (partition, keys, values) == (0, ["A", "A", "B"], [4, 9, 2])


def test_a_combiner_may_drop_everything() -> None:
    assert drained(group_collector(lambda key, values: None), [("a", 1)], 3) == []


def test_absorbing_is_bounded_so_that_memory_can_be_looked_at() -> None:
    for collector in (pair_collector(), sum_collector(), group_collector()):
        source = iter([("k", 1)] * (3 * CHUNK))
        assert collector.absorb(source)
        assert len(list(source)) >= CHUNK
        assert not collector.absorb(iter([]))


def test_keys_are_checked_whenever_they_come() -> None:
    for looks in (False, True):
        for late, refused in (("a", "of one type"), ({1}, "a set"), (("a", 1.5, float("nan")), "NaN")):
            collector = sum_collector()
            for key in (1, 2) if late == "a" else (("a", 1, "b"), ("b", 2, "c")):
                collector.absorb(iter([(key, 1)]))
                assert not looks or collector.weight() > 0
            key = late if isinstance(late, str | tuple) else ("a", frozenset(late), "b")
            collector.absorb(iter([(key, 1)]))
            with pytest.raises(DataTypeError, match=refused):
                list(collector.drain(2))


@pytest.mark.parametrize("make", [pair_collector, group_collector])
def test_weight_grows_with_what_is_held_and_goes_with_it(make: Any) -> None:
    collector = make()
    assert collector.weight() == 0
    collector.absorb(iter([(f"key{number}", "x" * 100) for number in range(1000)]))
    assert 150_000 < collector.weight() < 600_000
    list(collector.drain(1))
    assert collector.weight() == 0


def test_weight_of_states_follows_the_number_of_keys() -> None:
    collector = sum_collector()
    collector.absorb(iter([("same", 1)] * 10_000))
    small = collector.weight()
    collector.absorb(iter([(f"key{number}", 1) for number in range(10_000)]))
    assert small < 1000
    assert collector.weight() > 1_000_000


class Named(NamedTuple):
    """What a mapper may yield as well."""

    key: str
    value: int


@pytest.mark.parametrize("bad", [1, "abc", "ab", None, (1,), (1, 2, 3), {"a": 1, "b": 2}, b"ab"])
def test_what_is_no_pair_is_shown(bad: Any) -> None:
    good = [("a", 1), ["b", 2], Named("c", 3)]
    check_pairs(good)
    taken = pair_collector()
    taken.absorb(iter(good))
    assert list(taken.drain(1)) == [(0, ["a", "b", "c"], [1, 2, 3])]
    for take in (check_pairs, pair_collector().absorb, group_collector().absorb):
        with pytest.raises(DataTypeError, match="yield key, value") as refusal:
            take(iter([*good, bad]) if take is not check_pairs else [*good, bad])
        assert repr(bad) in str(refusal.value)


class Longest(Aggregator):
    """A user's own, whose `lift` calls a function of theirs."""

    def lift(self, value: str) -> tuple[int, str]:
        return measured(value), value

    def merge(self, left: Any, right: Any) -> Any:
        return max(left, right)


def measured(value: str) -> int:
    return len(value)


FOLDS: list[Callable[[], Aggregator]] = [
    Sum, Avg, Count, Max, Longest, lambda: Sum(exact=True), lambda: Record(all=Count()), lambda: Count().of(0),
]  # fmt: skip


@pytest.mark.parametrize("make", FOLDS)
@pytest.mark.parametrize("good", [0, 3])
@pytest.mark.parametrize("bad", ["abc", 5, None, (1, 2, 3), ()])
def test_a_fold_refuses_what_is_no_pair(make: Callable[[], Aggregator], good: int, bad: Any) -> None:
    value = ("v",) if isinstance(make(), Longest | Of) else 1
    pairs = [("a", value)] * good + [bad]
    with pytest.raises(DataTypeError, match=r"expected \(key, value\) pairs: .*: write `yield key, value`"):
        StateCollector(make(), Hash()).absorb(iter(pairs))


@pytest.mark.parametrize(
    ("aggregator", "values", "message"),
    [
        (Sum(), [1, "x"], r"Sum: expected an int.*, got 'x' \(str\): key 'k' \(str\), value 'x' \(str\)"),
        (Avg(), ["x"], r"Avg: expected an int.*, got 'x' \(str\): key 'k' \(str\), value 'x' \(str\)"),
        (Max(), [1, "x"], r"not supported between .*: key 'k' \(str\), value 'x' \(str\)"),
        (Sum(exact=True), [1, "x"], r"got 'x' \(str\): key 'k' \(str\), value \[1, 'x'\] \(list\)"),
        (Longest(), ["x", 5], r"type 'int' has no len\(\): key 'k' \(str\), value 5 \(int\)"),
        (
            Sum().of("n"),
            [{"n": 1}, {"m": 2}],
            r"there is no 'n' in .*: key 'k' \(str\), value \{'m': 2\} \(dict\)",
        ),
        (Record(n=Sum()), [1, "x"], r"Sum: expected .*: key 'k' \(str\), value 'x' \(str\)"),
    ],
    ids=lambda item: type(item).__name__ if isinstance(item, Aggregator) else "",
)
def test_a_fold_that_fails_names_key_and_value(
    aggregator: Aggregator, values: list[Any], message: str
) -> None:
    with pytest.raises(DataTypeError, match=message):
        StateCollector(aggregator, Hash()).absorb(iter([("k", value) for value in values]))


@pytest.mark.parametrize("make", FOLDS)
def test_a_key_that_cannot_be_hashed_is_named(make: Callable[[], Aggregator]) -> None:
    value = ("v",) if isinstance(make(), Longest | Of) else 1
    with pytest.raises(
        DataTypeError, match=r"unhashable.*: key \['k'\] \(list\), value .*; keys are None, bool"
    ):
        StateCollector(make(), Hash()).absorb(iter([("a", value), (["k"], value)]))
    with pytest.raises(
        DataTypeError, match=r"key \{'k'\} \(set\), .*: a set has no order; convert it first \(`tuple"
    ):
        StateCollector(make(), Hash()).absorb(iter([("a", value), ({"k"}, value)]))


def test_states_that_do_not_merge_are_named_too() -> None:
    collector = StateCollector(Max(), Hash(), merging=True)
    with pytest.raises(DataTypeError, match=r"not supported between .*: key 'k' \(str\), value 'x' \(str\)"):
        collector.absorb_block(["k", "k"], [1, "x"])


@pytest.mark.parametrize("make", FOLDS)
@pytest.mark.parametrize("good", [0, 3])
@pytest.mark.parametrize("mistake", ["'3' + 4", "a, b = 1, 2, 3", "int('x')"])
def test_what_the_mapper_raises_goes_up_as_it_is(
    make: Callable[[], Aggregator], good: int, mistake: str
) -> None:
    """Even if it is what a fold might raise, and in the midst of pairs."""

    def mapper() -> Iterator[tuple[str, Any]]:
        yield from [("a", ("v",) if isinstance(make(), Longest | Of) else 1)] * good
        exec(mistake)

    with pytest.raises((TypeError, ValueError)) as raised:
        StateCollector(make(), Hash()).absorb(mapper())
    assert type(raised.value) in (TypeError, ValueError)


def job(**parts: Any) -> Any:
    return bind(type("J", (Job,), {"mapper": lambda self, key, value: (), **parts}), "j", {})


def test_the_collector_is_chosen_by_what_the_job_has() -> None:
    pairs = [("a", 1), ("a", 5), ("b", 2)]

    def combine(self: Any, key: str, values: Iterator[int]) -> Any:
        return [(key, [sum(values)])]

    def reduce(self: Any, key: str, values: Iterator[Any]) -> Any:
        return [(key, list(values))]

    def of(**parts: Any) -> list[Any]:
        return drained(map_collector(job(**parts)), pairs, 1)

    assert of() == [(0, ["a", "a", "b"], [1, 5, 2])]
    assert of(reducer=reduce) == [(0, ["a", "a", "b"], [1, 5, 2])]
    assert of(combiner=combine) == [(0, ["a", "b"], [[6], [2]])]
    assert of(reducer=Sum()) == [(0, ["a", "b"], [6, 2])]
    assert of(reducer=Avg()) == [(0, ["a", "b"], [(6, 2), (2, 1)])], "states travel"
    assert of(combiner=Avg(), reducer=reduce) == [(0, ["a", "b"], [3.0, 2.0])], "results travel"
    assert of(combiner=Max(), reducer=Sum()) == [(0, ["a", "b"], [5, 2])]


@given(
    st.lists(st.tuples(st.sampled_from("abcdefg"), st.integers(0, 99)), max_size=60),
    st.integers(1, 4),
    st.integers(1, 9),
)
@examples(60)
def test_a_spiller_gives_what_one_sort_would_give(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[Any], partitions: int, step: int
) -> None:
    """A budget of one byte: every few pairs are a spill of their own."""
    scratch = tmp_path_factory.mktemp("spill")
    spiller = Spiller(pair_collector(), partitions, 1, LocalDisk(scratch), scratch)
    for start in range(0, len(pairs), step):
        spiller.add(iter(pairs[start : start + step]))
    found: defaultdict[int, list[Any]] = defaultdict(list)
    for partition, blocks in spiller.blocks():
        for keys, values in blocks:
            found[partition] += zip(keys, values, strict=True)
    expected: defaultdict[int, list[Any]] = defaultdict(list)
    for pair in sorted(pairs, key=lambda pair: pair[0]):
        expected[partitions_of([pair[0]], partitions)[0]].append(pair)
    assert found == expected
    assert list(found) == sorted(found)
    assert spiller.spilled == bool(pairs)


def test_more_spills_than_are_merged_at_once_keep_the_order_of_ties(tmp_path: Path) -> None:
    spiller = Spiller(pair_collector(), 2, 1, LocalDisk(tmp_path), tmp_path)
    count = 2 * FAN_IN + 3
    for number in range(count):
        spiller.add(iter([("tie", number), (f"k{number:04d}", number)]))
    found = [
        pair
        for _, blocks in spiller.blocks()
        for keys, values in blocks
        for pair in zip(keys, values, strict=True)
    ]
    assert [value for key, value in found if key == "tie"] == list(range(count))
    assert sorted(value for key, value in found if key != "tie") == list(range(count))
    assert len(list(tmp_path.iterdir())) <= 3, "merged spills are deleted"


def test_without_pressure_nothing_touches_the_disk(tmp_path: Path) -> None:
    spiller = Spiller(pair_collector(), 2, 1 << 30, LocalDisk(tmp_path), tmp_path)
    spiller.add(iter([("a", 1)]))
    assert [keys for _, blocks in spiller.blocks() for keys, _ in blocks] == [["a"]]
    assert not spiller.spilled
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "keys",
    [["a", "b", "a"], iter(["a", "b", "a"]), {"a": 5, "b": 7}, {"a", "b"}],
    ids=lambda keys: type(keys).__name__,
)
@pytest.mark.parametrize(
    ("aggregator", "value"),
    [(Sum(), 1), (Sum(), 3), (Sum(), True), (Count(), "x"), (Max(), 4)],
    ids=lambda item: type(item).__name__,
)
def test_keys_that_share_a_value_are_as_good_as_pairs(keys: Any, aggregator: Any, value: Any) -> None:
    """A mapping's keys are its keys, not counts; a generator may be read but once."""
    listed = list(keys)
    keys = iter(listed) if isinstance(keys, Iterator) else keys
    one, two = StateCollector(aggregator, Hash()), StateCollector(aggregator, Hash())
    for collector in (one, two):
        collector.absorb(iter([("a", 2)]))
    one.absorb_each(Each(keys, value))
    two.absorb(iter([(key, value) for key in listed]))
    assert list(one.drain(1)) == list(two.drain(1))


def test_blocks_that_were_checked_before_are_as_good_as_pairs() -> None:
    for make in (
        pair_collector,
        sum_collector,
        lambda: group_collector(lambda key, values: [(key, list(values))]),
    ):
        one, two = make(), make()
        one.absorb_block(["a", "b", "b"], [1, 2, 3])
        two.absorb(iter([("a", 1), ("b", 2), ("b", 3)]))
        assert one.weight() == two.weight()
        assert list(one.drain(2)) == list(two.drain(2))


def test_states_of_new_keys_are_taken_as_merging_takes_them() -> None:
    blocks: list[tuple[list[Any], list[Any]]] = [
        (["a", "b"], [1, 2]),
        (["c", "c"], [3, 4]),  # twice
        (["d", "e"], [True, 1]),  # 0 + True is 1
        (["f", "g"], [-0.0, 1.0]),  # 0 + -0.0 is 0.0
        (["h", "a"], [5, 6]),  # one that is known
    ]
    table: dict[Any, Any] = {}
    collector = StateCollector(Sum(), Hash(), merging=True)
    for keys, states in blocks:
        Sum().absorb_states(table, zip(keys, states, strict=True))
        collector.absorb_block(keys, states)
    ((_, keys, states),) = collector.drain(1)
    assert repr(dict(zip(keys, states, strict=True))) == repr(dict(sorted(table.items())))
