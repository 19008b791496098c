"""How a run stands, made of what was read of it: one constructor for each case.

| case | the plan is there | how it is known |
|---|---|---|
| running | yes | no verdict |
| ended | yes | a verdict, or a manifest |
| refused | no | a manifest that says why there is no plan |
| expired | no | markers or a manifest, which only a planned run has |
| starting | no | none of these |
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from ...core.keys import Phase, RunKeys, totals_shown
from ...core.messages import Wasted, sum_counters
from ...core.outcome import Manifest, Verdict
from ...core.plan import Plan
from ...core.ports import Loc
from ...core.spec import JobSpec
from ...core.tasks import ExchangePlan, MapMarker, ReduceMarker, ReducePlan
from .fields import ENDED, Dollars, PhaseStatus, RunPhase, RunStatus
from .price_list import Prices
from .prices import cost_lost, cost_so_far, cost_told, settings_told
from .reader import Listing, Reader


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that was read of a run, before anything is concluded."""

    keys: RunKeys
    listing: Listing
    plan: Plan | None
    verdict: Verdict | None
    reduce_plan: ReducePlan | None
    manifest: Manifest | None
    #: `_SUCCESS` or `_FAILED` is there, or nothing of the results is this run's any more.
    closed: bool
    #: The run's results, if it is known where they are.
    place: Loc | None
    #: What is paid where the run's functions are.
    prices: Prices
    #: The settings that the job has now, if they are known.
    spec: JobSpec | None = None
    exchange_plan: ExchangePlan | None = None

    @property
    def ending(self) -> Manifest | Verdict | None:
        return self.manifest or self.verdict

    @property
    def success(self) -> Manifest | None:
        """The manifest of a run that has succeeded."""
        return self.manifest if self.manifest and self.manifest.outcome == "success" else None


def run_status(facts: Facts, reader: Reader, now: float) -> RunStatus:
    """The status of a run, by its case."""
    plan, manifest = facts.plan, facts.manifest
    if plan is not None:
        return ended(facts, plan, reader, now) if facts.ending else running(facts, plan, reader, now)
    if manifest is not None and any(failure.phase == "plan" for failure in manifest.failures):
        return refused(facts, manifest, reader, now)
    if manifest is not None or any(facts.listing.done.values()):
        return expired(facts, reader, now)
    return starting(facts, reader, now)


# -- the cases -----------------------------------------------------------------------------------------


def running(facts: Facts, plan: Plan, reader: Reader, now: float) -> RunStatus:
    """A run under way: its plan, and the markers so far."""
    status = _planned(_counted(facts, reader, plan.tasks), plan)
    status = replace(_timed(status, plan.begun, None, now), phase=_phase(facts, plan), idle=_idle(facts, now))
    return _priced(status, plan, facts.prices)


def ended(facts: Facts, plan: Plan, reader: Reader, now: float) -> RunStatus:
    """A run with a verdict whose plan is still there; it may yet lack its manifest, or the marker after it."""
    status = _planned(_counted(facts, reader, plan.tasks), plan)
    status = _concluded(status, facts, reader, plan.begun, now)
    return _priced(status, plan, facts.prices, whole=facts.success is not None)


def refused(facts: Facts, manifest: Manifest, reader: Reader, now: float) -> RunStatus:
    """A run that the coordinator could not plan: it wrote why, and nothing else."""
    status = _described(_counted(facts, reader, manifest.map_tasks), manifest)
    return _concluded(status, facts, reader, manifest.started, now)


def expired(facts: Facts, reader: Reader, now: float) -> RunStatus:
    """A run whose plan the lifecycle rule has deleted: the manifest is left, or a few markers."""
    manifest = facts.manifest
    status = replace(_counted(facts, reader, manifest.map_tasks if manifest else None), expired=True)
    if facts.success is None:  # of the markers nobody knows how many are gone
        known = facts.reduce_plan is not None and manifest is not None
        mapped = status.map if known else replace(status.map, done=None)
        status = replace(status, map=mapped, reduce=replace(status.reduce, done=None))
    if manifest is not None:
        status = _concluded(_described(status, manifest), facts, reader, manifest.started, now)
        return _priced_as_told(status, manifest, facts)
    if facts.verdict is not None:
        return _concluded(status, facts, reader, facts.listing.first, now)
    phase: RunPhase = _reducing(facts) or "mapping"
    return replace(_timed(status, facts.listing.first, None, now), phase=phase, idle=_idle(facts, now))


