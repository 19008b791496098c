"""Everything may be run again by anybody: duplicates, disorder, kills at every call, late and rival supervisors.

The simulation stops an invocation at its n-th call of the store or the invoker, on either side of the
call's effect, and delivers it again later as Lambda does (or, with `retries=0`, never).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib import Job, Sum
from chalicelib.core.keys import parse_overtaken
from chalicelib.core.messages import decode, encode
from chalicelib.core.ports import Loc
from chalicelib.core.spec import JobSpec, TimeoutSpec
from chalicelib.functions.supervision.stalled_runs import QUIET
from chalicelib.run.events import event_for
from chalicelib.run.lease import TTL, Lease
from tests.strategies import examples, places
from tests.worlds.simulation import SCRATCH, Simulation, spec

START = 1_700_000_000.0
TEXT = b"the quick brown fox\njumps over the lazy dog\nthe end h\xc3\xa4\xc3\x9f\r\nfox\n"


class WordCount(Job):
    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        for word in line.split():
            yield word, 1

    reducer = Sum()


def small(**figures: Any) -> JobSpec:
    """Four map tasks, three partitions, as many reduce tasks as partitions with data."""
    return spec(**{"split_size": 20, "partitions": 3, "reduce_size": 1, **figures})


def simulate(job: type[Job] = WordCount, job_spec: JobSpec | None = None, **how: Any) -> Simulation:
    simulation = Simulation(job, job_spec or small(), SCRATCH, **how)
    simulation.drop("a.txt", TEXT)
    simulation.run()
    return simulation


@cache
def fault_free() -> Simulation:
    return simulate()


def parts(simulation: Simulation) -> dict[str, bytes]:
    return {key: body for key, body in simulation.output().items() if key.startswith("part-")}


DOCUMENTED = re.compile(
    r"""in/data/[^/]+
    | work/runs/job/[0-9T]{15}-[0-9a-f]{12}/(?:
        plan\.json | plan\.done | run\.done
        | map/\d{6}\.\d+\.[0-9a-f]+\.run | map/\d{6}\.done | map/\d{6}\.\d+\.failed
        | (?: map/\d{6} | reduce/\d{5} )\.\d+\.[0-9a-f]+\.overtaken
        | reduce/(?: lease | plan\.json | index\.\d{6} | started | \d{5}\.done | \d{5}\.\d+\.failed )
      )
    | out/[0-9T]{15}-[0-9a-f]{12}/(?: part-\d{5}\.tsv | _manifest\.json | _SUCCESS | _FAILED )""",
    re.VERBOSE,
)


def check(simulation: Simulation) -> None:
    """The run succeeded, with the bytes of a run in which nothing went wrong, and left nothing odd."""
    output = simulation.output()
    assert "_SUCCESS" in output, (sorted(output), simulation.errors)
    assert simulation.errors == []
    assert "_FAILED" not in output
    assert parts(simulation) == parts(fault_free())
    manifest = json.loads(output["_manifest.json"])
    counted = Counter(TEXT.decode().split())
    assert manifest["outcome"] == "success"
    assert manifest["records"] == len(counted)
    assert manifest["mapped"]["records_in"] == 4
    assert [part["key"].rpartition("/")[2] for part in manifest["parts"]] == sorted(parts(simulation))
    assert [part["bytes"] for part in manifest["parts"]] == [
        len(body) for _, body in sorted(parts(simulation).items())
    ]
    odd = [key for key in simulation.names() if not DOCUMENTED.fullmatch(key)]
    assert odd == []


def test_the_fault_free_run_is_right() -> None:
    simulation = fault_free()
    check(simulation)
    rows = dict(line.split("\t") for line in simulation.text().decode().splitlines())
    assert {key: int(value) for key, value in rows.items()} == Counter(TEXT.decode().split())
    assert simulation.invocations["mapper"] == 4
    assert simulation.invocations["reducer"] == len(parts(simulation)) == 3
    assert simulation.invocations["coordinator"] == 1


def test_a_fault_free_run_leaves_one_run_file_a_task() -> None:
    files = [key for key in fault_free().names() if key.endswith(".run")]
    assert len(files) == 4
    assert len({key.rpartition("/")[2].split(".")[0] for key in files}) == 4


# ---------------------------------------------------------------------------------------------------
# Kills


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_kill_at_any_call_changes_nothing(before: bool) -> None:
    for number in range(1, fault_free().calls + 1):
        simulation = simulate(kill_at=[number], before=before)
        assert len(simulation.killed) == 1, f"call {number}"
        check(simulation)
        assert simulation.time < START + 300, f"call {number}: Lambda's retry is soon, silence is long"


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("seed", range(6))
def test_a_kill_at_any_call_in_any_order_with_duplicates(before: bool, seed: int) -> None:
    calls = simulate(seed=seed, duplicates=True).calls
    for number in places(calls, 24, 1 + 4 * seed):
        check(simulate(seed=seed, duplicates=True, kill_at=[number], before=before))


@given(kills=st.sets(st.integers(1, 140), max_size=6), seed=st.integers(0, 99), before=st.booleans())
@examples(60)
def test_several_kills_in_one_run(kills: set[int], seed: int, before: bool) -> None:
    """Lambda tries an invocation three times: up to two kills of each are covered, more are luck."""
    check(simulate(seed=seed, kill_at=kills, before=before, retries=6))


# ---------------------------------------------------------------------------------------------------
# Duplicates and disorder


@pytest.mark.parametrize("seed", [None, *range(12)])
def test_every_delivery_twice_and_in_any_order(seed: int | None) -> None:
    simulation = simulate(seed=seed, duplicates=True)
    check(simulation)
    assert simulation.invocations["coordinator"] == 2


@pytest.mark.parametrize("seed", range(12))
def test_any_order(seed: int) -> None:
    check(simulate(seed=seed))


def test_the_same_event_again_after_the_end_starts_nothing() -> None:
    simulation = Simulation(WordCount, small(), SCRATCH)
    event = simulation.drop("a.txt", TEXT)
    simulation.run()
    before, mappers = simulation.objects(), simulation.invocations["mapper"]
    simulation.deliver("coordinator", event)
    simulation.run()
    assert simulation.invocations["mapper"] == mappers
    assert simulation.objects() == before


def _tasks(simulation: Simulation) -> int:
    """How often a task was executed."""
    return simulation.invocations["mapper"] + simulation.invocations["reducer"]


def test_every_invocation_again_after_the_end_changes_nothing() -> None:
    simulation = Simulation(WordCount, small(), SCRATCH)
    simulation.drop("a.txt", TEXT)
    simulation.run()
    first = _tasks(simulation)
    before = {key: body for key, body in simulation.objects().items() if not key.endswith("/reduce/lease")}
    for function, payload in list(simulation.delivered):
        simulation.deliver(function, payload)
    simulation.run()
    after = {key: body for key, body in simulation.objects().items() if not key.endswith("/reduce/lease")}
    told = {key for key in after.keys() - before.keys() if parse_overtaken(key)}
    assert len(told) == _tasks(simulation) - first, "each execution says what it cost"
    assert {key: body for key, body in after.items() if key not in told} == before


def test_ten_objects_dropped_at_once_are_ten_runs_without_cross_talk() -> None:
    simulation = Simulation(WordCount, small(), SCRATCH, seed=3)
    texts = {f"{number} + %41ü.txt": f"only{number} a a\n" * number for number in range(10)}
    for name, text in texts.items():
        simulation.drop(name, text.encode())
    simulation.run()
    runs: dict[str, dict[str, bytes]] = {}
    for key, body in simulation.objects().items():
        place, run, name = [*key.split("/"), "", ""][:3]
        if place == "out":
            runs.setdefault(run, {})[name] = body
    found = {}
    for run in runs.values():
        assert "_SUCCESS" in run
        plain = b"".join(body for name, body in sorted(run.items()) if name.startswith("part-"))
        found[plain.decode()] = plain
    rows = sorted(sorted(text.splitlines()) for text in found)
    expected = sorted(
        sorted(f"{word}\t{count}" for word, count in Counter(text.split()).items()) for text in texts.values()
    )
    assert rows == expected
    assert len(runs) == 10


# ---------------------------------------------------------------------------------------------------
# Supervisors


def test_two_supervisors_at_once_change_nothing() -> None:
    """The lease is taken away under the first one, at every call that it makes."""
    for number in places(fault_free().calls, 3):
        simulation = Simulation(WordCount, small(), SCRATCH)

        def rob(simulation: Simulation = simulation) -> None:
            for key in simulation.names():
                if key.endswith("/reduce/lease"):
                    bucket, _, lease = key.partition("/")
                    gone = Lease(token="gone", trigger="gone", expires=0.0)
                    simulation.memory.put(Loc(bucket, lease), encode(gone))
                    plan_done = Loc(bucket, lease.replace("reduce/lease", "plan.done"))
                    simulation.deliver("supervisor", event_for(plan_done))

        simulation.at_call(number, rob)
        simulation.drop("a.txt", TEXT)
        simulation.run()
        check(simulation)


@pytest.mark.parametrize("lifetime", [21.0, 25.0, 40.0])
@pytest.mark.parametrize("seed", [None, 1, 2])
def test_short_lives_mean_hand_overs(lifetime: float, seed: int | None) -> None:
    simulation = simulate(supervisor_lifetime=lifetime, seed=seed, slow={"mapper": 30.0})
    check(simulation)
    assert simulation.hand_overs > 0


def test_kills_during_hand_overs() -> None:
    how: dict[str, Any] = {"supervisor_lifetime": 26.0, "slow": {"mapper": 12.0}}
    calm = simulate(**how)
    assert calm.hand_overs > 1
    for number in places(calm.calls, 3):
        check(simulate(kill_at=[number], before=number % 2 == 0, **how))


def test_a_dead_supervisor_whose_clock_was_fast_is_replaced_all_the_same() -> None:
    """Its lease seems to last for minutes; but it is not renewed, and that shows on anybody's clock."""
    simulation = Simulation(WordCount, small(), SCRATCH, retries=0)

    def stop() -> None:
        (lease,) = [name.partition("/")[2] for name in simulation.names() if name.endswith("/reduce/lease")]
        held = decode(Lease, simulation.memory.get(Loc("work", lease)), lease)
        gone = replace(held, expires=simulation.time + 10 * TTL, trigger="plan.done")
        simulation.memory.put(Loc("work", lease), encode(gone))
        simulation.deliver("supervisor", event_for(Loc("work", lease.replace("reduce/lease", "plan.done"))))
        simulation.kill_now()

    simulation.when(lambda: any(name.endswith("/reduce/lease") for name in simulation.names()), stop)
    simulation.drop("a.txt", TEXT)
    simulation.run()
    assert simulation.killed == ["supervisor"]
    check(simulation)
    assert simulation.time - START < 2 * TTL


