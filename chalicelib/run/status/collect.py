"""How runs stand, read from the store alone: which runs there are, and how far one has come.

A run may be met at any moment: before its plan is committed, between its verdict and `_SUCCESS`, or
long after the lifecycle rule has emptied its work place and only the manifest beside its output is
left. Progress is the number of *distinct* tasks that have a marker.
"""

from __future__ import annotations

import msgspec

from ...core.errors import UserError
from ...core.keys import OutputKeys, RunKeys
from ...core.outcome import Manifest, Verdict
from ...core.plan import Plan
from ...core.ports import Loc, Store
from ...core.spec import JobSpec
from ...core.tasks import ExchangePlan, ReducePlan
from .cases import Facts, run_status
from .fields import ENDED, PhaseStatus, RunStatus
from .price_list import Prices, prices_of
from .reader import Memory, Reader, scan
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


def collect(
    store: Store,
    keys: RunKeys,
    *,
    now: float,
    output: Loc | None = None,
    max_markers: int = 0,
    max_failures: int = 0,
    memory: Memory | None = None,
    region: str = "",
    spec: JobSpec | None = None,
) -> RunStatus:
    """How the run stands at `now`.

    `output` is the run's own results prefix, used if the plan that names it is gone. At most
    `max_markers` markers of each phase and `max_failures` failures are read (a request each). `region`: where its
    functions are, for the prices. `spec`: the settings that the job has now, for the price of a run whose plan is gone.

    Raises UserError if there is no such run.
    """
    memory = memory or Memory()
    first = Reader(store, keys, memory, max_markers, max_failures)
    head = first.plan()
    if head:
        keys = current_step(store, keys, most_steps(head)) if head.steps > 1 else head.keys(keys)
    reader = Reader(store, keys, memory, max_markers, max_failures)
    facts = _read(reader, output, prices_of(region), spec)
    if not facts.listing.names and facts.manifest is None:
        raise UserError(
            f"{keys.root.url}: there is no run {keys.run!r} of job {keys.job!r} here: "
            "expected a run that scripts/status.py lists"
        )
    return run_status(facts, reader, now)


def _read(reader: Reader, output: Loc | None, prices: Prices, spec: JobSpec | None) -> Facts:
    """What there is of the run; `output` is its results prefix if the plan that names it is gone."""
    keys, listing = reader.keys, scan(reader.store, reader.keys)
    plan = reader.plan() if keys.plan.key in listing.names else None
    verdict = _verdict(reader, plan) if keys.run_done.key in listing.names else None
    reduce_plan = reader.get(ReducePlan, keys.reduce_plan) if keys.reduce_plan.key in listing.names else None
    if reduce_plan and reduce_plan.stopped:
        reduce_plan = None
    exchange = (
        reader.get(ExchangePlan, keys.exchange_plan) if keys.exchange_plan.key in listing.names else None
    )
    place = plan.output if plan else output
    manifest, closed = _results(reader, keys, place, verdict, expired=plan is None)
    return Facts(
        keys=keys,
        listing=listing,
        plan=plan,
        verdict=verdict,
        reduce_plan=reduce_plan,
        exchange_plan=exchange,
        manifest=manifest,
        closed=closed,
        place=place,
        prices=prices,
        spec=spec,
    )


def _verdict(reader: Reader, plan: Plan | None) -> Verdict | None:
    """The verdict on the run, given the one on its latest step that was planned; None if the run goes on."""
    keys = reader.keys
    verdict = reader.get(Verdict, keys.run_done)
    if verdict and verdict.outcome == "success" and plan and not plan.last_step:
        verdict = reader.get(Verdict, keys.at(keys.step + 1).run_done)  # there if that was not planned
    return None if verdict and verdict.outcome == "overtaken" else verdict


def _results(
    reader: Reader, keys: RunKeys, place: Loc | None, verdict: Verdict | None, expired: bool
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


def to_json(status: RunStatus) -> bytes:
    return msgspec.json.encode(status)
