"""One pure function: from an input, a job's configuration and a concurrency to tasks, requests, seconds and dollars."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.spec import JobSpec
from ..status.price_list import Prices
from ..status.prices import US_EAST_1, Usage, bus_events, cost
from .figures import FIGURES, Figures
from .limits import fatal, slowest
from .shape import Requests, Shape, requests_of, shape_of
from .supervision import Limit
from .timeline import Clock, Timeline
from .work import Work


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a run would take. Seconds count from the PUT that starts it to `_SUCCESS`."""

    shape: Shape
    requests: Requests
    times: Timeline
    #: US dollars by part.
    dollars: dict[str, float]
    #: The limit that binds: one at which the run cannot end, or else what most of its time goes to.
    binding: Limit
    #: All limits at which the run cannot end.
    fatal: tuple[Limit, ...]

    @property
    def total(self) -> float:
        """US dollars."""
        return sum(self.dollars.values())

    @property
    def ends(self) -> bool:
        return not self.fatal


def estimate(spec: JobSpec, work: Work, figures: Figures = FIGURES, prices: Prices = US_EAST_1) -> Estimate:
    """What a run of one step over `work` would take with the settings of `spec`.

    Arithmetic over `figures`: see `timeline` for what it leaves out. Figures of a run that cannot end are what it
    would take without the limits that it meets.
    """
    shape = shape_of(spec, work)
    times = Clock(spec, work, shape, figures).timeline()
    requests = requests_of(shape, work, figures, times.median)
    limits = fatal(spec, work, shape, times, figures)
    return Estimate(
        shape=shape,
        requests=requests,
        times=times,
        dollars=_dollars(spec, work, shape, requests, times, figures, prices),
        binding=limits[0] if limits else slowest(times),
        fatal=tuple(limits),
    )


def _dollars(
    spec: JobSpec,
    work: Work,
    shape: Shape,
    requests: Requests,
    times: Timeline,
    figures: Figures,
    prices: Prices,
) -> dict[str, float]:
    """By part. A new environment's start is billed like the rest."""
    memory, start = spec.memory, figures.cold_start

    def seconds(taken: float, megabytes: int) -> float:
        used = Usage(gb_seconds=taken * megabytes / 1024, architecture=spec.architecture)
        return cost(used, prices)

    watched = times.median + shape.events * figures.event_billed
    if shape.small:
        watched = figures.event_billed + start
    elif not work.seats(
        figures
    ):  # nobody stays: each map task's marker is looked at, and the last ones are acted on
        page = figures.list_page + figures.page_work / figures.share(memory.supervisor)
        look = figures.request + page * min(1.0, 2 * shape.tasks / figures.page_rows)
        watched = times.shuffle + shape.tasks * look + shape.events * figures.event_billed + 2 * start
    told = bus_events(spec, requests.puts)
    reduce = seconds(shape.reducers * (times.reducer + start), memory.reducer)
    if shape.small:  # where it was mapped
        reduce = seconds(times.shuffle + times.reducer + times.phases[-1].median, memory.mapper)
    made = shape.exchange
    exchange = seconds(made.tasks * (times.exchanger + start), memory.reducer) if made else 0.0
    return {
        "map": seconds(shape.tasks * (times.mapper + start), memory.mapper),
        **({"exchange": exchange} if made else {}),
        "reduce": reduce,
        "supervisor": seconds(watched, memory.supervisor),
        "coordinator": seconds(times.coordinator + start, memory.coordinator),
        "invocations": cost(Usage(lambda_requests=sum(requests.invocations.values())), prices),
        "reads": cost(Usage(gets=requests.gets), prices),
        "writes": cost(Usage(puts=requests.puts, lists=requests.lists, bus_events=told), prices),
    }
