"""The coordinator: an object was dropped; plan the run over it and start the map tree.

The order is plan.json (conditional), the tree's root, plan.done. A second coordinator for the same event
finds the first one's plan and does only the steps that are missing, so a duplicate starts nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

from . import attempts, jobcode, splits
from .codec import encode_column
from .errors import Forbidden, NotFound, SluiceError, UserError
from .events import Created, created, run_id
from .finish import failure_text
from .job import BoundJob
from .keys import MANIFEST, OutputKeys, RunKeys, results_place
from .loading import input_type
from .model import Column, Failure, Manifest, Plan, Split, Verdict, encode
from .partition import Range
from .plan import read_head, render
from .ports import Loc, ObjectInfo, Runtime
from .reading import compression
from .sampling import sample_bounds
from .spec import JobSpec

log = logging.getLogger(__name__)

#: The marker object that starts a run over all objects of its folder.
READY = "_READY"
#: Objects that end so start a run over the keys and prefixes they name, one a line.
MANIFEST_SUFFIX = ".manifest"
#: Keys and prefixes one manifest may name; more is surely a mistake.
_MAX_MANIFEST = 16 << 20


def handle(runtime: Runtime, event: dict[str, Any], name: str, spec: JobSpec) -> None:
    """One invocation: an S3 event with any number of records, each of which may start a run of `name`."""
    for item in created(event):
        if _starts(item, spec):
            _begin(runtime, name, spec, item)


def _starts(item: Created, spec: JobSpec) -> bool:
    """Whether an object starts a run: folders and hidden objects (`_x`, `.x`) never do by themselves."""
    base = item.loc.key.rpartition("/")[2]
    if spec.trigger == "marker":
        return base == READY or (base.endswith(MANIFEST_SUFFIX) and base != MANIFEST)
    return bool(base) and not base.startswith(("_", ".")) and base.endswith(spec.input.suffix)


def _begin(runtime: Runtime, name: str, spec: JobSpec, item: Created) -> None:
    keys = RunKeys(spec.work_loc, name, run_id(name, item))
    output = results_place(spec.output_loc, keys.run)
    ids = {"job": name, "run": keys.run, "object": item.loc.url}
    log.info("run %s of %s starts", keys.run, item.loc.url, extra=ids)
    try:
        inputs = list(_inputs(runtime, spec, item.loc))
        begin(runtime, keys, spec, item.loc.url, inputs, output)
    except UserError as error:
        # Whoever dropped the object sees no log: the run itself must say that it could not start.
        log.warning("run %s cannot start: %s", keys.run, error, extra=ids)
        _refuse(runtime, keys, item.loc.url, output, error)


def begin(
    runtime: Runtime,
    keys: RunKeys,
    spec: JobSpec,
    source: str,
    inputs: Iterable[tuple[str, ObjectInfo]],
    output: Loc,
    reducers: int = 1,
) -> None:
    """Plan a run over `inputs` and start its map tree; `source` is what it is shown to come from.

    `reducers` is how many reduce tasks are worth having even if their data would fit in fewer.

    Safe to call again for the same `keys`: the first plan stays. Raises UserError for a job that
    cannot run.
    """
    plan, body = _plan(runtime, keys, spec, source, list(inputs), output, reducers)
    if not runtime.store.put_if_absent(keys.plan, body):
        plan = read_head(runtime.store, keys)
        if any(info.key == keys.plan_done.key for info in runtime.store.list(keys.plan_done)):
            return
    if plan.tasks:
        attempts.start(runtime, "map", attempts.call_for(keys, 0, plan.tasks))
    runtime.store.put(keys.plan_done, b"")


def _plan(
    runtime: Runtime,
    keys: RunKeys,
    spec: JobSpec,
    source: str,
    inputs: list[tuple[str, ObjectInfo]],
    output: Loc,
    reducers: int,
) -> tuple[Plan, bytes]:
    code = jobcode.describe(runtime, keys.job, spec, inputs)
    pieces = list(_cut(inputs, spec, code.whole))
    tasks = list(splits.pack(pieces, spec.split_size))
    size = sum(info.size for _, info in inputs)
    partitions = spec.partitions or code.partitions or splits.default_partitions(size, spec.reduce_size)
    plan = Plan(
        job=keys.job,
        run=keys.run,
        token=runtime.new_token(),
        source=source,
        head=0,
        spec=spec,
        work=keys.work,
        output=output,
        partitions=partitions,
        tasks=0,
        page=0,
        pages=(),
        reducers=reducers,
        inputs=len(inputs),
        bytes=size,
        bounds=_bounds(runtime, code.job, spec, pieces, partitions) if code.job else None,
        sql=code.sql,
        created=runtime.clock.now(),
        code=code.digest,
    )
    return render(plan, tasks)


def _bounds(
    runtime: Runtime, job: BoundJob, spec: JobSpec, pieces: list[Split], partitions: int
) -> Column | None:
    """The bounds between partitions, if the job wants its keys in total order."""
    if not isinstance(job.partitioner, Range) or partitions == 1:
        return None
    record_type = input_type(runtime, spec)
    samples = job.partitioner.samples
    shape, body = encode_column(
        sample_bounds(job, spec, record_type, pieces, samples, partitions, runtime.store, runtime.scratch)
    )
    return Column(shape=shape, body=body)


def _cut(inputs: list[tuple[str, ObjectInfo]], spec: JobSpec, whole: bool) -> Iterator[Split]:
    for bucket, info in inputs:
        splittable = not whole and compression(info.key) is None
        yield from splits.cut(bucket, info, spec.split_size, splittable)


def _inputs(runtime: Runtime, spec: JobSpec, loc: Loc) -> Iterator[tuple[str, ObjectInfo]]:
    """The objects a run reads: the one dropped, or those that the marker dropped speaks for."""
    if spec.trigger == "each":
        yield loc.bucket, _head(runtime, loc, "it was deleted before the run began: upload it again")
        return
    folder, _, base = loc.key.rpartition("/")
    if base == READY:
        yield from _under(runtime, Loc(loc.bucket, f"{folder}/" if folder else ""))
        return
    for number, place in _named(runtime, loc):
        where = f"{loc.url}, line {number}"
        try:
            yield from _those_named(runtime, place, where)
        except (NotFound, Forbidden) as error:
            # Another bucket than the job's own: waiting for it to appear would be waiting for ever.
            raise UserError(f"{where}: {place.url} cannot be read: {error}") from error


def _those_named(runtime: Runtime, place: Loc, where: str) -> Iterator[tuple[str, ObjectInfo]]:
    """The object that one line of a manifest names, or all under the prefix it names."""
    if place.key and not place.key.endswith("/"):
        yield place.bucket, _head(runtime, place, f"{where} names it, but it does not exist")
        return
    found = list(_under(runtime, place))
    if not found:
        raise UserError(f"{where}: nothing under {place.url}: expected at least one object")
    yield from found


def _under(runtime: Runtime, prefix: Loc) -> Iterator[tuple[str, ObjectInfo]]:
    """Objects under a prefix but for folders, hidden ones and manifests."""
    for info in runtime.store.list(prefix):
        base = info.key.rpartition("/")[2]
        if base and not base.startswith(("_", ".")) and not base.endswith(MANIFEST_SUFFIX):
            yield prefix.bucket, info


def _named(runtime: Runtime, manifest: Loc) -> Iterator[tuple[int, Loc]]:
    """(line, place) of what a manifest names: an `s3://` URL, or a key or prefix of its own bucket, a line."""
    body = runtime.store.get(manifest, 0, _MAX_MANIFEST + 1)
    if len(body) > _MAX_MANIFEST:
        raise UserError(f"{manifest.url}: a manifest of over {_MAX_MANIFEST} bytes: name prefixes instead")
    try:
        lines = body.decode().splitlines()
    except UnicodeDecodeError as error:
        raise UserError(
            f"{manifest.url}: byte {error.start}: a manifest is UTF-8 text, one key a line"
        ) from error
    for number, line in enumerate(lines, start=1):
        name = line.strip()
        if not name or name.startswith("#"):
            continue
        if name.startswith("s3://"):
            bucket, _, key = name.removeprefix("s3://").partition("/")
            yield number, Loc(bucket, key)
        else:
            yield number, Loc(manifest.bucket, name)


def _head(runtime: Runtime, loc: Loc, problem: str) -> ObjectInfo:
    try:
        return runtime.store.head(loc)
    except NotFound as error:
        raise UserError(f"{loc.url}: {problem}") from error


def _refuse(runtime: Runtime, keys: RunKeys, source: str, output: Loc, error: SluiceError) -> None:
    """End a run that has no plan: manifest and `_FAILED`, which is all there will be of it."""
    now = runtime.clock.now()
    failure = Failure(
        phase="plan", task=0, attempt=0, error=type(error).__name__, message=str(error), fatal=True, at=now
    )
    verdict = Verdict(outcome="failed", reason=str(error), failures=(failure,))
    places = OutputKeys(output)
    manifest = Manifest(
        job=keys.job,
        run=keys.run,
        outcome="failed",
        reason=str(error),
        source=source,
        failures=(failure,),
        finished=now,
    )
    runtime.store.put(places.manifest, encode(manifest))
    runtime.store.put_if_absent(places.failure, failure_text(keys, verdict).encode())
