"""The local engine: the same handlers over folders, in forked processes, on every core of one machine.

May import every room below `aws`. Read `engine.py` first, then `workers.py`.
"""

from .engine import run_local
from .futures import Submitted, submit
from .local_run import LocalRun

__all__ = ["LocalRun", "Submitted", "run_local", "submit"]
