#!/usr/bin/env python
# PYTHON_ARGCOMPLETE_OK
"""Stop a run: it has failed, by your name and for your reason, and nothing of it is committed any more.

    scripts/stop.py wordcount latest --why "wrong input"
    scripts/stop.py wordcount 20261121T032424-0123456789ab --work /tmp/work    # of the local engine

Results of other runs stay as they are, and `scripts/submit.py --again` does the run again. Exit code 1 says
that it had ended by itself.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import scripts.console.lacking  # noqa: F401 (first: it says what this Python lacks)
from chalicelib.core.ports import Loc
from scripts.console.terminal import Parser, run_main
from scripts.runs.places import find_places
from scripts.runs.world import World, real_world
from scripts.stopping.stop import stop_run
from scripts.stopping.world import who


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="stop.py", aws=True, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", metavar="JOB", help="the job: jobs/JOB.yml, or a .yml file")
    parser.add_argument("run", metavar="RUN", help="a run's id, or `latest`")
    parser.add_argument("--why", default="", metavar="TEXT", help="what `_FAILED` is to say, after your name")
    parser.add_argument(
        "--work", metavar="PLACE", help="a work folder or s3:// URL, instead of the job's own work place"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str], world: World, by: Callable[[Loc], str] = who) -> int:
    options = parse(argv)
    (place,), _ = find_places([options.name], options.work, world)
    return stop_run(world, place, options.run, by(place.work), options.why)


if __name__ == "__main__":
    sys.exit(run_main(lambda: main(sys.argv[1:], real_world())))
