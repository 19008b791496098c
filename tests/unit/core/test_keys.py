"""Every key is read as it was built, by its own parser and by no other."""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core import keys
from chalicelib.core.keys import OutputKeys, Phase, RunKeys, TotalsKeys, parse_run_key
from chalicelib.core.ports import Loc
from tests.strategies import examples

WORD = string.ascii_letters + string.digits
names = st.one_of(
    st.sampled_from(["runs", "totals", "states", "map", "step-1", "a"]),
    st.text(f"{WORD}_-", min_size=1, max_size=12),
)
#: A run id begins with the time of its event, whatever follows.
run_names = st.text(f"{WORD}._-", max_size=12).map("20261121T032424-{}".format)
folders = st.sampled_from(["", "w/", "runs/", "a/runs/", "runs/a/", "totals/b/runs/", "häß €/x y/"])
works = folders.map(lambda key: Loc("work", key))
run_keys = st.builds(RunKeys, works, names, run_names, st.integers(0, 999_999))
totals_keys = st.builds(TotalsKeys, works, names)
phases: st.SearchStrategy[Phase] = st.sampled_from(["map", "reduce"])
all_phases: st.SearchStrategy[Phase] = st.sampled_from(["map", "exchange", "reduce"])
tasks = st.integers(0, 10_000_000)
attempts = st.integers(0, 99)
tokens = st.text(WORD, min_size=1, max_size=8)

#: By what each parser reads: how to build such a key, and what it must find in it.
TASK_KEYS: dict[str, Callable[[RunKeys, Phase, int, int, str], tuple[Loc, Any]]] = {
    "parse_done": lambda k, phase, task, attempt, token: (k.done(phase, task), task),
    "parse_failed": lambda k, phase, task, attempt, token: (k.failed(phase, task, attempt), (task, attempt)),
    "parse_continuation": lambda k, phase, task, attempt, token: (
        k.continuation(phase, task, attempt, token),
        (task, token),
    ),
    "parse_quarantined": lambda k, phase, task, attempt, token: (
        k.quarantine(phase, task, attempt, token),
        (phase, task),
    ),
}


def of_one_step(k: RunKeys, phase: Phase, task: int, attempt: int, token: str) -> list[Loc]:
    built = [build(k, phase, task, attempt, token)[0] for build in TASK_KEYS.values()]
    fixed = [k.plan, k.plan_done, k.run_done, k.lease, k.reduce_plan, k.reduce_started, k.reduce_index]
    fixed += [k.index_block(task), k.sums(task)]
    fixed += [k.exchange_plan, k.exchange_started, k.index_block(task, "exchange")]
    fixed += [k.run_file(task, attempt, token), k.run_file(task, attempt, token, "exchange")]
    return [*built, *fixed, k.piece(task, attempt, token)]


@given(run_keys, phases, tasks, attempts, tokens)
@examples(300)
def test_every_key_of_a_run_tells_its_step_and_the_rest(
    built: RunKeys, phase: Phase, task: int, attempt: int, token: str
) -> None:
    locs = of_one_step(built, phase, task, attempt, token)
    assert len(set(locs)) == len(locs)
    for loc in locs:
        found = parse_run_key(*loc)
        assert found is not None
        assert found[0] == built
        assert built.root.child(found[1]) == loc
        assert loc.key.startswith(built.run_root.key)
        assert loc.key.startswith(keys.runs_prefix(built.work, built.job).key)
        assert loc.key.startswith(built.later_steps.key) == (built.step > 0)


@pytest.mark.parametrize("parser", TASK_KEYS)
@given(run_keys, phases, tasks, attempts, tokens)
@examples(100)
def test_a_parser_reads_its_own_keys_and_no_others(
    parser: str, built: RunKeys, phase: Phase, task: int, attempt: int, token: str
) -> None:
    parse = getattr(keys, parser)
    own, wanted = TASK_KEYS[parser](built, phase, task, attempt, token)
    assert parse(own.key) == wanted
    others = [loc for loc in of_one_step(built, phase, task, attempt, token) if loc != own]
    assert [loc.key for loc in others if parse(loc.key) is not None] == []


