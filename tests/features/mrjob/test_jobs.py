"""What a job sees and gives: keys, order, init and final, options, files, counters, refusals."""

from __future__ import annotations

import bz2
import gzip
import json
import logging
import sys
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, mrjob
from chalicelib.core.errors import ConfigError, UserError
from chalicelib.mrjob import JSONProtocol, MRJob, MRStep, PickleProtocol, StepFailedException
from chalicelib.testing import run_job

from .harness import RUNNERS, TEXT, run

import small  # isort: skip


@pytest.mark.parametrize("runner", RUNNERS)
def test_what_inits_and_finals_yield_counts(runner: str) -> None:
    words = sum(len(line.split()) for line in TEXT)
    expected = [("combined groups", 1), ("words", words), ("keys", ["combined groups", "words"])]
    assert run(small.MRFinals, runner=runner).pairs == expected


@pytest.mark.parametrize("runner", RUNNERS)
def test_counters_are_counted_by_group_and_step(runner: str) -> None:
    result = run(small.MRCounters, stdin=[b"ab\n", b"c\n", b"ab\n"], runner=runner)
    assert result.counters == [{"lines": {"all": 3, "of; characters": 5}, "groups": {"distinct": 2}}]


def test_counters_of_several_steps_are_told_apart() -> None:
    class Twice(MRJob):
        def first(self, _, line):
            self.increment_counter("lines", "seen")
            yield line, 1

        def second(self, line, values):
            self.increment_counter("lines", "seen", 10)
            yield line, sum(values)

        def third(self, line, total):
            self.increment_counter("lines", "after")
            yield line, total

        def steps(self):
            return [MRStep(mapper=self.first, reducer=self.second), MRStep(mapper=self.third)]

    assert run(Twice, stdin=[b"a\n", b"a\n"]).counters == [{"lines": {"seen": 12}}, {"lines": {"after": 1}}]


@pytest.mark.parametrize("runner", RUNNERS)
def test_sorted_values_come_in_the_order_of_their_lines(runner: str) -> None:
    values = [10, 9, "b", None, 1, [2], 100, "B"]
    lines = [f"{key} {value!r}\n".encode() for value in values for key in "xy"]
    expected = sorted(values, key=json.dumps)
    assert run(small.MRSortValues, stdin=lines, runner=runner).pairs == [("x", expected), ("y", expected)]


@pytest.mark.parametrize("runner", RUNNERS)
def test_keys_may_be_whatever_json_holds_in_the_order_of_its_bytes(runner: str) -> None:
    keys: list[Any] = [{"b": 1}, [1, 2], (1, 2), None, "10", 10, 9, True, 1.5, "ü"]
    seen = [json.loads(json.dumps(key)) for key in keys]
    counts = Counter(map(json.dumps, seen))
    expected = [
        (json.loads(text), [type(json.loads(text)).__name__, count]) for text, count in sorted(counts.items())
    ]
    lines = [f"{key!r}\n".encode() for key in keys]
    assert run(small.MROddKeys, stdin=lines, runner=runner).pairs == expected


@pytest.mark.parametrize("runner", RUNNERS)
def test_options_reach_the_tasks(runner: str) -> None:
    args = ["--least", "2", "--upper", "--prefix=-x-"]
    expected = [("A", [2, "-x-UPPER"]), ("C", [3, "-x-UPPER"])]
    assert run(small.MRThreshold, *args, stdin=[b"a b c\n", b"A c C\n"], runner=runner).pairs == expected


def test_an_option_that_is_none_is_told_to_who_made_the_job() -> None:
    with pytest.raises(ValueError, match="invalid int value: 'two'"):
        small.MRThreshold(args=["--least", "two"])


@pytest.mark.parametrize("runner", RUNNERS)
def test_json_in_and_out(runner: str) -> None:
    lines = [
        json.dumps({"user": user, "score": score}).encode() + b"\n"
        for user, score in [("a", 1), ("b", 5), ("a", 3)]
    ]
    result = run(small.MRFromJSON, stdin=lines, runner=runner)
    assert result.lines == [b'{"user": "a", "best": 3}', b'{"user": "b", "best": 5}']
    assert result.pairs == [(None, {"user": "a", "best": 3}), (None, {"user": "b", "best": 5})]


def test_tuples_live_through_the_repr_protocol() -> None:
    result = run(small.MRPairsIn, stdin=[b'["a", 1]\t5\n', b'["a", 1]\t6\n', b'["b", 1]\t5\n'])
    assert result.pairs == [(None, (("a", 1), {5, 6})), (None, (("b", 1), {5}))]


