#!/usr/bin/env python
# PYTHON_ARGCOMPLETE_OK
"""All commands of Sluice in one: `sluice.py COMMAND ...` is the same as `scripts/COMMAND.py ...`.

    sluice.py                    the commands, by what they are for
    sluice.py status --help      one command: its options, with an example
    sluice.py status visits latest
    sluice.py --project ~/logs run visits today.log --output counts/

Exit codes are those of the command: 0 for done (and, of what waits, that the runs succeeded), 1 for an error or a
failed run, 2 for a wrong command line, 130 after Ctrl-C. docs/commands.md has the table.
"""

from __future__ import annotations

import argparse
import os
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import scripts.console.lacking  # noqa: F401 (first: it says what this Python lacks)
from chalicelib.job.code_digest import VERSION
from scripts.console.commands import COMMANDS, likely, overview
from scripts.console.terminal import Parser, run_main, say
from scripts.projects.where import LIBRARY, VARIABLE

SCRIPTS = Path(__file__).resolve().parent


def main(argv: Sequence[str]) -> int:
    parser = Parser(
        prog="sluice.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"Sluice {VERSION}, {LIBRARY}")
    parser.add_argument(
        "--project", metavar="DIR", help="the project whose jobs are meant (default: where you are)"
    )
    parser.add_argument("command", nargs="?", metavar="COMMAND", help="one of those that `sluice.py` lists")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="what the command takes")
    options = parser.parse_args(argv)
    if options.command is None:
        say("Drop files into an S3 bucket, get sorted, reduced results in another.", "", *overview())
        say("`sluice.py COMMAND --help` says more of each.")
        return 0
    if options.command not in COMMANDS:
        near = likely(options.command)
        hint = f"did you mean {near}?" if near else f"there are {', '.join(COMMANDS)}"
        parser.error(f"{options.command}: no such command; {hint}")
    if options.project:
        os.environ[VARIABLE] = str(Path(options.project).absolute())
    script = SCRIPTS / f"{options.command}.py"
    sys.argv = [str(script), *options.arguments]
    runpy.run_path(str(script), run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(run_main(lambda: main(sys.argv[1:])))
