"""Some map tasks may fail for good: they are left out, named and counted, and all reducers agree on which."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib import Job
from chalicelib.config.check import problems
from chalicelib.config.load import load_job
from chalicelib.config.show import format_config
from chalicelib.core.errors import ConfigError
from chalicelib.core.keys import parse_run_key
from chalicelib.core.messages import decode, encode
from chalicelib.core.outcome import Manifest
from chalicelib.core.plan_file import read_head
from chalicelib.core.ports import Loc
from chalicelib.core.spec import JobSpec, LimitsSpec, ShuffleSpec
from chalicelib.core.tasks import MapMarker
from chalicelib.run import job_code
from tests.features.io.runs import failed, job_spec, run
from tests.worlds.simulation import SCRATCH, Simulation

ROOT = Path(__file__).resolve().parents[2]
FILES = {f"{number:02d}.txt": f"word{number} all all".encode() for number in range(10)}


class Words(Job):
    def mapper(self, _: None, line: str) -> Iterator[Any]:
        if line.split()[0] in self.params["bad"].split():
            raise ValueError(f"cannot read {line.split()[0]}")
        for word in line.split():
            yield word, 1

    def reducer(self, word: str, counts: Iterator[int]) -> Iterator[Any]:
        yield word, sum(counts)


class Again(Job):
    def reducer(self, word: str, counts: Iterator[int]) -> Iterator[Any]:
        yield word, sum(counts)


class Twice(Job):
    steps = (Words, Again)


class Rows(Job):
    shuffle = False
    mapper = Words.mapper


def spec(bad: str, share: int | float = 0.2, **more: Any) -> JobSpec:
    """A file a task; `bad` are the words whose files fail."""
    figures = {"split_size": 20, "max_attempts": 2, "partitions": 4, "reduce_size": 1, **more}
    return job_spec(params={"bad": bad}, limits=LimitsSpec(failed_tasks=share), **figures)


def right(bad: str) -> dict[str, int]:
    texts = [body.decode() for body in FILES.values() if body.decode().split()[0] not in bad.split()]
    return dict(Counter(" ".join(texts).split()))


def rows(world: Simulation) -> dict[str, int]:
    return {
        word: int(count) for word, count in (line.split("\t") for line in world.text().decode().splitlines())
    }


def manifest(world: Simulation) -> Manifest:
    return decode(Manifest, world.output()["_manifest.json"], "manifest")


@pytest.mark.parametrize("job", [Words, Twice])
@pytest.mark.parametrize("shuffle", [ShuffleSpec(levels="1"), ShuffleSpec(levels="2")])
def test_what_is_left_out_is_named_and_the_rest_is_exact(
    job: type[Job], shuffle: ShuffleSpec, tmp_path: Path
) -> None:
    world = run(job, spec("word3 word7", shuffle=shuffle), FILES, tmp_path)
    assert rows(world) == right("word3 word7")
    found = manifest(world)
    assert [(one.step, one.task) for one in found.left_out] == [(0, 3), (0, 7)]
    first = found.left_out[0]
    assert first.inputs == ("s3://in/data/03.txt[0:13]",)
    assert (first.objects, first.bytes) == (1, 13)
    assert "cannot read word3" in first.message
    text = world.output()["_SUCCESS"].decode()
    assert "2 of" in text
    assert "cannot read word7" in text
    assert not any(name.endswith("_latest.json") for name in world.objects())


class Fox(Words):
    """One line of four is a task that fails each time."""

    def mapper(self, _: None, line: str) -> Iterator[Any]:
        if "jumps" in line:
            raise ValueError("jumps")
        yield from ((word, 1) for word in line.split())


LINES = b"the quick brown fox\njumps over the lazy dog\nthe end of all\nfox\n"


def simulate(**how: Any) -> Simulation:
    limits = LimitsSpec(failed_tasks=0.25)
    figures = job_spec(
        trigger="each", split_size=20, max_attempts=2, partitions=3, reduce_size=1, limits=limits
    )
    world = Simulation(Fox, figures, SCRATCH, **how)
    world.drop("a.txt", LINES)
    world.run()
    return world


def check(world: Simulation, why: str = "") -> None:
    found = manifest(world)
    assert found.outcome == "success", f"{why}: {found.reason}"
    assert [one.task for one in found.left_out] == [1], why
    assert rows(world) == Counter(["the", "quick", "brown", "fox", "the", "end", "of", "all", "fox"]), why
    assert "_SUCCESS" in world.output(), why
    assert "_FAILED" not in world.output(), why


@pytest.mark.parametrize("seats", [None, 0], ids=["one stays", "nobody stays"])
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_kill_at_any_call_changes_nothing(seats: int | None, before: bool) -> None:
    calls = simulate(seats=seats).calls
    for number in range(1 + 2 * before, calls + 1, 4):
        check(simulate(seats=seats, kill_at=[number], before=before), f"call {number}")


@pytest.mark.parametrize("seats", [None, 0])
def test_any_order_with_duplicates(seats: int | None) -> None:
    for seed in range(5):
        check(simulate(seats=seats, seed=seed, duplicates=True), f"seed {seed}")


def test_an_attempt_that_commits_first_counts() -> None:
    """The marker is created by one conditional write, whether by an attempt or in its place."""
    world = Simulation(
        Fox,
        job_spec(trigger="each", split_size=20, max_attempts=1, limits=LimitsSpec(failed_tasks=0.5)),
        SCRATCH,
    )
    put = world.memory.put_if_absent

    def late(loc: Loc, body: bytes, mark: str = "") -> bool:
        if b'"left_out":{' in body and (found := parse_run_key(*loc)):
            other = found[0].done("map", 0)
            marker = decode(MapMarker, world.memory.get(other), other.url)
            put(loc, encode(replace(marker, task=1, token="late")))
        return put(loc, body, mark)

    world.memory.put_if_absent = late  # type: ignore[method-assign]
    world.drop("a.txt", LINES)
    world.run()
    assert manifest(world).left_out == ()


@pytest.mark.parametrize(
    ("share", "bad", "told"),
    [
        (0.1, "word3 word7", "map task"),
        (1, "word3 word7", "map task"),
        (12, " ".join(f"word{number}" for number in range(10)), "map task"),
        (0.0, "word3", "map task 3"),
        (1.0, " ".join(f"word{number}" for number in range(10)), "map task"),
    ],
)
def test_more_than_the_job_bears_fails_the_run(
    share: int | float, bad: str, told: str, tmp_path: Path
) -> None:
    assert told in failed(Words, spec(bad, share), FILES, tmp_path)


def test_too_many_markers_of_tasks_left_out_fail_the_run() -> None:
    """Two supervisors may each leave out one; what all markers say decides."""
    world = Simulation(
        Fox,
        job_spec(trigger="each", split_size=20, max_attempts=1, limits=LimitsSpec(failed_tasks=0.25)),
        SCRATCH,
    )
    put = world.memory.put_if_absent

    def doubled(loc: Loc, body: bytes, mark: str = "") -> bool:
        if b'"left_out":{' in body and (found := parse_run_key(*loc)):
            marker = decode(MapMarker, body, loc.url)
            assert marker.left_out is not None
            other = replace(marker, task=2, left_out=replace(marker.left_out, task=2))
            world.memory.delete(loc.bucket, [found[0].done("map", 2).key])
            put(found[0].done("map", 2), encode(other))
        return put(loc, body, mark)

    world.memory.put_if_absent = doubled  # type: ignore[method-assign]
    world.drop("a.txt", LINES)
    world.run()
    told = world.output()["_FAILED"].decode()
    assert "2 of 4 map tasks failed for good, and limits.failed_tasks allows 1" in told


def test_where_nothing_can_be_left_out_it_is_refused(tmp_path: Path) -> None:
    assert "map task 3" in failed(Rows, spec("word3"), FILES, tmp_path)
    with pytest.raises(ConfigError, match=r"limits.failed_tasks: shuffle = False"):
        job_code.check(lambda _: Rows, "rows", spec("word3"))
    found = [problem.key for problem in problems(spec("word3", accumulate=True), "words")]
    assert "limits.failed_tasks" in found


def test_status_report_and_this_machine_tell_of_it(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name, body in FILES.items():
        (tmp_path / "in" / name).write_bytes(body)
    (tmp_path / "words.py").write_text(
        "from chalicelib import Job, Sum\n\n\nclass Words(Job):\n    def mapper(self, _, line):\n"
        "        if 'word3' in line:\n            raise ValueError('no word3')\n"
        "        yield from ((word, 1) for word in line.split())\n\n    reducer = Sum()\n"
    )
    (tmp_path / "job.yml").write_text("job: words:Words\nsplit_size: 20\nlimits: {failed_tasks: 10%}\n")
    for argv, told in (
        (["run.py", "job.yml", "in/", "--output", "out", "--work", "work"], "left out: 1 map task in all"),
        (["status.py", "job", "latest", "--work", "work"], "1 map task"),
    ):
        found = subprocess.run(
            [sys.executable, str(ROOT / "scripts" / argv[0]), *argv[1:]],
            cwd=tmp_path, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert told in found.stdout
    lines = [
        line for part in sorted((tmp_path / "out").glob("part-*")) for line in part.read_text().splitlines()
    ]
    assert {word: int(count) for word, count in (line.split("\t") for line in lines)} == right("word3")


def test_an_input_that_was_overwritten_fails_the_run_all_the_same(tmp_path: Path) -> None:
    world = Simulation(Words, spec("", 0.5), tmp_path)
    for name, body in FILES.items():
        world.add(name, body)
    world.drop("_READY", b"")
    world.when(
        lambda: any("plan.json" in key for key in world.work()), lambda: world.add("05.txt", b"other words")
    )
    world.run()
    assert "05.txt" in world.output()["_FAILED"].decode()


@pytest.mark.parametrize("job", [Words, Twice])
def test_a_number_of_tasks_is_a_number_whatever_the_input(job: type[Job], tmp_path: Path) -> None:
    world = run(job, spec("word3 word7", 2), FILES, tmp_path)
    assert rows(world) == right("word3 word7")
    assert [one.task for one in manifest(world).left_out] == [3, 7]


#: What people write, and what a plan says of ten tasks: a whole number is a number, all else a share.
WRITTEN = {"2%": 0, "0.25": 2, "20 %": 2, "100%": 9, "1.0": 9, "3": 3, "1": 1, "0": 0, "25": 9}


def test_a_number_and_a_share_are_read_as_people_write_them(tmp_path: Path) -> None:
    path = tmp_path / "job.yml"
    world = run(Words, spec(""), FILES, tmp_path)
    (key,) = [key for key in world.work() if key.count("/") == 3 and key.endswith("/plan.json")]
    found = parse_run_key("work", key)
    assert found is not None
    plan = read_head(world.memory, found[0])
    assert plan.tasks == 10
    for text, most in WRITTEN.items():
        path.write_text(f"job: words:Words\nlimits: {{failed_tasks: {text}}}\n")
        loaded = load_job(path, root=ROOT, environ={}, require_cloud=False)
        limits = decode(LimitsSpec, encode(loaded.spec.limits), "as a plan carries it")
        assert limits == loaded.spec.limits
        assert replace(plan, spec=replace(plan.spec, limits=limits)).may_fail == most, text
        assert re.search(rf"failed_tasks: ({text}|{limits.failed_tasks}) ", format_config(loaded))
    for text in ("120%", "1.5", "-1", "many"):
        path.write_text(f"job: words:Words\nlimits: {{failed_tasks: {text}}}\n")
        with pytest.raises(
            ConfigError, match="failed_tasks: expected a whole number from 0 up, or a share such"
        ):
            load_job(path, root=ROOT, environ={}, require_cloud=False)
