#!/usr/bin/env python
# PYTHON_ARGCOMPLETE_OK
"""Delete the work objects of runs that ended some time ago; results and inputs are never touched.

    scripts/clean.py --older-than 7d            # every job in jobs/
    scripts/clean.py wordcount --dry-run
    scripts/clean.py --work /tmp/work           # a work folder of the local engine, or an s3:// URL

A run has ended when its `_SUCCESS` or `_FAILED` is there, or when its verdict is a day old. All other runs
are left alone, however old they are. Uploads that no function can still be writing are aborted. On AWS the
lifecycle rules of a deployment do the same after 7 days.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import scripts.console.lacking  # noqa: F401 (first: it says what this Python lacks)
from chalicelib.config import units
from scripts.cleaning.clean import clean_all
from scripts.cleaning.world import World, real_world
from scripts.console.terminal import Parser, run_main
from scripts.runs.places import find_places


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="clean.py", aws=True, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="jobs; without, all in jobs/ or in PLACE")
    parser.add_argument(
        "--older-than",
        default="7d",
        metavar="TIME",
        help="only runs that ended at least this long ago: 7d, 12h (default %(default)s)",
    )
    parser.add_argument(
        "--work", metavar="PLACE", help="a work folder or s3:// URL, instead of the jobs' own"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be deleted, and delete nothing"
    )
    options = parser.parse_args(argv)
    options.seconds = units.parse(options.older_than, "seconds")
    if options.seconds is None:
        parser.error(f"--older-than: expected a time such as 7d, 12h or 30m, got {options.older_than!r}")
    return options


def main(argv: Sequence[str], world: World) -> int:
    options = parse(argv)
    places, problems = find_places(options.names, options.work, world)
    clean_all(world, places, options.seconds, dry_run=options.dry_run)
    world.screen.print(*([(problem, "yellow")] for problem in problems))
    return 1 if problems and not places else 0


if __name__ == "__main__":
    sys.exit(run_main(lambda: main(sys.argv[1:], real_world())))
