"""What a job defines: steps of its methods, protocols of its tasks, options of its own, what is refused."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any

import pytest

from chalicelib.core.errors import ConfigError
from chalicelib.mrjob import JSONProtocol, JSONValueProtocol, MRStep, RawValueProtocol
from chalicelib.mrjob.definition import JobDefinition


class Words(JobDefinition):
    def mapper(self, _: None, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            yield word, 1

    def reducer(self, word: str, counts: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield word, sum(counts)


class Options(Words):
    def configure_args(self) -> None:
        super().configure_args()
        self.add_passthru_arg("--least", type=int, default=1)
        self.add_file_arg("--stop")
        self.pass_arg_through("--verbose")


def test_a_job_without_steps_is_one_step_of_its_methods() -> None:
    job = Words(args=[])
    assert job.steps() == [MRStep(mapper=job.mapper, reducer=job.reducer)]
    assert list(job.checked_steps()) == job.steps()


def test_each_task_reads_what_the_one_before_it_wrote() -> None:
    class TwoSteps(Words):
        OUTPUT_PROTOCOL = JSONValueProtocol

        def steps(self) -> Sequence[MRStep]:
            return [MRStep(mapper=self.mapper, reducer=self.reducer), MRStep(reducer=self.reducer)]

    job = TwoSteps(args=[])

    def protocols(step: int, role: Any) -> tuple[type, type]:
        read, write = job.pick_protocols(step, role)
        return type(read.__self__), type(write.__self__)  # type: ignore[attr-defined]

    assert protocols(0, "mapper") == (RawValueProtocol, JSONProtocol)
    assert protocols(0, "combiner") == (JSONProtocol, JSONProtocol)
    assert protocols(0, "reducer") == (JSONProtocol, JSONProtocol)
    assert protocols(1, "reducer") == (JSONProtocol, JSONValueProtocol)


def test_options_of_the_job_s_own_reach_its_tasks() -> None:
    job = Options(args=["--least", "3", "--stop=stop.txt", "-v", "-r", "local", "a.txt"])
    assert (job.options.least, job.options.stop, job.options.args) == (3, "stop.txt", ["a.txt"])
    assert job.task_args == ["--least", "3", "--stop", "stop.txt", "-v"]


def test_options_that_cannot_be_passed_on_are_refused() -> None:
    job = Options(args=[])
    with pytest.raises(ArgumentTypeError, match="must take strings"):
        job.add_file_arg("--number", type=int)
    with pytest.raises(ArgumentTypeError, match="'store' or 'append'"):
        job.add_file_arg("--flag", action="store_true")
    with pytest.raises(ValueError, match="unknown arg: --nothing"):
        job.pass_arg_through("--nothing")


class Task:
    """Stands for the task that a job works in."""

    def __init__(self) -> None:
        self.did: list[Any] = []

    def count_for(self, group: str, counter: str, amount: int) -> None:
        self.did.append((group, counter, amount))

    def say(self, message: str) -> None:
        self.did.append(message)

    def placed(self, given: Any) -> Any:
        return f"/side/{given}"


def test_in_a_task_counters_status_and_files_are_the_task_s() -> None:
    task = Task()
    job = Options.__new__(Options)
    job._sluice_task = task
    job.__init__(["--stop", "stop.txt"])  # type: ignore[misc]
    job.increment_counter("a,b", "c", 2)
    job.set_status("half way")
    assert task.did == [("a;b", "c", 2), "half way"]
    assert job.options.stop == "/side/stop.txt"
    assert job.is_task()


def test_outside_of_a_task_they_are_lines_on_stderr() -> None:
    errors = BytesIO()
    job = Words(args=[]).sandbox(stderr=errors)
    job.increment_counter("words", "seen")
    job.set_status("half way")
    assert errors.getvalue() == b"reporter:counter:words,seen,1\nreporter:status:half way\n"
    assert not job.is_task()
    with pytest.raises(TypeError, match="amount must be an integer, not '1'"):
        job.increment_counter("words", "seen", "1")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("attributes", "text"),
    [
        ({"steps": lambda _: []}, "no steps: write a mapper or a reducer"),
        ({"steps": lambda _: [1]}, "expected MRStep, got 1"),
    ],
)
def test_what_cannot_run_here_is_refused(attributes: dict[str, Any], text: str) -> None:
    job = type("Refused", (Words,), attributes)(args=[])
    with pytest.raises(ConfigError, match=f"^Refused.*{text}"):
        job.checked_steps()
