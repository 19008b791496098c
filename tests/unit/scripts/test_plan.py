"""`scripts/plan.py`: the jobs that there are, over sizes, files here and objects of a store."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from chalicelib.config.load import job_names, load_job
from chalicelib.core.errors import UserError
from chalicelib.core.ports import Loc
from chalicelib.job.load_class import job_loader
from chalicelib.local import LocalRun, run_local
from chalicelib.local.inputs import find_inputs
from chalicelib.stores.memory import MemoryStore
from scripts.console.terminal import Screen
from scripts.plan import main

ROOT = Path(__file__).resolve().parents[3]


def plan(*argv: str, store: MemoryStore | None = None) -> tuple[int, str]:
    """(exit code, what was printed)"""
    out = io.StringIO()
    code = main(argv, ROOT, Screen(out, terminal=False), lambda: store or MemoryStore())
    return code, out.getvalue()


def document(*argv: str, store: MemoryStore | None = None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(plan(*argv, "--json", store=store)[1])
    return found


@pytest.mark.parametrize("job", job_names(ROOT))
@pytest.mark.slow
def test_every_job_here_can_be_planned(job: str) -> None:
    found = document(job, "--size", "10GB")
    assert found["seconds"]["p95"] >= found["seconds"]["median"] > 0
    assert found["dollars"] > 0
    assert found["requests"] > found["tasks"] >= 10**10 // (1 << 30)
    assert found["binding"]
    assert found["ends"] is (not any(limit["fatal"] for limit in found["limits"]))


def test_the_dollars_are_those_of_the_region_that_was_named() -> None:
    """On sa-east-1 a PUT costs 1.4 times as much as on us-east-1; whoever names another region is told."""
    here, there, unknown = (
        document("wordcount", "--size", "10GB", "--region", region)
        for region in ("us-east-1", "sa-east-1", "xx-west-9")
    )
    assert [found["region"] for found in (here, there, unknown)] == ["us-east-1", "sa-east-1", "us-east-1"]
    parts = [found["dollars_by_part"] for found in (here, there, unknown)]
    assert parts[0] == parts[2]
    assert parts[1]["writes"] == pytest.approx(1.4 * parts[0]["writes"], abs=2e-6)
    assert parts[1]["map"] == parts[0]["map"]
    assert "those of xx-west-9 are not in" in plan("wordcount", "--size", "1GB", "--region", "xx-west-9")[1]


def test_a_run_is_cut_as_the_local_engine_cuts_it(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}.txt").write_text("to be or not to be\n" * 1000)
    loaded = load_job("wordcount", root=ROOT, overrides=["split_size=7KiB"], environ={}, require_cloud=False)
    run = LocalRun(
        name="wordcount",
        spec=loaded.spec,
        run="20260101T000000-a",
        inputs=find_inputs([str(tmp_path)]),
        source="test",
        output=tmp_path / "out",
        work=tmp_path / "work",
        workers=1,
        load_job=job_loader(ROOT / "jobs"),
    )
    manifest = run_local(run)
    files = [str(tmp_path / f"{number}.txt") for number in range(5)]
    found = document("wordcount", "--input", *files, "--set", "split_size=7KiB")
    assert found["input"] == {"bytes": manifest.input_bytes, "objects": 5}
    assert (found["tasks"], found["reducers"]) == (manifest.map_tasks, manifest.reduce_tasks)


def test_objects_on_s3_are_counted_without_those_that_are_hidden() -> None:
    store = MemoryStore()
    for key in ("logs/a.txt", "logs/b.txt", "logs/_READY", "logs/.x/c.txt", "other/d.txt"):
        store.put(Loc("bucket", key), b"12345")
    assert document("wordcount", "--input", "s3://bucket/logs/", store=store)["input"] == {
        "bytes": 10,
        "objects": 2,
    }


def test_compressed_objects_are_not_cut() -> None:
    store = MemoryStore()
    for number in range(3):
        store.put(Loc("bucket", f"{number}.gz"), b"x" * 10_000)
    found = document("wordcount", "--input", "s3://bucket/", "--set", "split_size=1KiB", store=store)
    assert found["tasks"] == 3


def test_what_cannot_end_says_so_and_what_lifts_it() -> None:
    code, text = plan("sort", "--size", "100TB", "--set", "split_size=64MiB")
    assert code == 1
    assert "cannot end" in text
    assert "memory.supervisor" in text
    assert "--set split_size=" in text


def test_the_advice_can_be_followed() -> None:
    settings = document("wordcount", "--size", "50TB")["advice"]["settings"]
    followed = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    code, text = plan("wordcount", "--size", "50TB", *followed)
    assert code == 0
    assert "binding" in text


def test_concurrency_and_likeness_change_the_answer() -> None:
    few = document("wordcount", "--size", "100GB", "--concurrency", "10")
    many = document("wordcount", "--size", "100GB", "--concurrency", "1000")
    assert few["seconds"]["median"] > many["seconds"]["median"]
    words = document("wordcount", "--size", "100GB", "--like", "words")
    assert words["like"]["kind"] == "words"
    assert words["dollars"] > many["dollars"]


def test_each_input_of_a_join_has_a_size_of_its_own() -> None:
    """Rankings are shuffled, and visits hardly: by which of the two is large there is much or little to reduce."""
    like = ("--like", "visits=filter", "rankings=join")
    small, large = (
        document("amplab_join", "--size", f"rankings={rankings}GB", f"visits={visits}GB", *like)
        for rankings, visits in ((1, 20), (20, 1))
    )
    assert [one["tag"] for one in small["inputs"]] == ["rankings", "visits"]
    assert small["input"] == large["input"] == {"bytes": 21 * 10**9, "objects": 20}
    assert small["inputs"][0]["shuffled"] == pytest.approx(0.61e9)
    assert large["reducers"] > 10 * small["reducers"]
    assert large["seconds"]["median"] > small["seconds"]["median"]
    counted = document("amplab_join", "--size", "2GB", "--objects", "rankings=3", "visits=4")
    assert [(one["bytes"], one["objects"]) for one in counted["inputs"]] == [(10**9, 3), (10**9, 4)]
    store = MemoryStore()
    store.put(Loc("bucket", "r/a"), b"12345")
    store.put(Loc("bucket", "v/a"), b"1234567")
    there = document(
        "amplab_join", "--input", "visits=s3://bucket/v/", "rankings=s3://bucket/r/", store=store
    )
    assert [one["bytes"] for one in there["inputs"]] == [5, 7]
    assert "rankings: 5 B in 1 object" in plan(
        "amplab_join", "--input", "visits=s3://bucket/v/", "rankings=s3://bucket/r/", store=store
    )[1]  # fmt: skip


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("--size", "rankings=1GB"), "--size: the job has 2 inputs: expected rankings=... visits=..."),
        (("--size", "ranks=1GB", "visits=1GB"), "--size ranks=1GB: the job has no input 'ranks'"),
        (("--input", "s3://bucket/"), "--input: the job has 2 inputs: expected rankings=... visits=..."),
    ],
)
def test_mistakes_with_several_inputs_are_named(argv: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError) as raised:
        plan("amplab_join", *argv)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("--size", "1GB", "--objects", "0"), "--objects 0: expected a number from 1 up"),
        (("--size", "1GB", "--like", "nothing"), "--like nothing: expected one of few groups, filter, join"),
        (("--size", "big=1GB"), "--size big=1GB: the job has no input 'big': expected no tag"),
        (("--size", "much"), "--size much: expected a size such as"),
        (("--size", "0"), "--size 0: expected a size such as"),
        (("--input", "s3://bucket/nothing/"), "s3://bucket/nothing/: no objects there"),
    ],
)
def test_mistakes_are_named(argv: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        plan("wordcount", *argv)


@pytest.mark.parametrize("argv", [("--concurrency", "0"), ("--input", "a")])
def test_a_size_or_an_input_and_numbers_from_one_up(argv: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit):
        plan("wordcount", "--size", "1GB", *argv)
