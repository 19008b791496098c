"""Every job of jobs/ on the local engine: right, and the same bytes for any sizes."""

from __future__ import annotations

import json
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from chalicelib.config.load import load_job
from chalicelib.job.load_class import job_loader
from chalicelib.local import LocalRun, run_local
from chalicelib.local.inputs import tagged_inputs
from tests.features.shipped.inputs import INPUTS, Files
from tests.features.shipped.oracles import ORACLES, Rows
from tests.strategies import WHOLE

ROOT = Path(__file__).resolve().parents[3]
JOBS = ROOT / "jobs"
#: Cut small enough that every input has many tasks, groups cross tasks, and reducers get little each.
SIZES = [["split_size=700", "reduce_size=1"], ["split_size=5000", "memory_budget=1"], []]
PARTITIONS = [1, 7]
#: Each of them with another; all with all in `make chaos`.
SOME = [(1, SIZES[0]), (7, SIZES[0]), (7, SIZES[1]), (1, SIZES[2])]


@cache
def inputs(job: str) -> Files:
    return INPUTS[job]()


@cache
def right(job: str) -> Rows:
    return ORACLES[job].rows(inputs(job))


def check(job: str, output: bytes) -> None:
    """Raise unless `output` is what the oracle gives: in its order, if there is one."""
    oracle = ORACLES[job]
    found, expected = oracle.parse(output), right(job)
    assert len(expected) > 0
    if not oracle.ordered:
        found, expected = sorted(found, key=texts_of), sorted(expected, key=texts_of)
    assert found == expected


def texts_of(row: tuple[Any, ...]) -> list[Any]:
    """What tells a row from all others and has an order."""
    return [row[0], *(cell for cell in row[1:] if isinstance(cell, str))]


def run(job: str, folder: Path, sets: list[str]) -> bytes:
    """The output of the local engine; objects are named as they are in the input folder."""
    source, output, work = folder / "in", folder / "out", folder / "work"
    for place in (output, work, *((source / name).parent for name in inputs(job))):
        place.mkdir(parents=True, exist_ok=True)
    for name, body in inputs(job).items():
        (source / name).write_bytes(body)
    loaded = load_job(job, root=ROOT, overrides=sets, environ={}, require_cloud=False)
    several = len(loaded.spec.inputs) > 1  # then each has a folder, named as its tag
    names = [
        f"{name.partition('/')[0]}={source / name}" if several else str(source / name) for name in inputs(job)
    ]
    objects, tags = tagged_inputs(names, loaded.spec.inputs)
    manifest = run_local(
        LocalRun(
            name=job,
            spec=loaded.spec,
            run="20261121T032424-0123456789ab",
            inputs=objects,
            tags=tags,
            source="test",
            output=output,
            work=work,
            workers=2,
            load_job=job_loader(JOBS),
        )
    )
    assert manifest.outcome == "success"
    assert manifest.map_tasks > 1 or not any(setting.startswith("split_size=") for setting in sets)
    found = b"".join(path.read_bytes() for path in sorted(output.glob("part-*")))
    return found.replace(f"{source}/".encode(), b"")


@pytest.mark.parametrize("job", ORACLES)
def test_a_job_is_right_for_any_sizes(job: str, tmp_path: Path) -> None:
    outputs: dict[int, bytes] = {}
    for number, (partitions, sizes) in enumerate(product(PARTITIONS, SIZES) if WHOLE else SOME):
        found = run(job, tmp_path / str(number), [*sizes, f"partitions={partitions}"])
        check(job, found)
        assert found == outputs.setdefault(partitions, found)
    few, many = outputs.values()
    assert sorted(few.splitlines(True)) == sorted(many.splitlines(True))
    assert few == many or not ORACLES[job].ordered


def test_every_job_is_tested_and_told_of() -> None:
    jobs = {path.stem for path in JOBS.glob("*.yml")}
    readme = (ROOT / "README.md").read_text()
    assert ORACLES.keys() == {path.stem for path in JOBS.glob("*.py")} <= jobs
    assert {job for job in jobs if f"[{job}](jobs/" not in readme} == set()


def test_broken_telemetry_is_listed_and_does_not_cost_the_run(tmp_path: Path) -> None:
    run("telemetry", tmp_path, ["split_size=700"])
    listed = b"".join(path.read_bytes() for path in sorted((tmp_path / "work").rglob("quarantine/*")))
    lines = b"".join(inputs("telemetry").values()).decode().splitlines()
    broken = [
        line for line in lines if line in ("not json", '{"App": 5}') or line.startswith(("[", '{"App": {"Pr'))
    ]
    broken = [line for line in broken if not line.endswith("}}")]
    assert sorted(json.loads(row)["text"].rstrip("\n") for row in listed.splitlines()) == sorted(broken)
    assert len(broken) > 3
