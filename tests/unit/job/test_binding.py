"""`job` and `loading`: what a user's class must be, and what is said when it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.core.errors import ConfigError
from chalicelib.job.binding import bind
from chalicelib.job.load_class import job_loader


def mapper(self: Any, key: Any, value: Any) -> Any:
    return ()


def reduce(self: Any, key: Any, values: Any) -> Any:
    return ()


def make(**parts: Any) -> type[Job]:
    return type("Made", (Job,), parts)


def test_an_aggregator_as_reducer_is_its_own_combiner() -> None:
    bound = bind(make(mapper=mapper, reducer=Sum()), "j", {})
    assert bound.combiner is bound.reducer
    assert bound.shuffles_states


@pytest.mark.parametrize(
    "parts",
    [{"reducer": reduce}, {}, {"reducer": Sum(), "combiner": Sum()}, {"reducer": Sum(), "combiner": reduce}],
)
def test_anything_else_shuffles_values(parts: dict[str, Any]) -> None:
    assert not bind(make(mapper=mapper, **parts), "j", {}).shuffles_states


def test_each_task_has_its_own_instance_and_copy_of_the_parameters() -> None:
    params = {"n": 1}
    cls = make(mapper=mapper)
    one, two = bind(cls, "j", params).job, bind(cls, "j", params).job
    one.params["n"] = 2
    assert one is not two
    assert two.params == {"n": 1}


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (object, "is not a Job"),
        (make(), "expected exactly one of mapper, mapper_chunk, mapper_raw, found none"),
        (make(mapper=mapper, mapper_raw=mapper), "found mapper and mapper_raw"),
        (make(mapper=mapper, reducer=Sum), r"reducer = Sum: an instance is wanted: Sum\(\)"),
        (make(mapper=mapper, reducer=3), r"reducer = 3: expected a method reducer\(self, key, values\)"),
        (make(mapper=mapper, combiner=len), "combiner = .*expected a method"),
        (make(mapper=mapper, __init__=lambda self, params: None), r"must call super\(\).__init__\(params\)"),
    ],
)
def test_what_is_no_usable_job_is_told_what_to_do(cls: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        bind(cls, "myjob", {})


GOOD = """
from chalicelib import Job, Sum
from helper import WORDS
class Good(Job):
    reducer = Sum()
    words = WORDS
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "good.py").write_text(GOOD)
    (tmp_path / "helper.py").write_text("WORDS = 3\n")
    (tmp_path / "broken.py").write_text("import json\nx = 1 / 0\n")
    (tmp_path / "typo.py").write_text("def (:\n")
    (tmp_path / "empty.py").write_text("")
    return tmp_path


def test_a_class_is_loaded_once_and_may_import_its_neighbours(folder: Path) -> None:
    load = job_loader(folder)
    found = load("good:Good")
    assert issubclass(found, Job)
    assert found.words == 3  # type: ignore[attr-defined]
    assert load("good:Good") is found


def test_modules_beside_it_can_be_imported_from_where_it_is(tmp_path: Path) -> None:
    """`from . import`, as in a package; each folder has its own."""
    for number in (1, 2):
        folder = tmp_path / str(number)
        (folder / "shapes").mkdir(parents=True)
        (folder / "shapes/__init__.py").write_text("")
        (folder / "shapes/square.py").write_text("from ..near import N\nSIDES = 4 * N\n")
        (folder / "near.py").write_text(f"N = {number}\n")
        (folder / "job.py").write_text(
            "from chalicelib import Job, Sum\nfrom . import near\nfrom .shapes.square import SIDES\n"
            "class Near(Job):\n    found = near.N, SIDES\n"
        )
        assert job_loader(folder)("job:Near").found == (number, 4 * number)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("good", r"expected `module:Class`, got 'good'"),
        ("good:", "expected `module:Class`"),
        ("../good:Good", "expected `module:Class`"),
        ("none:X", r"none\.py: no such file; there are broken, empty, good, helper, typo in"),
        ("good:Bad", r"no class Bad in .*good\.py: it has Good"),
        ("empty:X", "it has no class"),
        ("broken:X", r"(?s)broken\.py does not load:.*x = 1 / 0.*ZeroDivisionError"),
        ("typo:X", r"(?s)typo\.py does not load:.*SyntaxError"),
    ],
)
def test_what_is_missing_is_named(folder: Path, name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        job_loader(folder)(name)
