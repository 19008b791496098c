"""What a run costs on AWS: the sum over what it used, by part, times the prices of `price_list`."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Literal, NamedTuple

import msgspec

from ...core.messages import Stats, Wasted
from ...core.outcome import Manifest
from ...core.plan import Plan
from ...core.spec import JobSpec
from .fields import Dollars, PhaseStatus, RunStatus
from .price_list import Architecture, Prices, prices_of

US_EAST_1 = prices_of()


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What is paid for. `gb_seconds`: GB of configured memory times seconds billed."""

    gb_seconds: float = 0.0
    architecture: Architecture = "x86_64"
    lambda_requests: float = 0.0
    puts: float = 0.0
    gets: float = 0.0
    lists: float = 0.0
    #: What S3 told EventBridge, of jobs with `events: eventbridge`.
    bus_events: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        """Both together, by functions of the same architecture."""
        names = [one.name for one in fields(self) if one.name != "architecture"]
        return replace(self, **{name: getattr(self, name) + getattr(other, name) for name in names})


def cost(usage: Usage, prices: Prices = US_EAST_1) -> float:
    """US dollars for `usage`."""
    return (
        usage.gb_seconds * prices.gb_second[usage.architecture]
        + usage.lambda_requests * prices.lambda_request
        + usage.puts * prices.s3_put
        + usage.gets * prices.s3_get
        + usage.lists * prices.s3_list
        + usage.bus_events * prices.bus_event
    )


# What no marker tells, taken as typical: seconds of the coordinator, seconds of the short invocation
# that each marker's event causes, and seconds between two counts of the supervisor.
_COORDINATOR_SECONDS = 1.0
_EVENT_SECONDS = 0.05
_COUNT_EVERY = 5.0
#: The plan, the reduce plan, the index, the lease, the verdict, the manifest and their commits.
_RUN_PUTS = 8


@dataclass(frozen=True)
class Bill:
    """One phase: what its tasks' markers told, times `scale` if only some of them were read."""

    stats: Stats
    scale: float
    #: Invocations of its function, those for nothing included.
    attempts: int
    #: What attempts used that do not count.
    wasted: Wasted = field(default_factory=Wasted)


class Parts(NamedTuple):
    """What the parts of a run used, as in `fields.Dollars`."""

    map: Usage
    exchange: Usage
    reduce: Usage
    supervision: Usage
    requests: Usage
    wasted: Usage


def billed(stats: Stats) -> float:
    """Seconds that Lambda bills for attempts: those until a new process was ready are among them."""
    return stats.seconds + stats.init


def bus_events(spec: JobSpec, puts: float) -> float:
    """Of what so many writes tell EventBridge, at most: of a bucket it is told all, so of each object written."""
    return puts if spec.events == "eventbridge" else 0.0


def usage(
    spec: JobSpec,
    mapped: Bill,
    reduced: Bill,
    elapsed: float,
    *,
    small: bool = False,
    exchanged: Bill = Bill(stats=Stats(), scale=1.0, attempts=0),  # noqa: B008 - it is frozen
) -> Parts:
    """What a run of `elapsed` seconds has used so far: tasks by their markers, the rest estimated.

    In a `small` run the mapper did all of it, and the verdict's event alone called a supervisor.
    """
    memory = spec.memory
    reducer = memory.mapper if small else memory.reducer
    bills = (mapped, exchanged, reduced)
    tasks = sum(bill.attempts for bill in bills)
    events = 1 if small else tasks + 2  # plan.done and run.done are events too
    in_vain = sum(bill.wasted.attempts for bill in bills)
    watched = (0.0 if small else elapsed) + events * _EVENT_SECONDS

    def time(*pairs: tuple[float, int]) -> Usage:
        """Of functions that ran so many seconds with so many MB."""
        gb_seconds = sum(seconds * megabytes for seconds, megabytes in pairs) / 1024
        return Usage(gb_seconds=gb_seconds, architecture=spec.architecture)

    def requests(counter: Literal["puts", "gets", "lists"]) -> float:
        return sum(float(getattr(bill.stats, counter) * bill.scale) for bill in bills)

    return Parts(
        map=time((billed(mapped.stats) * mapped.scale, memory.mapper)),
        exchange=time((billed(exchanged.stats) * exchanged.scale, memory.reducer)),
        reduce=time((billed(reduced.stats) * reduced.scale, reducer)),
        supervision=time((watched, memory.supervisor), (_COORDINATOR_SECONDS, memory.coordinator)),
        requests=Usage(
            architecture=spec.architecture,
            lambda_requests=max(0, 1 + (mapped.attempts if small else tasks) + events - in_vain),
            puts=requests("puts") + _RUN_PUTS,
            bus_events=bus_events(spec, requests("puts") + _RUN_PUTS),
            gets=requests("gets") + 2 * events,  # each event reads the lease, the shuffle reads each marker
            lists=requests("lists") + (3 if small else 1 + elapsed / _COUNT_EVERY),
        ),
        wasted=_for_nothing(mapped.wasted, memory.mapper, spec)
        + _for_nothing(exchanged.wasted, memory.reducer, spec)
        + _for_nothing(reduced.wasted, reducer, spec),
    )


def _for_nothing(wasted: Wasted, memory: int, spec: JobSpec) -> Usage:
    """What attempts of a phase used that do not count, as far as they told."""
    stats = wasted.stats
    return Usage(
        gb_seconds=billed(stats) * memory / 1024,
        architecture=spec.architecture,
        lambda_requests=wasted.attempts,
        puts=stats.puts,
        gets=stats.gets,
        lists=stats.lists,
        bus_events=bus_events(spec, stats.puts),
    )


