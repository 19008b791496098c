"""Looks, before a script imports anything else, whether this Python can run it, and says in a sentence what it lacks.

In a checkout whose environment is there, a script that was started with another Python goes on with that one. Only
Python's own modules are imported here, and nothing is written that Python 3.7 could not read.
"""

from __future__ import annotations

import gc
import importlib.util
import os
import sys
from pathlib import Path

OLDEST = (3, 11)
#: Without these no script can be read.
_NEEDED = ("msgspec", "yaml")
#: What else a command may import, and which extra of the installed package has it.
_EXTRAS = {
    "boto3": "", "botocore": "", "rich": "",
    "chalice": "[deploy]", "cyclonedx": "[deploy]", "packageurl": "[deploy]", "duckdb": "[sql]",
}  # fmt: skip
_HOME = Path(__file__).resolve().parents[2]


def sentence(module: str, python: str = sys.executable, home: Path = _HOME) -> str:
    """What to do about a module that is missing; empty for one that is no library of ours."""
    if module not in _EXTRAS and module not in _NEEDED:
        return ""
    if (home / "app.py").is_file():
        remedy = f"run `make setup` in {home}, and take {home}/.venv/bin/python"
    else:
        remedy = f"pip install 'sluice-mapreduce{_EXTRAS.get(module, '')}'"
    return f"{module} is needed, and not installed for {python}: {remedy}"


def _check() -> None:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if not missing and sys.version_info >= OLDEST:
        return
    own = _HOME / ".venv" / "bin" / "python"
    script = Path(sys.argv[0]).resolve()
    if script.parent == _HOME / "scripts" and own.exists() and Path(sys.prefix) != _HOME / ".venv":
        os.execv(own, [str(own), str(script), *sys.argv[1:]])  # noqa: S606 (no shell)
    if sys.version_info < OLDEST:
        sys.exit(
            f"error: Sluice needs Python 3.11 or later; this is {sys.version.split()[0]}, {sys.executable}"
        )
    sys.exit(f"error: {sentence(missing[0])}")


_check()
if Path(sys.argv[0]).resolve().parent == _HOME / "scripts":
    gc.disable()  # what a command imports is no garbage, and to look through it takes long; `run_main` ends this
