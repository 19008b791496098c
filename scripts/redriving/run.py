"""Shows the bad records of one run and, if asked to, runs them again."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.core.errors import NotFound, UserError
from chalicelib.core.keys import RunKeys
from chalicelib.core.plan import Plan
from chalicelib.core.plan_file import read_head
from chalicelib.core.ports import Loc, Store
from chalicelib.core.tasks import BadRecord
from chalicelib.run.status.runs import current_step, most_steps
from scripts.runs.places import Place, named_run
from scripts.runs.world import World

from .bad_records import bad_records, show
from .redrive import redrive


@dataclass(frozen=True)
class SetAside:
    """The bad records of all steps of a run, by object and byte."""

    store: Store
    keys: RunKeys
    plan: Plan
    records: list[BadRecord]


def set_aside(world: World, place: Place, run: str) -> SetAside:
    """What the run of this id, or the newest if it is `latest`, set aside. Raises UserError."""
    keys = named_run(world, place, run)
    store = world.open_store(place.work, [keys])
    try:
        plan = read_head(store, keys)
    except NotFound as error:
        raise UserError(
            f"{keys.root.url}: no run {keys.run!r} of job {keys.job!r} here (or its work objects have expired,"
            " and the bad records with them); scripts/status.py lists the runs"
        ) from error
    steps = current_step(store, keys, most_steps(plan)).step + 1
    found = (record for step in range(steps) for record in bad_records(store, plan.keys(keys).at(step)))
    return SetAside(store, keys, plan, sorted(found, key=lambda record: (record.source, record.offset or 0)))


def show_and_redrive(world: World, place: Place, run: str, *, shown: int, again: bool) -> list[Loc]:
    """Print how many records of all steps were set aside, and the first `shown`; `again` runs all of them.

    `run` is a run's id, or `latest`. Returns the objects that start runs. Raises UserError.
    """
    found = set_aside(world, place, run)
    world.screen.print(*show(found.keys, found.records, shown))
    if not (again and found.records):
        return []
    lines, started = redrive(world, found.store, found.keys, found.plan, found.records)
    world.screen.print("", *lines)
    return started
