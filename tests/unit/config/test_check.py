"""What is wrong with the settings of a well-formed configuration."""

from __future__ import annotations

import pytest

from chalicelib.config.check import check, lint, problems
from chalicelib.core.errors import ConfigError
from chalicelib.core.spec import ManifestSpec

from .jobs import GOOD, job, keys_of, places


def test_a_good_job_passes() -> None:
    assert lint(GOOD, "a") == []
    assert lint(GOOD, "a", {"a": GOOD, "b": places("s3://in/b/", "s3://work/", "s3://out/")}) == []
    check(GOOD, "a")


def test_check_raises_all_that_lint_finds() -> None:
    spec = places("s3://x/a/", "s3://x/a/w/", "s3://x/a/o/", encoding="klingon", job="nothing")
    found = lint(spec, "mine")
    assert [line.split(": ")[:2] for line in found] == [
        ["mine", "job"],
        ["mine", "input.encoding"],
        ["mine", "output.url"],
        ["mine", "work.url"],
    ]
    with pytest.raises(ConfigError) as caught:
        check(spec, "mine")
    assert str(caught.value).splitlines() == found


def test_local_runs_ask_nothing_of_places() -> None:
    assert problems(job("/data/in", "/dev/null/work", ""), "a", places=False) == []
    assert problems(places("s3://x/", "s3://x/", "s3://x/"), "a", places=False) == []
    assert problems(job(timeout={"mapper": 1}, memory_budget=1 << 40), "a", places=False) == []


@pytest.mark.parametrize(
    "name", ["", "a", "a:", ":A", "a:A:B", "a b:A", "a:1A", "a.py:A.B", "jobs/a:A", "a..b:A"]
)
def test_what_is_no_job(name: str) -> None:
    (found,) = lint(places("s3://i/", "s3://w/", "s3://o/", job=name), "a")
    assert found.startswith("a: job: expected `module:Class`, such as wordcount:WordCount")
    assert found.endswith(f"got {name!a}")


@pytest.mark.parametrize("name", ["a:A", "wordcount:WordCount", "pack.mod:_C1"])
def test_what_is_a_job(name: str) -> None:
    assert keys_of(places("s3://i/", "s3://w/", "s3://o/", job=name)) == []


@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "utf-8-sig", "latin-1", "gb18030", "bytes"])
def test_encodings(encoding: str) -> None:
    assert keys_of(places("s3://i/", "s3://w/", "s3://o/", encoding=encoding)) == []


@pytest.mark.parametrize("encoding", ["", "klingon", "hex", "rot13", "zlib", "utf-8\0"])
def test_what_is_no_text_codec(encoding: str) -> None:
    (found,) = lint(places("s3://i/", "s3://w/", "s3://o/", encoding=encoding), "a")
    assert found.startswith("a: input.encoding: expected the name of a text codec that Python knows")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "cp037"])
def test_encodings_whose_lines_do_not_end_in_a_newline_byte(encoding: str) -> None:
    (found,) = lint(places("s3://i/", "s3://w/", "s3://o/", encoding=encoding), "a")
    assert found.startswith(f"a: input.encoding: {encoding} has line ends of its own")
    assert lint(places("s3://i/", "s3://w/", "s3://o/", encoding=encoding, format="whole_file"), "a") == []


def test_markers_and_a_suffix() -> None:
    assert lint(places("s3://i/", "s3://w/", "s3://o/", suffix=".txt", trigger="marker"), "a") == [
        "a: input.suffix: '.txt' would filter out the markers that trigger: marker waits for; "
        "remove the suffix, or use trigger: each"
    ]
    assert keys_of(places("s3://i/", "s3://w/", "s3://o/", suffix=".txt")) == []
    assert keys_of(places("s3://i/", "s3://w/", "s3://o/", trigger="marker")) == []


def test_only_a_job_with_manifests_can_hold_them_to_their_folders() -> None:
    folder = ManifestSpec(scope="folder")
    assert keys_of(places("s3://i/", "s3://w/", "s3://o/", trigger="marker", manifest=folder)) == []
    assert keys_of(places("s3://i/", "s3://w/", "s3://o/", manifest=folder)) == ["manifest.scope"]


def test_timeouts_leave_time_to_hand_over() -> None:
    assert keys_of(places("s3://i/", "s3://w/", "s3://o/", timeout={"supervisor": 9, "mapper": 9})) == [
        "timeout.mapper",
        "timeout.supervisor",
    ]
    assert keys_of(places("s3://i/", "s3://w/", "s3://o/", timeout={"supervisor": 10})) == []


def test_a_budget_that_does_not_fit_into_memory() -> None:
    memory = {"mapper": 128, "reducer": 256}
    fits, full = (128 << 20) - 1, 128 << 20
    assert keys_of(places("s3://i/", "s3://w/", "s3://o/", memory=memory, memory_budget=fits)) == []
    (found,) = lint(places("s3://i/", "s3://w/", "s3://o/", memory=memory, memory_budget=full), "a")
    assert found.startswith("a: memory_budget: 134217728 bytes do not fit into the 128 MB of memory.mapper; ")
