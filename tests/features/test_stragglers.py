"""A task that sleeps gets a second attempt, by how long the others took; nobody waits for the first."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.core.keys import RunKeys
from chalicelib.core.ports import Loc
from chalicelib.local import LocalRun, run_local
from chalicelib.local.inputs import find_inputs
from tests.worlds.parallel import Parallel
from tests.worlds.simulation import spec

#: Seconds that the straggler sleeps; a run that waited for it would take longer.
SLEEP = 120.0
MEDIAN = 0.6


class Sleepy(Job):
    """Each task takes a while; the first attempt at the one with the word `sleep` takes for ever."""

    def mapper(self, _: Any, line: str) -> Any:
        time.sleep(MEDIAN)
        if line == "sleep" and self._first():
            time.sleep(SLEEP)
        yield line, 1

    reducer = Sum()

    def reducer_init(self) -> None:
        if self.params["in_reduce"] and self._first():
            time.sleep(SLEEP)

    def _first(self) -> bool:
        try:
            os.close(os.open(self.params["once"], os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True


@pytest.mark.parametrize("in_reduce", [False, True])
def test_a_straggler_costs_a_few_medians_and_not_its_sleep(in_reduce: bool, tmp_path: Path) -> None:
    words = ["one", "two", "wake" if in_reduce else "sleep", "three", "four", "five"]
    (tmp_path / "in").mkdir()
    for number, word in enumerate(words):
        (tmp_path / "in" / f"{number}.txt").write_text(word)
    params = {"once": str(tmp_path / "slept"), "in_reduce": in_reduce}
    run = LocalRun(
        name="sleepy",
        spec=spec(split_size=1, partitions=4, reduce_size=1, params=params),
        run="20260101T000000-a",
        inputs=find_inputs([str(tmp_path / "in")]),
        source="test",
        output=tmp_path / "out",
        work=tmp_path / "work",
        workers=6,
        load_job=lambda _: Sleepy,
    )
    began = time.monotonic()
    manifest = run_local(run)
    took = time.monotonic() - began
    rows = sorted(
        line for part in (tmp_path / "out").glob("part-*") for line in part.read_text().splitlines()
    )
    assert rows == sorted(f"{word}\t1" for word in words)
    assert took < SLEEP / 2
    phase = "reduce" if in_reduce else "map"
    root = Path(RunKeys(Loc(str(tmp_path / "work"), ""), run.name, run.run).phase(phase).url)
    attempts = [json.loads(path.read_text())["attempt"] for path in sorted(root.glob("*.done"))]
    assert sorted(attempts)[-1] == 1
    assert manifest.outcome == "success"
    print(
        f"a straggler in {phase} cost {took:.1f} s; the median task takes {MEDIAN} s, it sleeps {SLEEP:.0f} s"
    )


# ---------------------------------------------------------------------------------------------------
# By the clock of a simulated cloud, exactly


class Timed(Job):
    """Every task takes as long, but one: its first attempt sleeps, or vanishes."""

    cloud: Parallel

    def mapper(self, _: Any, line: str) -> Any:
        self._work("map", line)
        yield line, 1

    def reducer(self, word: str, numbers: Any) -> Any:
        self._work("reduce", word)
        yield word, sum(numbers)

    def _work(self, phase: str, name: str) -> None:
        params, notes = self.params, self.cloud.notes
        if name == "odd" and phase == params["phase"] and params["trouble"] and not notes:
            notes.add("met")
            self.cloud.pause(SLEEP * params["median"])
            if params["trouble"] == "lost":
                self.cloud.die()
        self.cloud.pause(params["median"])


def timed(phase: str, trouble: str, median: float, tmp_path: Path, tasks: int = 12) -> tuple[float, Parallel]:
    """Seconds that a run took, and its cloud."""
    words = ["odd", *(f"w{number:02d}" for number in range(tasks - 1))]
    params = {"phase": phase, "trouble": trouble, "median": median}
    place = tmp_path / f"{phase}-{trouble}-{median}"
    place.mkdir()
    cloud = Parallel(Timed, spec(split_size=3, partitions=1024, reduce_size=1, params=params), place)
    seconds = cloud.run({f"{number}.txt": word.encode() for number, word in enumerate(words)})
    assert cloud.errors == []
    assert sorted(cloud.rows()) == sorted(f"{word}\t1" for word in words)
    return seconds, cloud


@pytest.mark.parametrize("phase", ["map", "reduce"])
@pytest.mark.parametrize("median", [4.0, 10.0, 30.0, 200.0])
def test_a_straggler_costs_at_most_two_and_a_half_medians(phase: str, median: float, tmp_path: Path) -> None:
    calm, _ = timed(phase, "", median, tmp_path)
    slow, cloud = timed(phase, "slow", median, tmp_path)
    assert slow - calm <= 2.5 * median
    assert sum(payload.get("attempt", 0) > 0 for _, _, payload in cloud.invoked) == 1
    print(f"{phase}: a straggler costs {(slow - calm) / median:.2f} of {median:.0f} s")


@pytest.mark.parametrize("phase", ["map", "reduce"])
@pytest.mark.parametrize("median", [0.5, 4.0, 30.0, 200.0])
def test_a_lost_task_is_noticed_within_three_medians_and_five_seconds(
    phase: str, median: float, tmp_path: Path
) -> None:
    _, cloud = timed(phase, "lost", median, tmp_path)
    function = {"map": "mapper", "reduce": "reducer"}[phase]
    began = min(at for at, name, _ in cloud.invoked if name == function)
    noticed = [
        at - began for at, name, payload in cloud.invoked if name == function and payload["attempt"] > 0
    ]
    assert len(noticed) == 1
    assert noticed[0] <= 3 * median + 5
    print(f"{phase}: a lost task is noticed after {noticed[0]:.1f} s; the median is {median} s")
