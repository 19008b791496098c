#!/usr/bin/env python
# PYTHON_ARGCOMPLETE_OK
"""Show what all functions of a run have logged, as one log in order of time.

    scripts/logs.py wordcount                          the newest run
    scripts/logs.py wordcount latest --follow          until it ends
    scripts/logs.py wordcount 20261121T032424-0123456789ab --task 42 --level WARNING
    scripts/logs.py wordcount --work work/             a run of the local engine, with the same --work

It has the lines of `self.log` and `print` of the job's own code, with the task and attempt that they are of, and those
of Sluice itself: from CloudWatch Logs, or from the files that the local engine keeps in its work folder. With --follow,
exit code 0 says that the run succeeded, 1 that it failed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import scripts.console.lacking  # noqa: F401 (first: it says what this Python lacks)
from scripts.console.terminal import Parser, run_main
from scripts.log_reading.cloud_watch import make_client
from scripts.log_reading.lines import LEVELS
from scripts.log_reading.show import View, show_log
from scripts.runs.places import LATEST, find_places
from scripts.runs.world import World, real_world


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="logs.py", aws=True, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", metavar="JOB", help="the job: jobs/JOB.yml, or a .yml file")
    parser.add_argument(
        "run", nargs="?", default=LATEST, metavar="RUN", help="a run's id, or `latest` (the default)"
    )
    parser.add_argument("--task", type=int, metavar="N", help="only lines of task N, of both phases")
    parser.add_argument("--attempt", type=int, metavar="A", help="only lines of attempt A, from 0")
    parser.add_argument("--level", type=str.upper, choices=LEVELS, help="only lines of this level and above")
    parser.add_argument("--follow", action="store_true", help="go on until the run ends")
    parser.add_argument("--json", action="store_true", help="the lines as they are, a JSON object each")
    parser.add_argument(
        "--work", metavar="PLACE", help="a work folder or s3:// URL, instead of the job's own work place"
    )
    parser.add_argument(
        "--every", type=float, default=2.0, metavar="S", help="seconds between two looks (default 2)"
    )
    options = parser.parse_args(argv)
    for name in ("task", "attempt"):
        if (given := getattr(options, name)) is not None and given < 0:
            parser.error(f"--{name}: expected at least 0, got {given}")
    if options.every <= 0:
        parser.error(f"--every: expected more than 0 seconds, got {options.every:g}")
    return options


def main(argv: Sequence[str], world: World, logs: Callable[[], Any] = make_client) -> int:
    options = parse(argv)
    (place,), _ = find_places([options.name], options.work, world)
    view = View(
        task=options.task, attempt=options.attempt, level=options.level,
        json=options.json, follow=options.follow, every=options.every,
    )  # fmt: skip
    return show_log(world, place, options.run, view, logs)


if __name__ == "__main__":
    sys.exit(run_main(lambda: main(sys.argv[1:], real_world())))