@given(run_keys, all_phases, st.lists(tasks, min_size=2, max_size=9))
@examples(50)
def test_markers_are_listed_in_the_order_of_their_tasks(
    built: RunKeys, phase: Phase, numbers: list[int]
) -> None:
    """Also where numbers have more digits than are set aside for them."""
    numbers = sorted(numbers)
    listed = [built.done(phase, number).key for number in numbers]
    assert listed == sorted(listed)
    assert all(key.startswith(built.phase(phase).key) for key in listed)


@pytest.mark.parametrize("key", ["map/1000042.done", "map/a1000042.done"])
def test_numbers_beyond_a_million_are_read_as_they_ever_were(key: str) -> None:
    """Without the letter: as earlier versions wrote them."""
    assert keys.parse_done(key) == 1_000_042


@given(totals_keys, run_names, st.integers(0, 10**12), st.integers(0, 4096))
@examples(200)
def test_keys_of_the_totals(built: TotalsKeys, run: str, generation: int, step: int) -> None:
    waiting, states = built.waiting(run), built.states(generation, run, step)
    assert keys.parse_waiting(waiting.key) == run
    assert keys.parse_generation(states.child("part-00000.pairs").key) == generation
    assert keys.parse_generation(waiting.key) is None
    assert keys.parse_waiting(built.merged(run).key) is None
    assert waiting.key.startswith(built.all_waiting.key)
    assert states.key.startswith(built.all_states.key)
    places = [built.pointer, built.turn, waiting, states, built.merged(run)]
    assert len(set(places)) == len(places)
    assert all(place.key.startswith(built.root.key) for place in places)


def test_a_run_that_is_merged_waits_no_more_whatever_it_is_called() -> None:
    """`make fuzz` found the name."""
    assert keys.parse_waiting("totals/runs/merged/20261121T032424-.json") is None
    assert keys.parse_waiting("totals/runs/waiting/20261121T032424-.json.json") == "20261121T032424-.json"


@given(works, names, st.integers(0, 9**9), st.integers(0, 9**9))
@examples(50)
def test_generations_are_listed_in_their_order(work: Loc, job: str, one: int, other: int) -> None:
    first, second = sorted((one, other))
    built = TotalsKeys(work, job)
    assert built.states(first, "z", 9).key <= built.states(second, "z", 9).key


@given(st.sampled_from(["", "o/", "a b/"]), run_names)
@examples(50)
def test_totals_are_shown_beside_the_results_of_all_runs(place: str, run: str) -> None:
    results = keys.results_place(Loc("out", place), run)
    assert results == Loc("out", f"{place}{run}/")
    assert keys.totals_shown(results, run) == Loc("out", f"{place}_totals.json")
    local = Loc("/folder", "")
    assert keys.totals_shown(local, run) == Loc("/folder", "_totals.json")


@given(st.text(min_size=1, max_size=9), st.text(max_size=9), tasks)
@examples(200)
def test_folders_by_value_can_be_read_back(column: str, value: str, number: int) -> None:
    place = OutputKeys(Loc("out", "o/"))
    key = place.folder(column, value).part(number, "tsv").key.removeprefix("o/")
    folder, slash, part = key.partition("/")
    assert (slash, part) == ("/", f"part-{number:05d}.tsv")
    assert [unquote(text) for text in folder.split("=")] == [column, value]
    assert place.folder(column, None).prefix.key.endswith(f"={keys.NO_VALUE}/")


@pytest.mark.parametrize(
    "key", ["", "plan.json", "runs/", "runs/job", "runs/job/run", "runs/job/run/", "data/a.txt"]
)
def test_what_is_no_key_of_a_run(key: str) -> None:
    assert parse_run_key("work", key) is None


@pytest.mark.parametrize(
    "key", ["map/x.done", "map/1.2.done.txt", "1.failed", "1.0.next", "map-1.0.jsonl", "1.0.run"]
)
def test_what_is_no_key_of_a_task(key: str) -> None:
    assert [parser for parser in TASK_KEYS if getattr(keys, parser)(key) is not None] == []


def test_keys_of_one_step_are_the_same_whatever_its_markers_are_called() -> None:
    keys, small = (
        RunKeys(Loc("work", "w/"), "job", "run"),
        RunKeys(Loc("work", "w/"), "job", "run", small=True),
    )
    other = RunKeys(Loc("work", "w/"), "job", "run", step=1)
    assert keys == small
    assert not keys != small  # noqa: SIM202 - it is a method of its own
    assert keys != other
    assert {keys, small, other} == {keys, other}
