"""Input cut by lines, and into so many map tasks: the tasks are those that were asked for, and the results the same."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.config.check import problems
from chalicelib.config.load import DEFAULT
from chalicelib.core.keys import RunKeys
from chalicelib.core.plan_file import read_head
from chalicelib.core.spec import InputSpec, JobSpec
from chalicelib.local.tune import tune
from chalicelib.run import plan_step
from chalicelib.run.estimate.advice import _neighbours as neighbours
from chalicelib.run.estimate.shape import shape_of
from chalicelib.run.estimate.work import Work
from tests.features.io.runs import failed, job_spec, run
from tests.features.steps.test_local import Folder
from tests.worlds.simulation import WORK, Simulation

FILES = {
    "a.txt": b"".join(b"w%d w%d\n" % (number % 7, number % 3) for number in range(23)),
    "b.txt": "hätte\r\n\r\nw1\nw2 last".encode(),
    "c.txt": b"",
    "d.txt": b"w9",
}
COUNTS = Counter(b"\n".join(FILES.values()).decode().split())


class Words(Job):
    def mapper(self, _: None, line: str) -> Iterator[Any]:
        for word in line.split():
            yield word, 1

    reducer = Sum()


class TaskSizes(Job):
    """How many lines each map task had."""

    def mapper_init(self) -> None:
        self.lines = 0

    def mapper(self, _: None, _line: str) -> None:
        self.lines += 1

    def mapper_final(self) -> Iterator[Any]:
        yield self.lines, 1

    reducer = Sum()


def rows(world: Simulation) -> dict[str, int]:
    return {
        word: int(count)
        for word, _, count in (row.partition("\t") for row in world.text().decode().splitlines())
    }


def tasks(world: Simulation) -> int:
    found: int = json.loads(world.output()["_manifest.json"])["map_tasks"]
    return found


@pytest.mark.parametrize("lines", [1, 2, 5, 1000])
def test_a_task_has_so_many_lines(lines: int, tmp_path: Path) -> None:
    spec = job_spec(split_lines=lines)
    assert rows(run(Words, spec, FILES, tmp_path)) == COUNTS
    sizes = Counter[int]()
    for body in FILES.values():
        whole, rest = divmod(len(body.splitlines()), lines)
        sizes += Counter({lines: whole, rest: bool(rest)})
    found = run(TaskSizes, spec, FILES, tmp_path)
    assert rows(found) == {str(size): count for size, count in sizes.items()}
    assert tasks(found) == sum(sizes.values())


@pytest.mark.parametrize("map_tasks", [1, 2, 3, 7, 40])
def test_there_are_so_many_map_tasks(map_tasks: int, tmp_path: Path) -> None:
    world = run(Words, job_spec(map_tasks=map_tasks), FILES, tmp_path)
    assert rows(world) == COUNTS
    assert tasks(world) == map_tasks


def test_what_cannot_be_cut_is_one_task(tmp_path: Path) -> None:
    packed = {f"{number}.txt.gz": gzip.compress(FILES["a.txt"]) for number in range(5)}
    five = Counter({word: 5 * count for word, count in Counter(FILES["a.txt"].decode().split()).items()})
    for figures, wanted in (({"map_tasks": 2}, 2), ({"map_tasks": 99}, 5), ({"split_lines": 2}, 5)):
        world = run(Words, job_spec(**figures), packed, tmp_path)
        assert (rows(world), tasks(world)) == (five, wanted)


def test_csv_with_a_header_is_cut_by_lines_too(tmp_path: Path) -> None:
    class Column(Job):
        def mapper(self, _: None, row: dict[str, str]) -> Iterator[Any]:
            yield row["b"], int(row["a"])

        reducer = Sum()

    given = InputSpec(url="s3://in/data/", format="csv", header=True)
    body = b"a,b\n" + b"".join(b"%d,%d\n" % (number, number % 2) for number in range(9))
    world = run(Column, job_spec(given, split_lines=2), {"a.csv": body}, tmp_path)
    assert rows(world) == {"0": 0 + 2 + 4 + 6 + 8, "1": 1 + 3 + 5 + 7}
    assert tasks(world) == 5


def test_each_step_has_so_many_map_tasks(tmp_path: Path) -> None:
    class Again(Job):
        reducer = Sum()

    class Twice(Job):
        steps = (Words, Again)

    world = run(Twice, job_spec(map_tasks=3, split_lines=None), FILES, tmp_path)
    assert rows(world) == COUNTS
    keys = RunKeys(WORK, "job", json.loads(world.output()["_manifest.json"])["run"])
    assert read_head(world.memory, keys).tasks == 3
    assert 1 <= read_head(world.memory, keys.at(1)).tasks <= 3


@pytest.mark.parametrize("figures", [{"split_lines": 2}, {"map_tasks": 5}])
def test_this_machine_cuts_as_the_cloud_does(figures: dict[str, int], tmp_path: Path) -> None:
    here = Folder(tmp_path)
    text = here.run(Words, FILES["a.txt"], **figures, split_size=None)
    world = run(
        Words, job_spec(**figures, partitions=4, reduce_size=1), {"a.txt": FILES["a.txt"]}, tmp_path / "s"
    )
    assert text == world.text()
    assert here.manifest.map_tasks == tasks(world)


def test_more_input_than_can_be_counted_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(plan_step, "MOST_COUNTED", 10)
    said = failed(Words, job_spec(split_lines=2), FILES, tmp_path)
    size = sum(map(len, FILES.values()))
    assert (
        "split_lines: to count lines, all of the input is read before the run begins: expected at most 10 bytes,"
        f" got {size}" in said
    )
    monkeypatch.setattr(plan_step, "MOST_COUNTED", 1 << 30)
    monkeypatch.setattr(plan_step, "MOST_LINE_TASKS", 10)
    said = failed(Words, job_spec(split_lines=2), FILES, tmp_path)
    assert "split_lines: 2 lines a task make more than 10 map tasks" in said


def said_of(spec: JobSpec) -> list[str]:
    return [f"{key}: {text}" for key, text in problems(spec, "a", places=False)]


def _lint(**figures: Any) -> list[str]:
    return said_of(job_spec(**figures))


def test_one_way_alone_says_how_input_is_cut() -> None:
    assert _lint(split_lines=3) == _lint(map_tasks=3) == _lint(split_size=3) == []
    assert _lint(split_size=3, map_tasks=3) == [
        "map_tasks: split_size says already how the input is cut; leave one of them out"
    ]
    assert _lint(split_lines=3, map_tasks=3) == [
        "map_tasks: split_lines says already how the input is cut; leave one of them out"
    ]


@pytest.mark.parametrize("input_format", ["fixed", "whole_file", "parquet", "pairs"])
def test_lines_are_counted_where_there_are_lines(input_format: Any) -> None:
    given = InputSpec(url="s3://in/data/", format=input_format)
    assert said_of(job_spec(given, split_lines=3)) == [
        f"split_lines: counts lines, and the records of input.format: {input_format} are no lines; use split_size"
        " or map_tasks"
    ]
    assert said_of(job_spec(given, map_tasks=3)) == []
    quoted = InputSpec(url="s3://in/data/", format="csv", multiline=True)
    assert said_of(job_spec(quoted, split_lines=3)) == [
        "split_lines: counts lines, and with input.multiline a record may have several; use split_size or map_tasks"
    ]


def test_tools_keep_to_what_was_asked_for() -> None:
    for figures in ({"map_tasks": 40}, {"split_lines": 10}):
        spec = job_spec(**figures)  # type: ignore[arg-type]
        assert tune(spec, {"split_size": DEFAULT}, 1 << 30, 4) == spec
        settings = {change.setting for change, _ in neighbours(spec)}
        assert "split_size" not in settings
        assert "reduce_size" in settings
    assert shape_of(job_spec(map_tasks=40), Work(bytes=1 << 30, objects=3)).tasks == 40
    assert shape_of(job_spec(map_tasks=40), Work(bytes=1 << 30, objects=3, whole=True)).tasks == 3
    assert shape_of(job_spec(split_lines=10), Work(bytes=100_000, objects=1)).tasks == 100, (
        "lines of 100 bytes"
    )
