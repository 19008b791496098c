"""Many files dropped at once where functions are few, in virtual time: what ends, what fails, what is wasted.

    python -m tests.worlds.few_slots --cap 10 --runs 20 --maps 10 --seconds 20 --seeds 5

Each run is an object of `--maps` lines, one map task each, and `--reduces` reduce tasks; all tasks take `--seconds`.
A row of the table is one seed. `ideal` is the work divided by the slots there are, or the longest of a run's two phases
if that is more; `s / ideal` is 1.0 where no slot was ever idle or spent on anything else.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from statistics import median
from typing import Any, Literal, get_args, get_type_hints

from chalicelib.core.spec import ShuffleSpec, TimeoutSpec
from tests.worlds.limited import Kill, Limited, Timed, timed_input, timed_rows, timed_spec
from tests.worlds.twin.terms import HOUR, Neighbour, Outage, Terms


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is dropped: so many runs, `gap` seconds apart, whose tasks take so many seconds."""

    runs: int = 1
    maps: int = 10
    reduces: int = 1
    seconds: float = 20.0
    spread: float = 0.0
    gap: float = 0.0
    #: Seconds after which the world ends, whatever is still open.
    until: float = 12 * HOUR
    #: Seconds that functions may run, by name, where not the defaults.
    timeouts: tuple[tuple[str, int], ...] = ()
    #: Levels of the shuffle, as in a job's file.
    levels: Literal["auto", "1", "2"] = "auto"

    def ideal(self, terms: Terms) -> float:
        """Seconds that the work takes on all slots that there are, neighbours' taken away; a lower bound.

        All take equally long, so that even where little is left the slots are busy for the time of a task.
        """
        waves = sum(math.ceil(tasks / terms.slots) for tasks in (self.maps, self.reduces))
        tasks = self.runs * (self.maps + self.reduces)
        waves, left = max(waves, math.ceil(tasks / terms.slots)), tasks * self.seconds
        at, edges = 0.0, sorted({x for n in terms.neighbours for x in (n.at, n.at + n.seconds)})
        for edge in (*edges, math.inf):
            taken = sum(n.slots for n in terms.neighbours if n.at <= at < n.at + n.seconds)
            slots = max(terms.slots - taken, 0)
            if slots and at + left / slots <= edge:
                at += left / slots
                break
            left -= slots * (edge - at)
            at = edge
        return max(at, waves * self.seconds)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of it. Times are virtual seconds, but for `real`; shares are of one."""

    seed: int
    #: Runs by how they ended; `wrong` ones have a `_SUCCESS` and other rows than plain Python gives.
    right: int
    wrong: int
    failed: int
    open: int
    #: Open runs of which no plan was ever written.
    unplanned: int
    #: When the last run ended, or the world did; the median run; what the slots would allow.
    last: float
    middle: float
    ideal: float
    attempts: int
    needless: int
    #: Of all slot-seconds, those spent inside `clock.pause`.
    waiting: float
    slot_seconds: dict[str, float]
    begun: dict[str, int]
    throttled: int
    expired: int
    requests: dict[str, int]
    dollars: float
    #: Why the first failed.
    reason: str
    real: float

    @property
    def ratio(self) -> float:
        return self.last / self.ideal


def play(load: Load, terms: Terms, seed: int = 0, *, kill: Kill | None = None, **figures: Any) -> Outcome:
    """Drop the load and run the world to the end of all runs. `figures` go to `Limited`."""
    began = time.monotonic()
    job_spec = timed_spec(
        reduces=load.reduces,
        seconds=load.seconds,
        spread=load.spread,
        timeout=TimeoutSpec(**dict(load.timeouts)),
        shuffle=ShuffleSpec(levels=load.levels),
    )
    with Limited(Timed, job_spec, terms, seed=seed, kill=kill, **figures) as world:
        body = timed_input(load.maps, load.reduces)
        for number in range(load.runs):
            world.drop(f"{number:05d}.txt", body, at=number * load.gap)
        ended = world.run(load.until)
        return _outcome(world, load, seed, ended, time.monotonic() - began)


def _outcome(world: Limited, load: Load, seed: int, ended: float, real: float) -> Outcome:
    runs, figures, account = [*world.runs.values()], world.figures, world.account
    expected = timed_rows(load.maps, load.reduces)
    good = [run for run in runs if run.end == "success"]
    failed = [run for run in runs if run.end == "failed"]
    right = sum(sorted(world.rows(run.run)) == expected for run in good)
    times = [run.ended - run.dropped for run in runs if run.ended is not None]
    still_open = [run for run in runs if run.end == "open"]
    return Outcome(
        seed=seed,
        right=right,
        wrong=len(good) - right,
        failed=len(failed),
        open=len(still_open),
        unplanned=sum(run.planned is None for run in still_open),
        last=ended,
        middle=median(times) if times else math.inf,
        ideal=load.ideal(world.terms),
        attempts=figures.attempts,
        needless=figures.needless,
        waiting=figures.waiting_share,
        slot_seconds=dict(figures.seconds),
        begun=dict(account.begun),
        throttled=sum(account.throttled.values()),
        expired=sum(figures.expired.values()),
        requests=dict(figures.requests),
        dollars=world.dollars(),
        reason=world.reason(failed[0].run).strip() if failed else "",
        real=real,
    )


# -- the command ----------------------------------------------------------------------------------------------

_COLUMNS = ("seed", "right", "wrong", "failed", "open", "last s", "ideal s", "s / ideal", "median s", "attempts",
            "needless", "waiting", "invocations", "throttled", "expired", "requests", "dollars", "real s")  # fmt: skip


def _row(found: Outcome) -> tuple[str, ...]:
    counts = (found.seed, found.right, found.wrong, found.failed, found.open)
    return (
        *map(str, counts),
        f"{found.last:.0f}",
        f"{found.ideal:.0f}",
        f"{found.ratio:.2f}",
        f"{found.middle:.0f}",
        str(found.attempts),
        f"{found.needless} ({found.needless / max(found.attempts, 1):.0%})",
        f"{found.waiting:.0%}",
        str(sum(found.begun.values())),
        str(found.throttled),
        str(found.expired),
        str(sum(found.requests.values())),
        f"{found.dollars:.4f}",
        f"{found.real:.1f}",
    )


def _show(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(_COLUMNS, *rows, strict=True)]
    for row in (_COLUMNS, *rows):
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


def _pairs(text: str) -> dict[str, str]:
    """`a=1,b=2`"""
    return dict(entry.split("=", 1) for entry in text.split(",") if entry)


def _number(kind: Any, text: str) -> Any:
    return int(text) if kind is int else float(text)


def _terms(args: argparse.Namespace) -> Terms:
    kinds = get_type_hints(Terms)
    more = {name: _number(kinds[name], value) for name, value in _pairs(args.terms).items()}
    return Terms(
        slots=args.cap,
        queue=args.queue,
        reserved={name: int(slots) for name, slots in _pairs(args.reserve).items()},
        neighbours=tuple(Neighbour(*map(float, text.split(":"))) for text in args.neighbour),  # type: ignore[arg-type]
        outages=tuple(Outage(*map(float, text.split(":"))) for text in args.outage),
        **({"destinations": _pairs(args.destinations)} if args.destinations else {}),
        **more,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.worlds.few_slots", description=__doc__)
    add = parser.add_argument
    add("--cap", type=int, default=10, help="functions that the account runs at once")
    for field in fields(Load):
        if field.name != "timeouts":
            add(f"--{field.name}", type=type(field.default), default=field.default)
    add("--seeds", type=int, default=1, help="how many")
    add("--first-seed", type=int, default=0)
    add("--queue", choices=get_args(get_type_hints(Terms)["queue"]), default="backoff")
    add("--timeouts", default="", help="mapper=60,supervisor=30")
    add("--reserve", default="", help="reserved concurrency: supervisor=3")
    add("--neighbour", action="append", default=[], help="AT:SLOTS:SECONDS, slots that something else takes")
    add("--outage", action="append", default=[], help="AT:SECONDS in which S3 does not answer")
    add("--destinations", default="", help="on failure, where not as deployed: mapper=supervisor")
    add("--terms", default="", help="any number of tests/worlds/twin/terms.py: event_losses=0.01,retries=0")
    add("--json", action="store_true", help="one document a seed")
    return parser


def main() -> None:
    """The command."""
    args = _parser().parse_args()
    logging.getLogger("chalicelib").setLevel(logging.CRITICAL)  # runs that fail are what is looked for
    known = {field.name for field in fields(Load)} - {"timeouts"}
    timeouts = tuple((name, int(value)) for name, value in _pairs(args.timeouts).items())
    load = Load(**{name: getattr(args, name) for name in known}, timeouts=timeouts)
    found = []
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        found.append(play(load, _terms(args), seed))
        if args.json:
            print(json.dumps(asdict(found[-1])), flush=True)
    if not args.json:
        _show([_row(outcome) for outcome in found])
        for outcome in found:
            if outcome.reason:
                print(f"seed {outcome.seed}: {outcome.reason.splitlines()[0][:300]}")


if __name__ == "__main__":
    main()
