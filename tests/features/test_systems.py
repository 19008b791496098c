"""Every example of examples/, started as the first line of its YAML says, gives what plain Python gives."""

from __future__ import annotations

import shlex
import sys
from fractions import Fraction
from importlib.util import module_from_spec, spec_from_file_location
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from chalicelib.config.load import load_job
from chalicelib.job.load_class import job_loader
from chalicelib.local import LocalRun
from chalicelib.local.inline import run_inline
from chalicelib.local.inputs import tagged_inputs
from scripts.run import _parse

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*/*.yml"))
#: Cut so small that groups cross tasks, unless the example itself says how it is cut.
SMALL = ["split_size=150", "reduce_size=1"]
#: How far a mean of 28 digits may be from the fraction.
NEAR = Fraction(1, 10**20)


def named(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def arguments(path: Path) -> list[str]:
    """Of the command that runs an example."""
    command, *rest = shlex.split(path.read_text().partition("\n")[0].removeprefix("# "))
    assert command == "scripts/run.py"
    assert (ROOT / rest[0]) == path
    return rest


def run(path: Path, folder: Path, sets: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The rows of the result, in the order of the parts."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["run.py", *arguments(path)])
    options = _parse()
    loaded = load_job(path, root=ROOT, overrides=sets, environ={}, require_cloud=False)
    objects, tags = tagged_inputs(options.input, loaded.spec.inputs)
    output, work = folder / "out", folder / "work"
    output.mkdir()
    work.mkdir()
    manifest = run_inline(
        LocalRun(
            name=loaded.name,
            spec=loaded.spec,
            run="20261121T032424-0123456789ab",
            inputs=objects,
            tags=tags,
            source="test",
            output=output,
            work=work,
            workers=1,
            load_job=job_loader(path.parent),
        )
    )
    assert manifest.outcome == "success"
    return b"".join(part.read_bytes() for part in sorted(output.glob("part-*"))).decode().splitlines()


def right(path: Path) -> list[Any]:
    """What the oracle beside an example gives: rows as text, or as cells."""
    spec = spec_from_file_location(f"oracle_of_{path.parent.name}", path.parent / "oracle.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    named = (argument.partition("=") for argument in arguments(path)[1:-2])
    texts = [(ROOT / (file or tag)).read_text() for tag, _, file in named]
    found: list[Any] = getattr(module, path.stem)(*texts)
    return found


@pytest.mark.parametrize("path", EXAMPLES, ids=named)
def test_an_example_is_what_plain_python_gives(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = right(path)
    assert len(wanted) > 0
    cut = [] if "\nmap_tasks:" in path.read_text() or "\nsplit_" in path.read_text() else SMALL
    found = run(path, tmp_path, cut, monkeypatch)
    if isinstance(wanted[0], str):
        assert found == wanted
        return
    rows = [row.split(",") for row in found[1:]]  # behind the header
    assert list(map(len, rows)) == list(map(len, wanted))
    for text, cell in zip(chain.from_iterable(rows), chain.from_iterable(wanted), strict=True):
        assert text == cell if isinstance(cell, str) else abs(Fraction(text) - cell) <= NEAR


def test_each_system_has_an_example_and_each_is_told_of() -> None:
    compared = (ROOT / "docs" / "compared.md").read_text()
    told = (ROOT / "examples" / "README.md").read_text()
    systems = {path.parent.name for path in EXAMPLES}
    assert len(systems) == 13
    assert {name for name in systems if f"(../examples/{name}/)" not in compared} == set()
    assert {named(path) for path in EXAMPLES if f"[{path.stem}]({named(path)}.yml)" not in told} == set()
