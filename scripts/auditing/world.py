"""What `audit.py` needs of its surroundings, and the real thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.core.ports import Invoker
from scripts.runs import world as runs
from scripts.submitting.world import lambda_invoker


@dataclass(frozen=True, kw_only=True)
class World(runs.World):
    """As of the scripts that read runs, and how functions of a job are started."""

    invoker: Callable[[str], Invoker]


def real_world() -> World:
    """S3 and Lambda, this terminal and this clock."""
    return World(**vars(runs.real_world()), invoker=lambda_invoker)
