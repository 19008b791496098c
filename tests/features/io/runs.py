"""Whole runs in the simulated cloud over several inputs and into every kind of output."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from chalicelib.core.spec import InputSpec, JobSpec, OutputSpec
from tests.worlds import simulation
from tests.worlds.simulation import Simulation


def job_spec(
    *inputs: InputSpec, output: dict[str, Any] | None = None, trigger: str = "marker", **more: Any
) -> JobSpec:
    """A configuration over `inputs`, or over the simulation's one, started by a marker."""
    found = simulation.spec(output=output or {}, trigger=trigger, **more)
    return replace(found, input=inputs[0], more_inputs=inputs[1:]) if inputs else found


def run(
    job: type[Any],
    spec: JobSpec,
    files: Mapping[str, bytes],
    scratch: Path,
    marker: str = "_READY",
    **how: Any,
) -> Simulation:
    """A run over all files that must end well, and leave nothing on disk."""
    world = started(job, spec, files, scratch, marker, **how)
    assert world.output().get("_FAILED", b"") == b""
    assert "_SUCCESS" in world.output()
    assert list(scratch.iterdir()) == []
    return world


def failed(job: type[Any], spec: JobSpec, files: Mapping[str, bytes], scratch: Path) -> str:
    """What the run says of its failure."""
    world = started(job, spec, files, scratch)
    assert "_SUCCESS" not in world.output()
    return world.output()["_FAILED"].decode()


def started(
    job: type[Any],
    spec: JobSpec,
    files: Mapping[str, bytes],
    scratch: Path,
    marker: str = "_READY",
    **how: Any,
) -> Simulation:
    scratch.mkdir(exist_ok=True)
    world = Simulation(job, spec, scratch, **how)
    for name, body in files.items():
        world.add(name, body)
    world.drop(marker, b"")
    world.run()
    return world


def output(**figures: Any) -> OutputSpec:
    return OutputSpec(url="s3://out/", **figures)