#: What a run will be like is not known before it; typical are: bytes that a function maps or reduces in a second,
#: seconds until it begins, as much shuffled as was read.
_BYTES_PER_SECOND, _BEGINNING = 20e6, 0.5
_MOST_PARTITIONS = 4096


def foreseen(spec: JobSpec, size: int, tasks: int) -> float:
    """Roughly the US dollars that a run of `tasks` map tasks over `size` bytes will cost; a factor of 3 is possible."""
    reducers = min(spec.reducers or max(1, -(-size // spec.reduce_size)), spec.partitions or _MOST_PARTITIONS)
    work = size / _BYTES_PER_SECOND
    megabyte_seconds = (work + tasks * _BEGINNING) * spec.memory.mapper
    megabyte_seconds += (work + reducers * _BEGINNING) * spec.memory.reducer
    return cost(
        Usage(
            gb_seconds=megabyte_seconds / 1024,
            architecture=spec.architecture,
            lambda_requests=2.0 * (tasks + reducers),  # each marker starts a function, too
            puts=(puts := 2.0 * (tasks + reducers) + _RUN_PUTS),
            bus_events=bus_events(spec, puts),
            gets=float(tasks * (3 + reducers)),
            lists=1.0,
        )
    )


def cost_so_far(plan: Plan, status: RunStatus, prices: Prices = US_EAST_1, *, whole: bool = False) -> Dollars:
    """Estimated US dollars of a run so far; what was measured of a phase stands for all of it.

    `whole`: the figures of `status` are those of all steps together, and not of the last one alone.
    """
    mapped, reduced, before = _bill(status.map), _bill(status.reduce), plan.earlier
    exchanged = _bill(status.exchange) if status.exchange else _of_manifest(0, Stats(), Wasted())
    if before and not whole:
        mapped = _with_earlier(mapped, before.mapped, before.map_tasks)
        reduced = _with_earlier(reduced, before.reduced, before.reduce_tasks)
        exchanged = _with_earlier(exchanged, before.exchanged, before.exchange_tasks)
    used = usage(plan.spec, mapped, reduced, status.elapsed or 0.0, small=plan.small, exchanged=exchanged)
    return _dollars(used, prices)


def cost_told(manifest: Manifest, spec: JobSpec, prices: Prices = US_EAST_1, *, small: bool) -> Dollars:
    """Estimated US dollars of a run that has ended, from its manifest alone.

    Of a run that has failed a manifest does not say what tasks used that were done. `spec` and `small` are those of
    its plan, or else `settings_told`.
    """
    mapped = _of_manifest(manifest.map_tasks, manifest.mapped, manifest.map_wasted)
    reduced = _of_manifest(manifest.reduce_tasks, manifest.reduced, manifest.reduce_wasted)
    exchanged = _of_manifest(manifest.exchange_tasks, manifest.exchanged, manifest.exchange_wasted)
    elapsed = max(0.0, manifest.finished - manifest.started) if manifest.started else 0.0
    return _dollars(usage(spec, mapped, reduced, elapsed, small=small, exchanged=exchanged), prices)


def settings_told(manifest: Manifest, spec: JobSpec) -> tuple[JobSpec, bool]:
    """What a run whose plan is gone was planned with, for all one knows, and whether it was a small one.

    `spec`: the job's settings as they are now; the memory that its functions told of counts instead, if they did.
    """
    memory = msgspec.structs.replace(
        spec.memory,
        mapper=manifest.mapped.memory or spec.memory.mapper,
        reducer=manifest.reduced.memory or spec.memory.reducer,
    )
    one = manifest.steps == manifest.map_tasks == manifest.reduce_tasks == 1
    return msgspec.structs.replace(spec, memory=memory), one and memory.mapper >= memory.reducer


def _of_manifest(tasks: int, stats: Stats, wasted: Wasted) -> Bill:
    return Bill(stats=stats, scale=1.0, attempts=tasks + wasted.attempts + wasted.lost, wasted=wasted)


def _dollars(parts: Parts, prices: Prices) -> Dollars:
    return Dollars(**{name: cost(part, prices) for name, part in parts._asdict().items()})


def cost_lost(spec: JobSpec, mapped: Wasted, reduced: Wasted, prices: Prices = US_EAST_1) -> float:
    """The most US dollars that the time of lost attempts can have cost; what they asked of S3 nobody knows."""
    megabytes = mapped.lost_seconds * spec.memory.mapper + reduced.lost_seconds * spec.memory.reducer
    return cost(Usage(gb_seconds=megabytes / 1024, architecture=spec.architecture), prices)


def _with_earlier(bill: Bill, stats: Stats, tasks: int) -> Bill:
    """The bill with what earlier steps did; its scale is that of the step under way."""
    names = ("seconds", "init", "gets", "puts", "lists")
    scaled = {name: getattr(stats, name) / (bill.scale or 1) for name in names}
    more = msgspec.structs.replace(stats, **scaled)
    return replace(bill, stats=bill.stats + more, scale=bill.scale or 1, attempts=bill.attempts + tasks)


def _bill(phase: PhaseStatus) -> Bill:
    done = phase.done or 0
    scale = done / phase.measured if phase.measured else 0.0
    wasted = phase.wasted
    attempts = done + max(phase.failed_attempts, wasted.attempts) + wasted.lost
    return Bill(stats=phase.stats, scale=scale, attempts=attempts, wasted=wasted)
