"""Each run's bill, from what is left of the run: its manifest, its plan, or else its markers."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from chalicelib.core.errors import CorruptData, NotFound, UserError
from chalicelib.core.keys import OutputKeys, RunKeys
from chalicelib.core.messages import decode
from chalicelib.core.outcome import Manifest
from chalicelib.core.plan import Plan
from chalicelib.core.plan_file import read_head
from chalicelib.core.ports import Loc, Store
from chalicelib.run.status.collect import RunStatus, collect
from chalicelib.run.status.fields import Dollars
from chalicelib.run.status.price_list import Prices
from chalicelib.run.status.prices import cost_lost, cost_told, settings_told
from scripts.runs.not_begun import second_of
from scripts.runs.places import Place, find_runs, results_of
from scripts.runs.show import MAX_MARKERS
from scripts.runs.world import World

from .told import Told

#: Runs that are read before anybody has taken what was read of them, for each that is read at once.
AHEAD = 4


@dataclass(frozen=True, kw_only=True)
class RunCost:
    """What one run cost."""

    job: str
    run: str
    #: When it began, in seconds since the epoch; 0 if nobody knows.
    at: float
    outcome: Literal["succeeded", "failed", "under way"]
    #: None: too little is left of the run to say.
    dollars: Dollars | None
    #: The most that attempts which left no word can have cost beside that.
    lost: float = 0.0
    input_bytes: int = 0
    #: What its tasks told, of a run that succeeded.
    told: Told | None = None


def read_costs(world: World, place: Place, since: float, prices: Prices) -> Iterator[RunCost | str]:
    """The runs of a place that began at `since` or later, oldest first, or why one cannot be read.

    Several are read at once where that helps, and no more are held than that. One takes two or three requests: the
    manifest, the plan's head if it is there; one that failed or has no manifest a listing and some markers instead.
    """
    wanted = [
        keys
        for keys in find_runs(world.open_store(place.work, ()), place)
        if not (began := second_of(keys.run)) or began >= since
    ]
    reader = _Reader(world.open_store(place.work, wanted), place, prices, world.clock.now())
    at_once = max(1, reader.store.parallel_reads)
    runs = iter(wanted)
    with ThreadPoolExecutor(max_workers=at_once) as pool:
        while some := list(islice(runs, at_once * AHEAD)):
            for found in pool.map(reader.read, some):
                if isinstance(found, str) or (found is not None and (not found.at or found.at >= since)):
                    yield found


@dataclass(frozen=True)
class _Reader:
    store: Store
    place: Place
    prices: Prices
    now: float

    def read(self, keys: RunKeys) -> RunCost | str | None:
        """None of a run that was deleted since it was listed."""
        try:
            plan = self._plan(keys)
            output = results_of(self.place, keys) or (plan.output if plan else None)
            manifest = self._manifest(keys, output)
            if manifest and (manifest.outcome == "success" or plan is None):
                return self._ended(keys, manifest, plan)
            status = collect(
                self.store,
                keys,
                now=self.now,
                output=output,
                max_markers=MAX_MARKERS,
                region=self.prices.asked,
            )
        except CorruptData as error:
            return f"{keys.job} {keys.run}: {error}"
        except UserError:
            return None
        return _of_status(keys, status)

    def _ended(self, keys: RunKeys, manifest: Manifest, plan: Plan | None) -> RunCost:
        """From the manifest, by the settings of the plan or, if that is gone, by those that the job has now."""
        spec, small = (plan.spec, plan.small) if plan else (self.place.spec, False)
        if plan is None and spec is not None:
            spec, small = settings_told(manifest, spec)
        succeeded = manifest.outcome == "success"
        wasted = manifest.map_wasted, manifest.exchange_wasted + manifest.reduce_wasted
        dollars = cost_told(manifest, spec, self.prices, small=small) if spec else None
        return RunCost(
            job=keys.job,
            run=keys.run,
            at=manifest.started or second_of(keys.run),
            outcome="succeeded" if succeeded else "failed",
            dollars=dollars,
            lost=cost_lost(spec, *wasted, self.prices) if spec else 0.0,
            input_bytes=manifest.input_bytes,
            told=Told.of(manifest, spec, dollars, small=small) if succeeded and spec and dollars else None,
        )

    def _plan(self, keys: RunKeys) -> Plan | None:
        try:
            return read_head(self.store, keys)
        except NotFound:
            return None

    def _manifest(self, keys: RunKeys, output: Loc | None) -> Manifest | None:
        """This run's manifest. A folder may hold that of a later one."""
        if output is None:
            return None
        loc = OutputKeys(output).manifest
        try:
            manifest = decode(Manifest, self.store.get(loc), loc.url)
        except NotFound:
            return None
        return manifest if (manifest.job, manifest.run) == (keys.job, keys.run) else None


def _of_status(keys: RunKeys, status: RunStatus) -> RunCost:
    """Of a run under way what it cost so far."""
    return RunCost(
        job=keys.job,
        run=keys.run,
        at=status.started or second_of(keys.run),
        outcome="succeeded" if status.phase == "succeeded" else "failed" if status.ended else "under way",
        dollars=status.cost_parts,
        lost=status.cost_lost or 0.0,
        input_bytes=status.input_bytes or 0,
    )
