"""Partitioners, steps, the order of the result, rows of one's own, and joins."""

from collections.abc import Iterator, Sequence

from chalicelib import FirstLetter, Hash, Job, Random, Range, Sum
from chalicelib.join import Join
from chalicelib.testing import run_job


class Words(Job):
    def mapper(self, _: None, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            yield word, 1

    reducer = Sum()


class InOrder(Words):
    partitioner = Range(samples=16)


class ByHash(Words):
    partitioner = Hash()


class ByLetter(Words):
    partitioner = FirstLetter()


class Spread(Words):
    partitioner = Random()


class ByLength(Words):
    def partitioner(self, word: str, n: int) -> int:
        return len(word) % n


class Least(Words):
    order_by = "value"
    limit = 10


class Greatest(Words):
    """Sorted by a method, the greatest first."""

    descending = True
    limit = 10

    def order_by(self, word: str, count: int) -> tuple[int, str]:
        return count, word


class Rows(Words):
    def writer(self, word: str, count: int) -> str:
        return f"{count} {word}"


class ByteRows(Words):
    def writer(self, word: str, count: int) -> bytes:
        return b"%d" % count


class TwoSteps(Job):
    steps = (Words, InOrder)


class ListedSteps(Job):
    steps = [Words, InOrder]  # noqa: RUF012


class AsManySteps(Job):
    """Steps that depend on the parameters."""

    def steps(self) -> Sequence[type[Job]]:
        times: int = self.params["times"]
        return [Words, *[InOrder] * times]


class Visits(Join):
    left, right = "rankings", "visits"
    how = "left"

    def key(self, tag: str, record: list[str]) -> str | None:
        return record[1 if tag == "visits" else 0] or None

    def value(self, tag: str, record: list[str]) -> int | str:
        return int(record[1]) if tag == "rankings" else record[0]

    def row(self, url: str, rank: int, address: str | None) -> tuple[str, tuple[int, str]] | None:
        return (url, (rank, address)) if address else None


class ThreeInputs(Join):
    inputs = ("pages", "ranks", "visits")

    def key(self, tag: str, record: dict[str, str]) -> str:
        return record["url"]

    def row(
        self, url: str, page: dict[str, str], rank: dict[str, str], visit: dict[str, str]
    ) -> Iterator[tuple[str, str]]:
        yield url, page["title"] + rank["rank"] + visit["address"]


def test_words_are_counted() -> None:
    counters: dict[str, int] = {}
    assert run_job(Words, ["a b", "b"], params={"n": 1}, counters=counters) == [("a", 1), ("b", 2)]


class Settle(Job):
    rounds = 20
    rereads = True

    def mapper(self, word: str, count: int) -> Iterator[tuple[str, int]]:
        known = self.run.result(Words) if self.run.round == 1 else self.run.result(Settle)
        yield word, known.get(word, count)

    reducer = Sum()

    def converged(self) -> bool:
        return self.run.steps[-1].records_out == len(self.run.result(Settle))


class AsOftenAsTold(Words):
    def rounds(self) -> int:
        return int(self.params["rounds"])


class Settled(Job):
    steps = (Words, Settle, AsOftenAsTold)
