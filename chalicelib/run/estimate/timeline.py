"""The phases of a run, one after the other, each with its seconds in the middle and in one run of twenty.

All of it is arithmetic over `figures`: equal tasks, one after the other in a slot; the slowest of many tasks by the
spread of one; no faults, no throttling, no 503. p95 takes each phase at its own 95 %, which is more than all together.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, inf, sqrt
from statistics import NormalDist

from ...core.spec import JobSpec
from ..calls import children
from . import levels, supervision
from .figures import Figures, Pace
from .shape import Shape
from .work import Work


@dataclass(frozen=True)
class Phase:
    """`name` is what the time goes to, in the words of `limits.LIFTS`."""

    name: str
    median: float
    p95: float


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """`phases` in order; `mapper` and the others are seconds of one invocation of each function."""

    phases: tuple[Phase, ...]
    coordinator: float
    mapper: float
    reducer: float
    exchanger: float = 0.0
    #: The supervisor's own work between the phases, in one piece.
    shuffle: float

    @property
    def median(self) -> float:
        return sum(phase.median for phase in self.phases)

    @property
    def p95(self) -> float:
        return sum(phase.p95 for phase in self.phases)


class Clock:
    """Times of one run's parts."""

    def __init__(self, spec: JobSpec, work: Work, shape: Shape, figures: Figures) -> None:
        self._spec, self._work, self._shape, self._figures = spec, work, shape, figures
        self._seated = bool(work.seats(figures))
        #: Slots for tasks: one is the supervisor's, if it stays.
        self._slots = max(1, work.concurrency - self._seated)

    def timeline(self) -> Timeline:
        if self._shape.small:
            return self._timeline_of_small()
        coordinator, mapper = self._coordinator(), self._mapper(self._work.pace)
        shuffle = self._shuffle(mapper)
        phases = [
            *self._until_mapped(coordinator, mapper),
            self._noticed(mapper),
            _exact("the shuffle's index", shuffle),
        ]
        exchanger = 0.0
        if made := self._shape.exchange:
            exchanger = self._exchanger(made)
            phases += self._tasks("exchange", made.tasks, exchanger)
            phases += [*self._crowded(made.fetches, made.tasks), self._noticed(exchanger)]
            phases.append(_exact("the exchange's index", levels.index(self._spec, made, self._figures)))
        reducer = self._reducer() if self._shape.reducers else 0.0
        if self._shape.reducers:
            phases += self._tasks("reduce", self._shape.reducers, reducer)
            phases += self._crowded(self._shape.fetches, self._shape.reducers)
        phases.append(_exact("the end", self._end()))
        return Timeline(
            phases=tuple(phases),
            coordinator=coordinator,
            mapper=mapper,
            exchanger=exchanger,
            reducer=reducer,
            shuffle=shuffle,
        )

    def _timeline_of_small(self) -> Timeline:
        """After the map task, its function goes on to the end."""
        coordinator, mapper = self._coordinator(), self._mapper(self._work.pace)
        shuffle = self._requests("mapper", 2)
        phases = [*self._until_mapped(coordinator, mapper), _exact("the shuffle's index", shuffle)]
        reducer = self._reducer_of_small() if self._shape.reducers else 0.0
        if self._shape.reducers:
            slow = self._slowest(1, reducer, 0.5), self._slowest(1, reducer, 0.95)
            phases.append(Phase("the reduce tasks", *slow))
        phases.append(_exact("the end", self._requests("mapper", 5)))
        return Timeline(
            phases=tuple(phases), coordinator=coordinator, mapper=mapper, reducer=reducer, shuffle=shuffle
        )

    def _until_mapped(self, coordinator: float, mapper: float) -> list[Phase]:
        figures = self._figures
        return [
            Phase("S3's event", figures.event, figures.event_late),
            _exact("starts of functions", figures.dispatch + figures.cold_start),
            _exact("planning", coordinator),
            *self._tasks("map", self._shape.tasks, mapper, self._slowest_mapper(mapper)),
        ]

    def _slowest_mapper(self, mapper: float) -> float:
        """Of several inputs one may be slower work than the others: its tasks are the last ones."""
        if self._shape.tasks < 2:
            return mapper
        return max([mapper, *(self._mapper(one.pace, one.bytes) for one in self._work.inputs)])

    # -- one invocation ---------------------------------------------------------------------------------------

    def _coordinator(self) -> float:
        work, figures = self._work, self._figures
        share = figures.share(self._spec.memory.coordinator)
        pages = ceil(work.objects / figures.page_rows) if work.objects > 1 else 0
        planned = max(work.objects, self._shape.tasks * self._shape.splits)
        listing = pages * (figures.list_page + figures.page_work / share)
        return listing + planned * figures.planned_work / share + self._requests("coordinator", 6)

    def _mapper(self, pace: Pace, most: float = inf) -> float:
        """Reading goes on beside the work on what is read; small objects come one after the other; then the upload.

        `most`: bytes that there are of this pace.
        """
        shape, figures = self._shape, self._figures
        share, task = figures.share(self._spec.memory.mapper), min(shape.task_bytes, most)
        work = task / (pace.map * 1e6 * share)
        reading = task / figures.throughput
        upload = task * pace.shuffled / figures.throughput
        return max(work, reading) + upload + self._requests("mapper", 4 + shape.splits)

    def _reducer(self) -> float:
        shape, figures = self._shape, self._figures
        share = figures.share(self._spec.memory.reducer)
        input_share = self._work.bytes / shape.reducers
        work = input_share / (self._work.pace.reduce * 1e6 * share)
        return work + self._fetch() + shape.reduce_bytes / figures.throughput + self._requests("reducer", 6)

    def _reducer_of_small(self) -> float:
        """In the mapper, which has the run file in memory: a part and a marker are written."""
        shape, share = self._shape, self._figures.share(self._spec.memory.mapper)
        work = self._work.bytes / (self._work.pace.reduce * 1e6 * share)
        return work + shape.reduce_bytes / self._figures.throughput + self._requests("mapper", 2)

    def _fetch(self) -> float:
        """Reads of run files, so many under way at once."""
        shape, figures = self._shape, self._figures
        each = levels.one_fetch(self._spec, shape.reducers, figures)
        return shape.fetches * each + shape.reduce_bytes / figures.throughput

    def _exchanger(self, made: levels.Exchange) -> float:
        each = levels.one_fetch(self._spec, made.tasks, self._figures)
        return made.fetches * each + levels.work(self._spec, made, self._figures)

    def _shuffle(self, mapper: float) -> float:
        """List the markers, read those that were not read before, add up their offsets, write index and plan."""
        shape, figures, spec = self._shape, self._figures, self._spec
        listing = supervision.look(spec, shape.tasks, figures)
        index = supervision.index_rows(spec, shape.tasks, shape.partitions, figures)
        index -= self._read_ahead(mapper) * supervision.read_marker(spec, figures)
        return listing + index + self._requests("supervisor", 6 + 2 * shape.blocks)

    def _read_ahead(self, mapper: float) -> float:
        """Markers of all turns but the last, which a supervisor with a seat reads while that one is under way."""
        shape, figures = self._shape, self._figures
        turns = ceil(self._turns(shape.tasks, mapper))
        if not self._seated or turns < 2:
            return 0.0
        remembered = figures.remembered / (figures.marker_bytes + 2 * shape.partitions)
        in_time = mapper / supervision.read_marker(self._spec, figures)
        return min(shape.tasks - shape.tasks / turns, remembered, in_time)

    def _end(self) -> float:
        """The last reducer counts, reads the reducers' markers, writes verdict, manifest and `_SUCCESS`."""
        figures = self._figures
        memory = self._spec.memory.reducer if self._shape.reducers else self._spec.memory.supervisor
        each = max(figures.request / figures.reads(memory), figures.request_work / figures.share(memory))
        return self._shape.reducers * each + self._requests("reducer", 8)

    def _requests(self, function: str, count: float) -> float:
        """So many requests, one after the other."""
        share = self._figures.share(getattr(self._spec.memory, function))
        return count * (self._figures.request + self._figures.request_work / share)

    # -- many of them -----------------------------------------------------------------------------------------

    def _tasks(self, phase: str, count: int, seconds: float, slow: float = 0.0) -> list[Phase]:
        """The tree until its last node works, then the tasks themselves, in as many turns as the slots ask for.

        `slow`: seconds of those that take longer than others do anyhow.
        """
        slow = max(slow, seconds)
        in_turn = self._turns(count, seconds)
        turns = ceil(in_turn)
        ramps = count > self._figures.ramp_burst < self._slots
        limit = f"the {phase} tasks" if turns == 1 else "the ramp" if ramps else "concurrency"
        last = min(count, max(1, count - (turns - 1) * self._slots))
        hop = self._figures.dispatch + self._figures.cold_start
        return [
            _exact("starts of functions", hop),
            _exact("the tree of calls", self._tree(min(count, self._slots)) - hop),
            Phase(
                limit,
                (turns - 1) * seconds + self._slowest(last, slow, 0.5),
                (turns - 1) * seconds + self._slowest(last, slow, 0.95),
            ),
            *self._queued((in_turn - 1) * seconds),
        ]

    def _queued(self, waited: float) -> list[Phase]:
        """What slots stand idle because the events that wait for it are in a pause of Lambda's queue."""
        figures = self._figures
        pause = min(waited, figures.longest_pause)
        if pause <= 0:
            return []
        return [Phase("pauses of Lambda's queue", pause * figures.pause_share, pause * figures.pause_late)]

    def _turns(self, count: int, seconds: float) -> float:
        """How many tasks one slot does after the other, slots coming as the ramp allows new environments."""
        figures, slots = self._figures, self._slots
        burst, rate = figures.ramp_burst, figures.ramp_rate
        if slots <= burst or count <= burst:
            return max(1.0, count / slots)
        grown = (slots - burst) / rate  # seconds until all slots are there, and the work that is done by then
        done = burst * grown + rate * grown**2 / 2
        work = count * seconds
        took = grown + (work - done) / slots
        if work < done:
            took = (sqrt(burst**2 + 2 * rate * work) - burst) / rate
        return max(1.0, took / seconds)

    def _tree(self, count: int) -> float:
        """Until the last of `count` functions has begun: each hop is an event, a start, and calls, some at once."""
        figures = self._figures
        hop = figures.dispatch + figures.cold_start
        if count <= 1:
            return hop
        widest = max((stop - start for start, stop in children(0, count)), default=0)
        calls = min(count - 1, figures.fan_out)
        call = max(figures.request / min(calls, figures.parallel_calls), figures.request_work)
        return hop + calls * call + (self._tree(widest) if widest else 0.0)

    def _slowest(self, count: int, seconds: float, share: float) -> float:
        """Of `count` equal tasks the slowest, in `share` of all runs."""
        if count < 1:
            return 0.0
        deviations = NormalDist().inv_cdf(share ** (1.0 / count))
        return seconds * min(exp(self._figures.spread * max(deviations, 0.0)), self._figures.straggler)

    def _noticed(self, mapper: float) -> Phase:
        """Until the supervisor looks again, often once it has learnt how long a task takes; or until one is called."""
        if not self._seated:
            called = self._figures.dispatch + self._figures.cold_start
            return Phase(
                "the supervisor's next look", self._figures.event + called, self._figures.event_late + called
            )
        longest = min(self._figures.longest_look, max(0.1, 1.2 * mapper / 30))
        return Phase("the supervisor's next look", longest / 2, longest)

    def _crowded(self, fetches: int, readers: int) -> list[Phase]:
        """What all tasks' reads of one prefix take longer than S3 serves them."""
        least = fetches * readers / self._figures.prefix_gets
        each = levels.one_fetch(self._spec, readers, self._figures)
        alone = ceil(readers / self._slots) * fetches * each
        more = max(0.0, least - alone)
        return [Phase("reads of one prefix", more, more)] if more else []


def _exact(name: str, seconds: float) -> Phase:
    return Phase(name, seconds, seconds)
