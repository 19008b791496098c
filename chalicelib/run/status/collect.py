"""How runs stand, read from the store alone: which runs there are, and how far one has come.

A run may be met at any moment: before its plan is committed, between its verdict and `_SUCCESS`, or
long after the lifecycle rule has emptied its work place and only the manifest beside its output is
left. Progress is the number of *distinct* tasks that have a marker.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeVar

import msgspec

from ...core import plan as plans
from ...core.errors import NotFound, UserError
from ...core.keys import OutputKeys, Phase, RunKeys, parse_done, parse_failed, parse_following, totals_shown
from ...core.messages import Message, Stats, decode, sum_counters
from ...core.outcome import Manifest, Verdict
from ...core.plan import Plan
from ...core.ports import Loc, ObjectInfo, Store
from ...core.tasks import Failure, MapMarker, ReduceMarker, ReducePlan
from .fields import ENDED, PhaseStatus, RunPhase, RunStatus
from .prices import Bill, cost, usage
from .runs import current_step, list_finished, list_runs, most_steps

__all__ = [
    "ENDED",
    "Memory",
    "PhaseStatus",
    "RunStatus",
    "collect",
    "list_finished",
    "list_runs",
    "to_json",
]


@dataclass
class Memory:
    """What was read of one run before; everything kept is an object that never changes.

    Give the same one to each `collect` of a run that is watched, and only news costs a request.
    """

    objects: dict[Loc, Message] = field(default_factory=dict)


@dataclass(frozen=True)
class _Listing:
    """One pass over a run's keys."""

    names: frozenset[str]
    done: dict[Phase, frozenset[int]]
    failed: dict[Phase, frozenset[tuple[int, int]]]
    continued: int
    first: float | None
    last: float | None
    verdict_at: float | None


def collect(
    store: Store,
    keys: RunKeys,
    *,
    now: float,
    output: Loc | None = None,
    max_markers: int = 0,
    max_failures: int = 0,
    memory: Memory | None = None,
) -> RunStatus:
    """How the run stands at `now`.

    `output` is the run's own results prefix, used if the plan that names it is gone. At most
    `max_markers` markers of each phase and `max_failures` failures are read (a request each).

    Raises UserError if there is no such run.
    """
    memory = memory or Memory()
    first = _Reader(store, keys, memory, max_markers, max_failures)
    head = first.plan()
    if head and head.steps > 1:
        keys = current_step(store, keys, most_steps(head))
    reader = _Reader(store, keys, memory, max_markers, max_failures)
    listing = _scan(store, keys)
    plan = reader.plan() if keys.plan.key in listing.names else None
    verdict = reader.get(Verdict, keys.run_done) if keys.run_done.key in listing.names else None
    if verdict and verdict.outcome == "success" and plan and not plan.last_step:
        verdict = reader.get(Verdict, keys.at(keys.step + 1).run_done)  # there if that was not planned
    if verdict and verdict.outcome == "overtaken":
        verdict = None
    reduce_plan = reader.get(ReducePlan, keys.reduce_plan) if keys.reduce_plan.key in listing.names else None
    place = plan.output if plan else output
    manifest, closed = _results(reader, keys, place, verdict, expired=plan is None)
    if not listing.names and manifest is None:
        raise UserError(
            f"{keys.root.url}: there is no run {keys.run!r} of job {keys.job!r} here: "
            "expected a run that scripts/status.py lists"
        )
    facts = _Facts(keys, listing, plan, verdict, reduce_plan, manifest, closed, place)
    return _status(facts, reader, now)


