#!/usr/bin/env python
# PYTHON_ARGCOMPLETE_OK
"""Show how a job's runs stand, from what is on S3 or in the local engine's work folder.

    scripts/status.py                       # the newest runs of every job
    scripts/status.py visits latest --watch

Without NAME it lists the runs of every job in jobs/ (or in the --work place). With RUN (an id, or `latest`) it
shows that run in full. With --watch, exit code 0 says that the runs succeeded, 1 that one failed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import scripts.console.lacking  # noqa: F401 (first: it says what this Python lacks)
from chalicelib.core.errors import UserError
from scripts.console.terminal import Parser, run_main
from scripts.runs.places import find_places
from scripts.runs.show import View, show_list, show_run
from scripts.runs.world import World, real_world


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="status.py", aws=True, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="the job: jobs/NAME.yml, or a .yml file")
    parser.add_argument("run", nargs="?", metavar="RUN", help="a run's id, or `latest`")
    parser.add_argument("--watch", action="store_true", help="redraw until the run or runs have ended")
    parser.add_argument("--json", action="store_true", help="stable JSON; with --watch, one object a change")
    parser.add_argument(
        "--work", metavar="PLACE", help="a work folder or s3:// URL, instead of the job's own work place"
    )
    parser.add_argument(
        "--last", type=int, default=20, metavar="N", help="list the newest N runs (default %(default)s)"
    )
    parser.add_argument(
        "--every", type=float, default=1.0, metavar="S", help="seconds between two looks (default 1)"
    )
    options = parser.parse_args(argv)
    if options.last < 1:
        parser.error(f"--last: expected at least 1, got {options.last}")
    if options.every <= 0:
        parser.error(f"--every: expected more than 0 seconds, got {options.every:g}")
    return options


def main(argv: Sequence[str], world: World) -> int:
    options = parse(argv)
    places, problems = find_places([options.name] if options.name else [], options.work, world)
    if not places and not problems:
        raise UserError(
            f"{world.root / 'jobs'}: no job there (*.yml): scripts/new_job.py NAME makes one; "
            "--work PLACE shows the runs of a work folder or s3:// URL"
        )
    view = View(watch=options.watch, every=options.every, json=options.json, last=options.last)
    if options.run is not None:
        return show_run(world, places[0], options.run, view)
    return show_list(world, places, problems, view)


if __name__ == "__main__":
    sys.exit(run_main(lambda: main(sys.argv[1:], real_world())))
