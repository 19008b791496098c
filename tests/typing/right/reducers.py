"""Reducers, combiners and aggregators, in each form they may have."""

from collections.abc import Iterable, Iterator

from chalicelib import (
    Aggregator,
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


class Words(Job):
    def mapper(self, _: None, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            yield word, len(word)


class Longest(Words):
    """A combiner and a reducer that are methods, with what comes before the first group and after the last."""

    def combiner(self, word: str, lengths: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield word, max(lengths)

    def combiner_init(self) -> list[tuple[str, int]]:
        return []

    def combiner_final(self) -> None:
        self.count("combined")

    def reducer_init(self) -> None:
        self.groups = 0

    def reducer(self, word: str, lengths: Iterable[int]) -> Iterator[tuple[str, int]]:
        self.groups += 1
        yield word, max(lengths)

    def reducer_final(self) -> Iterator[tuple[str, int]]:
        yield "", self.groups


class Checked(Words):
    """A reducer that returns nothing for some groups, as a list for others."""

    def reducer(self, word: str, lengths: Iterator[int]) -> list[tuple[str, int]] | None:
        return [(word, sum(lengths))] if word else None


class FoldedBefore(Words):
    """An aggregator as the combiner of a method."""

    combiner = Max()

    def reducer(self, word: str, lengths: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield word, max(lengths)


class FoldedInTask(Words):
    """A method as the combiner of an aggregator."""

    def combiner(self, word: str, lengths: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield word, sum(lengths)

    reducer = Sum()


class EveryAggregator(Words):
    reducer = Record(
        approx=ApproxDistinct(),
        avg=Avg().of(len),
        collect=Collect(limit=10),
        count=Count(),
        distinct=CountDistinct(),
        values=Distinct(),
        first=First(by="time"),
        histogram=Histogram([0, 10, 100]),
        last=Last(by=lambda value: value),
        max=Max(),
        min=Min().of(0),
        frequent=MostFrequent(3),
        quantiles=Quantiles(0.5, 0.99),
        sample=Sample(5, seed=1),
        std_dev=StdDev(),
        sum=Sum(exact=True),
        top=Top(3),
        variance=Variance(population=True),
    )


class Span(Aggregator):
    """The distance between the least value and the greatest."""

    def lift(self, value: int) -> tuple[int, int]:
        return value, value

    def merge(self, left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
        return min(left[0], right[0]), max(left[1], right[1])

    def finish(self, state: tuple[int, int]) -> int:
        return state[1] - state[0]


class Spans(Words):
    reducer = Span()


class Sessions(Job):
    """The reducer gets the values of a key in order."""

    sort_values = True

    def mapper(self, _: None, fields: list[str]) -> Iterator[tuple[str, dict[str, str]]]:
        yield fields[0], {"time": fields[1], "page": fields[2]}

    def sort_key(self, user: str, visit: dict[str, str]) -> str:
        return visit["time"]

    def reducer(self, user: str, visits: Iterator[dict[str, str]]) -> Iterator[tuple[str, list[str]]]:
        yield user, [visit["page"] for visit in visits]

    def having(self, user: str, pages: list[str]) -> bool:
        return len(pages) > 1
