"""Starts what was lost or has failed, and resumes what stands still; safe to do again, and at once by several."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ...core.errors import NotFound, UserError
from ...core.keys import RunKeys
from ...core.plan_file import read_head
from ...core.ports import Invoker, Store
from ...core.spec import JobSpec
from ...run.events import put_again
from ...run.periods.given import read_period
from ...run.periods.pointer import event_of
from ...run.status.runs import current_step, most_steps
from ..supervision.stalled_runs import wake
from .judge import Finding


class Mended(NamedTuple):
    """What was done, or why it was not."""

    text: str
    done: bool = True


def mend(store: Store, spec: JobSpec, invoker: Invoker, finding: Finding) -> Iterator[Mended]:
    """Mend one that is amiss."""
    if finding.state == "half done":
        yield from _resume(store, finding, invoker)
        return
    url = finding.starter.loc.url
    if spec.trigger != "each" and any(run.status.expired for run in finding.runs):
        text = f"{url}: not started: the plan of its run is gone, so others may have read the same"
        yield Mended(text, done=False)
        return
    try:
        event = _event(store, finding)
    except UserError as error:  # gone since it was listed
        yield Mended(str(error), done=False)
        return
    invoker.invoke("coordinator", event)
    yield Mended(f"started a run of {url}")


def _event(store: Store, finding: Finding) -> dict[str, Any]:
    """Made of the object and of how many runs have failed, so that two audits start the same run.

    A period that never had a run gets the very event that the clock made for it, in case that comes after all.
    """
    starter = finding.starter
    if starter.final and not finding.runs:
        return event_of(starter.loc, read_period(store, starter.loc))
    return put_again(starter.loc, starter.etag, starter.modified, f"audit-{len(finding.runs)}")


def _resume(store: Store, finding: Finding, invoker: Invoker) -> Iterator[Mended]:
    for run in finding.runs:
        if not run.stands:
            continue
        try:
            for text in pick_up(store, run.keys, invoker):
                yield Mended(text)
        except UserError as error:  # what can be done for the others is done
            yield Mended(str(error), done=False)


def pick_up(store: Store, keys: RunKeys, invoker: Invoker) -> Iterator[str]:
    """Start what the coordinator did not get to, then the supervisor, which does the rest; says what was started."""
    try:
        started = wake(store, invoker, current_step(store, keys, most_steps(read_head(store, keys))))
    except NotFound as error:
        raise UserError(
            f"{keys.plan.url}: there is no plan, so this run cannot be resumed: upload its input again"
        ) from error
    if started:
        tasks = "1 task" if started == 1 else f"{started:,} tasks"
        yield f"started the map tree of {tasks}: the coordinator had not started it"
    yield f"started the supervisor of {keys.job} {keys.run}: it starts whatever is lost again"
