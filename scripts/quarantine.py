#!/usr/bin/env python
# PYTHON_ARGCOMPLETE_OK
"""Show the bad records that a run set aside and, once they or the job are mended, run them again.

    scripts/quarantine.py wordcount latest
    scripts/quarantine.py wordcount 20261121T032424-0123456789ab --redrive

A re-drive is a run of its own over those records alone. Its results go to a place of their own and are not
merged with any others. For a job on AWS the records are uploaded below the job's input place, which starts
it; for the local engine (--work DIR) they are written to a file to run on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import scripts.console.lacking  # noqa: F401 (first: it says what this Python lacks)
from scripts.console.terminal import Parser, run_main
from scripts.redriving.run import show_and_redrive
from scripts.runs.places import find_places
from scripts.runs.world import World, real_world


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="quarantine.py",
        aws=True,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", metavar="NAME", help="the job: jobs/NAME.yml, or a .yml file")
    parser.add_argument("run", metavar="RUN", help="a run's id, or `latest`")
    parser.add_argument(
        "--show", type=int, default=10, metavar="N", help="show the first N (default %(default)s)"
    )
    parser.add_argument("--redrive", action="store_true", help="run the records again")
    parser.add_argument(
        "--work", metavar="PLACE", help="a work folder or s3:// URL, instead of the job's own work place"
    )
    options = parser.parse_args(argv)
    if options.show < 0:
        parser.error(f"--show: expected at least 0, got {options.show}")
    return options


def main(argv: Sequence[str], world: World) -> int:
    options = parse(argv)
    (place,), _ = find_places([options.name], options.work, world)
    show_and_redrive(world, place, options.run, shown=options.show, again=options.redrive)
    return 0


if __name__ == "__main__":
    sys.exit(run_main(lambda: main(sys.argv[1:], real_world())))
