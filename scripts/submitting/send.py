"""Uploads files, and starts runs: by a manifest over many objects, or by an event for one that is there."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

from chalicelib.config.load import LoadedJob
from chalicelib.core.errors import UserError
from chalicelib.core.ports import Loc, Store
from chalicelib.core.spec import MANIFEST_SUFFIX, JobSpec, parse_url
from chalicelib.functions.run_inputs import MAX_MANIFEST
from chalicelib.run.events import created, put_again, run_id
from scripts.console.terminal import count, human_bytes
from scripts.runs.not_begun import submit_prefix

from .existing import Selection
from .uploads import Upload
from .world import World


def send(uploads: Sequence[Upload], job: LoadedJob, world: World, store: Store) -> list[Loc]:
    """Upload the files, print each URL, and return the objects that start runs. A manifest is written last.

    Where the clock starts runs there are none.
    """
    for upload in uploads:
        world.upload(upload.path, upload.loc)
        world.screen.print([(upload.loc.url, ""), (f"  {human_bytes(upload.size)}", "dim")])
    if job.spec.period:
        world.screen.print([(f"trigger: {job.spec.trigger}: the run of the next period reads them", "dim")])
        return []
    if job.spec.trigger == "each":
        return [upload.loc for upload in uploads]
    return [put_manifest([upload.loc.url for upload in uploads], len(uploads), job, world, store)]


def start(selection: Selection, job: LoadedJob, world: World, store: Store) -> list[Loc]:
    """Start the runs over what is there already, print how each is called, and return the objects that start them.

    Each time anew: a run's id is made from the event, and this one is of now.
    """
    if selection.lines:
        return [put_manifest(selection.lines, selection.objects, job, world, store)]
    invoker, now = world.invoker(job.name), world.clock.now()
    for loc, etag in selection.starting:
        event = put_again(loc, etag, now)
        (item,) = created(event)
        invoker.invoke("coordinator", event)
        world.screen.print([(loc.url, ""), (f"  starts {run_id(job.name, item)}", "dim")])
    return [loc for loc, _ in selection.starting]


def put_manifest(urls: Sequence[str], objects: int, job: LoadedJob, world: World, store: Store) -> Loc:
    """Write the manifest that starts one run over what `urls` name, which are so many objects."""
    body = "".join(f"{url}\n" for url in urls).encode()
    if len(body) > MAX_MANIFEST:
        raise UserError(
            f"{len(urls):,} names are {len(body):,} bytes, more than a manifest may have ({MAX_MANIFEST:,}): name the"
            " folders that they are in"
        )
    manifest = manifest_loc(job.spec, body, world.clock.now())
    store.put(manifest, body)
    world.screen.print([(manifest.url, ""), (f"  starts one run over {count(objects, 'object')}", "dim")])
    return manifest


def manifest_loc(spec: JobSpec, body: bytes, now: float) -> Loc:
    """`<input>_submit/<time>-<hash>.manifest`; the time has microseconds, so that each submission has its own.

    Where a manifest may name its own folder alone: `<input>_submit-<time>-<hash>.manifest`.
    """
    when = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    name = f"{when}-{hashlib.sha256(body).hexdigest()[:12]}{MANIFEST_SUFFIX}"
    return parse_url(spec.input.url).child(submit_prefix(spec) + name)
