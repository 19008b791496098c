"""`accumulate` on this machine: totals live in the work folder that is kept."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.config.check import problems
from chalicelib.core.keys import RunKeys
from chalicelib.core.ports import Loc
from chalicelib.core.spec import InputSpec, JobSpec, OutputSpec, PlaceSpec, SqlSpec
from chalicelib.run.status.collect import collect
from tests.features.accumulate.test_simulated import Words, drop, small
from tests.worlds.simulation import Simulation

ROOT = Path(__file__).resolve().parents[3]
JOB = """
from chalicelib import Job, Sum


class Words(Job):
    def mapper(self, _, line):
        for word in line.split():
            yield word, 1

    reducer = Sum()
"""
YAML = """
job: words:Words
accumulate: true
input: {url: "s3://in/data/"}
work: {url: "s3://work/"}
output: {url: "s3://out/"}
split_size: 2KiB
"""
TEXTS = {name: "".join(f"w{n % step} u{n}\n" for n in range(900)) for name, step in {"a": 5, "b": 7}.items()}


def run(folder: Path, name: str, *more: str) -> subprocess.CompletedProcess[str]:
    (folder / "words.py").write_text(JOB)
    (folder / "words.yml").write_text(YAML)
    (folder / f"{name}.txt").write_text(TEXTS[name])
    script = [sys.executable, str(ROOT / "scripts" / "run.py"), str(folder / "words.yml")]
    return subprocess.run(
        [*script, str(folder / f"{name}.txt"), *more],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def totals(output: Path) -> Counter[str]:
    shown = json.loads((output / "_totals.json").read_text())
    rows = "".join((output / part["key"]).read_text() for part in shown["parts"]).splitlines()
    assert len(rows) == shown["records"]
    return Counter({word: int(count) for word, count in (row.split("\t") for row in rows)})


@pytest.mark.parametrize("force", [False, True])
def test_each_run_adds_to_those_before_it(tmp_path: Path, force: bool) -> None:
    words: list[str] = []
    for number, name in enumerate("aab"):
        output = tmp_path / ("out" if force else f"out-{number}")
        more = ["--force"] if force else []
        done = run(tmp_path, name, "--output", str(output), "--work", str(tmp_path / "kept"), *more)
        assert done.returncode == 0, done.stderr
        words += TEXTS[name].split()
        assert totals(output) == Counter(words)


def test_without_a_folder_that_is_kept_it_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "a", "--output", str(tmp_path / "out"))
    assert done.returncode != 0
    assert "accumulate: totals are kept from run to run in the work folder: add --work DIR" in done.stderr
    assert not (tmp_path / "out").exists()
    assert run(tmp_path, "a", "--output", str(tmp_path / "out"), "--set", "accumulate=false").returncode == 0


def test_status_names_what_shows_the_totals_and_the_step_of_the_job(tmp_path: Path) -> None:
    simulation = Simulation(Words, small(), tmp_path)
    drop(simulation, 1)
    simulation.run()
    (run_id,) = {key.split("/")[2] for key in simulation.work() if key.startswith("runs/")}
    status = collect(simulation.memory, RunKeys(Loc("work", ""), "job", run_id), now=simulation.time)
    assert (status.phase, status.step, status.steps) == ("succeeded", 3, 3)
    assert status.totals == "s3://out/_totals.json"


def placed(output: str, **figures: Any) -> JobSpec:
    return JobSpec(
        job=figures.pop("job", "job:Job"),
        input=InputSpec(url="s3://some-in/data/"),
        work=PlaceSpec(url="s3://some-work/"),
        output=OutputSpec(url=output),
        **figures,
    )


def test_what_does_not_go_together_is_told_before_a_deployment() -> None:
    out = "s3://some-out/counts/"
    (found,) = problems(placed(out, job="", sql=SqlSpec(map="SELECT 1"), accumulate=True), "job")
    assert (found.key, "keeps results and no states" in found.text) == ("accumulate", True)
    (found,) = problems(placed("s3://some-work/totals/job/x/", accumulate=True), "job")
    assert (found.key, "lies among the totals kept in" in found.text) == ("output.url", True)
    assert problems(placed("s3://some-work/totals/job/x/"), "job") == []

    other = {"other": replace(placed(out, accumulate=True), input=InputSpec(url="s3://some-in/other/"))}
    (found,) = problems(placed(out, accumulate=True), "job", other)
    assert (found.key, "where there is room for one _totals.json" in found.text) == ("output.url", True)
    assert problems(placed(out), "job", other) == [], "one of them only keeps totals there"
