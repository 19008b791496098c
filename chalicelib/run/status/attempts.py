"""Every attempt at every task of a run, read from the store alone: the one place that reads facts out of markers.

What shows a run's past (the report, its trace) works on these. An attempt is told by what it left: a marker commits its
task, a `.failed` object says why it failed, an `.overtaken` one what it used for nothing. Of one that left nothing only
a gap in the numbers tells, or a task that is not done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import add
from typing import Literal, NamedTuple, TypeVar

from msgspec.structs import replace

from ...core.errors import CorruptData, NotFound
from ...core.keys import Phase, RunKeys, parse_done, parse_failed, parse_overtaken
from ...core.messages import Message, Stats, decode
from ...core.plan import Plan, Role
from ...core.plan_file import read_head
from ...core.ports import Loc, ObjectInfo, Store
from ...core.tasks import ExchangePlan, Failure, MapMarker, Overtaken, ReduceMarker, ReducePlan
from ...mapreduce.shuffle.fetch import fetch_all
from ...mapreduce.shuffle.offsets import unpack
from ..progress import is_hearsay
from ..stragglers import limits_for
from .reader import Memory
from .runs import most_steps

#: done       its marker commits the task
#: failed     it said why; `error` has it
#: overtaken  another had committed the task when it was done
#: lost       it died, or left nothing though another attempt was started
#: cut off    it left nothing before the run ended without its task
#: under way  it left nothing yet: it works, or waits for a slot
Outcome = Literal["done", "failed", "overtaken", "lost", "cut off", "under way"]

#: Offsets that are added up to say what each partition has; beyond that, reduce tasks alone tell.
MOST_OFFSETS = 8_000_000


class Attempt(NamedTuple):
    """One attempt. Times are seconds since the epoch, None if nobody knows."""

    step: int
    phase: Phase
    task: int
    attempt: int
    outcome: Outcome
    #: From when on it could have begun: its phase had begun, or the attempt before it had failed.
    ready: float | None = None
    started: float | None = None
    finished: float | None = None
    stats: Stats = Stats()
    bad: int = 0
    failure: Failure | None = None
    #: A second attempt was started beside it because it took long.
    slow: bool = False


@dataclass(frozen=True, kw_only=True)
class StepHistory:
    """One step of a run."""

    number: int
    role: Role
    plan: Plan
    reduce_plan: ReducePlan | None
    exchange_plan: ExchangePlan | None = None
    attempts: tuple[Attempt, ...]
    #: Bytes of run files by partition; None of a step without a shuffle, of one that is still mapped, or if there are
    #: too many to add up.
    partitions: tuple[int, ...] | None
    #: Bytes and records of each reduce task's part that is there, by task.
    parts: dict[int, tuple[int, int]]


@dataclass(frozen=True, kw_only=True)
class History:
    """What a run's objects tell of its past."""

    steps: tuple[StepHistory, ...]
    #: Objects that list bad records, in order.
    quarantine: tuple[str, ...]
    #: What could not be read.
    problems: tuple[str, ...]

    @property
    def attempts(self) -> Iterator[Attempt]:
        return (attempt for step in self.steps for attempt in step.attempts)


def read_history(store: Store, keys: RunKeys, *, ended: bool, memory: Memory | None = None) -> History:
    """All attempts of all steps that are planned: two LISTs a step, and a GET for each object that tells of one.

    `ended`: the run has ended, so what left nothing is lost. `memory` gets all of them, without offsets. A run
    whose objects are gone has no steps.
    """
    memory = Memory() if memory is None else memory
    past = _Past(store, memory)
    steps: list[StepHistory] = []
    number, most = 0, 1
    while number < most:
        try:
            plan = read_head(store, keys.at(number))
        except NotFound:
            break
        most = most_steps(plan)
        memory.objects[keys.at(number).plan] = plan
        steps.append(past.step(plan.keys(keys.at(number)), plan, ended=ended))
        number += 1
    return History(steps=tuple(steps), quarantine=tuple(past.quarantine), problems=tuple(past.problems))


K = TypeVar("K", bound=Message)
R = TypeVar("R", bound=tuple[object, ...])
Marker = MapMarker | ReduceMarker


@dataclass
class _Words:
    """What one phase's listing has: markers, and words of attempts that do not count."""

    done: list[tuple[int, Loc]]
    failed: list[tuple[int, int, Loc]]
    overtaken: list[tuple[int, int, Loc, float]]


