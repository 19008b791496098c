"""The pointer to the totals: each run is added once or withdraws, whoever loses a swap looks again."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core.keys import TotalsKeys
from chalicelib.core.messages import Stats
from chalicelib.core.outcome import Manifest
from chalicelib.core.plan import Earlier, Plan
from chalicelib.core.ports import Loc
from chalicelib.core.tasks import Part
from chalicelib.core.totals import StatePart, TotalsPlan, Waiting
from chalicelib.run import totals_pointer
from chalicelib.run.totals_pointer import Totals
from chalicelib.stores.memory import MemoryStore
from tests.worlds.simulation import spec

WORK = Loc("work", "")
KEYS = TotalsKeys(WORK, "job")
NOTHING = Earlier(
    inputs=0, bytes=0, map_tasks=0, reduce_tasks=0, mapped=Stats(), reduced=Stats(), started=0.0, finished=0.0
)


def step_over_totals(run: str, totals: TotalsPlan | None, *, step: int = 1, renders: bool = False) -> Plan:
    return Plan(
        job="job", run=run, token="t", source="s", head=0, spec=spec(), work=WORK, output=Loc("out", f"{run}/"),
        step=step, steps=3, job_step=2 if renders else 1, merge_step=1, totals=totals, earlier=NOTHING,
        partitions=1, tasks=0, page=1, pages=(), inputs=1, bytes=9, created=1.0, code="c",
    )  # fmt: skip


class World:
    def __init__(self) -> None:
        self.store = MemoryStore(now=lambda: 0.0)

    def read(self) -> Totals:
        return totals_pointer.read(self.store, KEYS)

    def wait(self, *runs: str) -> None:
        for run in runs:
            totals_pointer.wait(self.store, KEYS, Waiting(run=run, parts=(self.part(f"own/{run}"),)))

    def part(self, key: str) -> StatePart:
        return StatePart(key=key, bytes=1, etag=self.store.put(Loc("work", key), b"x"))

    def merge(self, found: Totals, *runs: str, step: int = 1) -> bool:
        """Merge `runs`, the first of which does it, with the totals as they were found."""
        planned = totals_pointer.planned_on(found, runs)
        place = KEYS.states(planned.generation, runs[0], step)
        part = self.part(place.child("part-00000.pairs").key)
        return self.read().commit(step_over_totals(runs[0], planned, step=step), (part,))

    def names(self, prefix: Loc = WORK) -> list[str]:
        return [info.key for info in self.store.list(prefix)]


@pytest.fixture
def world() -> World:
    return World()


def test_before_the_first_merge_there_are_no_totals(world: World) -> None:
    found = world.read()
    assert (found.pointer.generation, found.pointer.parts, found.etag) == (0, (), "")
    assert found.generation_of("a") is None
    assert found.waiting("a") == []


def test_a_merge_adds_all_of_its_runs_at_once(world: World) -> None:
    world.wait("a", "b")
    found = world.read()
    assert [waiting.run for waiting in found.waiting("a")] == ["b"]
    assert world.merge(found, "a", "b")
    now = world.read()
    assert (now.pointer.generation, now.pointer.run, now.pointer.recent) == (1, "a", ("a", "b"))
    assert [now.generation_of(run) for run in "abc"] == [1, 1, None]


def test_of_two_merges_planned_on_the_same_totals_one_is_lost(world: World) -> None:
    world.wait("a", "b")
    found = world.read()
    assert world.merge(found, "a", "b")
    first = world.read()
    assert not world.merge(found, "b", "a")
    assert world.read() == first


def test_who_read_before_the_swap_loses_it(world: World) -> None:
    """Between a look at the pointer and the write over it."""
    world.wait("a", "b")
    early = world.read()
    assert world.merge(early, "a")
    late = step_over_totals("b", totals_pointer.planned_on(early, ["b"]))
    assert not early.commit(late, ())
    assert world.read().pointer.run == "a"
    stale = world.read()
    assert world.merge(stale, "b")
    assert not stale.commit(step_over_totals("c", totals_pointer.planned_on(stale, ["c"])), ())


def test_a_merge_that_is_done_again_after_a_crash_is_there_already(world: World) -> None:
    found = world.read()
    assert world.merge(found, "a")
    after = world.read()
    assert world.merge(found, "a")
    assert world.read() == after
    assert not world.merge(found, "a", step=2), "another step of the same run is another merge"


def test_runs_that_the_pointer_forgets_have_markers(world: World) -> None:
    assert world.merge(world.read(), "a", "b")
    assert world.names(KEYS.merged("")) == []
    assert world.merge(world.read(), "c")
    assert world.names(KEYS.merged("")) == [KEYS.merged("a").key, KEYS.merged("b").key]
    assert [world.read().generation_of(run) for run in "abc"] == [1, 1, 2]


def test_the_word_of_runs_that_are_merged_is_removed(world: World) -> None:
    world.wait("a", "b", "c")
    assert world.merge(world.read(), "a", "b")
    assert [waiting.run for waiting in world.read().waiting("d")] == ["c"]
    assert world.names(KEYS.all_waiting) == [KEYS.waiting("c").key]


def test_word_is_left_once(world: World) -> None:
    world.wait("a")
    before = world.store.head(KEYS.waiting("a"))
    world.wait("a")
    assert world.store.head(KEYS.waiting("a")) == before


def test_states_of_old_generations_are_deleted(world: World) -> None:
    world.wait("e", "other")
    for run in "abcde":
        assert world.merge(world.read(), run)
        world.read().clean()
    kept = [
        KEYS.states(generation, run, 1).child("part-00000.pairs").key
        for generation, run in [(4, "d"), (5, "e")]
    ]
    assert world.names(KEYS.all_states) == kept
    assert world.names(KEYS.all_waiting) == [KEYS.waiting("other").key]


# -- a run that fails -------------------------------------------------------------------------------------


def test_nobody_merges_a_run_that_has_withdrawn(world: World) -> None:
    world.wait("a", "b")
    found = world.read()
    assert [waiting.run for waiting in found.waiting("b")] == ["a"]
    assert world.read().withdraw("a")
    assert not world.merge(found, "b", "a"), "it was planned before"
    assert world.read().waiting("b") == []
    assert world.merge(world.read(), "b")
    assert [world.read().generation_of(run) for run in "ab"] == [None, 1]


def test_a_withdrawal_leaves_the_totals_as_they_are(world: World) -> None:
    assert world.merge(world.read(), "a")
    before = world.read()
    world.wait("b")
    assert before.withdraw("b")
    after = world.read()
    assert (after.pointer.generation, after.pointer.parts) == (
        before.pointer.generation,
        before.pointer.parts,
    )
    assert after.generation_of("a") == 1
    assert after.etag != before.etag


@pytest.mark.parametrize("by", ["a merge", "another withdrawal"])
def test_who_was_overtaken_has_not_withdrawn(world: World, by: str) -> None:
    assert world.merge(world.read(), "first")
    world.wait("a", "b")
    found = world.read()
    assert world.merge(found, "b") if by == "a merge" else found.withdraw("b")
    assert not found.withdraw("a")
    assert world.read().withdraw("a")


def test_a_run_that_is_merged_cannot_withdraw(world: World) -> None:
    world.wait("a")
    assert world.merge(world.read(), "a")
    before = world.read()
    assert not before.withdraw("a")
    assert world.read() == before


def overtaken(world: World, found: Totals, *runs: str) -> bool:
    plan = step_over_totals(runs[0], totals_pointer.planned_on(found, runs))
    return totals_pointer.is_overtaken(world.store, plan)


def test_a_merge_of_one_run_that_fails_is_its_failure(world: World) -> None:
    world.wait("a")
    assert not overtaken(world, world.read(), "a")
    assert world.read().waiting("b") == [], "and nobody will merge it"


def test_a_merge_of_several_is_tried_again_by_each(world: World) -> None:
    world.wait("a", "b")
    assert overtaken(world, world.read(), "a", "b")
    assert [waiting.run for waiting in world.read().waiting("b")] == ["a"]


def test_a_merge_with_totals_that_have_changed_is_tried_again(world: World) -> None:
    world.wait("a", "b")
    found = world.read()
    assert world.merge(found, "b")
    assert overtaken(world, found, "a")


@pytest.mark.parametrize("later", [False, True])
def test_a_rendering_fails_unless_there_are_later_totals(world: World, later: bool) -> None:
    assert world.merge(world.read(), "a")
    plan = step_over_totals("a", totals_pointer.rendering_of(world.read()), renders=True)
    if later:
        assert world.merge(world.read(), "b")
    assert totals_pointer.is_overtaken(world.store, plan) is later
    assert world.read().generation_of("a") == 1


def test_a_step_before_the_totals_just_fails(world: World) -> None:
    assert not totals_pointer.is_overtaken(world.store, step_over_totals("a", None))


# -- what is planned, whose turn it is, what is shown --------------------------------------------------------


def test_what_a_step_is_planned_on(world: World) -> None:
    assert totals_pointer.planned_on(world.read(), ["a"]) == TotalsPlan(etag="", generation=1, runs=("a",))
    assert world.merge(world.read(), "a")
    found = world.read()
    assert totals_pointer.planned_on(found, ["b", "c"]).generation == 2
    assert totals_pointer.rendering_of(found) == TotalsPlan(etag=found.etag, generation=1)


def test_one_run_at_a_time_has_the_turn(world: World) -> None:
    def take(run: str, now: float) -> Any:
        return totals_pointer.take_turn(world.store, KEYS, run, now)

    assert take("a", 0.0)
    assert take("a", 40.0), "it has it already, and keeps it"
    assert not take("b", 80.0)
    totals_pointer.keep_turn(world.store, KEYS, "b", 80.0)  # which it has not
    totals_pointer.end_turn(world.store, KEYS, "b")
    assert not take("b", 84.0)
    totals_pointer.end_turn(world.store, KEYS, "a")
    assert take("b", 84.0)
    assert take("a", 84.0 + 46.0), "of one that was not heard of again"


SHOWN_AT = Loc("out", "_totals.json")


def show(world: World, run: str, generation: int) -> None:
    plan = step_over_totals(run, TotalsPlan(etag="e", generation=generation), renders=True)
    parts = (Part(key=f"{run}/part-00000.tsv", bytes=4, records=2),)
    manifest = Manifest(job="job", run=run, outcome="success", parts=parts, records=2, bytes=4)
    totals_pointer.show(world.store, plan, manifest)


def test_what_is_shown_never_goes_back(world: World) -> None:
    assert totals_pointer.shown(world.store, SHOWN_AT) is None
    for run, generation, shown_run in [
        ("b", 2, "b"),
        ("a", 1, "b"),
        ("c", 2, "b"),
        ("d", 5, "d"),
        ("e", 4, "d"),
    ]:
        show(world, run, generation)
        found = totals_pointer.shown(world.store, SHOWN_AT)
        assert found is not None
        assert (found[0].run, found[0].parts[0].key) == (shown_run, f"{shown_run}/part-00000.tsv")


@pytest.mark.parametrize("shown_before", [False, True])
@pytest.mark.parametrize("other", [2, 9])
def test_whoever_loses_the_race_to_show_looks_again(world: World, shown_before: bool, other: int) -> None:
    """Another rendering is shown between the look and the write."""
    if shown_before:
        show(world, "first", 1)
    name = "put_if_match" if shown_before else "put_if_absent"
    write = getattr(world.store, name)

    def beaten(*args: Any) -> Any:
        setattr(world.store, name, write)
        show(world, "other", other)
        return write(*args)

    setattr(world.store, name, beaten)
    show(world, "mine", 5)
    found = totals_pointer.shown(world.store, SHOWN_AT)
    assert found is not None
    assert found[0].generation == max(other, 5)
