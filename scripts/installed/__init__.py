"""The command `sluice` of an installed Sluice: the same code as `scripts/sluice.py` of a checkout.

In the wheel this file is `sluice/__init__.py`, and beside it lies `scripts/`, which only this command can import: the
name is too common to be anybody's. Jobs import `chalicelib`, which is a package of its own here as it is on Lambda.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> int:
    """Run the command that the command line names; its exit code."""
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from scripts import sluice
    from scripts.console.terminal import run_main

    return run_main(lambda: sluice.main(sys.argv[1:]))
