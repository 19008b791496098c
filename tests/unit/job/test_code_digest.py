"""The digest of a job's code changes when the code does, and with nothing else."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.core.spec import JobSpec, SqlSpec
from chalicelib.job.code_digest import digest, of_class, of_queries
from chalicelib.job.load_class import job_loader
from chalicelib.run import job_code
from scripts.deployment.imports import imported_files
from tests.worlds.simulation import spec

FILES = {
    "good.py": "import csv, helper as h; import deeper.inner\nfrom chalicelib import Job\n"
    "class Good(Job):\n    def mapper(self, _, line):\n        import late\n        from chalicelib import Sum\n",
    "helper.py": "from further import (\n    X,\n)\n",
    "further.py": "import helper\nX = 1\n",
    "late.py": "from . import sibling\nfrom .cousin import (\n    Y,\n)\n",
    "sibling.py": "",
    "cousin.py": "Y = 1\n",
    "deeper/__init__.py": "",
    "deeper/inner.py": "from . import other\n",
    "deeper/other.py": "",
    "words.txt": "the\nof\n",
    "packages.txt": "shade==1.0\n",
    # not of the job
    "another.py": "",
    "csv.py": "raise AssertionError('Python has a csv of its own')\n",
    "chalicelib/__init__.py": "",
    "good.yml": "",
    "unlisted.txt": "",
}
SPEC = spec("good:Good", files="words.txt, s3://bucket/table.txt", requirements="colour==1.0, packages.txt")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    here = tmp_path / "jobs"
    for name, text in FILES.items():
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text(text)
    return here


def digest_of(folder: Path, job_spec: JobSpec = SPEC) -> str:
    """As a process has it that loads the job now."""
    return digest(job_loader(folder), job_spec)


NOT_ITS_CODE = ("another.py", "csv.py", "chalicelib/__init__.py", "good.yml", "unlisted.txt")


@pytest.mark.parametrize("name", [name for name in FILES if name not in NOT_ITS_CODE])
def test_it_changes_with_each_file_of_the_job(folder: Path, name: str) -> None:
    before = digest_of(folder)
    with (folder / name).open("a") as file:
        file.write("# changed\n")
    assert digest_of(folder) != before


@pytest.mark.parametrize("name", NOT_ITS_CODE)
def test_it_does_not_change_with_what_else_there_is(folder: Path, name: str) -> None:
    before = digest_of(folder)
    (folder / name).write_text("# changed\n")
    assert digest_of(folder) == before


def test_a_requirement_that_changes_is_other_code_also_for_a_run_of_the_old_one(folder: Path) -> None:
    before = digest_of(folder)
    newer = replace(SPEC, requirements="colour==2.0, packages.txt")
    assert digest_of(folder, newer) != before
    deployed = job_loader(folder, newer.packages)  # as a function has it; the plan in hand is older
    assert digest(deployed, SPEC) == digest_of(folder, newer) == digest(deployed, newer)


def test_it_is_the_same_wherever_the_files_lie(folder: Path, tmp_path: Path) -> None:
    before = digest_of(folder)
    assert re.fullmatch(rf"4:[0-9a-f]{{12}}@{sys.version_info[0]}\.{sys.version_info[1]}", before)
    shutil.copytree(folder, tmp_path / "elsewhere" / "deep")
    assert digest_of(tmp_path / "elsewhere" / "deep") == before


def test_it_is_of_what_was_loaded(folder: Path) -> None:
    """A process that goes on with what it has loaded is not told of what the files hold meanwhile."""
    load = job_loader(folder)
    before = digest(load, SPEC)
    (folder / "good.py").write_text("")
    assert digest(load, SPEC) == before


def test_it_changes_with_the_version(folder: Path) -> None:
    good = job_loader(folder)("good:Good")
    assert of_class(good, SPEC) != of_class(good, SPEC, "next")


@pytest.mark.parametrize(
    "line",
    [
        "import helper", "import json, helper", "import helper as h, json", "import helper.more",
        "from helper import X",
        "from helper.more import (", "    import helper", "import json; import helper",
        "import json, \\\n  helper", "import helper  # why", "if True: from helper import X",
        "import jobs.helper", "from jobs.helper import X", "from jobs import further, helper as h",
        "from jobs import (\n  further,  # why\n  helper,\n)", "h = importlib.import_module('helper')",
        'import_module( "helper.more")', "h = __import__('helper')", 'load = {"x": import_module("jobs.helper")}',
    ],
)  # fmt: skip
def test_a_module_beside_it_is_found_however_it_is_imported(folder: Path, line: str) -> None:
    (folder / "good.py").write_text(
        "class Good: pass\ndef never():\n    " + line.replace("\n", "\n    ") + "X)" * line.endswith("(")
    )
    before = digest_of(folder)
    (folder / "helper.py").write_text("# changed\n")
    assert digest_of(folder) != before


@pytest.mark.parametrize("change", [lambda file: file.unlink(), lambda file: file.write_text("")])
def test_a_side_file_that_is_gone_is_another(folder: Path, change: Callable[[Path], object]) -> None:
    before = digest_of(folder)
    change(folder / "words.txt")
    assert digest_of(folder) != before


def test_a_class_without_a_file_has_a_digest_too() -> None:
    made, typed = type("Made", (), {"__module__": "typed in"}), spec("typed:Made")
    assert of_class(made, typed) != of_class(type("Other", (), {"__module__": "typed in"}), typed)


def test_queries_are_told_apart() -> None:
    one = spec("", sql=SqlSpec(map="FROM input", key="a", reduce="FROM shuffled"))
    others = [
        replace(one, sql=replace(one.sql, map="SELECT a FROM input")),
        replace(one, sql=replace(one.sql, key="b")),
        replace(one, sql=replace(one.sql, reduce="SELECT a FROM shuffled")),
        replace(one, sql=replace(one.sql, order_by="a")),
        replace(one, input=replace(one.input, columns="a INT")),
    ]
    digests = {of_queries(one), of_queries(one, "next"), *map(of_queries, others)}
    assert len(digests) == 7
    assert digest(lambda name: pytest.fail(f"{name} was loaded"), one) == of_queries(one)


UNSEEN = """\
import importlib, runpy
from chalicelib import Job
class Good(Job):
    def mapper(self, _, line):
        importlib.import_module("helper")
        importlib.import_module(
            f"plugin_{line}"
        )
        runpy.run_path("helper.py")
        yield line, __import__(line)
