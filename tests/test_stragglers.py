"""A task that sleeps gets a second attempt, by how long the others took; nobody waits for the first."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.keys import RunKeys
from chalicelib.local import LocalRun, run_local
from chalicelib.local.inputs import find_inputs
from chalicelib.ports import Loc
from tests.simulation import spec

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
