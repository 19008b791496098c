"""Nothing stays that nobody will read: losers delete what only they wrote, the bucket what nobody finished.

That a writer which fails, loses or is left aborts its upload is part of the stores' contract, tested there.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.core.keys import parse_quarantined
from chalicelib.core.ports import Loc
from chalicelib.core.spec import BadRecordsSpec, JobSpec
from scripts.deployment.lifecycle import lifecycle_rules
from scripts.deployment.target import Target
from tests.worlds.simulation import Simulation, spec

LINES = b"".join(b"poison %d\n" % n if n % 9 == 4 else b"word%d\n" % (n % 5) for n in range(200))


class Words(Job):
    def mapper(self, _: Any, line: str) -> Any:
        if line.startswith("poison"):
            raise ValueError(line)
        yield line, 1

    reducer = Sum()


def named_by_markers(simulation: Simulation) -> set[str]:
    """Keys of the run files and bad records that count."""
    named: set[str] = set()
    for key in simulation.work():
        if "/map/" in key and key.endswith(".done"):
            marker = json.loads(simulation.memory.get(Loc("work", key)))
            named |= {marker["run_file"], marker.get("quarantine", "")}
            named |= {piece["run_file"] for piece in marker.get("earlier", [])}
    return named - {""}


def attempts_wrote(simulation: Simulation) -> set[str]:
    return {key for key in simulation.work() if key.endswith(".run") or parse_quarantined(key)}


@pytest.mark.parametrize("seed", [None, *range(6)])
def test_of_attempts_at_one_task_only_the_winner_s_objects_stay(seed: int | None, tmp_path: Path) -> None:
    bad = BadRecordsSpec(policy="quarantine", max_fraction=0.5)
    simulation = Simulation(
        Words, spec(split_size=300, bad_records=bad), tmp_path, seed=seed, duplicates=True
    )
    deleted: list[str] = []
    delete = simulation.memory.delete

    def watched(bucket: str, keys: Any) -> None:
        found = list(keys)
        deleted.extend(found)
        delete(bucket, found)

    simulation.memory.delete = watched  # type: ignore[method-assign]
    simulation.drop("a.txt", LINES)
    simulation.run()
    assert "_SUCCESS" in simulation.output()
    assert {key.endswith(".run") for key in deleted} == {True, False}, "both kinds had losers"
    assert attempts_wrote(simulation) == named_by_markers(simulation)


class Doubled(Simulation):
    """Each task of both phases has two attempts from the beginning on."""

    def deliver(self, function: str, payload: dict[str, Any]) -> None:
        super().deliver(function, payload)
        if function in ("mapper", "reducer") and not payload.get("resume") and not payload.get("attempt"):
            super().deliver(function, payload | {"lo": payload["lo"], "hi": payload["lo"] + 1, "attempt": 1})


@pytest.mark.parametrize("seed", [None, *range(8)])
def test_attempts_in_pieces_that_come_second_delete_their_pieces(seed: int | None, tmp_path: Path) -> None:
    place: list[Simulation] = []

    class Slow(Job):
        def mapper(self, _: Any, line: str) -> Any:
            place[0].time += 1.7
            yield line, 1

        def reducer(self, key: str, values: Any) -> Any:
            place[0].time += 1.7
            yield key, sum(values)

    simulation = Doubled(Slow, spec(split_size=300, partitions=1), tmp_path, seed=seed, lifetime=10.0)
    place.append(simulation)
    simulation.drop("a.txt", b"".join(b"word%d\n" % (n % 31) for n in range(124)))
    simulation.run()
    rows = sorted(simulation.text().splitlines())
    assert rows == sorted(b"word%d\t4" % n for n in range(31))
    assert {payload["attempt"] for function, payload in simulation.delivered if payload.get("resume")} == {
        0,
        1,
    }
    assert attempts_wrote(simulation) == named_by_markers(simulation)
    (marker,) = (key for key in simulation.work() if "/reduce/" in key and key.endswith(".done"))
    winner = json.loads(simulation.memory.get(Loc("work", marker)))["attempt"]
    pieces = [key.rpartition("/")[2] for key in simulation.work() if key.endswith(".piece")]
    assert {int(piece.split(".")[1]) for piece in pieces} == {winner}


def test_scratch_folders_are_empty_after_success_failure_and_death(tmp_path: Path) -> None:
    for figures, kill in (({}, ()), ({"memory_budget": 1}, ()), ({"memory_budget": 1}, (30, 60))):
        bad = BadRecordsSpec(policy="quarantine", max_fraction=0.5)
        simulation = Simulation(Words, spec(bad_records=bad, **figures), tmp_path, kill_at=kill)
        simulation.drop("a.txt", LINES)
        simulation.run()
        assert "_SUCCESS" in simulation.output()
        assert list(tmp_path.iterdir()) == []
    failing = Simulation(Words, spec(), tmp_path)
    failing.drop("a.txt", LINES)
    failing.run()
    assert "_FAILED" in failing.output()
    assert list(tmp_path.iterdir()) == []


def test_what_dies_without_a_word_is_aborted_by_the_bucket_after_a_day() -> None:
    job_spec: JobSpec = spec()
    target = Target(name="job", spec=job_spec, overrides={})
    (work,), (output,) = lifecycle_rules(target, "work", 7), lifecycle_rules(target, "out", 7)
    for rule, prefix in ((work, "runs/job/"), (output, "")):
        assert rule["Status"] == "Enabled"
        assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
        assert rule["Filter"] == {"Prefix": prefix}
    assert work["Expiration"] == {"Days": 7}
    assert "Expiration" not in output
