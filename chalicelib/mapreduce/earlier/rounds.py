"""What follows a step of a job with loops: its next step, another round, or what is behind the loop.

It is asked of facts that are committed, and the answer is part of the next step's plan, which is written once: whoever
asks again, after a crash, and even if the job's code then says something else, finds that plan.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec.structs import replace

from ...core.errors import JobCodeError, NotConverged, SluiceError, UserError, explain
from ...core.plan import Earlier, LoopDone, Plan, StepDone
from ...core.ports import Runtime
from ...job.job import Job
from ...job.services import FindResult, RunSoFar, Services
from ...job.side_files import finder
from ...job.steps import Loop, Steps, all_steps


class Turn(NamedTuple):
    """Where a run goes on."""

    job_step: int
    #: As in `Plan`.
    round: int = 0
    rounds: int = 0
    #: What is read is what this step of the run gave, rather than the one that is just done.
    again: int | None = None
    #: The loop that has ended.
    ended: LoopDone | None = None


class Following(NamedTuple):
    """The plan of the next step, before anything is known of its input; and as in `Turn`."""

    plan: Plan
    again: int | None


def what_follows(runtime: Runtime, before: Plan, earlier: Earlier) -> Following:
    """What is behind the step of `before`, with which `earlier` ends.

    Raises JobCodeError or UserError if the job's `converged` does, NotConverged as `turn` does.
    """
    steps = all_steps(runtime.load_job, before.spec)

    def open_results() -> FindResult:
        from .results import results_of  # few jobs ask for one

        return results_of(runtime, replace(before, earlier=earlier), "supervisor")

    services = Services(
        job=before.job,
        run=before.run,
        phase="round",
        step=before.step,
        find_file=finder(runtime, before.spec, before.files),
        disk=runtime.disk,
        budget=before.spec.budget("supervisor"),
        so_far=RunSoFar(earlier.inputs, earlier.bytes, earlier.steps, before.round, open_results),
    )
    found = turn(steps, before.job_step, before.round, earlier.steps, services, before.spec.params)
    if found.ended:
        earlier = replace(earlier, loops=(*earlier.loops, found.ended))
    return Following(before.next_step(found.job_step, earlier, found.round, found.rounds), found.again)


def turn(
    steps: Steps,
    job_step: int,
    nth: int,
    done: tuple[StepDone, ...],
    services: Services,
    params: dict[str, Any],
) -> Turn:
    """Where a run goes on that has just done `job_step`, in round `nth` of a loop if it is in one.

    `done` are all steps of the run so far, and `services` those of the job's `converged`, which is asked after the last
    step of a round. Raises NotConverged if the rounds are used up and the job's class wants no such result.
    """
    loop = steps.loop_of(job_step)
    if loop is None or job_step < loop.last:
        following = steps.loop_of(job_step + 1)
        return Turn(job_step + 1, max(nth, 1) if following else 0, following.rounds if following else 0)
    converged = _ask(loop, nth, services, params) if loop.may_end else None
    if not converged and nth < loop.rounds:
        return Turn(loop.first, nth + 1, loop.rounds, _read_before(loop, done) if loop.cls.rereads else None)
    name = loop.cls.__name__
    if converged is False and loop.cls.must_converge:
        raise NotConverged(
            f"{name}: not converged after {nth} rounds: raise {name}.rounds, or leave must_converge out to take the"
            " result as it then is"
        )
    following = steps.loop_of(job_step + 1)
    ended = LoopDone(name=name, rounds=nth, converged=converged)
    return Turn(job_step + 1, int(following is not None), following.rounds if following else 0, ended=ended)


def _read_before(loop: Loop, done: tuple[StepDone, ...]) -> int:
    """The step of the run that gave what the loop's first round read."""
    return max(number for number, step in enumerate(done) if step.job_step == loop.first - 1)


def _ask(loop: Loop, nth: int, services: Services, params: dict[str, Any]) -> bool:
    """Whether the loop has converged, as its class says."""
    cls = loop.cls
    where = f"job {services.job}, run {services.run}: {cls.__name__}.converged, after round {nth}"
    job: Job = cls(params)
    job._services = services
    try:
        found = job.converged()
    except SluiceError:
        raise
    except (Exception, SystemExit) as error:
        raise JobCodeError(f"{where}: {explain(error)}") from error
    if found is None:
        raise UserError(f"{where}: expected True or False, got None: does it `return`?")
    return bool(found)