def starting(facts: Facts, reader: Reader, now: float) -> RunStatus:
    """A run that has objects, but no plan yet; or a verdict without a plan that is not published yet."""
    status = _counted(facts, reader, None)
    if facts.verdict is not None:
        return _concluded(status, facts, reader, facts.listing.first, now)
    phase: RunPhase = _reducing(facts) or "planning"
    return replace(_timed(status, facts.listing.first, None, now), phase=phase, idle=_idle(facts, now))


# -- what they are made of -----------------------------------------------------------------------------


def _counted(facts: Facts, reader: Reader, map_tasks: int | None) -> RunStatus:
    """What the keys and the markers tell, whatever the case."""
    mapped, reduced = _map_status(facts, reader, map_tasks), _reduce_status(facts, reader)
    exchanged = _exchange_status(facts, reader)
    earlier = facts.plan.earlier if facts.plan else None
    bad = facts.reduce_plan.bad if facts.reduce_plan else reader.bad()
    left_out = len(facts.reduce_plan.left_out) if facts.reduce_plan else reader.left_out()
    return RunStatus(
        job=facts.keys.job,
        run=facts.keys.run,
        phase="planning",
        work=facts.keys.run_root.url,
        output=facts.place.url if facts.place else "",
        map=mapped,
        reduce=reduced,
        exchange=exchanged,
        attempts_failed=sum(one.failed_attempts for one in (mapped, exchanged, reduced) if one),
        bad=bad + (earlier.bad if earlier else 0),
        left_out=left_out + (len(earlier.left_out) if earlier else 0),
        counters=_counters(facts, reader),
        continued=facts.listing.continued,
        failures=() if facts.ending and facts.ending.failures else reader.failures(facts.listing.failed),
    )


def _priced(status: RunStatus, plan: Plan, prices: Prices, *, whole: bool = False) -> RunStatus:
    """With what it costs. `whole` as of `cost_so_far`."""
    return _with(status, cost_so_far(plan, status, prices, whole=whole), plan.spec, prices)


def _priced_as_told(status: RunStatus, manifest: Manifest, facts: Facts) -> RunStatus:
    """With what the manifest says that it cost, if the job's settings are known."""
    if facts.spec is None:
        return status
    spec, small = settings_told(manifest, facts.spec)
    return _with(status, cost_told(manifest, spec, facts.prices, small=small), spec, facts.prices)


def _with(status: RunStatus, dollars: Dollars, spec: JobSpec, prices: Prices) -> RunStatus:
    return replace(
        status,
        cost=dollars.total,
        cost_parts=dollars,
        cost_region=prices.region,
        region=prices.asked,
        cost_wasted=dollars.wasted,
        cost_lost=cost_lost(spec, status.map.wasted, _behind_map(status), prices),
    )


def _planned(status: RunStatus, plan: Plan) -> RunStatus:
    """With what the plan tells."""
    whole = plan.earlier or plan
    return replace(
        status,
        totals=totals_shown(plan.output, plan.run).url if plan.accumulates else "",
        source=plan.source,
        step=plan.job_step + 1,
        steps=plan.steps,
        round=plan.round,
        rounds=plan.rounds,
        loops=plan.earlier.loops if plan.earlier else (),
        partitions=plan.partitions,
        inputs=whole.inputs,
        input_bytes=whole.bytes,
    )


def _described(status: RunStatus, manifest: Manifest) -> RunStatus:
    """With what the manifest tells of a run whose plan is not there."""
    return replace(
        status,
        source=manifest.source,
        steps=manifest.steps,
        inputs=manifest.inputs,
        input_bytes=manifest.input_bytes,
    )