def test_a_new_supervisor_does_not_start_the_reducers_again() -> None:
    simulation = simulate(supervisor_lifetime=26.0, slow={"reducer": 20.0})
    check(simulation)
    assert simulation.hand_overs > 1
    assert simulation.invocations["reducer"] == 3


def test_the_last_reducer_ends_the_run_if_nobody_supervises() -> None:
    simulation = Simulation(WordCount, small(), SCRATCH, retries=0)
    simulation.when(
        lambda: any(name.endswith("/reduce/started") for name in simulation.names()), simulation.kill_now
    )
    simulation.drop("a.txt", TEXT)
    simulation.run()
    assert simulation.killed == ["supervisor"]
    check(simulation)


def test_a_repeated_attempt_of_a_task_that_is_done_does_not_work() -> None:
    simulation = Simulation(WordCount, small(), SCRATCH)
    simulation.drop("a.txt", TEXT)
    simulation.run()
    for function in ("mapper", "reducer"):
        payload = next(payload for name, payload in simulation.delivered if name == function)
        before = simulation.calls
        simulation.deliver(function, {**payload, "hi": payload["lo"] + 1, "attempt": 1})
        simulation.run()
        assert simulation.calls == before + 1, "it asks for the marker and no more"


QUICK = TimeoutSpec(mapper=100, reducer=100, supervisor=300)


