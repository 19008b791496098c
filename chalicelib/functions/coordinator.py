"""The coordinator: an object was dropped; plan the run over it and start the map tree.

The order is plan.json (conditional), the tree's root, plan.done. A second coordinator for the same event
finds the first one's plan and does only the steps that are missing, so a duplicate starts nothing; nor does one
that comes when the run has ended and its plan is deleted, for the output place tells.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from ..core.errors import Forbidden, JobCodeError, NotFound, SluiceError, UserError
from ..core.keys import MANIFEST, SUCCESS, OutputKeys, RunKeys, is_hidden, results_place
from ..core.messages import encode
from ..core.outcome import Verdict
from ..core.ports import Loc, ObjectInfo, Runtime
from ..core.spec import JobSpec
from ..core.tasks import Failure
from ..run.events import Created, created, run_id
from ..run.manifest import is_ended, publish_refused
from ..run.plan_step import NewRun, begin
from ..run.start_step import start_if_planned
from ..run.verdict import read_verdict
from .supervision import stalled_runs

log = logging.getLogger(__name__)

#: The marker object that starts a run over all objects of its folder.
READY = "_READY"
#: An object with this ending starts a run over the keys and prefixes it names, one a line.
MANIFEST_SUFFIX = ".manifest"
#: Bytes that a manifest may have; a larger one is surely a mistake.
_MAX_MANIFEST = 16 << 20


def handle(runtime: Runtime, event: dict[str, Any], name: str, spec: JobSpec) -> None:
    """One invocation: an S3 event of any number of records, each of which may start a run of the job `name`."""
    runs = [(_keys(name, spec, item), item) for item in created(event) if _starts(item, spec)]
    for keys, item in runs:
        _begin(runtime, keys, spec, item)
    if runs:
        stalled_runs.pick_up(runtime, runs[0][0])


def _keys(name: str, spec: JobSpec, item: Created) -> RunKeys:
    return RunKeys(spec.work_loc, name, run_id(name, item))


def _starts(item: Created, spec: JobSpec) -> bool:
    """Whether an object starts a run. Folders never do; hidden ones (`_x`, `.x/y`) only as the job's trigger."""
    base = item.loc.key.rpartition("/")[2]
    if spec.trigger != "each":
        marker = base == READY or (base == SUCCESS and spec.trigger == "success")
        return marker or (base.endswith(MANIFEST_SUFFIX) and base != MANIFEST)
    given = spec.input_of(item.loc)
    if not base or given is None or not base.endswith(given.suffix):
        return False
    return not is_hidden(item.loc.key.removeprefix(given.loc.key))


def _begin(runtime: Runtime, keys: RunKeys, spec: JobSpec, item: Created) -> None:
    output = results_place(spec.output_loc, keys.run)
    ids = {"job": keys.job, "run": keys.run, "object": item.loc.url}
    log.info("run %s of %s starts", keys.run, item.loc.url, extra=ids)
    try:
        if _is_known(runtime, keys, output):
            return
        inputs = list(_inputs(runtime, spec, item.loc))
        begin(runtime, keys, NewRun(spec=spec, source=item.loc.url, inputs=inputs, output=output))
    except (UserError, JobCodeError) as error:
        # Whoever dropped the object sees no log, so the run's output must say that it could not start.
        log.warning("run %s cannot start: %s", keys.run, error, extra=ids)
        _refuse(runtime, keys, item.loc.url, output, error)