def _concluded(
    status: RunStatus, facts: Facts, reader: Reader, started: float | None, now: float
) -> RunStatus:
    """With what the manifest or, until there is one, the verdict tells of the end."""
    ending = facts.ending
    assert ending is not None
    phase: RunPhase = "finishing"
    if facts.closed:
        phase = "succeeded" if ending.outcome == "success" else "failed"
    status = replace(
        _timed(status, started, _finished(facts, started), now),
        phase=phase,
        idle=None if phase in ENDED else _idle(facts, now),
        reason=ending.reason,
        failures=(ending.failures or status.failures)[: reader.max_failures],
        attempts_failed=max(status.attempts_failed, len(ending.failures)),
    )
    if (success := facts.success) is None:
        return status
    return replace(
        status,
        output_records=success.records,
        output_bytes=success.bytes,
        parts=len(success.parts),
        bad=success.bad,
        left_out=len(success.left_out),
        loops=success.loops,
        counters=success.counters,
    )


def _timed(status: RunStatus, started: float | None, finished: float | None, now: float) -> RunStatus:
    started = started or None  # a run that was refused has no beginning
    elapsed = None if started is None else max(0.0, (finished or now) - started)
    return replace(status, started=started, finished=finished, elapsed=elapsed)


def _finished(facts: Facts, started: float | None) -> float | None:
    """When the last task ended; for a run without tasks, when its verdict was given."""
    if facts.manifest and facts.manifest.finished > (started or 0.0):
        return facts.manifest.finished
    return facts.listing.verdict_at


def _idle(facts: Facts, now: float) -> float | None:
    return None if facts.listing.last is None else max(0.0, now - facts.listing.last)


def _phase(facts: Facts, plan: Plan) -> RunPhase:
    """The phase of a run that has a plan and no end."""
    mapped = facts.listing.done["map"]
    if phase := _reducing(facts):
        return phase
    if len(mapped) >= plan.tasks:
        tasks = facts.exchange_plan.tasks if facts.exchange_plan else 0
        return "exchanging" if len(facts.listing.done["exchange"]) < tasks else "shuffling"
    return "mapping" if mapped or facts.keys.plan_done.key in facts.listing.names else "planning"


def _reducing(facts: Facts) -> RunPhase | None:
    """The phase of a run that has a reduce plan; None without one."""
    if facts.reduce_plan is None:
        return None
    return "reducing" if len(facts.listing.done["reduce"]) < len(facts.reduce_plan.tasks) else "finishing"


def _before_the_stop(facts: Facts, phase: Phase, counted: int) -> int:
    """How many tasks are done, of so many that have markers: of a run that was stopped, some of these mean nothing."""
    stopped = facts.verdict.stopped if facts.verdict else None
    if stopped is None:
        return counted
    return {"map": stopped.map_done, "exchange": stopped.exchange_done, "reduce": stopped.reduce_done}[phase]


def _map_status(facts: Facts, reader: Reader, total: int | None) -> PhaseStatus:
    tasks, failed = facts.listing.done["map"], len(facts.listing.failed["map"])
    if (success := facts.success) is not None:
        done = total = measured = success.map_tasks
        stats = success.mapped
    elif facts.reduce_plan is not None and total is not None:
        done = measured = total
        stats = facts.reduce_plan.mapped
    else:
        done = _before_the_stop(facts, "map", len(tasks))
        stats, measured = reader.measure("map", tasks)
        measured = min(measured, done)
    return PhaseStatus(
        done=done,
        total=total,
        failed_attempts=failed,
        stats=stats,
        measured=measured,
        wasted=_wasted(facts, reader, "map"),
    )


