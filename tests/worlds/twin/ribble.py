"""Ribble, a MapReduce of others, described to the twin, to hold that against what its author measured.

Source: github.com/josenarvaezp/ribble, its code and its author's dissertation (2022), Tables 3 and 4, Figure 17. All
functions are Go in container images of 1 536 MB in eu-west-2. One coordinator, itself a function, invokes all mappers
one after the other, then asks a queue of SQS who is done; each mapper reads one range of an object and sends its
results to the reducers' queues, in messages padded to tens; each reducer asks its queue for ten messages at a time,
one call after the other; Q6, whose results go to random reducers, has a last reducer behind them.

Nothing here is fitted to its run times. How long a mapper takes follows from what its runs cost, how long a call
takes from how many mappers it got to run at once, and how many messages there were from the requests it counted.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

from .account import Account, Duties, Invocation
from .terms import Terms
from .virtual_time import VirtualTime


@dataclass(frozen=True, kw_only=True)
class Published:
    """A row of its tables: seconds from the coordinator's start to its end, dollars, and calls of SQS."""

    query: str
    gb: int
    mappers: int
    reducers: int
    s3_reads: int
    sqs: int
    seconds: float
    dollars: float


#: "Cost" in hundred-thousandths of a dollar: times queries an hour that is its dollars an hour.
TABLES = tuple(
    Published(query=query, gb=gb, mappers=mappers, reducers=reducers, s3_reads=reads, sqs=sqs, seconds=seconds,
              dollars=cost / 100_000)
    for query, gb, mappers, reducers, reads, sqs, seconds, cost in (
        ("Q1", 3, 35, 4, 49, 3894, 12.5, 498),
        ("Q1", 10, 116, 4, 130, 11_184, 15.0, 1284),
        ("Q1", 30, 353, 4, 367, 32_514, 14.0, 4369),
        ("Q1", 100, 1186, 16, 2407, 375_020, 37.0, 25_430),
        ("Q6", 3, 35, 4, 49, 452, 13.0, 264),
        ("Q6", 10, 116, 4, 130, 1424, 14.0, 650),
        ("Q6", 30, 353, 4, 367, 4268, 15.0, 1972),
        ("Q6", 100, 1186, 16, 2407, 42_824, 26.0, 7031),
    )
)  # fmt: skip
#: Mappers of Q1 at 100 GB that ran at once (Figure 17).
AT_ONCE = 402
#: Dollars: a GB-second, a call of a function, of SQS, a GET of S3 (eu-west-2, x86, 2022).
_GB_SECOND, _CALL, _SQS, _GET = 1.66667e-5, 2e-7, 4e-7, 4.2e-7
_GB = 1.5
#: Messages of one call of SQS, and calls of SQS between two words to the log.
_TEN = 10
#: How the twin's account differs: what starts at once in eu-west-2 then, and how much more a minute (dissertation).
#: A function in a container image starts more slowly than one in a zip: one to two seconds [A].
TERMS = Terms(ramp_burst=500, ramp_rate=500 / 60, cold_start=1.5)


def mapper_seconds(query: str) -> float:
    """What a mapper was billed for: the price of the largest run less all that is not its mappers.

    All mappers have the same bytes; of the largest run the share of the rest, taken as busy throughout, matters least.
    """
    (row,) = [row for row in TABLES if (row.query, row.gb) == (query, 100)]
    calls = row.mappers + row.reducers + 1
    compute = row.dollars - row.sqs * _SQS - row.s3_reads * _GET - calls * _CALL
    seconds = compute / (_GB * _GB_SECOND)
    after_the_mappers = row.reducers * _receives(row) * call_seconds(seconds / row.mappers)
    return (seconds - row.seconds - after_the_mappers) / row.mappers


def call_seconds(mapper: float) -> float:
    """One call of AWS from one of its functions: so many mappers ran at once that were invoked one after the other."""
    return (TERMS.cold_start + mapper) / AT_ONCE


def _messages(row: Published) -> float:
    """Messages that a mapper sends: each is sent and received, and it tells each reducer, and that it is done."""
    return max(1.0, (row.sqs / row.mappers - 2 * (row.reducers + 1)) / 2)


def _receives(row: Published) -> float:
    """Calls in which a reducer hears how much there is, and gets it."""
    return row.mappers / _TEN + row.mappers * _messages(row) / row.reducers / _TEN


class Ribble:
    """One run in the twin."""

    def __init__(self, row: Published, seed: int = 0) -> None:
        self.row = row
        self._call = call_seconds(mapper_seconds("Q1"))
        self._mapper = mapper_seconds(row.query)
        self.time = VirtualTime(0.0)
        self._chance = random.Random(seed)
        duties = Duties(
            work=self._work, lifetime=lambda _: 900.0, ended=lambda *_: None, given_up=lambda *_: None
        )
        self.account = Account(TERMS, self.time, self._chance, duties)
        #: By function: how many have said that they are done.
        self.done: Counter[str] = Counter()
        self.ended: float | None = None

    def run(self) -> float:
        """Seconds from the coordinator's invocation to its end."""
        self.account.invoke("coordinator", {})
        self.time.run(3600.0)
        self.time.close()
        assert self.ended is not None
        return self.ended

    def _work(self, event: Invocation) -> BaseException | None:
        duty: dict[str, Any] = {"coordinator": self._coordinate, "mapper": self._map}
        duty.get(event.function, self._reduce)()
        self.done[event.function] += 1
        return None

    def _coordinate(self) -> None:
        self._calls(3)  # its state, the mappings, a word to the log
        for function, number in self._phases():
            for _ in range(number):
                self._calls(1)
                self.account.invoke(function, {})
            self._calls(1)  # leaves word that all are invoked
            self._await(function, number)
        self._calls(2)
        self.ended = self.time.now
        self.time.enough = True

    def _phases(self) -> list[tuple[str, int]]:
        last = [("final reducer", 1)] if self.row.query == "Q6" else []
        return [("mapper", self.row.mappers), ("reducer", self.row.reducers), *last]

    def _await(self, function: str, number: int) -> None:
        """Asks once a second until one is done, then all the time, ten at a time; every tenth time it tells the log."""
        heard = asked = 0
        while heard < number:
            self._calls(1)
            ready = min(_TEN, self.done[function] - heard)
            if not heard and not ready:
                self._sleep(1.0)
            heard += ready
            asked += bool(heard)
            if heard and asked % _TEN == 1:
                self._calls(2)

    def _map(self) -> None:
        self._sleep(self._mapper * self._chance.lognormvariate(0.0, 0.15))

    def _reduce(self) -> None:
        self._calls(
            _receives(self.row) if self.done["reducer"] < self.row.reducers else 2 * self.row.reducers / _TEN
        )
        self._calls(3)  # what an earlier one has left, the result, the word that it is done

    def _calls(self, number: float) -> None:
        self._sleep(number * self._call)

    def _sleep(self, seconds: float) -> None:
        self.time.sleep(self.time.now + seconds)