def test_raw_keys_and_values() -> None:
    assert (
        run(small.MRRaw, stdin=[b"b\tx\n", b"a\n", b"b\ty\tz\n", b"b\n"]).output
        == b"a\tnone\nb\tx+y\tz+none\n"
    )


def test_lines_without_keys_meet_in_one_group_by_their_first_fields() -> None:
    assert run(small.MRKeyless, stdin=[b"b\t2\n", b"a\t9\n", b"b\t1\n"]).output == b"None: a\t9|b\t2|b\t1\n"


@pytest.mark.parametrize("runner", RUNNERS)
def test_bytes_are_left_as_they_are(runner: str) -> None:
    assert (
        run(small.MRBytes, stdin=[b"\xff\x00a\n", b"b\tc\\n\n"], runner=runner).output
        == b"a\x00\xff\nn\\c\tb\n"
    )


@pytest.mark.parametrize("runner", RUNNERS)
def test_lines_that_are_no_utf_8_are_latin_1(runner: str) -> None:
    assert (
        run(small.MRNoReducer, stdin=[b"z\xe4h\n", "zäh\n".encode()], runner=runner).output
        == "ZÄH\nZÄH\n".encode()
    )


@pytest.mark.parametrize("runner", RUNNERS)
def test_without_a_reducer_lines_keep_their_order(runner: str) -> None:
    lines = [f"line {number * 7919 % 5000}\n".encode() for number in range(5000)]
    assert run(small.MRNoReducer, stdin=lines, runner=runner).output == b"".join(lines).upper()


@pytest.mark.parametrize("runner", RUNNERS)
def test_between_steps_tuples_become_lists(runner: str) -> None:
    expected = [("x", [["list", [2, 3]], ["list", [2, 3]]])]
    assert run(small.MRMapTwice, stdin=[b"x\n", b"x\n"], runner=runner).pairs == expected


@pytest.mark.parametrize("runner", RUNNERS)
def test_whole_files_packed_files_and_folders(runner: str, tmp_path: Path) -> None:
    body = b"one\ntwo\n" * 100
    (tmp_path / "a.txt").write_bytes(body)
    (tmp_path / "b.gz").write_bytes(gzip.compress(body))
    (tmp_path / "c.bz2").write_bytes(bz2.compress(body))
    sizes = run(small.MRRawFiles, str(tmp_path / "a.txt"), runner=runner).pairs
    assert sizes == [("a.txt", len(body))]
    lines = run(small.MRByFile, str(tmp_path), runner=runner).pairs
    assert lines == [("a.txt", 200), ("b.gz", 200), ("c.bz2", 200)]


def test_protocols_of_the_user_s_own() -> None:
    assert run(small.MROwnProtocol, stdin=[b"a;1\n", b"b;2;3\n", b"a;0\n"]).output == b"a\t1\nb\t2;3\n"


@pytest.mark.parametrize("runner", RUNNERS)
def test_what_the_user_s_code_raises_is_told(runner: str) -> None:
    with pytest.raises(StepFailedException, match=r"MRRaises.*ZeroDivisionError"):
        run(small.MRRaises, stdin=[b"abc\n"], runner=runner)


def test_the_combiner_ends_a_step_that_has_no_reducer() -> None:
    class Combined(MRJob):
        def mapper(self, _, line):
            yield line, 1

        def combiner(self, line, ones):
            yield line, sum(ones)

    assert run(Combined, stdin=[b"b\n", b"a\n", b"b\n"]).pairs == [("a", 1), ("b", 2)]


@pytest.mark.parametrize("runner", RUNNERS)
def test_no_input_is_no_output(runner: str) -> None:
    assert run(small.MRNoReducer, stdin=[], runner=runner).output == b""
    assert run(small.MRThreshold, stdin=[], runner=runner).output == b""


def test_combiners_of_sluice_s_own_jobs_have_init_and_final_too() -> None:
    class Own(Job):
        def mapper(self, _, line):
            yield line, 1

        def combiner_init(self):
            self.groups = 0

        def combiner(self, line, ones):
            self.groups += 1
            yield line, sum(ones)

        def combiner_final(self):
            yield "groups", self.groups

        def reducer(self, line, counts):
            yield line, list(counts)

    assert run_job(Own, ["b", "a", "b"]) == [("a", [1]), ("b", [2]), ("groups", [2])]


