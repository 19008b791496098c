"""Makes runs.json: runs begun by the code of commit 13cbd29 and stopped at some moment.

    git worktree add ../before 13cbd29
    cd ../before && PYTHONPATH=. python .../tests/features/begun_before/make.py > .../begun_before/runs.json

It knows the names of that commit, so it cannot run beside today's code, and it need not run again: the point of
runs.json is that it stays as it is. A new moment, or a later commit to begin from, is a new file beside it.

runs.json: `bodies` are the contents of objects, in base64; each of `moments` has the name of a job in jobs.py, the
time, and `objects`: bucket, key, etag, time of writing, and which of the bodies. `waiting` are the invocations that
had not ended: function and payload, those that were under way first. Whoever takes the run up delivers them again,
as Lambda would, or loses them all.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from chalicelib.spec import BadRecordsSpec  # of that commit

from tests.simulation import Simulation, spec  # of that commit

found = importlib.util.spec_from_file_location("jobs", Path(__file__).with_name("jobs.py"))
assert found is not None
assert found.loader is not None
jobs = importlib.util.module_from_spec(found)
found.loader.exec_module(jobs)

FIGURES: dict[str, Any] = {"split_size": 80, "partitions": 3, "reduce_size": 1, "max_attempts": 4}
ASIDE = BadRecordsSpec(policy="quarantine", max=100, max_fraction=1.0)
MORE: dict[str, dict[str, Any]] = {
    "slow": {"split_size": 400},
    "poisoned": {"bad_records": ASIDE},
    "doomed": {"max_attempts": 2},
    "totals": {"accumulate": True},
}
LIVES: dict[str, dict[str, Any]] = {"slow": {"lifetime": 10.0, "supervisor_lifetime": 300.0}}


class Stopped(BaseException):
    """Nobody is there any more."""


class World(Simulation):
    """Remembers which invocations are under way."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.under_way: list[tuple[str, dict[str, Any]]] = []

    def _handle(self, function: str, payload: dict[str, Any]) -> None:
        self.under_way.append((function, payload))
        super()._handle(function, payload)
        self.under_way.pop()

    def waiting(self) -> list[tuple[str, dict[str, Any]]]:
        queued = [call[:2] for call in self._queue] + [call[:2] for _, call in self._later]
        return [*self.under_way, *queued]


Condition = Callable[[World], bool]


def there(*ends: str, missing: tuple[str, ...] = ()) -> Condition:
    """Objects with such keys are there, and none with `missing`."""

    def look(world: World) -> bool:
        names = world.names()
        return all(any(name.endswith(end) for name in names) for end in ends) and not any(
            name.endswith(end) for name in names for end in missing
        )

    return look


def done(phase: str, count: int, step: str = "") -> Condition:
    """So many tasks of a phase have their markers."""
    return lambda world: (
        sum(name.endswith(".done") and f"{step}/{phase}/" in name for name in world.names()) >= count
    )


#: Job and moment; each moment is looked for before every request.
MOMENTS: dict[str, tuple[str, Condition]] = {
    "planned": ("words", there("/plan.json", missing=("/plan.done",))),
    "started": ("words", there("/plan.done")),
    "half of the maps done": ("words", done("map", 4)),
    "all maps done": ("words", done("map", 8)),
    "reduce planned": ("words", there("/reduce/plan.json", missing=("/reduce/started",))),
    "half of the reduces done": ("words", done("reduce", 2)),
    "all reduces done": ("words", lambda world: done("reduce", 3)(world) and not there("/run.done")(world)),
    "verdict": ("words", there("/run.done", missing=("/_manifest.json",))),
    "manifest": ("words", there("/_manifest.json", missing=("/_SUCCESS",))),
    "values in order": ("ordered", done("map", 5)),
    "map out of time": ("slow", there(".next")),
    "reduce out of time": ("slow", there(".piece")),
    "step 1 of 2 half reduced": ("two steps", done("reduce", 1)),
    "step 1 of 2 done": ("two steps", there("/run.done", missing=("/step-1/plan.json",))),
    "step 2 of 2 planned": ("two steps", there("/step-1/plan.json", missing=("/step-1/plan.done",))),
    "step 2 of 2 reduced": ("two steps", done("reduce", 1, "/step-1")),
    "parts of maps": ("lengths", done("map", 3)),
    "bad records": ("poisoned", done("map", 4)),
    "an attempt failed": ("fails once", there(".failed")),
    "failing": ("doomed", there("/run.done", missing=("/_FAILED",))),
    "totals pending": ("totals", lambda world: any("/waiting/" in name for name in world.names())),
    "totals merging": ("totals", there("/step-1/plan.done")),
    "totals merged": ("totals", there("/pointer.json", missing=("/_totals.json",))),
}


def stopped(job: str, condition: Condition) -> dict[str, Any]:
    """The world at the first request at which the condition holds."""
    taken: dict[str, Any] = {}
    world: World
    kind = type(
        "Here", (jobs.JOBS[job][0],), {"wait": lambda _, seconds: pass_time(world, seconds), "tries": []}
    )
    figures = {**FIGURES, **MORE.get(job, {})}
    world = World(kind, spec(**figures), Path(mkdtemp()), **LIVES.get(job, {}))

    def stop() -> None:
        world.kill_now()
        taken["objects"] = [
            [bucket, info.key, info.etag, info.modified, world.memory.get((bucket, info.key))]
            for bucket in ("in", "work", "out")
            for info in world.memory.list(world_place(bucket))
        ]
        taken["waiting"] = world.waiting()
        taken["time"] = world.time
        raise Stopped

    world.when(lambda: condition(world), stop)
    world.drop("a.txt", jobs.TEXT)
    try:
        world.run()
    except Stopped:
        return {"job": job, "figures": plain(figures), "lives": LIVES.get(job, {}), **taken}
    raise AssertionError(f"{job}: the moment did not come")


def pass_time(world: World, seconds: float) -> None:
    world.time += seconds


def world_place(bucket: str) -> Any:
    from chalicelib.ports import Loc

    return Loc(bucket, "")


def plain(figures: dict[str, Any]) -> dict[str, Any]:
    return {
        key: {"policy": value.policy, "max": value.max, "max_fraction": value.max_fraction}
        if isinstance(value, BadRecordsSpec)
        else value
        for key, value in figures.items()
    }


def main() -> None:
    bodies: dict[bytes, int] = {}
    moments = {}
    for name, (job, condition) in MOMENTS.items():
        moment = stopped(job, condition)
        moment["objects"] = [[*row, bodies.setdefault(body, len(bodies))] for *row, body in moment["objects"]]
        moments[name] = moment
        print(name, len(moment["objects"]), [call[0] for call in moment["waiting"]], file=sys.stderr)
    texts = [json.dumps(base64.b64encode(body).decode()) for body in bodies]
    lines = [f"{json.dumps(name)}: {json.dumps(moment)}" for name, moment in moments.items()]
    print('{"bodies": [\n' + ",\n".join(texts) + '\n],\n"moments": {\n' + ",\n".join(lines) + "\n}}")


main()
