#!/usr/bin/env python
# PYTHON_ARGCOMPLETE_OK
"""Say what a run is going to take before it runs: tasks, requests, seconds, dollars, and the limit that binds.

scripts/plan.py wordcount --size 1TB --objects 1000
scripts/plan.py wordcount --input s3://bucket/logs/ --concurrency 10
scripts/plan.py wordcount --input texts/ --set split_size=256MiB --json

Exit code 0 means that the run would end, 1 that it would not.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import scripts.console.lacking  # noqa: F401 (first: it says what this Python lacks)
from chalicelib.config.load import load_job
from chalicelib.core.ports import Store
from chalicelib.job.load_class import job_loader
from chalicelib.run.estimate.advice import advise
from chalicelib.run.estimate.estimate import estimate
from chalicelib.run.estimate.figures import PACES
from chalicelib.run.estimate.likeness import likeness
from chalicelib.run.estimate.work import CONCURRENCY, Work
from chalicelib.run.job_code import uncut
from chalicelib.run.status.price_list import prices_of
from scripts.console.terminal import Parser, Screen, run_main
from scripts.planning import inputs
from scripts.planning.show import Planned, as_json, lines
from scripts.projects.where import root_for
from scripts.runs.world import named_region


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="plan.py", aws=True, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("job", metavar="JOB", help="a name in jobs/, or the path of a .yml")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--input", metavar="URL", nargs="+", help="s3:// prefixes, files or folders that are there"
    )
    what.add_argument("--size", metavar="SIZE", help="so much input: 1TB, 500GB, 64MiB")
    parser.add_argument("--objects", metavar="N", type=int, help="of --size (default: one a GiB)")
    parser.add_argument(
        "--concurrency", metavar="C", type=int, default=CONCURRENCY,
        help="functions that may run at once (default %(default)s, Lambda's; a new account has 10)",
    )  # fmt: skip
    parser.add_argument(
        "--like", choices=sorted(PACES), help="the kind of work it is taken for (default: by the job's code)"
    )
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="a setting to try")
    parser.add_argument("--json", action="store_true", help="stable JSON")
    options = parser.parse_args(argv)
    if options.concurrency < 1 or (options.objects is not None and options.objects < 1):
        parser.error("--concurrency, --objects: expected at least 1")
    return options


def main(argv: Sequence[str], root: Path | None, screen: Screen, open_s3: Callable[[], Store]) -> int:
    options = parse(argv)
    root = root or root_for(options.job)
    loaded = load_job(options.job, root=root, overrides=options.set, environ=os.environ, require_cloud=False)
    loader = job_loader(loaded.path.absolute().parent)
    like = likeness(loader, loaded.name, loaded.spec)
    size, objects, compressed = _input(options, open_s3)
    work = Work(
        bytes=size,
        objects=objects,
        whole=inputs.whole(loaded.spec, compressed) or bool(uncut(loader, loaded.spec)),
        kind=options.like or like.kind,
        way=like.way,
        map_only=like.map_only,
        concurrency=options.concurrency,
    )
    prices = prices_of(options.region or named_region(os.environ))
    found = estimate(loaded.spec, work, prices=prices)
    advice = advise(loaded.spec, work, prices=prices)
    planned = Planned(job=loaded.name, work=work, like=like, found=found, advice=advice, prices=prices)
    if options.json:
        screen.write(as_json(planned))
    else:
        screen.print(*lines(planned))
    return 0 if found.ends else 1


def _input(options: argparse.Namespace, open_s3: Callable[[], Store]) -> tuple[int, int, bool]:
    """(bytes, objects, whether most of it is compressed)"""
    if options.size:
        return *inputs.given(options.size, options.objects), False
    found = inputs.look(options.input, open_s3)
    return found.bytes, found.objects, found.compressed


def _real_s3() -> Store:
    from chalicelib.stores.s3 import S3Store, make_client

    return S3Store(make_client("s3"))


if __name__ == "__main__":
    sys.exit(run_main(lambda: main(sys.argv[1:], None, Screen(sys.stdout), _real_s3)))
