"""A YAML that names an mrjob job: the same on every engine, for every split size, and when functions die."""

from __future__ import annotations

import json
import os
import random
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from chalicelib.config.load import load_job
from chalicelib.core.errors import ConfigError, DataTypeError, JobCodeError
from chalicelib.core.tasks import BadRecord
from chalicelib.job.load_class import job_loader
from chalicelib.local import LocalRun, run_local
from chalicelib.local.inputs import find_inputs
from chalicelib.mrjob import MRJob
from chalicelib.run.job_code import check
from chalicelib.testing import Object, run_job
from tests.worlds.simulation import Simulation, spec

from .harness import JOBS, run

from most_used_word import MRMostUsedWord  # isort: skip
from next_word_stats import MRNextWordStats  # isort: skip
from small import MRCounters, MRNoReducer, MRPerObject, MRPrograms, MRThreshold  # isort: skip

ROOT = Path(__file__).resolve().parents[3]
RANDOM = random.Random(11)
LINES = [
    " ".join(
        RANDOM.choices(["the", "fox", "Dog", "of", "naïve", "don't", "wood"], k=RANDOM.randint(0, 9))
    ).encode()
    + RANDOM.choice([b"\n", b"\r\n"])
    for _ in range(120)
]


@cache
def inline(job: type[MRJob], *args: str) -> bytes:
    """The output where nothing is split."""
    return run(job, *args, stdin=LINES).output


def deployed(name: str, folder: Path, *sets: str) -> list[bytes]:
    """Run the job of a YAML on the local engine; its parts."""
    (folder / "in.txt").write_bytes(b"".join(LINES))
    loaded = load_job(JOBS / f"{name}.yml", root=ROOT, overrides=sets, environ={}, require_cloud=False)
    (folder / "work").mkdir()
    manifest = run_local(
        LocalRun(
            name=loaded.name,
            spec=loaded.spec,
            run="20261121T032424-0123456789ab",
            inputs=find_inputs([str(folder / "in.txt")]),
            source="test",
            output=folder / "out",
            work=folder / "work",
            workers=2,
            load_job=job_loader(JOBS),
        )
    )
    return [(folder / "out" / part.key).read_bytes() for part in manifest.parts]


def simulated(job: type[MRJob], tmp_path: Path, **how: Any) -> Simulation:
    figures: dict[str, Any] = {"split_size": 500, "partitions": 3, "reduce_size": 1, **how.pop("figures", {})}
    job_spec = spec(input={"encoding": "bytes"}, output={"format": "text"}, **figures)
    simulation = Simulation(job.sluice_job(), job_spec, tmp_path, **how)
    simulation.drop("a.txt", b"".join(LINES))
    simulation.run()
    assert "_SUCCESS" in simulation.output(), simulation.errors
    return simulation


@pytest.mark.parametrize(
    "sets", [(), ("split_size=700",), ("split_size=300", "partitions=4", "reduce_size=1")]
)
def test_a_job_of_two_steps_by_its_yaml(tmp_path: Path, sets: tuple[str, ...]) -> None:
    parts = deployed("next_word_stats", tmp_path, *sets)
    lines = b"".join(parts).splitlines()
    expected = inline(MRNextWordStats).splitlines()
    assert sorted(lines) == sorted(expected)
    if "partitions=4" not in sets:
        assert lines == expected  # one partition: sorted from end to end
    else:
        assert len(parts) > 1


def test_options_and_side_files_come_from_the_yaml_and_beside_the_script(tmp_path: Path) -> None:
    assert deployed("most_used_word", tmp_path, "split_size=300") == [inline(MRMostUsedWord)]


