"""Shows the bad records of one run and, if asked to, runs them again."""

from __future__ import annotations

from chalicelib.core.errors import NotFound, UserError
from chalicelib.core.plan_file import read_head
from scripts.runs.places import Place, named_run
from scripts.runs.world import World

from .bad_records import bad_records, show
from .redrive import redrive


def show_and_redrive(world: World, place: Place, run: str, *, shown: int, again: bool) -> None:
    """Print how many records of all steps were set aside, and the first `shown`; `again` runs all of them.

    `run` is a run's id, or `latest`. Raises UserError.
    """
    keys = named_run(world, place, run)
    store = world.open_store(place.work, [keys])
    try:
        plan = read_head(store, keys)
    except NotFound as error:
        raise UserError(
            f"{keys.root.url}: no run {keys.run!r} of job {keys.job!r} here (or its work objects have expired,"
            " and the bad records with them); scripts/status.py lists the runs"
        ) from error
    found = (record for step in range(plan.steps) for record in bad_records(store, plan.keys(keys).at(step)))
    records = sorted(found, key=lambda record: (record.source, record.offset or 0))
    world.screen.print(*show(keys, records, shown))
    if again and records:
        world.screen.print("", *redrive(world, store, keys, plan, records))
