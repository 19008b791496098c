"""How many runs stand, read at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from chalicelib.core.errors import CorruptData, StoreError, UserError
from chalicelib.core.keys import RunKeys
from chalicelib.run.status.collect import Memory, RunStatus, collect

from .places import Place, find_runs, results_of
from .world import World


def snapshot(
    world: World, found: Sequence[Place], last: int, *, tolerant: bool
) -> tuple[list[RunStatus], int, list[str]]:
    """(the newest `last` runs, newest last; how many more there are; what could not be read).

    Raises StoreError for a place that cannot be read; with `tolerant` it is named among what could not be read.
    """
    statuses: list[RunStatus] = []
    problems: list[str] = []
    hidden = 0
    for place in found:
        try:
            known = find_runs(world.open_store(place.work, ()), place)
            shown = known[-last:]
            hidden += len(known) - len(shown)
            for status in collect_all(world, place, shown):
                if isinstance(status, str):
                    problems.append(status)
                else:
                    statuses.append(status)
        except StoreError as error:
            if not tolerant:
                raise
            problems.append(f"{place.job}: {error}")
    statuses.sort(key=lambda status: (status.run, status.job))
    return statuses[-last:], hidden + max(0, len(statuses) - last), problems


def collect_all(world: World, place: Place, shown: Sequence[RunKeys]) -> Iterator[RunStatus | str]:
    """The status of each run, or why it cannot be read. Several are read at once where that helps."""
    store, now = world.open_store(place.work, shown), world.clock.now()
    region = world.region_of(place.work)

    def one(keys: RunKeys) -> RunStatus | str | None:
        memory = place.memories.setdefault(keys, Memory())
        try:
            output = results_of(place, keys)
            return collect(store, keys, now=now, output=output, memory=memory, region=region, spec=place.spec)
        except CorruptData as error:
            return f"{keys.job} {keys.run}: {error}"
        except UserError:  # deleted since it was listed
            return None

    with ThreadPoolExecutor(max_workers=max(1, store.parallel_reads)) as pool:
        yield from (status for status in pool.map(one, shown) if status is not None)
