"""An mrjob job as jobs of Sluice: one class for each step, whose methods pass lines to the user's methods."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..job.job import Job
from .definition import JobDefinition
from .lines import rest_order
from .protocol import PairProtocol
from .step import MRStep, Role
from .support.options import task_args
from .support.side_files import Kind, SideFile, listed, named_apart, side_file
from .tasks import COMBINERS, MAPPERS, REDUCERS, PassesOn, Task, keyless


def adapt(cls: type[JobDefinition], home: Path | None = None) -> type[Job]:
    """The job with its steps; `params.args` is its command line.

    `home` is the folder that relative paths of the command line start from: by default the job's own.
    """

    def steps(self: Job) -> list[type[Task]]:
        return step_classes(cls, task_args(self.params), home)

    members = {"steps": steps, "writer": _line, "__module__": cls.__module__, "__doc__": cls.__doc__}
    return type(cls.__name__, (Job,), members)


def _line(self: Job, key: None, value: bytes) -> bytes:  # noqa: ARG001 - a method
    """A row of the output is what the job's output protocol wrote, whatever `output.format` says."""
    return value + b"\n"


def step_classes(cls: type[JobDefinition], args: Sequence[str], home: Path | None = None) -> list[type[Task]]:
    """A class for each step. Raises ConfigError or UserError for what cannot be run."""
    members: dict[str, Any] = {
        "mrjob": cls,
        "home": home,
        "__module__": cls.__module__,
        "__doc__": cls.__doc__,
    }
    job = type(cls.__name__, (Task,), members)({"args": list(args)}).user_job("mapper")
    steps = job.checked_steps()
    members["side_files"] = named_apart(_side_files(job, args))
    members["variables"] = job.options.cmdenv
    return [type(cls.__name__, *_step_class(job, steps, number, members)) for number in range(len(steps))]


def _side_files(job: JobDefinition, args: Sequence[str]) -> Iterator[SideFile]:
    chosen = job.options
    lists: list[tuple[Kind, Sequence[str]]] = [
        ("file", [*job.files(), *listed(chosen.upload_files)]),
        ("dir", [*job.dirs(), *listed(chosen.upload_dirs)]),
        ("archive", [*job.archives(), *listed(chosen.upload_archives)]),
        ("import", listed(chosen.py_files)),
        ("file", job.file_args(args)),
    ]
    for kind, given in lists:
        yield from (side_file(kind, name) for name in given)


def _step_class(
    job: JobDefinition, steps: Sequence[MRStep], number: int, given: Mapping[str, Any]
) -> tuple[tuple[type[Task], ...], dict[str, Any]]:
    """The bases and members of a step's class."""
    step, last = steps[number], number == len(steps) - 1
    # Without a reducer, mrjob's own local runners end a step with its combiner.
    fold: Role | None = (
        "reducer" if step.has_explicit_reducer else "combiner" if step.has_explicit_combiner else None
    )
    settings = {**job.jobconf(), **(step["jobconf"] or {})}
    members: dict[str, Any] = {
        **given,
        "settings": {name: _as_text(value) for name, value in settings.items() if value is not None},
        "number": number,
        "several": len(steps) > 1,
        "last": last,
        "fold": fold,
        "shuffle": fold is not None,
        "keyless": keyless(job, steps, number),
    }
    if not step.maps(number):
        bases: list[type[Task]] = [PassesOn]
    else:
        bases = [MAPPERS[step.kind("mapper")]]
    if fold:
        bases.append(REDUCERS[step.kind(fold)])
        if fold == "reducer" and step.has_explicit_combiner:
            bases.append(COMBINERS[step.kind("combiner")])
        members |= _order(job, step, number, fold, without_keys=members["keyless"])
    return tuple(bases), members


def _order(
    job: JobDefinition, step: MRStep, number: int, fold: Role, *, without_keys: bool
) -> dict[str, Any]:
    """How the values of a group are sorted, if they are."""
    if not job.sort_values():
        return {"sort_values": True, "sort_key": _by_first_field} if without_keys else {}
    if not step.is_program(fold):
        read = job.pick_protocols(number, fold)[0]
        if isinstance(getattr(read, "__self__", None), PairProtocol):
            return {"sort_values": True}
    return {"sort_values": True, "sort_key": _by_line}


def _by_line(self: Any, key: bytes, value: bytes | None) -> bytes:  # noqa: ARG001 - methods
    return rest_order(value)


def _by_first_field(self: Any, key: bytes, value: bytes) -> bytes:  # noqa: ARG001
    return value.partition(b"\t")[0]


def _as_text(value: Any) -> str:
    """A setting as Hadoop would read it: `true` for True."""
    return value if isinstance(value, str) else json.dumps(value)
