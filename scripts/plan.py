#!/usr/bin/env python
# PYTHON_ARGCOMPLETE_OK
"""Say what a run is going to take before it runs: tasks, requests, seconds, dollars, and the limit that binds.

scripts/plan.py wordcount --size 1TB --objects 1000
scripts/plan.py wordcount --input s3://bucket/logs/ --concurrency 10
scripts/plan.py wordcount --input texts/ --set split_size=256MiB --json
scripts/plan.py my/join.yml --size orders=1TB customers=20GB --like customers=filter

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
from chalicelib.run.estimate.work import CONCURRENCY
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
        "--input",
        metavar="URL",
        nargs="+",
        help="s3:// prefixes, files or folders that are there; TAG=URL of several inputs",
    )
    what.add_argument(
        "--size",
        metavar="SIZE",
        nargs="+",
        help="so much input: 1TB, 500GB, 64MiB; TAG=SIZE of several inputs",
    )
    parser.add_argument(
        "--objects",
        metavar="N",
        nargs="+",
        default=[],
        help="of --size (default: one a GiB); TAG=N of several inputs",
    )
    parser.add_argument(
        "--concurrency", metavar="C", type=int, default=CONCURRENCY,
        help="functions that may run at once (default %(default)s, Lambda's; a new account has 10)",
    )  # fmt: skip
    parser.add_argument(
        "--like", metavar="KIND", nargs="+", default=[],
        help=f"the kind of work it is taken for: {', '.join(sorted(PACES))} (default: by the job's code); TAG=KIND of"
        " several inputs",
    )  # fmt: skip
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="a setting to try")
    parser.add_argument("--json", action="store_true", help="stable JSON")
    options = parser.parse_args(argv)
    if options.concurrency < 1:
        parser.error("--concurrency: expected at least 1")
    return options


def main(argv: Sequence[str], root: Path | None, screen: Screen, open_s3: Callable[[], Store]) -> int:
    options = parse(argv)
    root = root or root_for(options.job)
    loaded = load_job(options.job, root=root, overrides=options.set, environ=os.environ, require_cloud=False)
    loader = job_loader(loaded.path.absolute().parent)
    like = likeness(loader, loaded.name, loaded.spec)
    work = inputs.work_of(
        loaded.spec,
        like,
        inputs.Asked(
            size=options.size or (), objects=options.objects, places=options.input or (), like=options.like
        ),
        uncut=uncut(loader, loaded.spec),
        concurrency=options.concurrency,
        open_s3=open_s3,
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


def _real_s3() -> Store:
    from chalicelib.stores.s3 import S3Store, make_client

    return S3Store(make_client("s3"))


if __name__ == "__main__":
    sys.exit(run_main(lambda: main(sys.argv[1:], None, Screen(sys.stdout), _real_s3)))