class _Past:
    """Reads one step after the other."""

    def __init__(self, store: Store, memory: Memory) -> None:
        self._store, self._memory = store, memory
        self.quarantine: list[str] = []
        self.problems: list[str] = []

    def step(self, keys: RunKeys, plan: Plan, *, ended: bool) -> StepHistory:
        reduce_plan = self._planned(ReducePlan, keys.reduce_plan)
        exchange = self._planned(ExchangePlan, keys.exchange_plan) if plan.exchange else None
        sums = _Sums(plan) if reduce_plan else None
        begun = Beginning(plan.tasks, plan.created, limits_for(plan.spec, "map", None).lost_after)
        parts: dict[int, tuple[int, int]] = {}
        attempts = self._phase(keys, "map", begun, ended=ended, sums=sums, parts=parts)
        lost_after = limits_for(plan.spec, "reduce", None).lost_after
        if exchange is not None:
            begun = Beginning(exchange.tasks, exchange.reduce.map_finished, lost_after)
            attempts += self._phase(keys, "exchange", begun, ended=ended, sums=None, parts=parts)
        if reduce_plan is not None:
            begun = Beginning(len(reduce_plan.tasks), reduce_plan.begun, lost_after)
            attempts += self._phase(keys, "reduce", begun, ended=ended, sums=None, parts=parts)
        return StepHistory(
            number=keys.step,
            role=plan.role,
            plan=plan,
            reduce_plan=reduce_plan,
            exchange_plan=exchange,
            attempts=tuple(attempts),
            partitions=sums.partitions if sums else None,
            parts=parts,
        )

    def _planned(self, kind: type[K], loc: Loc) -> K | None:
        """The plan of a phase, if there is one."""
        try:
            plan = decode(kind, self._store.get(loc), loc.url)
        except NotFound:
            return None
        self._memory.objects[loc] = plan
        return plan

    def _phase(
        self,
        keys: RunKeys,
        phase: Phase,
        begun: Beginning,
        *,
        ended: bool,
        sums: _Sums | None,
        parts: dict[int, tuple[int, int]],
    ) -> list[Attempt]:
        """The attempts of one phase by task; `sums` or `parts` take in what its markers tell of bytes."""
        words = _listed(self._store.list(keys.phase(phase)), keys.work.bucket, begun.tasks)
        kind: type[Marker] = ReduceMarker if phase == "reduce" else MapMarker
        found: list[Attempt] = []
        for (task, loc), marker in self._read(words.done, kind):
            if isinstance(marker, ReduceMarker):
                parts[task] = (marker.bytes, marker.records)
            elif marker.left_out:  # it commits nothing of an attempt's; what went wrong is told by these
                continue
            else:
                self._take(marker, loc, sums)
            if marker.quarantine:
                self.quarantine.append(marker.quarantine)
            found.append(_done(keys.step, phase, marker))
        for (task, attempt, _), failure in self._read(words.failed, Failure):
            found.append(_failed(keys.step, phase, task, attempt, failure))
        for (task, attempt, _, modified), word in self._read(words.overtaken, Overtaken):
            found.append(_overtaken(keys.step, phase, task, attempt, word, modified))
        return complete(found, keys.step, phase, begun, ended=ended)

    def _take(self, marker: MapMarker, loc: Loc, sums: _Sums | None) -> None:
        """Add up its offsets if they are wanted, and let go of them: 16 000 markers may have 8 KiB each."""
        try:
            if sums:
                sums.take(marker)
        except CorruptData as error:
            self.problems.append(f"{loc.url}: {error}")
        self._memory.objects[loc] = replace(marker, offsets=b"", earlier=())

    def _read(self, rows: Sequence[R], kind: type[K]) -> Iterator[tuple[R, K]]:
        """Each row's object. What is damaged or gone is told, and left out."""
        locs = [next(item for item in row if isinstance(item, Loc)) for row in rows]
        bodies = fetch_all(self._store, ((loc, 0, None) for loc in locs))
        for row, loc, body in zip(rows, locs, bodies, strict=True):
            try:
                message = decode(kind, body, loc.url)
            except CorruptData as error:
                self.problems.append(str(error))
                continue
            self._memory.objects[loc] = message
            yield row, message


