#!/usr/bin/env python
# PYTHON_ARGCOMPLETE_OK
"""Compare what would start runs of a job with the runs there are: what was lost, has failed, or is half done?

    scripts/audit.py visits             # what is amiss; exit code 1 if anything is
    scripts/audit.py visits --mend      # start what was lost or has failed, resume what stands still

What starts runs are the objects themselves (`trigger: each`), or their markers and manifests. An event that S3
or Lambda has lost leaves such an object without a run. Runs that somebody stopped are left alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import scripts.console.lacking  # noqa: F401 (first: it says what this Python lacks)
from chalicelib.config import units
from scripts.auditing.audit import audit
from scripts.auditing.world import World, real_world
from scripts.console.terminal import Parser, run_main


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="audit.py", aws=True, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", metavar="JOB", help="the job: jobs/JOB.yml, or a .yml file")
    parser.add_argument("--mend", action="store_true", help="start or resume what is amiss")
    parser.add_argument(
        "--grace",
        default="1h",
        metavar="TIME",
        help="an object that was put less than so long ago may still wait for its event (default %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="every object with its state and its runs")
    options = parser.parse_args(argv)
    options.seconds = units.parse(options.grace, "seconds")
    if options.seconds is None:
        parser.error(f"--grace: expected a time such as 1h or 15m, got {options.grace!r}")
    return options


def main(argv: Sequence[str], world: World) -> int:
    options = parse(argv)
    return audit(options.name, world, mend=options.mend, grace=options.seconds, json=options.json)


if __name__ == "__main__":
    sys.exit(run_main(lambda: main(sys.argv[1:], real_world())))
