#!/usr/bin/env python
"""Upload files into a job's input place, which starts it.

A folder is uploaded with everything below it, named relative to it. For a job with `trigger: marker` a
manifest that lists the uploaded objects follows, and starts one run over all of them. With --wait, exit code
0 says that every run that this started has succeeded.

    submit.py --resume NAME RUN    pick up a run that stopped moving because its events never came
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.console.terminal import Parser, run_main
from scripts.submitting.resume import resume
from scripts.submitting.submit import submit
from scripts.submitting.world import World, real_world


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="submit.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", metavar="NAME", help="the job: jobs/NAME.yml, or a .yml file")
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help="files and folders")
    parser.add_argument("--resume", action="store_true", help="take FILE for the id of a run (or `latest`)")
    parser.add_argument("--wait", action="store_true", help="follow the runs until they have ended")
    parser.add_argument(
        "--prefix-dir", action="store_true", help="keep a folder's own name: logs/ becomes logs/..., not ..."
    )
    parser.add_argument(
        "--start-timeout",
        type=float,
        default=180.0,
        metavar="S",
        help="with --wait: how long S3 may take to start the runs (default %(default).0f s)",
    )
    options = parser.parse_args(argv)
    if options.resume and len(options.files) != 1:
        parser.error(f"--resume: expected NAME and the id of one run, got {len(options.files)} ids")
    return options


def main(argv: Sequence[str], world: World) -> int:
    options = parse(argv)
    if options.resume:
        return resume(options.name, str(options.files[0]), world, wait=options.wait)
    timeout = options.start_timeout if options.wait else None
    return submit(options.name, options.files, world, prefix_dir=options.prefix_dir, start_timeout=timeout)


if __name__ == "__main__":
    sys.exit(run_main(lambda: main(sys.argv[1:], real_world())))