def _scan(store: Store, keys: RunKeys) -> _Listing:
    """Everything a run's keys tell, all pages of the listing; holds only the task numbers."""
    names: set[str] = set()
    done: dict[Phase, set[int]] = {"map": set(), "reduce": set()}
    failed: dict[Phase, set[tuple[int, int]]] = {"map": set(), "reduce": set()}
    single = {loc.key for loc in (keys.plan, keys.plan_done, keys.run_done, keys.reduce_plan)}
    first: ObjectInfo | None = None
    last: ObjectInfo | None = None
    verdict_at: float | None = None
    continued = 0
    for row in store.list(keys.whole):
        first = row if first is None or row.modified < first.modified else first
        last = row if last is None or row.modified > last.modified else last
        if row.key in single:
            names.add(row.key)
            verdict_at = row.modified if row.key == keys.run_done.key else verdict_at
            continue
        names.add(keys.root.key)
        for phase in done:
            if not row.key.startswith(keys.phase(phase).key):
                continue
            if (task := parse_done(row.key)) is not None:
                done[phase].add(task)
            elif (attempt := parse_failed(row.key)) is not None:
                failed[phase].add(attempt)
            elif parse_following(row.key) is not None:
                continued += 1
    return _Listing(
        names=frozenset(names),
        done={phase: frozenset(tasks) for phase, tasks in done.items()},
        failed={phase: frozenset(attempts) for phase, attempts in failed.items()},
        continued=continued,
        first=first.modified if first else None,
        last=last.modified if last else None,
        verdict_at=verdict_at,
    )


M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class _Reader:
    """Reads a run's small objects, each once, and not more than it was told to."""

    store: Store
    keys: RunKeys
    memory: Memory
    max_markers: int
    max_failures: int

    def get(self, kind: type[M], loc: Loc) -> M | None:
        """The object, or None if it is not (or no longer) there."""
        known = self.memory.objects.get(loc)
        if isinstance(known, kind):
            return known
        try:
            message = decode(kind, self.store.get(loc), loc.url)
        except NotFound:
            return None
        self.memory.objects[loc] = message
        return message

    def plan(self) -> Plan | None:
        known = self.memory.objects.get(self.keys.plan)
        if isinstance(known, Plan):
            return known
        try:
            plan = plans.read_head(self.store, self.keys)
        except NotFound:
            return None
        self.memory.objects[self.keys.plan] = plan
        return plan

    def exists(self, loc: Loc) -> bool:
        try:
            self.store.head(loc)
        except NotFound:
            return False
        return True

    def measure(self, phase: Phase, tasks: frozenset[int]) -> tuple[Stats, int]:
        """Stats of the markers known already and of up to `max_markers` more, and how many those are."""
        total, measured, asked = Stats(), 0, 0
        kind: type[MapMarker | ReduceMarker] = MapMarker if phase == "map" else ReduceMarker
        for task in sorted(tasks):
            loc = self.keys.done(phase, task)
            if loc not in self.memory.objects:
                if asked >= self.max_markers:
                    continue
                asked += 1
            marker = self.get(kind, loc)
            if marker is not None:
                total, measured = total + marker.stats, measured + 1
        return total, measured

    def bad(self) -> int:
        """Bad records that the map markers read so far tell of."""
        return sum(known.bad for known in self.memory.objects.values() if isinstance(known, MapMarker))

    def failures(self, failed: dict[Phase, frozenset[tuple[int, int]]]) -> tuple[Failure, ...]:
        """The first failed attempts, in the order of their keys."""
        rows = [(phase, *attempt) for phase in failed for attempt in sorted(failed[phase])]
        read = (self.get(Failure, self.keys.failed(*row)) for row in rows[: self.max_failures])
        return tuple(failure for failure in read if failure is not None)


def _results(
    reader: _Reader, keys: RunKeys, place: Loc | None, verdict: Verdict | None, expired: bool
) -> tuple[Manifest | None, bool]:
    """This run's manifest if it is written, and whether its `_SUCCESS` or `_FAILED` is there too.

    A local output folder may meanwhile hold a later run's results; then the verdict alone counts.
    """
    if place is None or (verdict is None and not expired):
        return None, verdict is not None
    results = OutputKeys(place)
    manifest = reader.get(Manifest, results.manifest)
    if manifest is None:
        return None, False
    if (manifest.job, manifest.run) != (keys.job, keys.run):
        return None, verdict is not None
    return manifest, reader.exists(results.success if manifest.outcome == "success" else results.failure)