def test_a_lost_mapper_is_noticed_without_lambda_s_retry() -> None:
    """A mapper that vanishes writes no failure; its silence is enough, over any number of hand-overs."""
    simulation = simulate(job_spec=small(), retries=0, kill_function=("mapper", 1), lifetime=300.0)
    assert simulation.killed == ["mapper"]
    check(simulation)
    assert simulation.invocations["mapper"] == 4 + 1 + 0


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_kill_without_any_retry_hangs_only_where_nobody_is_left(before: bool) -> None:
    """With no second delivery, a run ends unless the killed one was the only one that knew of it.

    That is the coordinator before its first invocation took effect, and a supervisor (whose successor
    must be woken by an event, and none is left).
    """
    stuck: Counter[str] = Counter()
    for number in places(fault_free().calls, 2):
        simulation = simulate(job_spec=small(timeout=QUICK), kill_at=[number], before=before, retries=0)
        if "_SUCCESS" in simulation.output():
            check(simulation)
        else:
            stuck[simulation.killed[0]] += 1
            assert "_FAILED" not in simulation.output()
            assert simulation.killed[0] in ("coordinator", "supervisor"), f"call {number}"
    assert set(stuck) <= {"coordinator", "supervisor"}


def results(simulation: Simulation, run: str) -> dict[str, bytes]:
    """The objects of one run's output place."""
    prefix = f"out/{run}/"
    return {
        key.removeprefix(prefix): body for key, body in simulation.objects().items() if key.startswith(prefix)
    }


