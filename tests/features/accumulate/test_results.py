"""What the totals are made into: order, limits, filters, formats, several steps; and how runs fail."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib import Avg, Distinct, Job, Random, Range, Record, Sum
from chalicelib import Count as CountOf
from chalicelib.core.errors import ConfigError
from chalicelib.core.ports import Loc
from chalicelib.core.spec import JobSpec
from chalicelib.job.accumulate import accumulated
from chalicelib.job.steps import expand
from tests.features.accumulate.test_simulated import Words, counted, drop, ended, rows, shown, small, totals
from tests.worlds.simulation import SCRATCH, Simulation


def simulate(job: type[Job], job_spec: JobSpec | None = None, files: int = 4) -> Simulation:
    simulation = Simulation(job, job_spec or small(), SCRATCH)
    for number in range(files):
        drop(simulation, number)
        simulation.run()
    assert simulation.errors == []
    return simulation


class Commonest(Words):
    order_by = "-value"
    limit = 5


class ByWord(Words):
    order_by = "key"


class Often(Words):
    def having(self, _: str, count: int) -> bool:
        return count > 4


class Spread(Words):
    partitioner = Random()


class Ranged(Words):
    partitioner = Range()


class Explicit(Words):
    combiner = reducer = Sum()


class Lengths(Job):
    """Two steps, both with aggregators; only what the second finds is kept."""

    class Second(Job):
        def mapper(self, word: str, count: int) -> Iterator[Any]:
            yield len(word), count

        reducer = Record(n=CountOf(), mean=Avg(), counts=Distinct())

    steps = (Words, Second)


def test_order_and_limit_are_those_of_the_totals() -> None:
    expected = sorted(counted(*range(4)).items(), key=lambda item: (-item[1], item[0]))[:5]
    assert rows(simulate(Commonest)) == [[word, str(count)] for word, count in expected]


@pytest.mark.parametrize("partitions", [1, 4])
@pytest.mark.parametrize("job", [ByWord, Ranged])
def test_total_order(job: type[Job], partitions: int) -> None:
    found = rows(simulate(job, small(partitions=partitions)))
    assert [word for word, _ in found] == sorted(counted(*range(4)))


def test_having_sees_totals_and_loses_nothing_that_may_still_grow() -> None:
    simulation = simulate(Often, files=1)
    assert totals(simulation) == {word: n for word, n in counted(0).items() if n > 4}
    drop(simulation, 1, 2)
    simulation.run()
    assert totals(simulation) == {word: n for word, n in counted(0, 1, 2).items() if n > 4}


@pytest.mark.parametrize("job", [Spread, Explicit])
def test_however_it_is_reduced(job: type[Job]) -> None:
    assert totals(simulate(job)) == counted(*range(4))


def test_several_steps_and_aggregators() -> None:
    found = {int(length): json.loads(value) for length, value in rows(simulate(Lengths))}
    lists: dict[int, list[int]] = {}
    for number in range(4):
        for word, count in counted(number).items():
            lists.setdefault(len(word), []).append(count)
    assert found == {
        length: {"n": len(counts), "mean": sum(counts) / len(counts), "counts": sorted(set(counts))}
        for length, counts in lists.items()
    }


@pytest.mark.parametrize("job", [Words, Commonest])
def test_one_file(job: type[Job]) -> None:
    simulation = simulate(job, small(partitions=None, output={"one_file": True}))
    assert len(shown(simulation)["parts"]) == 1
    found = totals(simulation)
    expected = counted(*range(4))
    assert found == (expected if job is Words else Counter({word: expected[word] for word in found}))
    if job is Words:
        assert [word for word, _ in rows(simulation)] == sorted(expected)


def test_folders_are_shown_as_the_objects_they_hold() -> None:
    simulation = simulate(Words, small(output={"by": "value"}))
    expected = counted(*range(4))
    for part in shown(simulation)["parts"]:
        value = part["key"].split("value=")[1].partition("/")[0]
        for line in simulation.memory.get(Loc("out", part["key"])).decode().splitlines():
            word, count = line.split("\t")
            assert (count, expected.pop(word)) == (value, int(count))
    assert expected == {}


@pytest.mark.parametrize("split_size", [9, 1 << 20])
@pytest.mark.parametrize("partitions", [1, 5])
def test_sizes_change_nothing(split_size: int, partitions: int) -> None:
    assert totals(simulate(Words, small(split_size=split_size, partitions=partitions))) == counted(*range(4))


def test_files_without_a_record_count_as_well() -> None:
    simulation = Simulation(Words, small(), SCRATCH)
    simulation.drop("empty.txt", b"")
    simulation.run()
    assert totals(simulation) == {}
    drop(simulation, 1)
    simulation.drop("also empty.txt", b"")
    simulation.run()
    assert totals(simulation) == counted(1)
    assert ended(simulation) == {"_SUCCESS": 3}


def manifests(simulation: Simulation) -> list[dict[str, Any]]:
    return [
        json.loads(simulation.memory.get(Loc("out", info.key)))
        for info in simulation.memory.list(Loc("out", ""))
        if info.key.endswith("/_manifest.json")
    ]


class Clashes(Words):
    """A line that begins with a tab gives keys of another type."""

    def mapper(self, _: None, line: str) -> Iterator[Any]:
        yield (len(line) if line.startswith("\t") else line), 1


def test_a_run_whose_states_do_not_fit_fails_alone_and_is_not_counted() -> None:
    simulation = Simulation(Clashes, small(max_attempts=2), SCRATCH, seed=3)
    drop(simulation, 0)
    simulation.run()
    simulation.drop("odd.txt", b"\ta\n")
    drop(simulation, 1, 2, 3)
    simulation.run()
    assert totals(simulation) == counted(0, 1, 2, 3)
    assert ended(simulation) == {"_SUCCESS": 4, "_FAILED": 1}
    (failed,) = (found for found in manifests(simulation) if found["outcome"] == "failed")
    assert failed["source"] == "s3://in/data/odd.txt"
    assert "keys of one job must be of one type" in failed["reason"]
    assert not any("/waiting/" in key for key in simulation.work())
    drop(simulation, 4)
    simulation.run()
    assert totals(simulation) == counted(0, 1, 2, 3, 4)


class Unfit(Sum):
    """Cannot finish large sums."""

    def finish(self, state: int) -> int:
        if state > 30:
            raise ValueError(f"{state} is too much")
        return state


class Fragile(Words):
    reducer = Unfit()


def test_what_cannot_be_rendered_is_counted_all_the_same_and_says_so() -> None:
    simulation = Simulation(Fragile, small(max_attempts=1), SCRATCH)
    simulation.drop("a.txt", b"x\n" * 30)
    simulation.run()
    assert totals(simulation) == {"x": 30}
    simulation.drop("b.txt", b"x\n" * 5)
    simulation.run()
    (failed,) = (found for found in manifests(simulation) if found["outcome"] == "failed")
    assert "step 3 of 3: map task 0" in failed["reason"]
    assert "35 is too much" in failed["reason"]
    assert failed["reason"].endswith("its files are counted in the totals all the same")
    assert totals(simulation) == {"x": 30}, "what was shown last stays"


def test_a_manifest_tells_of_the_runs_own_input_and_the_parts_of_the_totals() -> None:
    simulation = Simulation(Words, small(), SCRATCH)
    drop(simulation, *range(6))
    simulation.run()
    found = manifests(simulation)
    assert len(found) == 6
    for manifest in found:
        assert manifest["inputs"] == 1
        assert manifest["outcome"] == "success"
        parts = b"".join(simulation.memory.get(Loc("out", part["key"])) for part in manifest["parts"])
        words = {line.split("\t")[0] for line in parts.decode().splitlines()}
        number = manifest["source"].rpartition("/")[2].removesuffix(".txt")
        assert f"only{number}" in words
        assert manifest["records"] == len(parts.splitlines())


def test_only_the_last_generations_are_kept() -> None:
    simulation = simulate(Words, files=6)
    generations = {key.split("/")[3].partition(".")[0] for key in simulation.work() if "/states/" in key}
    assert generations == {"0000000005", "0000000006"}
    assert not any("/waiting/" in key for key in simulation.work())


class Method(Job):
    def mapper(self, _: None, line: str) -> Iterator[Any]:
        yield line, 1

    def reducer(self, key: str, values: Iterator[int]) -> Iterator[Any]:
        yield key, sum(values)


class Hooked(Words):
    def reducer_final(self) -> Iterator[Any]:
        yield "rows", 1


class NoShuffle(Method):
    reducer = None
    shuffle = False


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        (Method, r"Method: accumulate: .* has a method as its reducer: write `reducer = Sum\(\)`"),
        (NoShuffle, r"NoShuffle: accumulate: .* the last step has no reducer"),
        (Hooked, r"Hooked: accumulate: reducer_final may yield results"),
    ],
)
def test_what_cannot_accumulate_is_refused(job: type[Job], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        accumulated(expand(job, {}))
    simulation = Simulation(job, small(), SCRATCH)
    drop(simulation, 1)
    simulation.run()
    assert ended(simulation) == {"_FAILED": 1}, "and tells so where results are looked for"
