#!/usr/bin/env python
# PYTHON_ARGCOMPLETE_OK
"""Show what runs have cost, by day and job, from what is left of them: estimates by AWS's list prices.

    scripts/cost.py                                    all jobs in jobs/, the last 30 days
    scripts/cost.py wordcount --since 7d               and what would make its runs cheaper
    scripts/cost.py wordcount --advice                 that alone
    scripts/cost.py wordcount --since 1d --reconcile   and what Lambda itself says it bills
    scripts/cost.py wordcount --work work/             what runs of the local engine would have cost on AWS

Runs whose work objects have expired count by their manifests, which stay with the results. It reads two or three
objects for each run, and writes nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import scripts.console.lacking  # noqa: F401 (first: it says what this Python lacks)
from chalicelib.config.units import parse as parse_quantity
from chalicelib.core.errors import StoreError, UserError
from chalicelib.run.status.price_list import Prices, prices_of
from scripts.console.terminal import Parser, run_main
from scripts.costing.advice import advise
from scripts.costing.history import History
from scripts.costing.read import read_costs
from scripts.costing.show import advice_lines, as_json, lines, reconcile_lines
from scripts.costing.told import alike
from scripts.runs.places import Place, find_places
from scripts.runs.world import World, real_world

if TYPE_CHECKING:
    from scripts.costing.reconcile import Compared


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="cost.py", aws=True, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", nargs="?", metavar="JOB", help="the job: jobs/JOB.yml, or a .yml file")
    parser.add_argument(
        "--since", default="30d", metavar="TIME", help="runs of the last 12h, 30d, ... (default %(default)s)"
    )
    parser.add_argument(
        "--advice",
        action="store_true",
        help="only the settings that would cost less, by the newest runs of JOB",
    )
    parser.add_argument(
        "--reconcile",
        action="store_true",
        help="compare with what Lambda bills, by the logs of JOB's functions",
    )
    parser.add_argument("--json", action="store_true", help="stable JSON")
    parser.add_argument(
        "--work", metavar="PLACE", help="a work folder or s3:// URL, instead of the job's own work place"
    )
    options = parser.parse_args(argv)
    options.seconds = parse_quantity(options.since, "seconds")
    if not options.seconds:
        parser.error(f"--since {options.since}: expected a time such as 12h, 7d or 30d")
    if (options.advice or options.reconcile) and not options.name:
        parser.error("--advice and --reconcile are about one job: name it")
    return options


def main(argv: Sequence[str], world: World, logs: Callable[[str], Any] | None = None) -> int:
    options = parse(argv)
    places, problems = find_places([options.name] if options.name else [], options.work, world)
    if not places and not problems:
        raise UserError(f"{world.root / 'jobs'}: no job there (*.yml): scripts/new_job.py NAME makes one")
    region = options.region or next((world.region_of(place.work) for place in places), "")
    prices, since = prices_of(region), world.clock.now() - options.seconds
    history = History(problems=list(problems))
    for place in places:
        try:
            history.take(read_costs(world, place, since, prices))
        except StoreError as error:
            if len(places) == 1:
                raise
            history.problems.append(f"{place.job}: {error}")
    told = alike(history.recent.get(places[0].job, ())) if options.name else None
    advice = advise(told, prices) if told else []
    compared = _reconciled(logs, region, places[0], history, since, prices) if options.reconcile else []
    if options.json:
        world.screen.write(as_json(history, prices, since, told, advice, compared))
        return 0
    if not options.advice:
        world.screen.print(*lines(history, prices, options.since))
    if options.name and history.total.runs:
        world.screen.print(*advice_lines(told, advice))
    if compared:
        world.screen.print(*reconcile_lines(compared))
    return 0


def _reconciled(
    logs: Callable[[str], Any] | None,
    region: str,
    place: Place,
    history: History,
    since: float,
    prices: Prices,
) -> list[Compared]:
    """Raises UserError for runs of the local engine, and where there is nothing to compare with."""
    if place.work.bucket.startswith("/"):
        raise UserError(f"--reconcile: nobody bills the runs in {place.work.url}; leave it out")
    from scripts.costing.reconcile import reconcile  # with boto3, which is slow to import
    from scripts.log_reading.cloud_watch import make_client

    recent = history.recent.get(place.job)
    spec = place.spec or (recent[-1].spec if recent else None)
    architecture = spec.architecture if spec else "x86_64"
    return reconcile(
        (logs or make_client)(region), place.job, since, history.total.dollars, architecture, prices
    )


if __name__ == "__main__":
    sys.exit(run_main(lambda: main(sys.argv[1:], real_world())))