def runs_of(simulation: Simulation) -> list[str]:
    return sorted({key.split("/")[3] for key in simulation.names() if key.startswith("work/runs/job/")})


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_the_next_event_of_the_job_picks_up_what_a_kill_without_any_retry_left(before: bool) -> None:
    """Wherever it stopped; only a coordinator that was killed before it wrote the plan leaves nothing to pick up."""
    (whole,) = runs_of(fault_free())
    stood: Counter[str] = Counter()
    for number in places(fault_free().calls, 2, 1 + before):
        simulation = simulate(job_spec=small(timeout=QUICK), kill_at=[number], before=before, retries=0)
        if "_SUCCESS" in simulation.output():
            continue
        killed, runs = simulation.killed[0], runs_of(simulation)
        stood[killed if runs else "nothing"] += 1
        simulation.time += QUIET + 1
        simulation.drop("b.txt", b"fox\n")
        simulation.run()
        if runs:
            found = results(simulation, whole)
            assert "_SUCCESS" in found, f"call {number}, {killed}"
            assert "_FAILED" not in found
            assert {k: v for k, v in found.items() if k.startswith("part-")} == parts(fault_free()), number
        assert len(runs_of(simulation)) == len(runs) + 1
    assert stood.keys() == {"coordinator", "supervisor", "nothing"}
    print(f"with no retry, of {fault_free().calls} kills {dict(stood)} left a run that stood still")


def test_a_run_that_somebody_is_at_work_on_is_left_alone() -> None:
    simulation = Simulation(WordCount, small(), SCRATCH, slow={"mapper": 30.0})
    simulation.drop("a.txt", TEXT)
    simulation.when(lambda: simulation.time > START + 25, lambda: simulation.drop("b.txt", b"fox\n"))
    simulation.run()
    first, second = runs_of(simulation)
    assert all("_SUCCESS" in results(simulation, run) for run in (first, second))
    assert simulation.hand_overs == 0, "nobody was woken"


# ---------------------------------------------------------------------------------------------------
# Failing tasks


class MayPass(ValueError):
    """It does not here, but who knows?"""

    retry = True


class AlwaysFails(Job):
    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        if "jumps" in line or "end" in line:
            raise MayPass(f"boom {line[:5]}")
        yield line, 1


class NeverTakes(Job):
    """Code that does with a record what it will do with it again."""

    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        if "jumps" in line:
            raise ValueError(f"boom {line[:5]}")
        yield line, 1


class NeverReduces(WordCount):
    def reducer(self, key: str, values: Iterator[int]) -> Iterator[Any]:
        if key == "jumps":
            raise ValueError(f"boom {key}")
        yield key, sum(values)


