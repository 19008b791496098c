"""Many runs where functions are few, in the simulated cloud: the table of docs/scale.md, over as many seeds as wanted.

    python -m benchmarks.few_slots --seeds 50 --large-seeds 3 --jobs 2

What was played lies in a file, of this code alone, so that a second call goes on where the first one was ended, with
`--minutes` or by hand. At the end it writes the table.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

from tests.worlds.few_slots import Load, Outcome, play
from tests.worlds.twin.terms import HOUR, Neighbour, Terms

from .scale_page import PAGE, as_table, written

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "benchmarks/data/few_slots.jsonl"
#: What decides on the course of a seed.
CODE = ("chalicelib", "tests/worlds")
#: Seeds that are played with the kind queue, too, at most.
EAGER = 10


@dataclass(frozen=True)
class Case:
    """A row of the table. `large`: a seed takes minutes."""

    load: Load
    terms: Terms
    large: bool = False

    @property
    def name(self) -> str:
        load, terms = self.load, self.terms
        busy = "".join(f" busy {n.slots}" for n in terms.neighbours)
        return f"{load.runs} of {load.maps} x {load.reduces} of {load.seconds:g} s on {terms.slots}{busy}"


def cases() -> list[Case]:
    """All rows, in the order of the table."""
    one = Load(runs=1, maps=500, reduces=20, seconds=20.0)
    few, many = Load(runs=20, maps=10, seconds=20.0), Load(runs=200, maps=10, seconds=20.0, until=72 * HOUR)
    tiny, tinier = Load(runs=100, maps=1, seconds=5.0), Load(runs=2000, maps=1, seconds=5.0)
    found = [Case(Load(runs=12, maps=3, seconds=1.0), Terms(slots=10))]
    huge = Load(runs=1, maps=16_000, reduces=16, seconds=20.0)
    for load in (one, few, many, tiny, tinier):
        large = load.runs >= 200
        found += [Case(load, Terms(slots=slots), large) for slots in (1, 2, 3, 10, 100, 1000)]
        if load in (one, few):
            taken = [Terms(slots=10, neighbours=(Neighbour(0.0, slots, 4800.0),)) for slots in (9, 10)]
            found += [Case(load, terms) for terms in taken]
    silent = Neighbour(70.0, 5000, 60.0)  # from when a good half is done
    return [*found, *(Case(huge, Terms(slots=5000, neighbours=busy), large=True) for busy in ((), (silent,)))]


# -- playing --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, order=True)
class Turn:
    """One seed of one case. `eager`: with the queue that leaves no slot idle."""

    seed: int
    case: str
    eager: bool


def turns(all_cases: Sequence[Case], seeds: int, large_seeds: int) -> list[Turn]:
    """What is to be played: the first seed of all cases before the second of any; what takes minutes comes last."""
    found, large = [], {case.name for case in all_cases if case.large}
    for case in all_cases:
        for seed in range(large_seeds if case.large else seeds):
            found.append(Turn(seed, case.name, eager=False))
            if seed < (1 if case.large else EAGER):
                found.append(Turn(seed, case.name, eager=True))
    return sorted(found, key=lambda turn: (turn.case in large, turn))


def take(turn: Turn) -> Outcome:
    """Play it."""
    logging.getLogger("chalicelib").setLevel(logging.CRITICAL)  # runs that fail are among what is looked for
    (case,) = [case for case in cases() if case.name == turn.case]
    terms = replace(case.terms, queue="eager") if turn.eager else case.terms
    return play(case.load, terms, turn.seed)


def digest() -> str:
    """Of the code by which seeds are played."""
    found = hashlib.sha256()
    for folder in CODE:
        for path in sorted((ROOT / folder).rglob("*.py")):
            found.update(path.read_bytes())
    return found.hexdigest()[:16]


def kept(code: str | None) -> dict[Turn, Outcome]:
    """What was played, by this code or, with None, by any."""
    found = {}
    for line in KEPT.read_text().splitlines() if KEPT.exists() else ():
        entry = json.loads(line)
        if code in (None, entry["code"]):
            found[Turn(**entry["turn"])] = Outcome(**entry["outcome"])
    return found


def play_all(wanted: Sequence[Turn], jobs: int, minutes: float, code: str) -> None:
    """Play what is not kept yet, as far as the time goes."""
    until = time.monotonic() + 60 * minutes
    done = kept(code)
    left = iter([turn for turn in wanted if turn not in done])
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(jobs, max_tasks_per_child=20) as pool, KEPT.open("a") as file:
        under_way = {pool.submit(take, turn): turn for turn in _some(left, jobs)}
        while under_way:
            future = next(as_completed(under_way))
            turn, outcome = under_way.pop(future), future.result()
            file.write(json.dumps({"code": code, "turn": asdict(turn), "outcome": asdict(outcome)}) + "\n")
            file.flush()
            if time.monotonic() < until:
                under_way |= {pool.submit(take, turn): turn for turn in _some(left, 1)}


def _some(left: Iterator[Turn], most: int) -> list[Turn]:
    return [turn for _, turn in zip(range(most), left, strict=False)]


# -- the table ------------------------------------------------------------------------------------------------

HEAD = ("runs", "tasks of each", "seconds each", "slots", "seeds", "right", "wrong", "failed", "open", "seconds",
        "work / slots", "times", "without the queue's pauses", "needless attempts", "waiting")  # fmt: skip


def rows(all_cases: Sequence[Case], played: dict[Turn, Outcome]) -> list[Sequence[str]]:
    """The head, and a row for each case of which a seed was played."""
    found: list[Sequence[str]] = [HEAD]
    for case in all_cases:
        of = [(turn, outcome) for turn, outcome in sorted(played.items()) if turn.case == case.name]
        usual = [outcome for turn, outcome in of if not turn.eager]
        if usual:
            found.append(_row(case, usual, [outcome for turn, outcome in of if turn.eager]))
    return found


def _row(case: Case, found: Sequence[Outcome], eager: Sequence[Outcome]) -> Sequence[str]:
    load, terms = case.load, case.terms
    busy = (f", {n.slots} of them taken for {n.seconds / 60:g} min" for n in terms.neighbours)
    low, high = min(one.last for one in found), max(one.last for one in found)
    attempts, needless = sum(one.attempts for one in found), sum(one.needless for one in found)
    ideal = load.ideal(terms)
    return (
        f"{load.runs:,}", f"{load.maps:,} x {load.reduces:,}", f"{load.seconds:g}", f"{terms.slots:,}" + "".join(busy),
        str(len(found)),
        *(f"{sum(getattr(one, end) for one in found):,}" for end in ("right", "wrong", "failed", "open")),
        f"{low:,.0f} to {high:,.0f}" if len(found) > 1 else f"{low:,.0f}",
        f"{ideal:,.0f}", f"{median(one.last for one in found) / ideal:.2f}",
        f"{median(one.last for one in eager) / ideal:.2f}" if eager else "",
        f"{needless / attempts:.1%}", f"{sum(one.waiting for one in found) / len(found):.1%}",
    )  # fmt: skip


def table(seeds: int = 3, large_seeds: int = 1, jobs: int = 1, minutes: float = math.inf) -> str:
    """The table of so many seeds, or of those that could be played in the time and before."""
    code, wanted = digest(), turns(cases(), seeds, large_seeds)
    play_all(wanted, jobs, minutes, code)
    return as_table(rows(cases(), kept(code)))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.few_slots", description=__doc__)
    add = parser.add_argument
    add("--seeds", type=int, default=3, help="of each row")
    add("--large-seeds", type=int, default=1, help="of rows whose seeds take minutes: 200 and 2 000 runs")
    add("--jobs", type=int, default=1, help="processes")
    add("--minutes", type=float, default=math.inf, help="after which no further seed is begun")
    options = parser.parse_args()
    text = table(options.seeds, options.large_seeds, options.jobs, options.minutes)
    PAGE.write_text(written(PAGE.read_text("utf-8"), "few slots", text), "utf-8")


if __name__ == "__main__":
    main()
