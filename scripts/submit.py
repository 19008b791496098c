#!/usr/bin/env python
# PYTHON_ARGCOMPLETE_OK
"""Upload files into a job's input place, which starts it; or run it over what is there already.

A folder is uploaded with everything below it, named relative to it. For a job with `trigger: marker` a
manifest that lists the uploaded objects follows, and starts one run over all of them. With --wait, exit code
0 says that every run that this started has succeeded.

    submit.py NAME s3://BUCKET/PREFIX/   run over objects that are there; nothing is copied
    submit.py --existing NAME            the same over everything in the places that the job watches
    submit.py --again NAME RUN           do a run again over the same objects, as a new run
    submit.py --resume NAME RUN          pick up a run that stopped moving because its events never came

What is there is run over as if it were put now: `trigger: each` starts a run for each object, `marker` one
run over all of them, `success` one for each _SUCCESS. Runs that have ended keep their results.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import scripts.console.lacking  # noqa: F401 (first: it says what this Python lacks)
from scripts.console.terminal import Parser, run_main
from scripts.submitting.existing import is_url
from scripts.submitting.resume import resume
from scripts.submitting.submit import submit, submit_again, submit_existing
from scripts.submitting.world import World, real_world


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="submit.py", aws=True, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", metavar="NAME", help="the job: jobs/NAME.yml, or a .yml file")
    parser.add_argument("what", metavar="FILE", nargs="*", help="files and folders, or s3:// URLs")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--existing", action="store_true", help="run over all that the job watches; no FILE")
    kind.add_argument("--again", action="store_true", help="take FILE for the id of a run (or `latest`)")
    kind.add_argument("--resume", action="store_true", help="the same, of a run that stands still")
    parser.add_argument("--wait", action="store_true", help="follow the runs until they have ended")
    parser.add_argument(
        "--prefix-dir", action="store_true", help="keep a folder's own name: logs/ becomes logs/..., not ..."
    )
    parser.add_argument(
        "--most",
        type=int,
        default=1000,
        metavar="N",
        help="how many runs over what is there may be started (default %(default)d)",
    )
    parser.add_argument(
        "--start-timeout",
        type=float,
        default=180.0,
        metavar="S",
        help="with --wait: how long S3 may take to start the runs (default %(default).0f s)",
    )
    parser.add_argument("--set", action="append", help=argparse.SUPPRESS)  # people try it
    options = parser.parse_intermixed_args(argv)  # NAME --wait FILE
    _check(parser, options)
    return options


def _check(parser: Parser, options: argparse.Namespace) -> None:
    """End with a message unless there is what is to be submitted, of one kind."""
    if options.set:
        parser.error(
            f"--set {options.set[0]}: a run has the settings that its job was deployed with: deploy it with "
            "SLUICE_... variables, or as a stage of its own (docs/how-to/deploy.md), or try them by run.py --set"
        )
    names = len(options.what)
    if (options.resume or options.again) and names != 1:
        which = "--resume" if options.resume else "--again"
        parser.error(f"{which}: expected NAME and the id of one run, got {names} ids")
    if options.existing and names:
        parser.error("--existing: is all that the job watches: leave it out to name a part of it")
    if not names and not options.existing:
        parser.error("expected files, folders or s3:// URLs, or --existing")
    if len({is_url(text) for text in options.what}) > 1:
        parser.error("expected files to upload or s3:// URLs of what is there, got both")


def main(argv: Sequence[str], world: World) -> int:
    options = parse(argv)
    if options.resume:
        return resume(options.name, options.what[0], world, wait=options.wait)
    timeout = options.start_timeout if options.wait else None
    if options.again:
        return submit_again(options.name, options.what[0], world, start_timeout=timeout)
    if options.existing or is_url(options.what[0]):
        return submit_existing(options.name, options.what, world, most=options.most, start_timeout=timeout)
    files = [Path(text) for text in options.what]
    return submit(options.name, files, world, prefix_dir=options.prefix_dir, start_timeout=timeout)


if __name__ == "__main__":
    sys.exit(run_main(lambda: main(sys.argv[1:], real_world())))