"""


def test_who_deploys_is_told_of_modules_whose_names_are_made_while_the_code_runs(folder: Path) -> None:
    (folder / "good.py").write_text(UNSEEN)
    (folder / "further.py").write_text(
        "from importlib import import_module as im, import_module\nimport_module(im)"
    )
    (folder / "helper.py").write_text("from further import X\nthis is no Python")
    told = job_code.warnings(job_loader(folder), SPEC)
    places = [text.split(": which module")[0] for text in told]
    assert places == [
        "further.py:2: import_module",
        "good.py:6: import_module",
        "good.py:9: run_path",
        "good.py:10: __import__",
    ]
    assert all("list the files of all that it may be in `files`" in text for text in told)


def test_they_count_when_files_lists_them_and_nobody_is_told(folder: Path) -> None:
    (folder / "good.py").write_text(UNSEEN)
    (folder / "plugin_a.py").write_text("X = 1\n")
    listing = replace(SPEC, files="plugin_a.py")
    load = job_loader(folder)
    assert job_code.warnings(load, listing) == []
    before = digest_of(folder, listing)
    (folder / "plugin_a.py").write_text("X = 2\n")
    assert digest_of(folder, listing) != before
    assert digest_of(folder) == digest_of(folder), "not listed, not seen"


def test_what_is_shipped_is_what_counts(folder: Path, tmp_path: Path) -> None:
    """Where only that lies which a deployment ships, the digest is that of the whole folder."""
    (folder / "good.py").write_text(
        "import deeper.inner\nfrom importlib import import_module\nclass Good: pass\n"
        "def never():\n    from jobs import (\n        helper,\n    )\n"
        "    import_module('late')\n    __import__('words')\n"
    )
    (folder / "words.py").write_text("")
    files = imported_files(folder, "good", frozenset())
    assert {file.name for file in files} > {"helper.py", "further.py", "late.py", "words.py"}
    for path in (*files, folder / "words.txt", folder / "packages.txt"):
        (tmp_path / "zip" / path.relative_to(tmp_path)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "zip" / path.relative_to(tmp_path))
    before = digest_of(folder)
    assert digest_of(tmp_path / "zip" / "jobs") == before
    (tmp_path / "zip" / "jobs" / "words.py").unlink()
    assert digest_of(tmp_path / "zip" / "jobs") != before
