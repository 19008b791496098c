"""Uploads files, and the manifest that starts a run over all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

from chalicelib.config.load import LoadedJob
from chalicelib.core.ports import Loc, Store
from chalicelib.core.spec import JobSpec, parse_url
from chalicelib.functions.run_inputs import MANIFEST_SUFFIX
from scripts.console.terminal import count, human_bytes
from scripts.runs.not_begun import submit_prefix

from .uploads import Upload
from .world import World


def send(uploads: Sequence[Upload], job: LoadedJob, world: World, store: Store) -> list[Loc]:
    """Upload the files, print each URL, and return the objects that start runs. A manifest is written last."""
    for upload in uploads:
        world.upload(upload.path, upload.loc)
        world.screen.print([(upload.loc.url, ""), (f"  {human_bytes(upload.size)}", "dim")])
    if job.spec.trigger == "each":
        return [upload.loc for upload in uploads]
    body = "".join(f"{upload.loc.url}\n" for upload in uploads).encode()
    manifest = manifest_loc(job.spec, body, world.clock.now())
    store.put(manifest, body)
    world.screen.print(
        [(manifest.url, ""), (f"  starts one run over {count(len(uploads), 'object')}", "dim")]
    )
    return [manifest]


def manifest_loc(spec: JobSpec, body: bytes, now: float) -> Loc:
    """`<input>_submit/<time>-<hash>.manifest`; the time has microseconds, so that each submission has its own.

    Where a manifest may name its own folder alone: `<input>_submit-<time>-<hash>.manifest`.
    """
    when = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    name = f"{when}-{hashlib.sha256(body).hexdigest()[:12]}{MANIFEST_SUFFIX}"
    return parse_url(spec.input.url).child(submit_prefix(spec) + name)
