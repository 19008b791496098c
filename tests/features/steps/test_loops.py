"""Loops: rounds until converged, decided of what is committed; the same on every engine, whatever dies."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Random, Sum
from chalicelib.core.errors import ConfigError, UserError
from chalicelib.core.keys import RunKeys
from chalicelib.core.messages import decode
from chalicelib.core.outcome import Manifest
from chalicelib.core.plan import LoopDone
from chalicelib.core.plan_file import read_head
from chalicelib.core.ports import Loc
from chalicelib.core.spec import LimitsSpec, ShuffleSpec
from chalicelib.job.steps import all_steps
from chalicelib.run import job_code
from chalicelib.run.status.collect import RunStatus, collect
from chalicelib.testing import run_job
from scripts.cleaning.leftovers import Leftover, look
from scripts.console.progress import picture, summary
from scripts.runs.places import Place
from tests.features.steps.test_local import Folder
from tests.strategies import places
from tests.worlds.simulation import OUT, SCRATCH, WORK, Killed, Simulation, spec

#: Links between pages; the furthest is four links from `a`.
LINES = ["a b", "b c", "c d", "d e", "a c", "e b", "x y"]
TEXT = "".join(f"{line}\n" for line in LINES).encode()


class Links(Job):
    """(page, pages that it links to)."""

    def mapper(self, _: None, line: str) -> Iterator[Any]:
        page, link = line.split()
        yield page, link

    def reducer(self, page: str, links: Iterator[str]) -> Iterator[Any]:
        yield page, sorted(links)


class Reach(Job):
    """(page, links from `a`) of the pages known, and of those that these link to. Each round reads the links."""

    def mapper(self, page: str, links: list[str]) -> Iterator[Any]:
        known = self.run.result(Reach) if self.run.round > 1 else {"a": 0}
        if page in known:
            yield page, known[page]
            for link in links:
                yield link, known[page] + 1
        self.count("read")

    def reducer(self, page: str, found: Iterator[int]) -> Iterator[Any]:
        yield page, min(found)


class Nothing(Job):
    """Lets nothing pass."""

    def mapper(self, _: None, _line: str) -> Iterator[Any]:
        yield from ()


class Far(Job):
    """The same, with a step more in each round, that counts."""

    steps = (
        Reach,
        type("Counted", (Job,), {"mapper": lambda self, page, far: [(page, far)], "reducer": None}),
    )
    rereads = True

    def rounds(self) -> int:
        most: int = self.params.get("rounds", 20)
        return most

    def converged(self) -> bool:
        assert self.run.round * 2 + 1 == len(self.run.steps)
        assert {step.counters.get("read") for step in self.run.steps[1::2]} in ({6}, {None})
        found = [step.records_out for step in self.run.steps[1::2]]
        assert len(self.run.result(Reach)) == found[-1]
        return len(found) > 1 and found[-1] == found[-2]


class Distances(Job):
    steps = (Links, Far)


def simulate(job: type[Job] = Distances, figures: dict[str, Any] | None = None, **how: Any) -> Simulation:
    job_spec = spec(**{"split_size": 12, "partitions": 3, "reduce_size": 1, **(figures or {})})
    simulation = Simulation(job, job_spec, SCRATCH, **how)
    simulation.drop("a.txt", TEXT)
    simulation.run()
    return simulation


def manifest(simulation: Simulation) -> Manifest:
    return decode(Manifest, simulation.output()["_manifest.json"], "manifest")


@cache
def calm() -> Simulation:
    return simulate()


#: A task a phase, for sweeps.
FEW = {"split_size": 1 << 20, "partitions": 1}


@cache
def calm_with_few() -> Simulation:
    return simulate(figures=FEW)


ROWS = ["a\t0", "b\t1", "c\t1", "d\t2", "e\t3"]
#: The fourth round finds nothing more; the first has found three pages, the second four, the third five.
LOOP = LoopDone(name="Far", rounds=4, converged=True)


def test_rounds_go_on_until_converged_on_every_engine(tmp_path: Path) -> None:
    assert [f"{page}\t{far}" for page, far in run_job(Distances, LINES, split_size=12)] == ROWS
    assert sorted(calm().text().decode().splitlines()) == ROWS
    assert sorted(Folder(tmp_path).run(Distances, TEXT).decode().splitlines()) == ROWS
    found = manifest(calm())
    assert (found.loops, found.steps, found.inputs) == ((LOOP,), 4, 1)
    assert found.counters == {"read": 6 * 4}
    assert calm().output()["_SUCCESS"] == b""
    assert found.reduce_tasks > 2 * 4  # those of all rounds are added up


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_kill_at_any_call_changes_nothing(before: bool) -> None:
    for number in places(calm_with_few().calls, 41, 1 + before):
        killed = simulate(figures=FEW, kill_at=[number], before=before)
        assert (len(killed.killed), killed.text()) == (1, calm_with_few().text()), f"call {number}"
        assert manifest(killed).loops == (LOOP,)


def test_duplicates_in_any_order_with_supervisors_that_come_and_go() -> None:
    for seed in (1, 2):
        found = simulate(seed=seed, duplicates=True, seats=0)
        assert (found.text(), manifest(found).loops) == (calm().text(), (LOOP,))


class Fickle(Far):
    """Says yes, or no, as it comes: whoever asks again may be told something else."""

    answers = itertools.cycle([False, False, True, False, True, True])

    def converged(self) -> bool:
        return next(self.answers)


class FickleJob(Job):
    steps = (Links, Fickle)


def test_an_answer_stands_though_whoever_asks_again_hears_another() -> None:
    for number in places(calm_with_few().calls, 61):
        found = simulate(FickleJob, FEW, kill_at=[number], duplicates=True, seed=number)
        ended = manifest(found)
        (loop,) = ended.loops
        keys = RunKeys(WORK, "job", ended.run)
        plans = {one.key for one in found.memory.list(keys.run_root) if one.key.endswith("/plan.json")}
        plans = {key for key in plans if "reduce/" not in key and "exchange/" not in key}
        assert len(plans) == 2 + 2 * loop.rounds, f"call {number}"
        whole = run_job(type("FixedJob", (Job,), {"steps": (Links, of_rounds(loop.rounds))}), LINES)
        assert sorted(found.text().decode().splitlines()) == [f"{page}\t{far}" for page, far in whole]


def of_rounds(most: int) -> type[Job]:
    """The loop with a number of rounds that is given."""
    return type("Fixed", (Job,), {"steps": Far.steps, "rounds": most, "rereads": True})


def test_how_a_loop_may_end() -> None:
    cut = simulate(figures={"params": {"rounds": 2}})
    assert cut.output()["_SUCCESS"] == b"Far: not converged after 2 rounds\n"
    assert manifest(cut).loops == (LoopDone(name="Far", rounds=2, converged=False),)
    strict = type("Strict", (Far,), {"must_converge": True, "rounds": 2})
    failed = simulate(type("Job1", (Job,), {"steps": (Links, strict)}))
    assert (
        b"failed: step 3 of 4, round 2 of at most 2: Strict: not converged after 2 rounds: raise Strict.rounds"
        in failed.output()["_FAILED"]
    )
    fixed = simulate(type("Job2", (Job,), {"steps": (Links, of_rounds(2))}))
    assert manifest(fixed).loops == (LoopDone(name="Fixed", rounds=2, converged=None),)
    assert (fixed.text(), fixed.output()["_SUCCESS"]) == (cut.text(), b"")
    with pytest.raises(UserError, match="Strict: not converged after 2 rounds"):
        run_job(type("Job3", (Job,), {"steps": (Links, strict)}), LINES)


def raises(self: Any) -> bool:
    raise ValueError("no such thing")


@pytest.mark.parametrize(
    ("converged", "why"),
    [
        (raises, r"Odd\.converged, after round 1: ValueError: no such thing"),
        (lambda _self: None, r"Odd\.converged, after round 1: expected True or False, got None"),
        (
            lambda self: self.run.result(Odd),
            r"self\.run\.result\(Odd\): the result is of no step that is done",
        ),
    ],
)
def test_what_decides_may_fail(converged: Any, why: str) -> None:
    odd = type("Odd", (Far,), {"converged": converged})
    found = simulate(type("OddJob", (Job,), {"steps": (Links, odd)}))
    assert re.search(
        rf"job job, run .* failed: step 4 of 4: could not be planned: .*{why}",
        found.output()["_FAILED"].decode(),
    )


class Odd(Job):
    pass


def test_a_run_ends_though_what_decides_kills_every_supervisor() -> None:
    def dies(_self: Any) -> bool:
        raise Killed

    deadly = type("Deadly", (Far,), {"converged": dies})
    found = simulate(type("DeadlyJob", (Job,), {"steps": (Links, deadly)}), FEW, seats=0)
    assert found.killed == ["supervisor"] * 6
    assert b"failed: step 4 of 4: its supervisor was stopped in each of 6" in found.output()["_FAILED"]


class Halve(Job):
    """Each number by half, until all are small; the next round reads what the last gave. Values are spread."""

    rounds = 9
    partitioner = Random()

    def mapper(self, key: str, value: int) -> Iterator[Any]:
        self.count("large", value // 2 > 1)
        yield key, value // 2

    reducer = Sum()

    def converged(self) -> bool:
        return self.run.steps[-2].counters["large"] == 0


class Lengths(Job):
    def mapper(self, _: None, line: str) -> Iterator[Any]:
        for number, word in enumerate(line.split()):
            yield word, 2 ** (number + 1)

    reducer = Sum()


class Twice(Job):
    """Two loops, one behind the other, and an order."""

    order_by = "-value"
    steps = (
        Lengths,
        Halve,
        type("Again", (Job,), {"rounds": 2, "mapper": lambda self, key, value: [(key, value + 1)]}),
    )


def test_rounds_that_read_what_the_last_gave() -> None:
    wanted: Counter[str] = Counter()
    for one, other in map(str.split, LINES):
        wanted += Counter({one: 2, other: 4})
    halved = 0
    while halved == 0 or max(wanted.values()) > 1:
        wanted, halved = Counter({word: number // 2 for word, number in wanted.items()}), halved + 1
    found = run_job(Twice, LINES, partitions=2)
    cloud = simulate(Twice, figures={"output": {"one_file": True}})
    assert cloud.text().decode().splitlines() == [f"{key}\t{value}" for key, value in found]
    assert found == sorted(
        ((word, number + 2) for word, number in wanted.items()), key=lambda row: (-row[1], row[0])
    )
    assert [(one.name, one.rounds) for one in manifest(cloud).loops] == [("Halve", halved), ("Again", 2)]


def test_an_order_within_a_loop_is_that_of_the_results() -> None:
    backwards = type(
        "Backwards", (Halve,), {"order_by": "-key", "converged": lambda self: self.run.round == 2}
    )
    job = type("BackwardsJob", (Job,), {"steps": (Lengths, backwards)})
    job_code.check(lambda _: job, "job", spec(output={"one_file": True}))
    found = [simulate(job, {"output": output}) for output in ({}, {"one_file": True}, {"sorted": True})]
    keys = [[row.split("\t")[0] for row in one.text().decode().splitlines()] for one in found]
    assert keys == [["y", "x", "e", "d", "c", "b", "a"]] * 3


def test_without_input_there_is_one_round() -> None:
    job = type("NothingJob", (Job,), {"steps": (Nothing, Far)})
    assert run_job(job, LINES) == []
    found = simulate(job)
    assert (found.text(), [one.rounds for one in manifest(found).loops]) == (b"", [2])


@pytest.mark.parametrize(
    "figures",
    [
        {"output": {"one_file": True}},
        {"output": {"sorted": True}},
        {"limits": LimitsSpec(failed_tasks=0.5)},
        {"output": {"format": "csv"}, "shuffle": ShuffleSpec(levels="2")},
    ],
    ids=["one file", "sorted", "left out", "two levels"],
)
def test_settings_of_results_hold_behind_a_loop(figures: dict[str, Any]) -> None:
    job_code.check(lambda _: Distances, "job", spec(**figures))
    found = simulate(figures=figures)
    rows = found.text().decode().replace(",", "\t").splitlines()
    assert (sorted(rows) if "limits" in figures or "shuffle" in figures else rows) == ROWS
    parts = [name for name in found.output() if name.startswith("part-")]
    assert len(parts) == 1 or "one_file" not in figures.get("output", {})


def test_status_says_which_round_it_is() -> None:
    simulation = Simulation(Distances, spec(split_size=12, partitions=3, reduce_size=1), SCRATCH)
    seen: list[RunStatus] = []

    def keys() -> list[RunKeys]:
        found = [
            one.key for one in simulation.memory.list(Loc("work", "runs/")) if "/step-4/plan.json" in one.key
        ]
        return [RunKeys(WORK, "job", found[0].split("/")[2])] if found else []

    def left() -> Leftover | None:
        return look(simulation.memory, keys()[0], Place(WORK, "job", OUT), simulation.time + 864_000)

    def see() -> None:
        assert left() is None  # nobody cleans it away
        seen.append(collect(simulation.memory, keys()[0], now=simulation.time))

    simulation.when(lambda: bool(keys()), see)
    simulation.drop("a.txt", TEXT)
    simulation.run()
    assert [one.place for one in seen] == ["step 3 of 4, round 2 of at most 20"]
    assert "step 3 of 4, round 2 of at most 20" in "".join(text for text, _ in summary(seen[0]))
    assert read_head(simulation.memory, keys()[0].at(4)).where == "step 3 of 4, round 2 of at most 20: "
    ended = collect(simulation.memory, keys()[0], now=simulation.time)
    assert (ended.place, ended.loops, ended.loops[0].told) == (
        "step 4 of 4",
        (LOOP,),
        "converged after 4 rounds",
    )
    shown = ["".join(text for text, _ in line) for line in picture(ended, terminal=False)]
    assert [line.split() for line in shown if "rounds" in line] == [
        ["loop", "Far:", "converged", "after", "4", "rounds"]
    ]
    for gone in ([], ["_SUCCESS", "_manifest.json"]):
        simulation.memory.delete("out", [OUT.child(f"{keys()[0].run}/{name}").key for name in gone])
        found = left()
        assert found is not None
        assert sorted(row.key for row in found.rows) == simulation.work()


@pytest.mark.parametrize(
    ("job", "figures", "why"),
    [
        (Far, {}, r"Far\.rounds: the first step reads input, .* steps = \(Read, Far\)"),
        (Distances, {"accumulate": True}, r"Far\.rounds: accumulate: totals are of many runs"),
        (Distances, {"params": {"rounds": 0}}, r"Far\.rounds: expected an integer >= 1, got 0"),
        (Distances, {"params": {"rounds": 500}}, r"1001 steps, if every loop takes all its rounds; .* at most 1000"),
        (type("A", (Job,), {"steps": (Links, type("Outer", (Job,), {"steps": (Far,), "rounds": 2}))}), {},
         r"Outer\.rounds: Far has rounds, too"),
        (type("B", (Links,), {"must_converge": True}), {}, r"B\.must_converge is of no use without rounds"),
        (type("C", (Job,), {"steps": (Links, type("D", (Links,), {"rounds": 2, "must_converge": True}))}), {},
         r"D\.must_converge is of no use without a method converged"),
    ],
)  # fmt: skip
def test_what_is_no_loop_is_refused(job: type[Job], figures: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        all_steps(lambda _: job, spec(**figures))
