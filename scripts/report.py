#!/usr/bin/env python
# PYTHON_ARGCOMPLETE_OK
"""Write a report of a run: one page that any browser opens, without a network, with all that is known of the run.

    scripts/report.py wordcount                          the newest run, into report.html
    scripts/report.py wordcount 20261121T032424-0123456789ab -o slow.html
    scripts/report.py wordcount --work work/             a run of the local engine, with the same --work
    scripts/report.py wordcount --trace trace.json       the timeline, for Perfetto or chrome://tracing

It may be a run under way, one that has ended, or one of which only the results are left. It reads what every attempt
left, an object each, and writes nothing but its file.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import scripts.console.lacking  # noqa: F401 (first: it says what this Python lacks)
from chalicelib.core.errors import UserError
from scripts.console.terminal import Parser, human_bytes, run_main
from scripts.reporting.gather import gather
from scripts.reporting.page import page
from scripts.reporting.trace import trace
from scripts.runs.places import LATEST, find_places
from scripts.runs.world import World, real_world


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="report.py", aws=True, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", metavar="JOB", help="the job: jobs/JOB.yml, or a .yml file")
    parser.add_argument(
        "run", nargs="?", default=LATEST, metavar="RUN", help="a run's id, or `latest` (the default)"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="the page; report.html, unless --trace is all you want",
    )
    parser.add_argument(
        "--trace", type=Path, metavar="FILE", help="the timeline in Chrome's Trace Event format"
    )
    parser.add_argument(
        "--work", metavar="PLACE", help="a work folder or s3:// URL, instead of the job's own work place"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str], world: World) -> int:
    options = parse(argv)
    (place,), _ = find_places([options.name], options.work, world)
    seen = gather(world, place, options.run)
    if options.trace:
        write(options.trace, json.dumps(trace(seen), separators=(",", ":")) + "\n", world)
    if options.output or not options.trace:
        write(options.output or Path("report.html"), page(seen), world)
    return 0


def write(path: Path, text: str, world: World) -> None:
    """Write a file and say so. Raises UserError if that cannot be."""
    body = text.encode()
    try:
        path.write_bytes(body)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from error
    world.screen.print(f"{path}: {human_bytes(len(body))}; open it in any browser")


if __name__ == "__main__":
    sys.exit(run_main(lambda: main(sys.argv[1:], real_world())))