# -- refusals ------------------------------------------------------------------------------------------


def steps_of(**parts: Any) -> type[MRJob]:
    class Made(MRJob):
        def steps(self):
            return [MRStep(**parts)]

    return Made


def with_attributes(**attributes: Any) -> type[MRJob]:
    return type("Made", (MRJob,), {"mapper": lambda self, key, value: [(key, value)], **attributes})


@pytest.mark.parametrize(
    ("attributes", "text"),
    [
        ({"spark": lambda self, source, target: None}, "spark is not supported"),
        ({"steps": lambda self: ["step"]}, "expected MRStep, got 'step'"),
        ({"steps": lambda self: []}, "no steps: write a mapper"),
    ],
)
def test_what_needs_hadoop_is_refused(attributes: dict[str, Any], text: str) -> None:
    with pytest.raises(UserError, match=text):
        with_attributes(**attributes)(args=[]).make_runner()


def test_a_job_without_any_step_is_refused() -> None:
    with pytest.raises(ConfigError, match="no steps: write a mapper or a reducer"):
        MRJob(args=[]).make_runner()


def test_pickle_is_refused_when_the_run_begins() -> None:
    made = with_attributes(INTERNAL_PROTOCOL=PickleProtocol, reducer=lambda self, key, values: [])
    with pytest.raises(UserError, match="PickleProtocol is not supported"):
        run(made)


@pytest.mark.parametrize("name", ["JarStep", "SparkStep"])
def test_steps_of_other_kinds_are_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"{name} is not supported: there is no .*; expected MRStep"):
        getattr(mrjob, name)("main.jar", args=["x"])


@pytest.mark.parametrize("runner", ["hadoop", "emr", "spark"])
def test_other_runners_are_refused(runner: str) -> None:
    with pytest.raises(UserError, match="expected one of inline, local, lambda"):
        small.MRNoReducer(args=["-r", runner])


@pytest.mark.parametrize(
    "attributes",
    [
        {"LIBJARS": ["a.jar"]},
        {"PARTITIONER": "x.KeyFieldBasedPartitioner"},
        {"HADOOP_INPUT_FORMAT": "x.Y"},
        {"HADOOP_OUTPUT_FORMAT": "x.Y"},
    ],
)
def test_what_sets_hadoop_up_is_ignored_with_a_warning(
    attributes: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    made = with_attributes(OUTPUT_PROTOCOL=JSONProtocol, **attributes)
    with caplog.at_level(logging.WARNING, "chalicelib.mrjob"):
        assert run(made, stdin=[b"x\n"]).pairs == [(None, "x")]
    assert f"Made: {next(iter(attributes))} = " in caplog.text
    assert "is ignored: there is no Hadoop" in caplog.text


@pytest.mark.parametrize("option", ["--setup", "--bootstrap"])
def test_options_that_cannot_be_met_are_refused(option: str) -> None:
    with pytest.raises(ValueError, match=f"{option} is not supported"):
        small.MRNoReducer(args=[option, "x"])


@pytest.mark.parametrize("runner", RUNNERS)
def test_packed_modules_can_be_imported(runner: str, tmp_path: Path) -> None:
    class Imports(MRJob):
        def mapper(self, _, line):
            from packed_for_tests.adding import more

            yield None, more(int(line))

    with zipfile.ZipFile(tmp_path / "modules.zip", "w") as packed:
        packed.writestr("packed_for_tests/__init__.py", "")
        packed.writestr("packed_for_tests/adding.py", "def more(n): return n + 1")
    found = run(Imports, "--py-files", str(tmp_path / "modules.zip"), stdin=[b"4\n"], runner=runner)
    assert found.pairs == [(None, 5)]
    for name in [name for name in sys.modules if name.startswith("packed_for_tests")]:
        del sys.modules[name]


def test_a_side_file_that_is_nowhere_is_named() -> None:
    made = with_attributes(FILES=["nowhere.txt"])
    with pytest.raises(StepFailedException, match=r"nowhere.txt: no such file"):
        run(made)


def test_an_s3_input_is_for_deployed_jobs() -> None:
    with pytest.raises(UserError, match="s3://bucket/x: expected a local file"):
        run(small.MRNoReducer, "s3://bucket/x")


def test_an_output_folder_with_files_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(UserError, match="expected a new or empty folder"):
        run(small.MRNoReducer, "--output-dir", str(tmp_path))
    assert (tmp_path / "mine").read_text() == "x"
