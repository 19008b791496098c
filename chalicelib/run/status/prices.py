"""What a run costs on AWS: one table of list prices, and the sum over what a run used.

The table is US East (N. Virginia), in US dollars, without the free tier, storage, logs or transfer.
Edit it for another region.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import msgspec

from ...core.messages import Stats, Wasted
from ...core.plan import Plan
from ...core.spec import JobSpec
from .fields import PhaseStatus, RunStatus

Architecture = Literal["x86_64", "arm64"]


@dataclass(frozen=True, kw_only=True)
class Prices:
    """US dollars per unit."""

    gb_second: dict[Architecture, float]
    lambda_request: float
    #: PUT and LIST requests cost the same.
    s3_put: float
    s3_list: float
    s3_get: float


US_EAST_1 = Prices(
    gb_second={"x86_64": 0.000_016_666_7, "arm64": 0.000_013_333_4},
    lambda_request=0.20 / 1_000_000,
    s3_put=0.005 / 1_000,
    s3_list=0.005 / 1_000,
    s3_get=0.000_4 / 1_000,
)


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What is paid for. `gb_seconds`: GB of configured memory times seconds billed."""

    gb_seconds: float = 0.0
    architecture: Architecture = "x86_64"
    lambda_requests: float = 0.0
    puts: float = 0.0
    gets: float = 0.0
    lists: float = 0.0


def cost(usage: Usage, prices: Prices = US_EAST_1) -> float:
    """US dollars for `usage`."""
    return (
        usage.gb_seconds * prices.gb_second[usage.architecture]
        + usage.lambda_requests * prices.lambda_request
        + usage.puts * prices.s3_put
        + usage.gets * prices.s3_get
        + usage.lists * prices.s3_list
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
    wasted: Stats = field(default_factory=Stats)


def usage(spec: JobSpec, mapped: Bill, reduced: Bill, elapsed: float, *, small: bool = False) -> Usage:
    """What a run of `elapsed` seconds has used so far: tasks by their markers, the rest estimated.

    In a `small` run the mapper did all of it, and the verdict's event alone called a supervisor.
    """
    memory = spec.memory
    events = 1 if small else mapped.attempts + reduced.attempts + 2  # plan.done and run.done are events too
    megabyte_seconds = (
        (mapped.stats.seconds * mapped.scale + mapped.wasted.seconds) * memory.mapper
        + (reduced.stats.seconds * reduced.scale + reduced.wasted.seconds)
        * (memory.mapper if small else memory.reducer)
        + ((0.0 if small else elapsed) + events * _EVENT_SECONDS) * memory.supervisor
        + _COORDINATOR_SECONDS * memory.coordinator
    )

    def requests(counter: Literal["puts", "gets", "lists"]) -> float:
        return sum(
            float(getattr(bill.stats, counter) * bill.scale + getattr(bill.wasted, counter))
            for bill in (mapped, reduced)
        )

    return Usage(
        gb_seconds=megabyte_seconds / 1024,
        architecture=spec.architecture,
        lambda_requests=1 + mapped.attempts + (0 if small else reduced.attempts) + events,
        puts=requests("puts") + _RUN_PUTS,
        gets=requests("gets") + 2 * events,  # each event reads the lease, the shuffle reads each marker
        lists=requests("lists") + (3 if small else 1 + elapsed / _COUNT_EVERY),
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
            puts=2.0 * (tasks + reducers) + _RUN_PUTS,
            gets=float(tasks * (3 + reducers)),
            lists=1.0,
        )
    )


def cost_so_far(plan: Plan, status: RunStatus, *, whole: bool = False) -> float:
    """Estimated US dollars of a run so far; what was measured of a phase stands for all of it.

    `whole`: the figures of `status` are those of all steps together, and not of the last one alone.
    """
    mapped, reduced, before = _bill(status.map), _bill(status.reduce), plan.earlier
    if before and not whole:
        mapped = _with_earlier(mapped, before.mapped, before.map_tasks)
        reduced = _with_earlier(reduced, before.reduced, before.reduce_tasks)
    return cost(usage(plan.spec, mapped, reduced, status.elapsed or 0.0, small=plan.small))


def cost_wasted(spec: JobSpec, mapped: Wasted, reduced: Wasted) -> float:
    """US dollars for what attempts used that do not count, as far as they told."""
    both = mapped.stats + reduced.stats
    megabytes = mapped.stats.seconds * spec.memory.mapper + reduced.stats.seconds * spec.memory.reducer
    return cost(
        Usage(
            gb_seconds=megabytes / 1024,
            architecture=spec.architecture,
            lambda_requests=mapped.attempts + reduced.attempts,
            puts=both.puts,
            gets=both.gets,
            lists=both.lists,
        )
    )


def cost_lost(spec: JobSpec, mapped: Wasted, reduced: Wasted) -> float:
    """The most US dollars that the time of lost attempts can have cost; what they asked of S3 nobody knows."""
    megabytes = mapped.lost_seconds * spec.memory.mapper + reduced.lost_seconds * spec.memory.reducer
    return cost(Usage(gb_seconds=megabytes / 1024, architecture=spec.architecture))


def _with_earlier(bill: Bill, stats: Stats, tasks: int) -> Bill:
    """The bill with what earlier steps did; its scale is that of the step under way."""
    scaled = {name: getattr(stats, name) / (bill.scale or 1) for name in ("seconds", "gets", "puts", "lists")}
    more = msgspec.structs.replace(stats, **scaled)
    return replace(bill, stats=bill.stats + more, scale=bill.scale or 1, attempts=bill.attempts + tasks)


def _bill(phase: PhaseStatus) -> Bill:
    done = phase.done or 0
    scale = done / phase.measured if phase.measured else 0.0
    wasted = phase.wasted
    attempts = done + max(phase.failed_attempts, wasted.attempts) + wasted.lost
    return Bill(stats=phase.stats, scale=scale, attempts=attempts, wasted=wasted.stats)
