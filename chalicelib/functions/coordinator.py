"""The coordinator: an object was dropped; plan the run over it and start the map tree.

The order is plan.json (conditional), the tree's root, plan.done. A second coordinator for the same event
finds the first one's plan and does only the steps that are missing, so a duplicate starts nothing; nor does one
that comes when the run has ended and its plan is deleted, for the output place tells.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

from msgspec.structs import replace

from ..core.errors import JobCodeError, SluiceError, UserError
from ..core.keys import OutputKeys, RunKeys, is_hidden, results_place
from ..core.messages import encode
from ..core.outcome import Verdict
from ..core.ports import Loc, Runtime
from ..core.spec import JobSpec
from ..core.tasks import Failure
from ..mapreduce.shuffle.fetch import beside
from ..run.events import (
    END,
    MOST_ROUNDS,
    Created,
    created,
    failed_event,
    may_pass,
    may_wait_on,
    next_round,
    queued_anew,
    round_of,
    run_id,
)
from ..run.manifest import is_ended, publish_refused
from ..run.plan_step import NewRun, begin
from ..run.start_step import start_if_planned
from ..run.verdict import read_verdict
from . import limits
from .run_inputs import Found, Superseded, objects, starts
from .run_inputs import chain as chain_before
from .supervision import stalled_runs
from .supervision.may_exchange import may_exchange

log = logging.getLogger(__name__)


def handle(runtime: Runtime, event: dict[str, Any], name: str, spec: JobSpec) -> None:
    """One invocation: an S3 event of any number of records, each of which may start a run of the job `name`.

    Or what Lambda tells of an event on which the supervisor has failed for good.
    """
    failed = failed_event(event)
    if failed is not None:
        _pass_on(runtime, event, failed)
        return
    runs = [(_keys(name, spec, item), item) for item in created(event) if starts(item.loc, spec)]
    for keys, item in runs:
        _begin(runtime, keys, spec, item)
    if runs:
        stalled_runs.pick_up(runtime, runs[0][0])


def _pass_on(runtime: Runtime, report: dict[str, Any], failed: dict[str, Any]) -> None:
    """Let a supervisor take up what a supervisor has failed on: Lambda lets none be told of its own failures.

    While S3 or Lambda does not answer, or there is no slot, again and again. What else a supervisor fails on it gets
    once more; then it is to end the run, and if it fails on that, too, the event is let go.
    """
    if may_wait_on(report):
        runtime.invoker.invoke("supervisor", queued_anew(failed))
        return
    passing = may_pass(report) and round_of(failed) < MOST_ROUNDS
    if passing or not round_of(failed):
        runtime.invoker.invoke("supervisor", next_round(failed))
    elif END not in failed:
        condition = report["requestContext"].get("condition")
        runtime.invoker.invoke("supervisor", next_round(failed) | {END: str(condition)})
    else:
        log.error("a supervisor failed to end the run of an event on which it had failed: %s", failed)


def refuse_all(runtime: Runtime, event: dict[str, Any], name: str, spec: JobSpec, error: SluiceError) -> None:
    """End the runs that an event should have started and did not, for the reason that `error` says."""
    for item in created(event):
        keys = _keys(name, spec, item)
        output = results_place(spec.output_loc, keys.run)
        if starts(item.loc, spec) and not is_ended(runtime.store, OutputKeys(output)):
            _refuse(runtime, keys, item.loc.url, output, error)


def _keys(name: str, spec: JobSpec, item: Created) -> RunKeys:
    return RunKeys(spec.work_loc, name, run_id(name, item))


def _begin(runtime: Runtime, keys: RunKeys, spec: JobSpec, item: Created) -> None:
    output = results_place(spec.output_loc, keys.run)
    ids = {"job": keys.job, "run": keys.run, "object": item.loc.url}
    log.info("run %s of %s starts", keys.run, item.loc.url, extra=ids)
    try:
        inputs = _inputs(runtime, keys, spec, item)
        if inputs is None:
            return
        chain = chain_before(runtime, item, inputs)
        limits.check_chain(spec, chain, item.loc.url)
        limits.check_bytes(spec, inputs)
        run = NewRun(spec=spec, source=item.loc.url, inputs=inputs, output=output, chain=chain)
        approve = partial(limits.check_plan, spec, run.bytes)
        begin(runtime, keys, replace(run, approve=approve, may_exchange=may_exchange(runtime, spec)))
    except Superseded as error:
        # A run that was planned before goes on: whoever reads the object then says that it was overwritten.
        if not start_if_planned(runtime.store, runtime.invoker, keys):
            log.warning("run %s does not start: %s", keys.run, error, extra=ids)
    except (UserError, JobCodeError) as error:
        # Whoever dropped the object sees no log, so the run's output must say that it could not start.
        log.warning("run %s cannot start: %s", keys.run, error, extra=ids)
        _refuse(runtime, keys, item.loc.url, output, error)


def _inputs(runtime: Runtime, keys: RunKeys, spec: JobSpec, item: Created) -> Sequence[Found] | None:
    """What the run reads; None if the event came before. The HEAD of one object goes on beside the LIST that tells."""
    read = partial(objects, runtime, spec, item)
    with beside(runtime.store, read) if spec.trigger == "each" else nullcontext(read) as found:
        if _is_known(runtime, keys, results_place(spec.output_loc, keys.run)):
            return None
        limits.check_rate(runtime, keys, spec)
        return found()


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
