#!/usr/bin/env python
# PYTHON_ARGCOMPLETE_OK
"""Get the results of a run: to standard output, part after part, or into a folder.

    scripts/get.py wordcount                      # of the newest run
    scripts/get.py wordcount 20261121T032424-0123456789ab -o counts/
    scripts/get.py wordcount latest --list
    scripts/get.py counts/ | head                 # what run.py has written to a folder

Standard output gets the parts unpacked, in their order; a terminal is shown control characters and does not obey them.
With -o they are kept as they are, and _SUCCESS comes last. Exit code 1 says that the run has not succeeded.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from chalicelib.core.errors import UserError
from chalicelib.core.keys import MANIFEST
from scripts.console.terminal import Parser, run_main
from scripts.getting.results import Results, contents, download, find_results, listing, results_in
from scripts.runs.places import LATEST, find_places
from scripts.runs.world import World, real_world


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="get.py", aws=True, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", metavar="JOB", help="the job, its .yml file, or a folder of results")
    parser.add_argument("run", metavar="RUN", nargs="?", help="a run's id (default: the newest)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("-o", "--output", type=Path, metavar="DIR", help="a new or empty folder for all objects")
    how.add_argument("--list", action="store_true", help="say what there is")
    how.add_argument("--kind", default="", metavar="NAME", help="one of the job's other `outputs`")
    parser.add_argument(
        "--work", metavar="PLACE", help="a work folder or s3:// URL, instead of the job's own work place"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str], world: World) -> int:
    options = parse(argv)
    results = _results(options, world)
    if options.list:
        world.screen.print(*listing(results))
    elif options.output:
        world.screen.print(*download(results, options.output))
    else:
        parts = results.parts(options.kind)
        if options.kind and not parts:
            raise UserError(f"--kind {options.kind}: this run has written nothing to such an output")
        for chunk in contents(results, parts):
            world.screen.pass_on(chunk)
    return 0


def _results(options: argparse.Namespace, world: World) -> Results:
    folder = Path(options.name)
    if options.work is None and (folder / MANIFEST).is_file():
        if options.run:
            raise UserError(f"{folder}: is a folder of one run's results: leave out {options.run}")
        return results_in(folder)
    (place,), _ = find_places([options.name], options.work, world)
    return find_results(world, place, options.run or LATEST)


if __name__ == "__main__":
    sys.exit(run_main(lambda: main(sys.argv[1:], real_world())))