def _exchange_status(facts: Facts, reader: Reader) -> PhaseStatus | None:
    """None of a run that has one level of shuffle, for all one knows."""
    tasks, failed = facts.listing.done["exchange"], len(facts.listing.failed["exchange"])
    told = facts.success or (facts.plan.earlier if facts.plan else None)
    total = facts.exchange_plan.tasks if facts.exchange_plan else 0
    if not total and not (told and told.exchange_tasks):
        return None
    done = _before_the_stop(facts, "exchange", len(tasks))
    if facts.success is not None:
        done = total = measured = facts.success.exchange_tasks
        stats = facts.success.exchanged
    elif facts.reduce_plan is not None and facts.reduce_plan.exchanged is not None:
        measured, stats = done, facts.reduce_plan.exchanged.stats
    else:
        stats, measured = reader.measure("exchange", tasks)
        measured = min(measured, done)
    return PhaseStatus(
        done=done,
        total=total,
        failed_attempts=failed,
        stats=stats,
        measured=measured,
        wasted=_wasted(facts, reader, "exchange"),
    )


def _behind_map(status: RunStatus) -> Wasted:
    """What attempts in the reducer's function used that do not count."""
    return status.reduce.wasted + status.exchange.wasted if status.exchange else status.reduce.wasted


def _reduce_status(facts: Facts, reader: Reader) -> PhaseStatus:
    tasks, failed = facts.listing.done["reduce"], len(facts.listing.failed["reduce"])
    total = len(facts.reduce_plan.tasks) if facts.reduce_plan else None
    if (success := facts.success) is not None:
        done = total = measured = success.reduce_tasks
        stats = success.reduced
    else:
        done = _before_the_stop(facts, "reduce", len(tasks))
        stats, measured = reader.measure("reduce", tasks)
        measured = min(measured, done)
    return PhaseStatus(
        done=done,
        total=total,
        failed_attempts=failed,
        stats=stats,
        measured=measured,
        wasted=_wasted(facts, reader, "reduce"),
    )


def _wasted(facts: Facts, reader: Reader, phase: Phase) -> Wasted:
    """What attempts used that do not count: what they say now or, if that is gone or not read, what was told of them.

    One that was at work when the manifest was written counted as lost; once it has left word, it does no longer.
    """
    told, words = _told(facts, phase), facts.listing.words[phase]
    stats, measured, hearsay = reader.wasted(words)
    if not measured or len(words) < told.attempts:
        return told
    factor = len(words) / measured
    heard = told.heard(len(words) - round(hearsay * factor), stats * factor)
    if facts.manifest is None:  # more may be lost by now
        heard = replace(heard, lost=told.lost, lost_seconds=told.lost_seconds)
    return heard


def _told(facts: Facts, phase: Phase) -> Wasted:
    """What the manifest or, before there is one, the plans say of attempts that do not count."""
    if facts.manifest is not None:
        return _of_phase(facts.manifest, phase)
    earlier = facts.plan.earlier if facts.plan else None
    if phase == "exchange":
        done = facts.reduce_plan.exchanged if facts.reduce_plan else None
        return (earlier.exchange_wasted if earlier else Wasted()) + (done.wasted if done else Wasted())
    if phase == "reduce":
        return earlier.reduce_wasted if earlier else Wasted()
    mapped = facts.reduce_plan.wasted if facts.reduce_plan else Wasted()
    return earlier.map_wasted + mapped if earlier else mapped


def _of_phase(told: Manifest, phase: Phase) -> Wasted:
    return {"map": told.map_wasted, "exchange": told.exchange_wasted, "reduce": told.reduce_wasted}[phase]


def _counters(facts: Facts, reader: Reader) -> dict[str, int]:
    """What earlier steps counted, and the markers of this one that were read."""
    earlier = facts.plan.earlier if facts.plan else None
    found = [earlier.counters] if earlier else []
    if facts.reduce_plan:
        found.append(facts.reduce_plan.counters)
    kinds = (ReduceMarker,) if facts.reduce_plan else (MapMarker, ReduceMarker)
    own = (facts.keys.phase("map").key, facts.keys.phase("reduce").key)
    for loc, known in reader.memory.objects.items():
        if isinstance(known, kinds) and loc.key.startswith(own):
            found.append(known.counters)
    return sum_counters(*found)
