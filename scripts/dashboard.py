#!/usr/bin/env python
# PYTHON_ARGCOMPLETE_OK
"""Watch runs in a browser, and drop files, stop a run, do it again: a page that this machine alone can open.

    scripts/dashboard.py                               all jobs in jobs/ that run on AWS
    scripts/dashboard.py visits wordcount --open       these, and open the page
    scripts/dashboard.py --work work/ --work s3://my-work/

It prints the page's address, with a token that is new for each start: who has it can do what you can. Ctrl-C ends it.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from chalicelib.core.errors import UserError
from chalicelib.core.ports import Loc
from scripts.console.terminal import Parser, run_main
from scripts.log_reading.cloud_watch import make_client
from scripts.runs.world import World, real_world
from scripts.stopping.world import who
from scripts.submitting import world as submitting

PORT = 8321


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="dashboard.py",
        aws=True,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="JOB", help="a job: jobs/JOB.yml, or a .yml file")
    parser.add_argument(
        "--work", action="append", default=[], metavar="PLACE",
        help="also, or instead of jobs, a work folder or s3:// URL; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--port", type=int, default=PORT, metavar="N", help="of 127.0.0.1 (default %(default)d); 0 takes any"
    )
    parser.add_argument("--open", action="store_true", help="open the page in your browser")
    parser.add_argument(
        "--every", type=float, default=1.0, metavar="S", help="seconds between two looks (default 1)"
    )
    options = parser.parse_args(argv)
    if not 0 <= options.port < 1 << 16:
        parser.error(f"--port: expected 0 to 65535, got {options.port}")
    if options.every <= 0:
        parser.error(f"--every: expected more than 0 seconds, got {options.every:g}")
    return options


def main(
    argv: Sequence[str],
    world: World,
    submit_world: submitting.World,
    by: Callable[[Loc], str] = who,
    logs: Callable[[], Any] = make_client,
) -> int:
    options = parse(argv)
    try:
        from scripts.serving.serve import serve
    except ImportError as error:
        raise UserError(
            f"{error}: the dashboard needs what requirements-dev.txt lists: make setup"
        ) from error
    with tempfile.TemporaryDirectory(prefix="sluice-dashboard-") as folder:
        serving = serve(
            world, submit_world, options.names, options.work,
            port=options.port, every=options.every, token=secrets.token_urlsafe(32), by=by, logs=logs,
            folder=Path(folder),
        )  # fmt: skip
        world.screen.print(
            serving.door.url, [("open it in a browser of this machine; Ctrl-C ends the dashboard", "dim")]
        )
        if options.open:
            webbrowser.open(serving.door.url)
        serving.run()
    return 0


if __name__ == "__main__":
    sys.exit(run_main(lambda: main(sys.argv[1:], real_world(), submitting.real_world())))
