"""One level of shuffle or two: what reading run files takes and costs, with the one and with the other.

Told apart are only the things that differ. All tasks are taken to run at once: where slots are few, what is cheaper is
faster as well. Light enough for functions, which ask the same as `scripts/plan.py` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from ...core.spec import JobSpec
from ...mapreduce.exchange import grid
from ..status.price_list import prices_of
from .figures import Figures

#: As in `mapreduce.reduce.task`: the part of a reducer's budget that fetched slices may take.
PACKED_SHARE = 8
_MB = 1024
#: Requests of an exchange task beside reads of run files: plans, index, run file, marker; and the PUTs among them.
OWN_REQUESTS, OWN_PUTS = 7, 2
#: A second level pays if it takes so much of the time of one: where slots are few its tasks take turns.
_WORTH = 0.8


@dataclass(frozen=True, kw_only=True)
class Shuffled:
    """What there is to be shuffled: so many map tasks, partitions and reduce tasks, and bytes of run files."""

    tasks: int
    partitions: int
    reducers: int
    bytes: float

    def stretches(self, own: float, budget: int) -> int:
        """How often a task goes through run files: for as many of its `own` partitions as it may hold packed."""
        one = self.bytes / self.partitions
        together = max(1, int(budget // one)) if one >= 1 else own
        return ceil(own / min(together, own)) if own else 0


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """How a second level is cut: `fetches` of run files by one exchange task, and by one reduce task behind it."""

    rows: int
    columns: int
    fetches: int
    reduce_fetches: int
    #: Bytes of run files of one exchange task.
    bytes: float

    @property
    def tasks(self) -> int:
        return self.rows * self.columns


def exchange(spec: JobSpec, given: Shuffled, figures: Figures) -> Exchange:
    """The second level of a run that has one."""
    budget = spec.budget("reducer")
    rows, columns = grid.groups(given.tasks, given.reducers, given.bytes, budget)
    rows = max(rows, ceil(given.tasks / figures.rows(given.partitions)))
    share = given.bytes / (given.partitions * rows)  # of a partition in one group of run files
    own = given.partitions / columns
    part = Shuffled(tasks=given.tasks, partitions=1, reducers=1, bytes=share)
    return Exchange(
        rows=rows,
        columns=columns,
        fetches=ceil(given.tasks / rows) * part.stretches(own, budget // grid.PACKED_SHARE),
        reduce_fetches=rows * given.stretches(given.partitions / given.reducers, budget // PACKED_SHARE),
        bytes=given.bytes / (rows * columns),
    )


def fetching(spec: JobSpec, readers: int, fetches: float, figures: Figures) -> float:
    """Seconds in which each of so many readers, all at once, asks for so many ranges of run files of one prefix."""
    return max(fetches * one_fetch(spec, readers, figures), readers * fetches / figures.prefix_gets)


def one_fetch(spec: JobSpec, readers: int, figures: Figures) -> float:
    """Seconds that a range takes one of so many readers, each of which has several under way."""
    memory = spec.memory.reducer
    return max(figures.request / figures.reads(memory, readers), figures.request_work / figures.share(memory))


def work(spec: JobSpec, given: Exchange, figures: Figures) -> float:
    """Seconds of one exchange task, beside its reads of run files: what it reads goes out again."""
    each = figures.request + figures.request_work / figures.share(spec.memory.reducer)
    return 2 * given.bytes / figures.throughput + OWN_REQUESTS * each


def index(spec: JobSpec, given: Exchange, figures: Figures) -> float:
    """Seconds in which the supervisor reads what exchange tasks say."""
    memory = spec.memory.supervisor
    each = max(figures.request / figures.reads(memory), figures.request_work / figures.share(memory))
    return given.tasks * each


def pays(spec: JobSpec, given: Shuffled, figures: Figures) -> bool:
    """Whether a second level is both faster and cheaper."""
    if given.tasks * given.partitions <= grid.FEW or given.reducers < 2:
        return False
    prices = prices_of()
    second = prices.gb_second[spec.architecture] * spec.memory.reducer / _MB
    fetches = given.tasks * given.stretches(
        given.partitions / given.reducers, spec.budget("reducer") // PACKED_SHARE
    )
    once = fetching(spec, given.reducers, fetches, figures)
    once_dollars = given.reducers * (once * second + fetches * prices.s3_get)
    made = exchange(spec, given, figures)
    first = fetching(spec, made.tasks, made.fetches, figures) + work(spec, made, figures)
    then = fetching(spec, given.reducers, made.reduce_fetches, figures)
    start = figures.dispatch + figures.cold_start
    calls = figures.fan_out * max(figures.request / figures.parallel_calls, figures.request_work)
    begun = figures.event + 2 * start + calls  # the supervisor's call, and two hops
    dollars = made.tasks * ((first + start) * second + made.fetches * prices.s3_get)
    dollars += made.tasks * ((OWN_REQUESTS - OWN_PUTS) * prices.s3_get + OWN_PUTS * prices.s3_put)
    dollars += made.tasks * (
        2 * prices.lambda_request + prices.s3_get
    )  # its marker calls a supervisor and is read
    dollars += given.reducers * (then * second + made.reduce_fetches * prices.s3_get)
    return begun + first + index(spec, made, figures) + then < _WORTH * once and dollars < once_dollars


def wanted(spec: JobSpec, given: Shuffled, figures: Figures) -> bool:
    """Whether a run has two levels, as far as its reduce tasks tell."""
    if spec.shuffle.levels != "auto":
        return spec.shuffle.levels == "2" and given.tasks > 0
    return pays(spec, given, figures)


def possible(spec: JobSpec, tasks: int, partitions: int, figures: Figures) -> bool:
    """Whether a run may come to have two levels: with as many reduce tasks as there can be, whatever they read."""
    most = min(partitions, spec.reducers or partitions)
    return wanted(spec, Shuffled(tasks=tasks, partitions=partitions, reducers=most, bytes=0.0), figures)
