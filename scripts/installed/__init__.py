"""The command `sluice` of an installed Sluice: the same code as `scripts/sluice.py` of a checkout.

In the wheel this file is `sluice/__init__.py`, and beside it lies `scripts/`, which only this command can import: the
name is too common to be anybody's. Jobs import `chalicelib`, which is a package of its own here as it is on Lambda.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any


def submit(job: str, what: Any, **options: Any) -> Any:
    """Run a deployed job from Python; see `scripts/submitting/from_python.py`, whose `submit` this is.

    Raises ImportError where another package named `scripts` was imported before.
    """
    home = str(Path(__file__).resolve().parent)
    if home not in sys.path:
        sys.path.append(home)
    try:
        from scripts.submitting import from_python
    except ImportError as error:
        taken = getattr(sys.modules.get("scripts"), "__file__", None) or "a folder of that name"
        raise ImportError(
            f"sluice.submit: its modules are in {home}/scripts, and `scripts` is {taken} here: submit from a program"
            " that has none"
        ) from error
    return from_python.submit(job, what, **options)


def main() -> int:
    """Run the command that the command line names; its exit code."""
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from scripts import sluice
    from scripts.console.terminal import run_main

    return run_main(lambda: sluice.main(sys.argv[1:]))
