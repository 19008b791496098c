"""What the scripts that read runs need of their surroundings, and the real thing."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chalicelib.core.errors import CorruptData, NotFound
from chalicelib.core.keys import RunKeys
from chalicelib.core.plan_file import read_head
from chalicelib.core.ports import Clock, Loc, Store
from scripts.console.terminal import Screen
from scripts.projects.where import project_root

#: Objects of S3 that are read at once: a report reads one for each attempt, and each takes 30 ms of waiting.
_READS = 16


@dataclass(frozen=True, kw_only=True)
class World:
    """What the script needs of its surroundings."""

    root: Path
    environ: Mapping[str, str]
    screen: Screen
    clock: Clock
    #: A store that can read a work place, and the results of the runs named.
    open_store: Callable[[Loc, Sequence[RunKeys]], Store]
    #: The region that AWS's configuration files name; "" if they name none.
    configured_region: Callable[[], str] = str

    def region_of(self, work: Loc) -> str:
        """The region of the functions that work over a place, by AWS's usual places; "" if none of them says."""
        given = named_region(self.environ)
        return given or ("" if work.bucket.startswith("/") else self.configured_region())


def named_region(environ: Mapping[str, str]) -> str:
    """The region that AWS's variables name, "" if none does. boto3, and so deploy.py, goes by the first alone."""
    return environ.get("AWS_DEFAULT_REGION") or environ.get("AWS_REGION") or ""


def real_world() -> World:
    """S3 or a folder, this terminal and this clock."""
    from chalicelib.aws.function import SystemClock

    return World(
        root=project_root(),
        environ=os.environ,
        screen=Screen(sys.stdout),
        clock=SystemClock(),
        open_store=open_store,
        configured_region=_configured_region,
    )


def _configured_region() -> str:
    import boto3  # slow to import, and known by now: the place is on S3

    from scripts.deployment.aws.errors import translated

    with translated("find out which AWS region to use"):
        return boto3.Session().region_name or ""


def open_store(work: Loc, wanted: Sequence[RunKeys]) -> Store:
    """S3, or the work folder with the folders that the wanted runs write their results to."""
    if not work.bucket.startswith("/"):
        from chalicelib.stores.s3 import S3Store
        from scripts.deployment.aws.owner import own_s3

        return S3Store(own_s3(), parallel_reads=_READS)
    from chalicelib.stores.folder import FolderStore

    store = FolderStore([Path(work.bucket)])
    roots = {work.bucket, *(bucket for keys in wanted if (bucket := _output_folder(store, keys)))}
    return FolderStore([Path(root) for root in sorted(roots)])


def _output_folder(store: Store, keys: RunKeys) -> str | None:
    try:
        bucket = read_head(store, keys).output.bucket
    except (NotFound, CorruptData):  # `collect` tells of it
        return None
    return bucket if bucket.startswith("/") else None
