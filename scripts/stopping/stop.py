"""Stops a run, and says what that means for what is under way."""

from __future__ import annotations

from chalicelib.core.errors import NotFound, UserError
from chalicelib.core.keys import RunKeys
from chalicelib.core.outcome import Verdict
from chalicelib.core.plan import Plan
from chalicelib.functions.stop import stop
from scripts.console.terminal import Line, count, human_seconds
from scripts.runs.places import Place, named_run
from scripts.runs.world import World


def stop_run(world: World, place: Place, name: str, by: str, why: str) -> int:
    """End the run of this id, or the newest if it is `latest`; the exit code, 1 if it had ended. Raises UserError."""
    keys = named_run(world, place, name)
    store = world.open_store(place.work, [keys])
    try:
        plan, verdict = stop(
            store, keys, by, why, world.clock.now(), publishes=not place.work.bucket.startswith("/")
        )
    except NotFound as error:
        raise UserError(
            f"{keys.plan.url}: there is no plan, so there is nothing to stop: expected a run that"
            " scripts/status.py lists; one that has just been dropped needs a moment to begin"
        ) from error
    ours = verdict.stopped is not None and (verdict.stopped.by, verdict.stopped.why) == (by, why)
    world.screen.print(*(_stopped(keys, plan, verdict) if ours else _ended(keys, verdict)))
    return 0 if ours else 1


def _stopped(keys: RunKeys, plan: Plan, verdict: Verdict) -> list[Line]:
    assert verdict.stopped is not None
    done = f"{verdict.stopped.map_done:,} of {count(plan.tasks, 'map task')} done"
    if verdict.stopped.reduce_done:
        done += f", {count(verdict.stopped.reduce_done, 'reduce task')} done"
    longest = human_seconds(float(max(plan.spec.timeout.mapper, plan.spec.timeout.reducer)))
    return [
        [(f"{keys.run} ", "bold"), (verdict.reason, "bold red"), (f"; {plan.where}{done}", "")],
        [
            (
                "nothing more is committed. What is under way ends when it comes to commit, after"
                f" {longest} at most; what begins ends at once",
                "dim",
            )
        ],
    ]


def _ended(keys: RunKeys, verdict: Verdict) -> list[Line]:
    how = "succeeded" if verdict.outcome == "success" else f"failed: {verdict.reason}"
    return [[(f"{keys.run} had ended before: it {how}", "yellow")]]
