"""The coordinator: an object was dropped; plan the run over it and start the map tree.

The order is plan.json (conditional), the tree's root, plan.done. A second coordinator for the same event
finds the first one's plan and does only the steps that are missing, so a duplicate starts nothing.
"""

from __future__ import annotations

import logging
from typing import Any

from ..core.errors import JobCodeError, SluiceError, UserError
from ..core.keys import MANIFEST, SUCCESS, OutputKeys, RunKeys, is_hidden, results_place
from ..core.messages import encode
from ..core.outcome import Manifest, Verdict
from ..core.ports import Loc, Runtime
from ..core.spec import JobSpec
from ..core.tasks import Failure
from ..run.events import Created, created, run_id
from ..run.manifest import failure_text
from ..run.plan_step import NewRun, begin
from ..run.start_step import start_if_planned
from .run_inputs import MANIFEST_SUFFIX, READY, Superseded, objects
from .supervision import stalled_runs

log = logging.getLogger(__name__)


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
        inputs = objects(runtime, spec, item)
        begin(runtime, keys, NewRun(spec=spec, source=item.loc.url, inputs=inputs, output=output))
    except Superseded as error:
        # A run that was planned before goes on: whoever reads the object then says that it was overwritten.
        if not start_if_planned(runtime.store, runtime.invoker, keys):
            log.warning("run %s does not start: %s", keys.run, error, extra=ids)
    except (UserError, JobCodeError) as error:
        # Whoever dropped the object sees no log, so the run's output must say that it could not start.
        log.warning("run %s cannot start: %s", keys.run, error, extra=ids)
        _refuse(runtime, keys, item.loc.url, output, error)


def _refuse(runtime: Runtime, keys: RunKeys, source: str, output: Loc, error: SluiceError) -> None:
    """End a run that cannot be planned: its manifest and `_FAILED` are all there will ever be of it."""
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
