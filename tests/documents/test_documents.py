"""The documents are true: their code runs, their YAML is accepted, their commands exist, their links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from chalicelib import Job
from chalicelib.config.load import load_job
from chalicelib.job.binding import bind
from chalicelib.job.load_class import job_loader
from chalicelib.run.job_code import check

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
#: What the examples take for granted, as a page that imports everything in each block could not be read.
PRELUDE = """
import json, os
from collections import Counter
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from chalicelib import *
from chalicelib.testing import run_job
"""
#: Keys that a job file must have, for examples that show one section alone.
NEEDED = {
    "job": "job: example:Example",
    "input": "input: {url: s3://bucket-in/x/, format: text}",
    "work": "work: {url: s3://bucket-work/}",
    "output": "output: {url: s3://bucket-out/x/}",
}
#: Blocks that are no code of ours, by their first line.
NOT_OURS = ("# before\n",)


class Block(NamedTuple):
    path: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT).as_posix()}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    found = []
    for path in DOCUMENTS:
        text = path.read_text()
        for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            line = text.count("\n", 0, match.start()) + 2
            if match[1] in languages and not match[2].startswith(NOT_OURS):
                found.append(Block(path, line, match[1], match[2]))
    return found


def by_page(*languages: str) -> list[Any]:
    """The blocks of each page, as later ones may build on those before."""
    pages: dict[Path, list[Block]] = {}
    for block in blocks(*languages):
        pages.setdefault(block.path, []).append(block)
    return [pytest.param(found, id=path.relative_to(ROOT).as_posix()) for path, found in pages.items()]


def test_there_are_documents_and_blocks() -> None:
    assert len(DOCUMENTS) > 10
    assert len(blocks("python")) > 20
    assert len(blocks("yaml")) > 10


@pytest.mark.parametrize("page", by_page("python"))
def test_python_runs(page: list[Block], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page's blocks are one module: its jobs are bound as for a task, and its tests are called."""
    source = tmp_path / "documented.py"
    source.write_text("\n\n".join([PRELUDE, *(f"# {block}\n{block.text}" for block in page)]))
    spec = importlib.util.spec_from_file_location(source.stem, source)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, source.stem, module)
    spec.loader.exec_module(module)
    for name, found in vars(module).items():
        if getattr(found, "__module__", None) != source.stem:
            continue
        if isinstance(found, type) and issubclass(found, Job) and not found.steps:
            bind(found, name, {}, identity=True)
        elif name.startswith("test_"):
            found()


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_yaml_is_accepted(block: Block, tmp_path: Path) -> None:
    if block.path.name == "CONTRIBUTING.md":
        pytest.skip("a workflow, not a job file")
    assert_accepted(block.text, tmp_path)


def in_tables() -> Iterator[Any]:
    """Settings in the tables of the pages on input and output: `{format: csv, header: true}`."""
    for section, page in (("input", "read-input"), ("output", "write-output")):
        text = (ROOT / "docs" / "how-to" / f"{page}.md").read_text()
        for row in re.findall(r"^\| `(\{[^`]+\})`", text, re.MULTILINE):
            yield pytest.param(section, row.replace("\\|", "|"), id=f"{section} {row}")


@pytest.mark.parametrize(("section", "settings"), list(in_tables()))
def test_settings_in_tables_are_accepted(section: str, settings: str, tmp_path: Path) -> None:
    url = "s3://bucket/x/"
    assert_accepted(
        f"{section}: {{url: {url}, {settings[1:]}\nmemory: {{mapper: 512, reducer: 512}}\n", tmp_path
    )


def assert_accepted(text: str, folder: Path) -> None:
    (folder / "jobs").mkdir()
    missing = [line for key, line in NEEDED.items() if not re.search(rf"^{key}:", text, re.MULTILINE)]
    if "sql:" in text:
        missing = [line for line in missing if not line.startswith("job")]
    (folder / "jobs" / "example.yml").write_text("\n".join([*missing, text]))
    load_job("example", root=folder, require_cloud=True)


@cache
def options(script: str) -> frozenset[str]:
    shown = subprocess.run(
        [sys.executable, ROOT / "scripts" / script, "--help"], capture_output=True, text=True, check=True
    )
    return frozenset(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", shown.stdout))


def commands() -> list[Any]:
    """(where, script, options) of each `scripts/x.py ...` in a block or between backticks."""
    found = []
    for path in DOCUMENTS:
        for line, text in enumerate(path.read_text().splitlines(), start=1):
            for script, rest in re.findall(r"(?<![\w/])scripts/(\w+\.py)([^`|\n]*)", text):
                where = f"{path.relative_to(ROOT).as_posix()}:{line}"
                found.append(pytest.param(script, rest.partition("#")[0], id=f"{where} {script}"))
    return found


@pytest.mark.parametrize(("script", "rest"), commands())
def test_commands_and_their_options_exist(script: str, rest: str) -> None:
    assert (ROOT / "scripts" / script).is_file()
    asked = set(re.findall(r"(?<=\s)--[a-z][a-z-]*", rest))
    assert asked <= options(script), asked - options(script)


def anchors(path: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path: Path) -> None:
    broken = []
    for target in re.findall(r"(?<!!)\[[^\]]+\]\(([^)]+)\)|!\[[^\]]*\]\(([^)]+)\)", path.read_text()):
        link = target[0] or target[1]
        if re.match(r"https?://|mailto:", link):
            continue
        name, _, anchor = link.partition("#")
        to = (path.parent / name).resolve() if name else path
        if not to.exists() or (anchor and anchor not in anchors(to)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_that_are_named_exist(path: Path) -> None:
    """Code and tests move; a document that names them by their path must move with them."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    named = re.findall(r"`((?:chalicelib|tests|scripts|benchmarks|docs)/[\w/.-]+)`", text)
    made = ("benchmarks/data/",)  # by `make bench`
    assert [name for name in named if name not in made and not (ROOT / name).exists()] == []


def test_the_job_on_the_first_page_counts_words(tmp_path: Path) -> None:
    """README's job, as it stands there, beside its YAML as it stands there."""
    python, yaml = (
        next(block for block in blocks(language) if block.path.name == "README.md")
        for language in ("python", "yaml")
    )
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "wordcount.py").write_text(python.text)
    (tmp_path / "jobs" / "wordcount.yml").write_text(yaml.text)
    loaded = load_job("wordcount", root=tmp_path, require_cloud=True)
    check(job_loader(tmp_path / "jobs"), loaded.name, loaded.spec)


def test_the_first_page_shows_the_rows_that_its_commands_give(tmp_path: Path) -> None:
    (shown,) = (block.text for block in blocks("") if block.text.startswith("$ echo"))
    asked = [line.removeprefix("$ ") for line in shown.splitlines() if line.startswith("$ ")]
    rows = [line for line in shown.splitlines() if not line.startswith("$ ")]
    run = f"{shlex.quote(sys.executable)} {shlex.quote(str(ROOT / 'scripts' / 'run.py'))}"
    script = "\n".join(asked).replace(".venv/bin/python scripts/run.py", run)
    done = subprocess.run(["bash", "-ec", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-len(rows) :] == rows
    assert len(rows) == 4