@pytest.mark.parametrize("attempts", [1, 2, 4])
@pytest.mark.parametrize("seed", [None, 5])
def test_a_failing_mapper_is_tried_exactly_max_attempts_times(attempts: int, seed: int | None) -> None:
    simulation = simulate(AlwaysFails, small(max_attempts=attempts, split_size=100), seed=seed)
    output = simulation.output()
    assert simulation.invocations["mapper"] == attempts
    assert sorted(output) == ["_FAILED", "_manifest.json"]
    failed = output["_FAILED"].decode()
    assert f"map task 0 (tried {attempts} times)" in failed
    assert "s3://in/data/a.txt, line at byte 20" in failed
    assert 'raise MayPass(f"boom {line[:5]}")' in failed
    assert "MayPass: boom jumps" in failed
    assert "chalicelib" not in failed, "the traceback is of the user's code"
    assert len([key for key in simulation.names() if key.endswith(".failed")]) == attempts


@pytest.mark.parametrize("seed", [None, 5])
def test_a_record_on_which_the_code_raises_is_told_at_once(seed: int | None) -> None:
    simulation = simulate(NeverTakes, small(split_size=100), seed=seed)
    failed = simulation.output()["_FAILED"].decode()
    assert simulation.invocations["mapper"] == 1
    assert "map task 0: job job: s3://in/data/a.txt, line at byte 20: ValueError: boom jumps" in failed
    assert "tried" not in failed


def test_a_group_on_which_the_code_raises_is_told_at_once() -> None:
    simulation = simulate(NeverReduces, small(split_size=100, partitions=1))
    failed = simulation.output()["_FAILED"].decode()
    assert simulation.invocations["reducer"] == 1
    assert "reduce task 0: job job: reducer, at key 'jumps': ValueError: boom jumps" in failed


def test_the_first_error_of_each_task_is_told() -> None:
    simulation = simulate(AlwaysFails, small(max_attempts=2))
    output = simulation.output()
    failed, manifest = output["_FAILED"].decode(), json.loads(output["_manifest.json"])
    assert "boom jumps" in failed
    assert "boom the e" in failed
    assert manifest["outcome"] == "failed"
    assert [(failure["task"], failure["attempt"]) for failure in manifest["failures"]] == [(1, 0), (2, 0)]
    assert manifest["reason"] in failed


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_failing_run_ends_failed_wherever_it_is_killed(before: bool) -> None:
    calm = simulate(AlwaysFails, small(max_attempts=2))
    for number in places(calm.calls, 3):
        simulation = simulate(AlwaysFails, small(max_attempts=2), kill_at=[number], before=before)
        output = simulation.output()
        assert sorted(output) == ["_FAILED", "_manifest.json"], f"call {number}"
        assert "boom" in output["_FAILED"].decode()


class FlakyReducer(Job):
    """Tells the phases' failures apart: the mapper fails once, the reducer always."""

    tries: ClassVar[Counter[str]] = Counter()

    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        FlakyReducer.tries["map"] += 1
        if FlakyReducer.tries["map"] == 1:
            raise MayPass("mapper's first try")
        yield "key", 1

    def reducer(self, key: str, values: Iterator[int]) -> Iterator[Any]:
        raise MayPass(f"reducer at {key}")


def test_a_failing_reducer_is_not_blamed_on_an_earlier_mapper() -> None:
    FlakyReducer.tries.clear()
    simulation = simulate(FlakyReducer, small(split_size=100, max_attempts=3))
    failed = simulation.output()["_FAILED"].decode()
    assert "reduce task 0 (tried 3 times)" in failed
    assert "reducer at key" in failed
    assert "mapper's first try" not in failed
    assert simulation.invocations["reducer"] == 3


class FailsAtFirst(WordCount):
    tries: ClassVar[Counter[str]] = Counter()

    def mapper(self, key: Any, line: str) -> Iterator[Any]:
        FailsAtFirst.tries[line] += 1
        if FailsAtFirst.tries[line] <= 2:
            raise OSError("not yet")
        return super().mapper(key, line)