class _Sums:
    """Bytes by partition, added up over markers."""

    def __init__(self, plan: Plan) -> None:
        self._partitions = plan.partitions
        self._wanted = not plan.map_only and plan.tasks * (plan.partitions + 1) <= MOST_OFFSETS
        self._offsets = [0] * (plan.partitions + 1)

    def take(self, marker: MapMarker) -> None:
        """Raises CorruptData for what are no offsets; then nothing is known of the partitions."""
        if not self._wanted or not marker.run_file:
            return
        try:
            for offsets in (*(piece.offsets for piece in marker.earlier), marker.offsets):
                self._offsets = list(map(add, self._offsets, unpack(offsets, self._partitions)))
        except CorruptData:
            self._wanted = False
            raise

    @property
    def partitions(self) -> tuple[int, ...] | None:
        if not self._wanted:
            return None
        return tuple(stop - start for start, stop in zip(self._offsets, self._offsets[1:], strict=False))


def _listed(rows: Iterable[ObjectInfo], bucket: str, tasks: int) -> _Words:
    words = _Words([], [], [])
    for row in rows:
        loc = Loc(bucket, row.key)
        if (task := parse_done(row.key)) is not None:
            if task < tasks:
                words.done.append((task, loc))
        elif failed := parse_failed(row.key):
            words.failed.append((*failed, loc))
        elif overtaken := parse_overtaken(row.key):
            words.overtaken.append((*overtaken, loc, row.modified))
    return words


def _done(step: int, phase: Phase, marker: Marker) -> Attempt:
    return Attempt(
        step, phase, marker.task, marker.attempt, "done",
        started=marker.started, finished=marker.finished, stats=marker.stats, bad=marker.bad,
    )  # fmt: skip


def _failed(step: int, phase: Phase, task: int, attempt: int, failure: Failure) -> Attempt:
    """What others wrote of one that died is a loss: nobody knows when it began, or what it used."""
    outcome: Outcome = "lost" if is_hearsay(failure) else "failed"
    started = failure.at - failure.stats.seconds if failure.at and outcome == "failed" else None
    return Attempt(
        step, phase, task, attempt, outcome,
        started=started, finished=failure.at or None, stats=failure.stats, failure=failure,
    )  # fmt: skip


def _overtaken(step: int, phase: Phase, task: int, attempt: int, word: Overtaken, modified: float) -> Attempt:
    at = word.at or modified
    return Attempt(
        step, phase, task, attempt, "overtaken",
        started=at - word.stats.seconds, finished=at, stats=word.stats,
    )  # fmt: skip


class Beginning(NamedTuple):
    """What a phase began with."""

    tasks: int
    #: When it began, and the seconds of silence after which a task's attempt is taken for lost.
    at: float
    lost_after: float


def complete(
    told: Iterable[Attempt], step: int, phase: Phase, begun: Beginning, *, ended: bool
) -> list[Attempt]:
    """The attempts of a phase in order, with those that left nothing, and what they tell of each other.

    `told`: those that left something. `ended`: nothing more is to be heard.
    """
    by_task: dict[int, list[Attempt]] = {}
    for attempt in told:
        by_task.setdefault(attempt.task, []).append(attempt)
    found: list[Attempt] = []
    for task in range(begun.tasks):
        attempts = by_task.get(task, [])
        attempts += (
            Attempt(step, phase, task, number, how) for number, how in _silent(attempts, ended=ended)
        )
        found += _related(sorted(attempts, key=lambda one: one.attempt), begun)
    return found


def _silent(told: Sequence[Attempt], *, ended: bool) -> Iterator[tuple[int, Outcome]]:
    """(number, outcome) of a task's attempts that must have been started, and left nothing."""
    known = {attempt.attempt for attempt in told}
    last = max(known, default=-1)
    yield from ((number, "lost") for number in range(last) if number not in known)
    if any(attempt.outcome == "done" for attempt in told) or (ended and told):
        return
    yield last + 1, "cut off" if ended else "under way"


def _related(attempts: Sequence[Attempt], begun: Beginning) -> Iterator[Attempt]:
    """A task's attempts, with when each could have begun, and the one beside which another was started."""
    failed = {one.attempt: one.finished for one in attempts if one.failure}
    second = next((one for one in attempts if one.attempt == 1), None)
    in_time = second and second.started and second.started < begun.at + begun.lost_after
    for one in attempts:
        ready = failed.get(one.attempt - 1) if one.attempt else begun.at
        if ready is not None and one.started is not None:
            ready = min(ready, one.started)  # by the clocks of two machines
        # Beside the second attempt, or so silent that it is lost, though not for as long as that takes.
        told = one.outcome in ("done", "overtaken") or (one.outcome == "lost" and bool(in_time))
        slow = second is not None and not one.attempt and one.failure is None and told
        yield one._replace(ready=ready, slow=slow)