@pytest.mark.parametrize("args", [["--least", "30", "--upper"], "--least=30 --upper"])
def test_the_command_line_is_a_parameter(tmp_path: Path, args: Any) -> None:
    simulation = simulated(MRThreshold, tmp_path, figures={"params": {"args": args}, "partitions": 1})
    assert simulation.text() == inline(MRThreshold, "--least", "30", "--upper")


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"args": 5}, "params.args: expected the job's options"),
        ({"args": "--least x"}, "MRThreshold: options --least x"),
    ],
)
def test_a_wrong_command_line_is_refused_before_a_run(params: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        check(lambda _: MRThreshold.sluice_job(), "threshold", spec(params=params))


def test_without_a_shuffle_parts_are_in_the_order_of_the_input(tmp_path: Path) -> None:
    simulation = simulated(MRNoReducer, tmp_path, figures={"split_size": 300})
    assert simulation.text() == b"".join(LINES).replace(b"\r\n", b"\n").decode().upper().encode()
    assert len([name for name in simulation.output() if name.startswith("part-")]) > 3


@pytest.mark.parametrize("seed", range(6))
def test_functions_that_die_change_nothing(tmp_path: Path, seed: int) -> None:
    calm = simulated(MRNextWordStats, tmp_path)
    trouble = random.Random(seed).sample(range(1, calm.calls), 6)
    shaken = simulated(MRNextWordStats, tmp_path, seed=seed, duplicates=True, kill_at=trouble)
    assert shaken.text() == calm.text()
    assert sorted(shaken.text().splitlines()) == sorted(inline(MRNextWordStats).splitlines())


@pytest.mark.parametrize("seed", [None, 4])
def test_programs_give_the_same_however_the_input_is_cut(tmp_path: Path, seed: int | None) -> None:
    kill_at = () if seed is None else (7, 19, 33)
    found = simulated(MRPrograms, tmp_path, seed=seed, duplicates=seed is not None, kill_at=kill_at)
    kept = [line.decode().lower().split() for line in LINES if "naïve".encode() not in line]
    words = {word for line in kept for word in line}
    assert sorted(found.text().splitlines()) == sorted(json.dumps(word).encode() for word in words)


@pytest.mark.parametrize("split_size", [4, 1 << 20])
def test_each_mapper_has_one_object_though_a_task_has_many(split_size: int) -> None:
    objects = [Object(f"{number}.txt", ["1", "x", str(number)]) for number in range(5)]
    bad: list[BadRecord] = []
    rows = run_job(MRPerObject.sluice_job(), objects, split_size=split_size, bad=bad)
    assert [line for _, line in rows] == [b'"s3://memory/in/%d.txt"\t%d' % (n, n + 1) for n in range(5)]
    assert [(one.source, one.offset) for one in bad] == [(f"s3://memory/in/{n}.txt", 2) for n in range(5)]


def test_a_failing_job_leaves_the_process_as_it_was() -> None:
    before = Path.cwd(), dict(os.environ)
    with pytest.raises(JobCodeError, match=r"line at byte 0: ValueError.*\(line: 'x'\)"):
        run_job(MRPerObject.sluice_job(), ["x"])
    assert (Path.cwd(), dict(os.environ)) == before


def test_counters_are_exact_though_functions_die(tmp_path: Path) -> None:
    def counters(simulation: Simulation) -> dict[str, int]:
        return json.loads(simulation.output()["_manifest.json"])["counters"]

    calm = counters(simulated(MRCounters, tmp_path))
    assert calm["lines,all"] == len(LINES)
    assert counters(simulated(MRCounters, tmp_path, seed=3, duplicates=True, kill_at=(9, 20, 31, 44))) == calm


@pytest.mark.parametrize("output", [{}, {"format": "jsonl"}])
def test_rows_are_lines_whatever_the_format_of_the_output(tmp_path: Path, output: dict[str, str]) -> None:
    job_spec = spec(input={"encoding": "bytes"}, output=output)
    simulation = Simulation(MRNextWordStats.sluice_job(), job_spec, tmp_path)
    simulation.drop("a.txt", b"".join(LINES))
    simulation.run()
    assert simulation.text() == inline(MRNextWordStats)


def test_users_may_test_them_with_run_job() -> None:
    counted: dict[str, int] = {}
    rows = run_job(MRCounters.sluice_job(), ["b", "a", "b"], input={"encoding": "bytes"}, counters=counted)
    assert rows == [(None, b'"a"\t1'), (None, b'"b"\t2')]
    assert counted == {"groups,distinct": 2, "lines,all": 3, "lines,of; characters": 3}


def test_text_as_the_engine_decodes_it_will_do_too() -> None:
    rows = run_job(MRNoReducer.sluice_job(), ["zäh", "b"])
    assert rows == [(None, "ZÄH".encode()), (None, b"B")]


def test_records_that_are_no_lines_are_refused() -> None:
    with pytest.raises(DataTypeError, match=r"input.format: text and input.encoding: bytes"):
        run_job(MRNoReducer.sluice_job(), ['{"a": 1}'], input={"format": "jsonl"})
