"""The local engine: the same handlers over folders, in forked processes, on every core of one machine.

May import every room below `aws`. Read `engine.py` first, then `workers.py`.
"""

from typing import TYPE_CHECKING, Any

from .engine import run_local
from .local_run import LocalRun

if TYPE_CHECKING:
    from .futures import Submitted, submit

__all__ = ["LocalRun", "Submitted", "run_local", "submit"]


def __getattr__(name: str) -> Any:
    """`submit` and what it gives, which commands need not import."""
    if name in ("Submitted", "submit"):
        from . import futures

        return getattr(futures, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
