"""What `clean.py` needs of its surroundings, and the real thing."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.core.ports import Loc
from chalicelib.stores.unfinished import Uploads
from scripts.console.terminal import Screen
from scripts.projects.where import project_root
from scripts.runs import world as reading


@dataclass(frozen=True, kw_only=True)
class World(reading.World):
    """What the script needs of its surroundings."""

    uploads: Callable[[Loc], Uploads]


def real_world() -> World:
    """S3 or a folder, this terminal and this clock."""
    from chalicelib.aws.function import SystemClock

    return World(
        root=project_root(),
        environ=os.environ,
        screen=Screen(sys.stdout),
        clock=SystemClock(),
        open_store=reading.open_store,
        uploads=open_uploads,
    )


def open_uploads(work: Loc) -> Uploads:
    """The unfinished uploads of a work place, on S3 or in a folder."""
    if work.bucket.startswith("/"):
        from chalicelib.stores.unfinished import FolderUploads

        return FolderUploads()
    from chalicelib.stores.s3_uploads import S3Uploads
    from scripts.deployment.aws.owner import own_s3

    return S3Uploads(own_s3())
