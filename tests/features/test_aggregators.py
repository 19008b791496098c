"""Every aggregator in whole runs: the same bytes for any split size, budget and number of partitions."""

from __future__ import annotations

import json
import random
import statistics
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from chalicelib import (
    ApproxDistinct,
    Avg,
    Collect,
    Count,
    CountDistinct,
    Distinct,
    First,
    Histogram,
    Job,
    Last,
    Max,
    Min,
    MostFrequent,
    Quantiles,
    Record,
    Sample,
    StdDev,
    Sum,
    Top,
    Variance,
)
from tests.worlds.simulation import Simulation, spec


class Sales(Job):
    """Lines of `shop<TAB>id<TAB>amount<TAB>kind`."""

    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        shop, number, amount, kind = line.split("\t")
        yield (
            shop,
            {"id": int(number), "amount": float(amount), "exact": Decimal(amount), "kind": kind},
        )


class Everything(Sales):
    reducer = Record(
        n=Count(),
        total=Sum(exact=True).of("amount"),
        decimal=Sum().of("exact"),
        ids=Sum().of("id"),
        mean=Avg(exact=True).of("amount"),
        least=Min().of("amount"),
        most=Max().of("amount"),
        variance=Variance().of("amount"),
        deviation=StdDev().of("amount"),
        first=First(by="id").of(dict),
        last=Last(by=lambda sale: (sale["kind"], sale["amount"])),
        top=Top(3, by="amount"),
        kinds=Distinct().of("kind"),
        count_kinds=CountDistinct().of("kind"),
        frequent=MostFrequent(2).of("kind"),
        about=ApproxDistinct().of("id"),
        quantiles=Quantiles(0.5, 0.99).of("amount"),
        histogram=Histogram(10, 100).of("amount"),
        sample=Sample(3).of("id"),
        collect=Collect(5, overflow="truncate").of("id"),
    )


class Totals(Sales):
    """A combiner of another kind than the reducer, which sees results."""

    combiner = Sum().of("exact")

    def reducer(self, key: str, values: Iterator[Decimal]) -> Iterator[Any]:
        yield key, sum(values)


def lines() -> list[str]:
    chance = random.Random(11)
    return [
        f"shop{chance.randrange(4)}\t{number}\t{chance.choice([0.1, 0.2, 1e16, -1e16, 19.99, 250])!r}"
        f"\t{chance.choice(['book', 'pen', 'ink'])}"
        for number in range(120)
    ]


def run(job: type[Job], scratch: Path, **figures: Any) -> bytes:
    simulation = Simulation(job, spec(output={"format": "jsonl"}, trigger="marker", **figures), scratch)
    for number, start in enumerate(range(0, 120, 50)):
        simulation.add(f"{number}.txt", "\n".join(lines()[start : start + 50]).encode())
    simulation.drop("_READY", b"")
    simulation.run()
    assert "_SUCCESS" in simulation.output(), simulation.output()["_FAILED"].decode()
    assert not any(scratch.iterdir()), "spills are left behind"
    return simulation.text()


@pytest.fixture
def plain(tmp_path: Path) -> bytes:
    return run(Everything, tmp_path, partitions=1)


@pytest.mark.parametrize("budget", [None, 1, 20_000])
@pytest.mark.parametrize("split_size", [60, 700])
def test_the_bytes_do_not_depend_on_any_size(
    plain: bytes, tmp_path: Path, split_size: int, budget: int | None
) -> None:
    for partitions in (1, 5):
        found = run(
            Everything,
            tmp_path,
            split_size=split_size,
            memory_budget=budget,
            partitions=partitions,
            reduce_size=1,
        )
        assert sorted(found.splitlines()) == sorted(plain.splitlines())


def test_the_results_are_right(plain: bytes) -> None:
    shops: dict[str, list[tuple[int, str, str]]] = {}
    for line in lines():
        shop, number, amount, kind = line.split("\t")
        shops.setdefault(shop, []).append((int(number), amount, kind))
    rows = [json.loads(row) for row in plain.splitlines()]
    assert [row["key"] for row in rows] == sorted(shops)
    for row in rows:
        sales, value = shops[row["key"]], row["value"]
        amounts = [float(amount) for _, amount, _ in sales]
        kinds = [kind for _, _, kind in sales]
        exact = [Fraction(amount) for amount in amounts]
        assert list(value) == list(Everything.reducer.finish(Everything.reducer.lift(SALE)))
        assert value["n"] == len(sales)
        assert value["total"] == float(sum(exact))
        assert value["mean"] == float(sum(exact) / len(exact))
        assert value["ids"] == sum(number for number, _, _ in sales)
        assert (value["least"], value["most"]) == (min(amounts), max(amounts))
        assert value["variance"] == float(statistics.variance(exact))
        assert value["first"]["id"] == sales[0][0]
        assert value["last"]["kind"] == max(kinds)
        assert [sale["amount"] for sale in value["top"]] == sorted(amounts, reverse=True)[:3]
        assert value["kinds"] == sorted(set(kinds))
        assert value["count_kinds"] == len(set(kinds))
        counts = sorted(Counter(kinds).items(), key=lambda item: (-item[1], item[0]))
        assert value["frequent"] == [list(item) for item in counts[:2]]
        assert abs(value["about"] - len(sales)) <= 1
        assert value["quantiles"][0] == pytest.approx(sorted(amounts)[(len(sales) - 1) // 2], rel=0.01)
        assert sum(value["histogram"]) == len(sales)
        assert set(value["sample"]) < {number for number, _, _ in sales}
        assert value["collect"] == [number for number, _, _ in sales][:5]


SALE = {"id": 1, "amount": 1.0, "exact": Decimal(1), "kind": "pen"}


def test_as_the_combiner_of_another_reducer(tmp_path: Path) -> None:
    expected = run(Totals, tmp_path, partitions=1)
    assert expected.count(b"\n") == 4
    assert run(Totals, tmp_path, partitions=1, split_size=60, memory_budget=1) == expected


class Lacking(Sales):
    reducer = Record(total=Sum().of("price"))


def test_a_wrong_value_fails_the_run_with_its_place(tmp_path: Path) -> None:
    simulation = Simulation(Lacking, spec(), tmp_path)
    simulation.drop("a.txt", "\n".join(lines()).encode())
    simulation.run()
    message = simulation.output()["_FAILED"].decode()
    assert "there is no 'price' in {'id': 0" in message
    assert "s3://in/data/a.txt" in message
