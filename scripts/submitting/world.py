"""What `submit.py` needs of its surroundings, and the real thing."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chalicelib.core.ports import Clock, Invoker, Loc, Store
from scripts.console.terminal import Screen
from scripts.projects.where import project_root


@dataclass(frozen=True, kw_only=True)
class World:
    """What the script needs of its surroundings."""

    root: Path
    environ: Mapping[str, str]
    screen: Screen
    clock: Clock
    store: Callable[[], Store]
    upload: Callable[[Path, Loc], None]
    #: Starts the functions of a deployed job.
    invoker: Callable[[str], Invoker] = field(default=lambda job: lambda_invoker(job))


def lambda_invoker(job: str) -> Invoker:
    """Starts the functions of a job that is deployed."""
    from chalicelib.aws.invoker import LambdaInvoker
    from chalicelib.stores.s3 import make_client

    return LambdaInvoker(make_client("lambda"), f"sluice-{job}")


def real_world() -> World:
    """S3 and Lambda, this terminal and this clock."""
    from chalicelib.aws.function import SystemClock
    from chalicelib.stores.s3 import S3Store
    from chalicelib.stores.upload import upload_file
    from scripts.deployment.aws.owner import own_s3

    return World(
        root=project_root(),
        environ=os.environ,
        screen=Screen(sys.stdout),
        clock=SystemClock(),
        store=lambda: S3Store(own_s3()),
        upload=lambda path, loc: upload_file(own_s3(), path, loc),
    )
