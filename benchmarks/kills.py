"""Functions that are killed for good, in the simulated cloud at size: the table of docs/scale.md, and what must hold.

    python -m benchmarks.kills --small 100 --large 16000

A moment is one request of one function in one phase. Whichever invocation comes to it first dies there, before or
after the request has its effect, and so does each of its later deliveries, at its first request.
With `--small` map tasks each moment has a run of its own; with `--large` all moments that a run outlives share one,
each with an invocation of its own. Exit code 1: a run has no verdict, or a wrong one. What was played lies in a file,
of this code alone, and is not played again.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from chalicelib.core.keys import MANIFEST, SUCCESS
from chalicelib.core.ports import Loc
from chalicelib.run.calls import phase_of
from tests.worlds.few_slots import Load, Outcome, play
from tests.worlds.twin.account import Invocation
from tests.worlds.twin.terms import HOUR, Terms

from .few_slots import ROOT, digest

KEPT = ROOT / "benchmarks/data/kills.jsonl"
Side = Literal["before", "after"]
#: Deliveries of an event.
DELIVERIES = 3
REDUCES = 16
#: A run whose supervisors die for good at each of their moments may be given up: it must end, and say why.
SUPERVISORS = "supervisors, at each"


@dataclass(frozen=True, kw_only=True)
class Moment:
    """`function` makes a request of `kind` for an object whose key ends in `ending` and has `part` in it."""

    title: str
    function: str
    phase: str = ""
    kind: str
    part: str = ""
    ending: str = ""
    #: Which invocations.
    of: Callable[[Invocation], bool] = lambda _: True
    #: Killed before it, the run is never planned, so `_FAILED` is what it has to end in.
    fails: bool = False

    def is_now(self, event: Invocation, kind: str, loc: Loc) -> bool:
        return (
            (event.function, kind) == (self.function, self.kind)
            and self.part in loc.key
            and loc.key.endswith(self.ending)
            and (not self.phase or phase_of(event.function, event.payload) == self.phase)
            and self.of(event)
        )


def _is_root(event: Invocation) -> bool:
    return event.payload["lo"] == 0


def _is_node(event: Invocation) -> bool:
    return event.payload["lo"] > 0 and event.payload["hi"] - event.payload["lo"] > 1


def _is_leaf(event: Invocation) -> bool:
    return event.payload["hi"] - event.payload["lo"] == 1


def _hears_of_plan(event: Invocation) -> bool:
    return "plan.done" in str(event.payload)


MOMENTS = (
    Moment(title="plan.json", function="coordinator", kind="put", ending="/plan.json", fails=True),
    Moment(title="the tree's root", function="coordinator", kind="invoke", ending="mapper"),
    Moment(title="plan.done", function="coordinator", kind="put", ending="plan.done"),
    Moment(title="the tree's root reads the plan", function="mapper", kind="get", of=_is_root),
    Moment(title="a node starts its sub-trees", function="mapper", kind="invoke", of=_is_node),
    Moment(title="a run file", function="mapper", kind="put", ending=".run", of=_is_leaf),
    Moment(title="a marker", function="mapper", kind="put", ending=".done", of=_is_leaf),
    Moment(title="the lease, at plan.done", function="supervisor", kind="put", ending="lease", of=_hears_of_plan),
    Moment(title="a look at map tasks", function="supervisor", kind="list", ending="/map/"),
    Moment(title="a map task's marker is read", function="supervisor", kind="get", part="/map/", ending=".done"),
    Moment(title="a block of the index", function="supervisor", kind="put", part="reduce/index."),
    Moment(title="the exchange plan", function="supervisor", kind="put", ending="exchange/plan.json"),
    Moment(title="exchange/started", function="supervisor", kind="put", ending="exchange/started"),
    Moment(title="a look at exchange tasks", function="supervisor", kind="list", ending="/exchange/"),
    Moment(title="a block of the exchange's index", function="supervisor", kind="put", part="exchange/index."),
    Moment(title="the reduce plan", function="supervisor", kind="put", ending="reduce/plan.json"),
    Moment(title="reduce/started", function="supervisor", kind="put", ending="reduce/started"),
    Moment(title="the root of exchange tasks", function="reducer", phase="exchange", kind="invoke", of=_is_root),
    Moment(title="an exchange task's run file", function="reducer", phase="exchange", kind="put", ending=".run"),
    Moment(title="an exchange task's marker", function="reducer", phase="exchange", kind="put", ending=".done"),
    Moment(title="a reduce task reads its plan", function="reducer", phase="reduce", kind="get", of=_is_root),
    Moment(title="a part", function="reducer", phase="reduce", kind="put", part="/part-"),
    Moment(title="a reduce task's marker", function="reducer", phase="reduce", kind="put", ending=".done"),
    Moment(title="the verdict", function="reducer", phase="reduce", kind="put", ending="run.done"),
    Moment(title="the manifest", function="reducer", phase="reduce", kind="put", ending=MANIFEST),
    Moment(title="_SUCCESS", function="reducer", phase="reduce", kind="put", ending=SUCCESS),
)  # fmt: skip


@dataclass
class Killer:
    """Kills for each moment one invocation, in all its deliveries."""

    moments: Sequence[Moment]
    side: Side
    #: By moment: its invocation, and how often that has died.
    doomed: dict[str, Invocation] = field(default_factory=dict)
    deaths: dict[str, int] = field(default_factory=dict)

    def __call__(self, event: Invocation, kind: str, loc: Loc) -> Side | None:
        for title, doomed in self.doomed.items():
            if doomed is event:
                return self._kill(title)
        for moment in self.moments:
            if moment.title not in self.doomed and moment.is_now(event, kind, loc):
                self.doomed[moment.title] = event
                return self._kill(moment.title)
        return None

    def _kill(self, title: str) -> Side | None:
        if self.deaths.get(title, 0) == DELIVERIES:
            return None
        self.deaths[title] = self.deaths.get(title, 0) + 1
        return self.side


# -- playing --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Played:
    """What came of one run: `deaths` are those at its `moments`, fewer than three each if the run ended before."""

    title: str
    side: str
    tasks: int
    moments: int
    deaths: int
    end: str
    seconds: float
    attempts: int
    needless: int

    @property
    def as_it_must(self) -> bool:
        if self.title == SUPERVISORS:
            return self.end in ("right", "failed")
        fails = self.side == "before" and any(one.fails and one.title == self.title for one in MOMENTS)
        return self.end == ("failed" if fails else "right") and self.deaths >= self.moments


def take(title: str, moments: Sequence[Moment], side: Side, tasks: int) -> Played:
    """One run of so many map tasks, of a shuffle of two levels, on slots for all."""
    load = Load(maps=tasks, reduces=REDUCES, seconds=20.0, levels="2", until=24 * HOUR)
    killer = Killer(moments, side)
    found = play(load, Terms(slots=10_000), seed=1, kill=killer)
    return Played(title, side, tasks, len(moments), sum(killer.deaths.values()), _end(found), found.last,
                  found.attempts, found.needless)  # fmt: skip


def _end(found: Outcome) -> str:
    return next(name for name in ("right", "wrong", "failed", "open") if getattr(found, name))


def wanted(small: int, large: int) -> list[tuple[str, Sequence[Moment], Side, int]]:
    """What is to be played."""
    sides: tuple[Side, Side] = ("before", "after")
    found: list[tuple[str, Sequence[Moment], Side, int]] = []
    if small:
        found += [(one.title, [one], side, small) for one in MOMENTS for side in sides]
    if large:
        outlived = [one for one in MOMENTS if one.function != "coordinator"]
        groups = {
            "mappers and reducers, at each": [one for one in outlived if one.function != "supervisor"],
            SUPERVISORS: [one for one in outlived if one.function == "supervisor"],
        }
        groups |= {one.title: [one] for one in MOMENTS if one.function == "coordinator"}
        found += [(title, moments, side, large) for title, moments in groups.items() for side in sides]
    return found


def play_all(small: int, large: int) -> list[Played]:
    """All runs, those from the file first."""
    code, found = digest(), []
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    entries = [json.loads(line) for line in KEPT.read_text().splitlines()] if KEPT.exists() else []
    kept = [Played(**entry["played"]) for entry in entries if entry["code"] == code]
    for title, moments, side, tasks in wanted(small, large):
        known = [one for one in kept if (one.title, one.side, one.tasks) == (title, side, tasks)]
        played = known[0] if known else take(title, moments, side, tasks)
        found.append(played)
        if not known:
            print(f"{title}, {side}, {tasks:,} tasks: {played.end} in {played.seconds:,.0f} s", flush=True)
            with KEPT.open("a") as file:
                file.write(json.dumps({"code": code, "played": asdict(played)}) + "\n")
    return found


def rows(found: Sequence[Played]) -> list[Sequence[str]]:
    """The table, its head first."""
    table: list[Sequence[str]] = [
        (
            "map tasks",
            "killed three times",
            "side",
            "moments",
            "deaths",
            "end",
            "seconds",
            "attempts",
            "needless",
        )
    ]
    for one in found:
        function = next((moment.function for moment in MOMENTS if moment.title == one.title), "")
        table.append(
            (f"{one.tasks:,}", f"{function}: {one.title}" if function else one.title, one.side,
             str(one.moments), str(one.deaths),
             f"`_{'SUCCESS' if one.end == 'right' else one.end.upper()}`", f"{one.seconds:,.0f}", f"{one.attempts:,}",
             str(one.needless))
        )  # fmt: skip
    return table


def main() -> None:
    """The command."""
    from .scale_page import PAGE, as_table, written

    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__)
    parser.add_argument(
        "--small", type=int, default=100, help="map tasks of runs with one moment each; 0: none"
    )
    parser.add_argument("--large", type=int, default=16_000, help="map tasks of runs with many; 0: none")
    options = parser.parse_args()
    logging.getLogger("chalicelib").setLevel(logging.CRITICAL)
    found = play_all(options.small, options.large)
    page: Path = PAGE
    page.write_text(written(page.read_text("utf-8"), "kills", as_table(rows(found))), "utf-8")
    bad = [one for one in found if not one.as_it_must]
    for one in bad:
        print(f"{one.title}, {one.side} the request, {one.tasks} tasks: {one}", file=sys.stderr)
    raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    main()