def _is_known(runtime: Runtime, keys: RunKeys, output: Loc) -> bool:
    """Whether the event came before, and its run has ended or is under way; usually one LIST of nothing tells.

    What the run has published is final, also when its work place was emptied since. Results without an end and
    without a plan are of a run of which nothing else is left, and must not be taken for those of the plan that would
    be made now: raises UserError.
    """
    store = runtime.store
    if next(iter(store.list(output)), None) is None:
        return False
    if is_ended(store, OutputKeys(output)):
        log.info(
            "run %s has ended: nothing is to be done", keys.run, extra={"job": keys.job, "run": keys.run}
        )
        return True
    if start_if_planned(store, runtime.invoker, keys):
        return True
    for info in store.list(output):
        if not is_hidden(info.key.removeprefix(output.key)):
            raise UserError(
                f"{Loc(output.bucket, info.key).url}: was there before run {keys.run} was planned: it is of another"
                " run, whose plan is gone, and the two must not be mixed: drop the files again, and the results get"
                f" a place of their own (then {output.url} may be deleted)"
            )
    return False


def _inputs(runtime: Runtime, spec: JobSpec, loc: Loc) -> Iterator[tuple[str, ObjectInfo]]:
    """The objects a run reads: the one that was dropped or, if it is a marker or a manifest, those it stands for."""
    if spec.trigger == "each":
        yield loc.bucket, _head(runtime, loc, "it was deleted before the run began: upload it again")
        return
    folder, _, base = loc.key.rpartition("/")
    if base in (READY, SUCCESS):
        for place in _folders(spec, Loc(loc.bucket, f"{folder}/" if folder else "")):
            yield from _input_objects(runtime, place)
        return
    for number, place in _manifest_lines(runtime, loc):
        where = f"{loc.url}, line {number}"
        try:
            yield from _named_objects(runtime, place, where)
        except (NotFound, Forbidden) as error:
            # A bucket other than the job's own, which no retry will make readable.
            raise UserError(f"{where}: {place.url} cannot be read: {error}") from error


def _folders(spec: JobSpec, folder: Loc) -> list[Loc]:
    """The folder that a marker lies in; of a job with several inputs, the folder of that name in each of them."""
    given = spec.input_of(folder)
    if given is None or not spec.more_inputs:
        return [folder]
    return [other.loc.child(folder.key.removeprefix(given.loc.key)) for other in spec.inputs]


def _named_objects(runtime: Runtime, place: Loc, where: str) -> Iterator[tuple[str, ObjectInfo]]:
    """The object that one line of a manifest names, or all under the prefix it names."""
    if place.key and not place.key.endswith("/"):
        yield place.bucket, _head(runtime, place, f"{where} names it, but it does not exist")
        return
    found = list(_input_objects(runtime, place))
    if not found:
        raise UserError(f"{where}: nothing under {place.url}: expected at least one object")
    yield from found


def _input_objects(runtime: Runtime, prefix: Loc) -> Iterator[tuple[str, ObjectInfo]]:
    """All objects under a prefix, except folders, hidden objects and manifests."""
    for info in runtime.store.list(prefix):
        base = info.key.rpartition("/")[2]
        hidden = is_hidden(info.key.removeprefix(prefix.key))
        if base and not hidden and not base.endswith(MANIFEST_SUFFIX):
            yield prefix.bucket, info


def _manifest_lines(runtime: Runtime, manifest: Loc) -> Iterator[tuple[int, Loc]]:
    """(line, place) for each line of a manifest: an `s3://` URL, or a key or prefix of the manifest's own bucket."""
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
    """End a run that cannot be planned, by a verdict, so that it cannot be planned and refused at once.

    A run that is planned goes on: what stops this delivery of the event did not stop an earlier one.
    """
    if start_if_planned(runtime.store, runtime.invoker, keys):
        return
    failure = Failure(
        phase="plan",
        task=0,
        attempt=0,
        error=type(error).__name__,
        message=str(error),
        fatal=True,
        at=runtime.clock.now(),
    )
    verdict = Verdict(outcome="failed", reason=str(error), failures=(failure,))
    if not runtime.store.put_if_absent(keys.run_done, encode(verdict)):
        found = read_verdict(runtime.store, keys)
        verdict = found if found and found.outcome == "failed" else verdict
    publish_refused(runtime, keys, source, output, verdict)