@pytest.mark.parametrize("seed", [None, *range(6)])
def test_tasks_that_fail_at_first_are_tried_again_at_once(seed: int | None) -> None:
    FailsAtFirst.tries.clear()
    simulation = simulate(FailsAtFirst, small(max_attempts=12), seed=seed)
    check(simulation)
    assert simulation.time < START + 60, "no waiting for what is known to have failed"


class Coin(WordCount):
    """Fails on its very first execution, so that a duplicate succeeds where the original failed."""

    executions = 0

    def mapper_init(self) -> None:
        Coin.executions += 1
        if Coin.executions == 1:
            raise OSError("the first of two")


def race(seed: int, attempts: int) -> Simulation:
    Coin.executions = 0
    return simulate(Coin, small(max_attempts=attempts, split_size=100), seed=seed, duplicates=True)


@pytest.mark.parametrize("attempts", [1, 2])
@pytest.mark.parametrize("seed", range(25))
def test_a_duplicate_that_succeeds_late_ends_the_run_one_way(seed: int, attempts: int) -> None:
    simulation = race(seed, attempts)
    output = simulation.output()
    assert simulation.errors == []
    assert ("_SUCCESS" in output) != ("_FAILED" in output)
    manifest = json.loads(output["_manifest.json"])
    assert manifest["outcome"] == ("success" if "_SUCCESS" in output else "failed")
    if "_SUCCESS" in output:
        rows = dict(line.split("\t") for line in simulation.text().decode().splitlines())
        assert {key: int(value) for key, value in rows.items()} == Counter(TEXT.decode().split())
    else:
        assert attempts == 1


def test_verdict_races_are_seen_on_both_sides() -> None:
    """The test above would prove little if all its seeds ended alike."""
    ends = [{"_SUCCESS", "_FAILED"} & set(race(seed, 1).output()) for seed in range(25)]
    assert set.union(*ends) == {"_SUCCESS", "_FAILED"}


class ReducerCoin(WordCount):
    seen: ClassVar[Counter[str]] = Counter()

    def reducer(self, key: str, values: Iterator[int]) -> Iterator[Any]:
        ReducerCoin.seen[key] += 1
        if ReducerCoin.seen[key] == 1:
            raise OSError("the first of two")
        yield key, sum(values)


@pytest.mark.parametrize("seed", range(15))
def test_a_late_reducer_may_not_turn_a_failure_into_a_success(seed: int) -> None:
    ReducerCoin.seen.clear()
    output = simulate(ReducerCoin, small(max_attempts=1), seed=seed, duplicates=True).output()
    assert ("_SUCCESS" in output) != ("_FAILED" in output)


def test_a_mistake_that_cannot_get_better_is_not_tried_again() -> None:
    class BadKey(Job):
        def mapper(self, _: Any, line: str) -> Iterator[Any]:
            yield [line], 1

    simulation = simulate(BadKey, small(max_attempts=4, split_size=100))
    failed = simulation.output()["_FAILED"].decode()
    assert simulation.invocations["mapper"] == 1
    assert "list" in failed
    assert "Traceback" not in failed


def test_an_input_overwritten_after_planning_fails_the_run() -> None:
    simulation = Simulation(WordCount, small(), SCRATCH)
    simulation.drop("a.txt", TEXT)
    # Just before the first mapper reads its split.
    simulation.when(
        lambda: simulation.invocations["mapper"] == 1, lambda: simulation.add("a.txt", TEXT.upper())
    )
    simulation.run()
    output = simulation.output()
    assert sorted(output) == ["_FAILED", "_manifest.json"]
    assert (
        "s3://in/data/a.txt: was overwritten or deleted while the run was reading it"
        in output["_FAILED"].decode()
    )


def test_an_input_deleted_before_the_run_says_so() -> None:
    simulation = Simulation(WordCount, small(), SCRATCH)
    simulation.drop("a.txt", TEXT)
    simulation.memory.delete("in", ["data/a.txt"])
    simulation.run()
    assert "it was deleted before the run began" in simulation.output()["_FAILED"].decode()
