"""What is warned of in a job's class, and what is not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Range, Sum
from chalicelib.config.load import load_job
from chalicelib.core.errors import ConfigError
from chalicelib.core.spec import InputSpec, JobSpec, OutputSpec, PlaceSpec
from chalicelib.job.binding import bind
from chalicelib.job.likely_mistakes import LikelyMistake, likely_mistakes
from chalicelib.job.load_class import job_loader
from chalicelib.join import Join
from chalicelib.mrjob import MRJob
from chalicelib.run import job_code
from chalicelib.testing import run_job

ROOT = Path(__file__).resolve().parents[3]


def yields(self: Any, *given: Any) -> Any:
    yield given


def returns_nothing(self: Any, *given: Any) -> Any:
    for one in given:
        len((one, 1))  # the word that was forgotten


def make(base: type[Job] = Job, **parts: Any) -> type[Job]:
    return type("Made", (base,), {"mapper": yields, "__module__": __name__, **parts})


def told(cls: type[Job]) -> list[str]:
    return likely_mistakes([cls])


# -- hooks under another name -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "hook"),
    [
        ("reduce", "reducer"), ("reducers", "reducer"), ("map", "mapper"), ("mappers", "mapper"),
        ("combine", "combiner"), ("combiners", "combiner"), ("reduce_init", "reducer_init"),
        ("reduce_final", "reducer_final"), ("map_init", "mapper_init"), ("map_final", "mapper_final"),
        ("mapper_inti", "mapper_init"), ("combine_init", "combiner_init"), ("map_chunk", "mapper_chunk"),
        ("partition", "partitioner"), ("sortkey", "sort_key"), ("order", "order_by"), ("write", "writer"),
        ("step", "steps"), ("filter", "having"),
    ],
)  # fmt: skip
def test_a_method_that_looks_like_a_hook_is_told_with_the_likeliest_name(name: str, hook: str) -> None:
    assert told(make(**{name: yields})) == [f"Made.{name}: nothing calls or reads it: did you mean `{hook}`?"]


@pytest.mark.parametrize(
    ("name", "value", "hook"),
    [
        ("reduce", Sum(), "reducer"),
        ("partition", Range(), "partitioner"),
        ("sort_value", True, "sort_values"),
        ("limits", 3, "limit"),
        ("orderby", "-key", "order_by"),
    ],
)
def test_so_is_an_attribute(name: str, value: Any, hook: str) -> None:
    assert [text.rpartition("`")[0].rpartition("`")[2] for text in told(make(**{name: value}))] == [hook]


def calls_its_helper(self: Any, _: Any, line: str) -> Any:
    yield from (self.map(word) for word in line)


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"mapper": calls_its_helper, "map": yields},
        {"_reduce": yields},
        {
            "words": yields,
            "parse": yields,
            "PATTERN": 1,
            "is_good": yields,
            "merge": yields,
            "Row": type("Row", (), {}),
        },
        {"reduce": property(lambda self: self.map), "map": yields},
    ],
)
def test_what_is_used_or_called_otherwise_is_not(parts: dict[str, Any]) -> None:
    assert told(make(**parts)) == []


def test_a_job_without_a_mapper_is_told_which_name_it_may_have_meant() -> None:
    with pytest.raises(ConfigError, match=r"found none: did you mean map_chunk to be mapper_chunk\?"):
        bind(type("Made", (Job,), {"map_chunk": yields, "__module__": __name__}), "j", {})


def test_what_a_base_of_ours_has_is_a_hook_too() -> None:
    joined = make(Join, left="a", right="b", keys=yields, mapper=Join.mapper)
    assert told(joined) == ["Made.keys: nothing calls or reads it: did you mean `key`?"]


def test_a_base_of_the_user_is_looked_at_and_a_step_is_told_of_once() -> None:
    class Base(Job):
        def reduce(self, key: Any, values: Any) -> Any:
            yield key, values

    class Step(Base):
        mapper = yields

    assert likely_mistakes([Step, Step]) == [
        "Step.reduce: nothing calls or reads it: did you mean `reducer`?"
    ]


# -- what yields nothing ----------------------------------------------------------------------------------


def ends_early(self: Any, _: Any, line: str) -> Any:
    if not line:
        return
    len((line, 1))


def returns_in_places(self: Any, _: Any, line: str) -> Any:
    if line:
        return [(line, 1)]
    return None


def raises(self: Any, _: Any, line: str) -> Any:
    raise ValueError(line)


def may_return(self: Any, _: Any, line: str) -> Any:
    return [(line, 1)] if line else None


@pytest.mark.parametrize("name", ["mapper", "reducer", "combiner"])
@pytest.mark.parametrize("method", [returns_nothing, ends_early])
def test_a_method_that_yields_nothing_is_told(name: str, method: Callable[..., Any]) -> None:
    (text,) = told(make(**{name: method}))
    assert text.startswith(f"Made.{name}: never yields and always returns None")
    assert "did you forget to `yield`?" in text


@pytest.mark.parametrize(
    "mapper", [returns_in_places, raises, may_return, lambda *_: (), lambda *_: [], yields]
)
def test_one_that_may_give_something_is_not(mapper: Callable[..., Any]) -> None:
    assert told(make(mapper=mapper)) == []


def test_a_mapper_whose_last_call_yields_is_not() -> None:
    assert told(make(mapper=returns_nothing, mapper_final=yields)) == []
    assert told(make(reducer=returns_nothing, reducer_final=yields)) == []


# -- where it is told -------------------------------------------------------------------------------------


class Forgets(Job):
    mapper = returns_nothing


class Reduces(Job):
    mapper = yields

    def reduce(self, key: Any, values: Any) -> Any:
        yield key, values


def test_run_job_warns() -> None:
    with pytest.warns(LikelyMistake, match=r"Forgets.mapper: never yields"):
        assert run_job(Forgets, ["a"]) == []
    with pytest.warns(LikelyMistake, match=r"did you mean `reducer`"):
        run_job(Reduces, ["a"])


def test_a_check_warns_of_all_steps() -> None:
    class Whole(Job):
        steps = (Reduces, Forgets)

    spec = JobSpec(
        job="job:Job",
        input=InputSpec(url="s3://in/"),
        work=PlaceSpec(url="s3://work/"),
        output=OutputSpec(url="s3://out/"),
    )
    texts = job_code.warnings(lambda _: Whole, spec)
    assert [text.partition(":")[0] for text in texts] == ["Reduces.reduce", "Forgets.mapper"]


def test_no_job_that_we_ship_is_warned_of() -> None:
    for path in sorted((ROOT / "jobs").glob("*.yml")):
        loaded = load_job(path.stem, root=ROOT, environ={}, require_cloud=False)
        assert job_code.warnings(job_loader(ROOT / "jobs"), loaded.spec) == []


class Old(MRJob):
    def mapper(self, _: Any, line: str) -> Any:
        yield line, 1

    def reduce(self, key: Any, values: Any) -> Any:
        yield key, values


def test_jobs_for_mrjob_are_left_alone() -> None:
    root = Old.sluice_job()
    assert likely_mistakes([root, *root({}).steps()]) == []


def test_the_command_warns_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(
        "from chalicelib import Job, Sum\n\n\nclass Odd(Job):\n    def mapper(self, _, line):\n"
        "        yield line, 1\n\n    reduce = Sum()\n"
    )
    (tmp_path / "odd.yml").write_text("job: odd:Odd\n")
    (tmp_path / "a.txt").write_text("x\nx\n")
    command = [sys.executable, str(ROOT / "scripts" / "run.py"), "odd.yml", "a.txt", "--output", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "warning: Odd.reduce: nothing calls or reads it: did you mean `reducer`?\n" in done.stderr
    assert (tmp_path / "out" / "part-00000.tsv").read_text() == "x\t1\nx\t1\n"