@dataclass(frozen=True)
class _Facts:
    """All that was read of a run, before anything is concluded."""

    keys: RunKeys
    listing: _Listing
    plan: Plan | None
    verdict: Verdict | None
    reduce_plan: ReducePlan | None
    manifest: Manifest | None
    closed: bool
    place: Loc | None

    @property
    def outcome(self) -> Literal["success", "failed"] | None:
        ending = self.manifest or self.verdict
        return None if ending is None or ending.outcome == "overtaken" else ending.outcome

    @property
    def refused(self) -> bool:
        """The coordinator wrote why it made no plan, and nothing else."""
        failures = self.manifest.failures if self.manifest else ()
        return self.plan is None and any(failure.phase == "plan" for failure in failures)

    @property
    def expired(self) -> bool:
        """The plan is gone though the run was past it."""
        past = self.manifest is not None or any(self.listing.done.values())
        return self.plan is None and past and not self.refused


def _phase(facts: _Facts) -> RunPhase:
    done, keys = facts.listing.done, facts.keys
    if facts.outcome is not None:
        if not facts.closed:
            return "finishing"
        return "succeeded" if facts.outcome == "success" else "failed"
    if facts.reduce_plan is not None:
        return "reducing" if len(done["reduce"]) < len(facts.reduce_plan.tasks) else "finishing"
    if facts.plan is None:
        return "mapping" if facts.expired else "planning"
    if len(done["map"]) < facts.plan.tasks:
        begun = keys.plan_done.key in facts.listing.names or bool(done["map"])
        return "mapping" if begun else "planning"
    return "shuffling"


def _status(facts: _Facts, reader: _Reader, now: float) -> RunStatus:
    plan, manifest, verdict = facts.plan, facts.manifest, facts.verdict
    first = plan.earlier or plan if plan else None
    phase = _phase(facts)
    mapped, reduced = _map_status(facts, reader), _reduce_status(facts, reader)
    ending = manifest or verdict
    failures = ending.failures if ending and ending.failures else reader.failures(facts.listing.failed)
    begun = _begun(plan) if plan else manifest.started if manifest else facts.listing.first
    started = begun or None  # a run that was refused has no beginning
    finished = _finished(facts, started or 0.0) if ending else None
    elapsed = None if started is None else max(0.0, (finished or now) - started)
    idle = None if phase in ENDED or facts.listing.last is None else max(0.0, now - facts.listing.last)
    won = manifest if manifest and manifest.outcome == "success" else None
    counted = mapped.failed_attempts + reduced.failed_attempts
    return RunStatus(
        job=facts.keys.job,
        run=facts.keys.run,
        phase=phase,
        work=facts.keys.whole.url,
        output=facts.place.url if facts.place else "",
        totals=totals_shown(plan.output, plan.run).url if plan and plan.own_steps else "",
        source=plan.source if plan else manifest.source if manifest else "",
        step=plan.nth + 1 if plan else 1,
        steps=plan.steps if plan else manifest.steps if manifest else 1,
        map=mapped,
        reduce=reduced,
        partitions=plan.partitions if plan else None,
        inputs=first.inputs if first else manifest.inputs if manifest else None,
        input_bytes=first.bytes if first else manifest.input_bytes if manifest else None,
        output_records=won.records if won else None,
        output_bytes=won.bytes if won else None,
        parts=len(won.parts) if won else None,
        attempts_failed=max(counted, len(ending.failures) if ending else 0),
        bad=won.bad if won else _bad(facts, reader),
        counters=won.counters if won else _counters(facts, reader),
        continued=facts.listing.continued,
        reason=ending.reason if ending else "",
        failures=failures[: reader.max_failures],
        started=started,
        finished=finished,
        elapsed=elapsed,
        idle=idle,
        cost=_cost(plan, mapped, reduced, elapsed or 0.0, whole=won is not None) if plan else None,
        expired=facts.expired,
    )


