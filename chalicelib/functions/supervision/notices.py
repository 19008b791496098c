"""Notices: once a run has ended and its results are published, those whom the job names are told, and its catalog is.

The verdict's own event calls a supervisor, which delivers them behind the run, so that they can neither delay nor fail
it. If somebody cannot be told the invocation fails, and Lambda delivers the event again: twice within minutes, then as
it does while S3 does not answer, for some hours. So each is told at least once, and of a few runs more than once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from ...core.deployment_spec import NotifySpec
from ...core.errors import NotFound, NoticeError
from ...core.keys import OutputKeys, RunKeys, results_place
from ...core.messages import decode
from ...core.outcome import Manifest, Notice
from ...core.plan_file import read_head
from ...core.ports import Runtime
from ...core.spec import JobSpec
from ...run.manifest import is_ended
from ...run.verdict import read_verdict

#: Delivers a notice to all who are named. Raises NoticeError that names those who could not be told.
Tell = Callable[[NotifySpec, Notice], None]
#: Makes the results of a run that has succeeded the table that the job names. Raises NoticeError.
Register = Callable[[JobSpec, Notice], None]

#: Characters of a reason that are told.
_LONGEST_REASON = 1000
#: Looks at whether what the verdict decides is published, and seconds between them. Whoever wrote the verdict is
#: publishing it; if it died meanwhile, Lambda's next delivery does that first.
_LOOKS, _PAUSE = 5, 1.0


def tell_of_end(
    runtime: Runtime, keys: RunKeys, spec: JobSpec, tell: Tell, register: Register | None = None
) -> None:
    """Tell of the run whose verdict's event this is, unless that was done, or the run goes on after this step.

    Raises NoticeError if somebody could not be told; all others were.
    """
    if not spec.has_epilogue or _goes_on(runtime, keys) or any(runtime.store.list(keys.told)):
        return
    output = OutputKeys(results_place(spec.output_loc, keys.run))
    _await_end(runtime, keys, output)
    manifest = decode(Manifest, runtime.store.get(output.manifest), output.manifest.url)
    notice, problems = notice_of(manifest, output), []
    if spec.notify.tells and reasons(manifest).intersection(spec.notify.reasons):
        problems += _problems(lambda: tell(spec.notify, notice))
    if register and spec.catalog.database and manifest.outcome == "success":
        problems += _problems(lambda: register(spec, notice))
    if problems:
        raise NoticeError("; ".join(problems))
    runtime.store.put_if_absent(keys.told, b"")


def _problems(act: Callable[[], None]) -> list[str]:
    try:
        act()
    except NoticeError as error:
        return [str(error)]
    return []


def reasons(manifest: Manifest) -> set[str]:
    """What there is to tell, in the words of `notify.on`."""
    found = {"success" if manifest.outcome == "success" else "failed"}
    return found | {"bad_records"} if manifest.bad else found


def notice_of(manifest: Manifest, output: OutputKeys) -> Notice:
    return Notice(
        job=manifest.job,
        run=manifest.run,
        outcome=manifest.outcome,
        reason=manifest.reason[:_LONGEST_REASON],
        source=manifest.source,
        output=output.prefix.url,
        manifest=output.manifest.url,
        records=manifest.records,
        bad=manifest.bad,
        left_out=len(manifest.left_out),
        inputs=manifest.inputs,
        input_bytes=manifest.input_bytes,
        started=_shown(manifest.started),
        finished=_shown(manifest.finished),
    )


def _goes_on(runtime: Runtime, keys: RunKeys) -> bool:
    """Whether the verdict is that of a step, and the run is not at its end with it."""
    verdict = read_verdict(runtime.store, keys)
    if verdict is None or verdict.outcome == "overtaken":
        return True
    if verdict.outcome == "failed":
        return False
    try:
        return not read_head(runtime.store, keys).last_step
    except NotFound:
        return False  # merged with the totals by another run: it ends where it would have gone on


def _await_end(runtime: Runtime, keys: RunKeys, output: OutputKeys) -> None:
    for look in range(_LOOKS):
        if look:
            runtime.clock.pause(_PAUSE)
        if is_ended(runtime.store, output):
            return
    raise NoticeError(
        f"job {keys.job}, run {keys.run}: has its verdict, but nothing is published in {output.prefix.url} yet;"
        " who is to be told of it is told at the event's next delivery"
    )


def _shown(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds") if seconds else ""
