"""Shows one run in full, or many in a line each; once, or until they end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from chalicelib.run.status.collect import Memory, RunStatus, collect
from scripts.console.follow import all_ended, follow
from scripts.console.progress import picture, table
from scripts.console.terminal import Line

from .places import LATEST, Place, how_to_start, named_run, results_of, submitted_since
from .standing import snapshot
from .world import World

#: Markers of each phase and failures that the full picture reads anew each time (a request each).
MAX_MARKERS = 64
MAX_FAILURES = 5


@dataclass(frozen=True, kw_only=True)
class View:
    """How runs are shown."""

    #: Redraw until the run or runs have ended, every so many seconds.
    watch: bool = False
    every: float = 1.0
    json: bool = False
    #: Of many runs the newest so many.
    last: int = 20


def show_run(world: World, place: Place, run: str, view: View) -> int:
    """Show one run in full; the exit code. With `watch`, 1 says that it failed. Raises UserError."""
    keys = named_run(world, place, run)
    memory = Memory()

    def look() -> list[RunStatus]:
        status = collect(
            world.open_store(place.work, [keys]),
            keys,
            now=world.clock.now(),
            output=results_of(place, keys),
            max_markers=MAX_MARKERS,
            max_failures=MAX_FAILURES,
            memory=memory,
            region=world.region_of(place.work),
            spec=place.spec,
        )
        return [status]

    def draw(statuses: Sequence[RunStatus]) -> list[Line]:
        return picture(statuses[0], terminal=world.screen.terminal)

    if run == LATEST and not view.json and (told := submitted_since(world, place, keys.run)):
        world.screen.print([(f"{told}; this is the run before it:", "yellow")])
    if not view.watch:
        (status,) = look()
        if view.json:
            world.screen.write(as_json(status))
        else:
            world.screen.print(*draw([status]))
        return 0
    seen = _follow(world, look, draw, view, all_ended)
    if not view.json and not world.screen.terminal:
        world.screen.print("", *draw(seen))
    return 0 if seen[0].phase == "succeeded" else 1


def show_list(world: World, places: Sequence[Place], problems: Sequence[str], view: View) -> int:
    """Show the runs of all places in a line each; the exit code. `problems` are jobs that were left out.

    With `watch`, until no run is under way; 1 then says that one of those that were failed.
    """
    runs = RunList(world, places, list(problems), view.last)
    if view.watch:
        return _watch_list(world, runs, view)
    statuses = runs.look()
    if view.json:
        world.screen.write(as_json({"runs": statuses, "errors": runs.problems}))
    else:
        world.screen.print(*runs.draw(statuses))
    return 1 if runs.problems and not statuses else 0


@dataclass
class RunList:
    """The newest runs of some places, looked at again and again."""

    world: World
    places: Sequence[Place]
    #: What could not be read.
    problems: list[str]
    last: int
    #: How many older runs there are.
    hidden: int = 0
    #: What was submitted and has begun no run yet.
    awaited: list[str] = field(default_factory=list)

    def look(self) -> list[RunStatus]:
        tolerant = len(self.places) > 1
        statuses, self.hidden, failed = snapshot(self.world, self.places, self.last, tolerant=tolerant)
        self.problems = [*dict.fromkeys([*self.problems, *failed])]
        self.awaited = []
        for place in self.places:
            newest = max((status.run for status in statuses if status.job == place.job), default="")
            if told := submitted_since(self.world, place, newest):
                self.awaited.append(told)
        return statuses

    def draw(self, statuses: Sequence[RunStatus]) -> list[Line]:
        many = len(self.places) != 1 or not self.places[0].job
        lines = table(statuses, job=many) if statuses else [_nothing_yet(place) for place in self.places]
        if self.hidden:
            shown = self.hidden + len(statuses)
            lines.append([(f"... and {self.hidden:,} older; --last {shown} shows all", "dim")])
        return lines + [[(text, "yellow")] for text in (*self.awaited, *self.problems)]


def _watch_list(world: World, runs: RunList, view: View) -> int:
    followed: set[tuple[str, str]] = set()

    def finished(statuses: Sequence[RunStatus]) -> bool:
        followed.update((s.job, s.run) for s in statuses if not s.ended)
        return all_ended(statuses)

    seen = _follow(world, runs.look, runs.draw, view, finished)
    if not seen and not view.json and not world.screen.terminal:
        world.screen.print(*runs.draw(seen))
    return int(any(s.phase == "failed" and (s.job, s.run) in followed for s in seen))


def _follow(
    world: World,
    look: Callable[[], list[RunStatus]],
    draw: Callable[[Sequence[RunStatus]], list[Line]],
    view: View,
    finished: Callable[[Sequence[RunStatus]], bool],
) -> Sequence[RunStatus]:
    return follow(
        look, world.screen, world.clock, finished=finished, draw=draw, json=view.json, every=view.every
    )


def _nothing_yet(place: Place) -> Line:
    return [(f"{place.url}: no runs yet; {how_to_start(place)}", "")]


def as_json(value: object) -> str:
    """Indented JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