def _counters(facts: _Facts, reader: _Reader) -> dict[str, int]:
    """What earlier steps counted, and the markers of this one that were read."""
    earlier = facts.plan.earlier if facts.plan else None
    total = dict(earlier.counters) if earlier else {}
    if facts.reduce_plan:
        total = sum_counters(total, facts.reduce_plan.counters)
    kinds = (ReduceMarker,) if facts.reduce_plan else (MapMarker, ReduceMarker)
    own = (facts.keys.phase("map").key, facts.keys.phase("reduce").key)
    for loc, known in reader.memory.objects.items():
        if isinstance(known, kinds) and loc.key.startswith(own):
            total = sum_counters(total, known.counters)
    return total


def _bad(facts: _Facts, reader: _Reader) -> int:
    """Bad records so far, as far as markers were read."""
    earlier = facts.plan.earlier if facts.plan else None
    own = facts.reduce_plan.bad if facts.reduce_plan else reader.bad()
    return own + (earlier.bad if earlier else 0)


def _begun(plan: Plan) -> float:
    return plan.earlier.started if plan.earlier else plan.created


def _finished(facts: _Facts, started: float) -> float | None:
    """When the last task ended; for a run without tasks, when its verdict was given."""
    if facts.manifest and facts.manifest.finished > started:
        return facts.manifest.finished
    return facts.listing.verdict_at


def _cost(plan: Plan, mapped: PhaseStatus, reduced: PhaseStatus, elapsed: float, *, whole: bool) -> float:
    """Estimated US dollars so far; what was measured of a phase stands for all of it."""
    map_bill, reduce_bill, before = _bill(mapped), _bill(reduced), plan.earlier
    if before and not whole:
        map_bill = _and(map_bill, before.mapped, before.map_tasks)
        reduce_bill = _and(reduce_bill, before.reduced, before.reduce_tasks)
    return cost(usage(plan.spec, map_bill, reduce_bill, elapsed))


def _and(bill: Bill, stats: Stats, tasks: int) -> Bill:
    """The bill with what earlier steps did; its scale is that of the step under way."""
    scaled = {name: getattr(stats, name) / (bill.scale or 1) for name in ("seconds", "gets", "puts", "lists")}
    more = msgspec.structs.replace(stats, **scaled)
    return Bill(stats=bill.stats + more, scale=bill.scale or 1, attempts=bill.attempts + tasks)


def _bill(phase: PhaseStatus) -> Bill:
    done = phase.done or 0
    scale = done / phase.measured if phase.measured else 0.0
    return Bill(stats=phase.stats, scale=scale, attempts=done + phase.failed_attempts)


def _map_status(facts: _Facts, reader: _Reader) -> PhaseStatus:
    tasks, manifest = facts.listing.done["map"], facts.manifest
    total = facts.plan.tasks if facts.plan else manifest.map_tasks if manifest else None
    done: int | None = len(tasks)
    if manifest and manifest.outcome == "success":
        done = total = manifest.map_tasks
        stats, measured = manifest.mapped, manifest.map_tasks
    elif facts.reduce_plan and total is not None:
        done, (stats, measured) = total, (facts.reduce_plan.mapped, total)
    else:
        stats, measured = reader.measure("map", tasks)
        done = None if facts.expired else done
    failed = len(facts.listing.failed["map"])
    return PhaseStatus(done=done, total=total, failed_attempts=failed, stats=stats, measured=measured)


def _reduce_status(facts: _Facts, reader: _Reader) -> PhaseStatus:
    tasks, manifest = facts.listing.done["reduce"], facts.manifest
    done: int | None = len(tasks)
    total = len(facts.reduce_plan.tasks) if facts.reduce_plan else None
    if manifest and manifest.outcome == "success":
        done = total = manifest.reduce_tasks
        stats, measured = manifest.reduced, manifest.reduce_tasks
    else:
        stats, measured = reader.measure("reduce", tasks)
        done = None if facts.expired else done
    failed = len(facts.listing.failed["reduce"])
    return PhaseStatus(done=done, total=total, failed_attempts=failed, stats=stats, measured=measured)


def to_json(status: RunStatus) -> bytes:
    return msgspec.json.encode(status)
