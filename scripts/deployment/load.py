"""Reads a job from a checkout, and checks that it can be deployed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from chalicelib.config import check
from chalicelib.config.layers import EXEMPT
from chalicelib.config.load import JOBS, load_job
from chalicelib.config.schema import ENV_PREFIX
from chalicelib.core.errors import UserError
from chalicelib.core.spec import JobSpec
from chalicelib.job.load_class import job_loader
from chalicelib.job.steps import all_steps
from chalicelib.run import job_code

from .expected import check_expected
from .project import Project
from .target import Target


def load_target(name: str, project: Project, environ: Mapping[str, str]) -> Target:
    """The job `name`, checked: its YAML, its class, its places beside the jobs deployed. Raises UserError."""
    job = load_job(name, root=project.root, environ=environ, require_cloud=True)
    load = job_loader(project.root / JOBS)
    job_code.check(load, name, job.spec)
    check.check(job.spec, name, _deployed_beside(name, project))
    overrides = {
        key: value for key, value in environ.items() if key.startswith(ENV_PREFIX) and key not in EXEMPT
    }
    return Target(
        name=job.name,
        spec=job.spec,
        overrides=overrides,
        shape=job_code.shape(load, job.spec),
        named_files=tuple(_named_files(load, job.spec, project.root / JOBS)),
        warnings=(*job_code.warnings(load, job.spec), *check_expected(load, name, job.spec)),
    )


def _named_files(load: Callable[[str], type[Any]], spec: JobSpec, jobs: Path) -> Iterator[str]:
    """What a job written for mrjob names in FILES and on its command line, if it lies in `jobs`."""
    if not spec.job:
        return
    for cls in all_steps(load, spec)[0][:1]:
        for path in getattr(cls, "files_beside", tuple)():
            if path.resolve().is_relative_to(jobs.resolve()):
                yield path.resolve().relative_to(jobs.resolve()).as_posix()


def _deployed_beside(name: str, project: Project) -> dict[str, JobSpec]:
    """The other stages' jobs, each with its own overrides; one that no longer reads cannot be compared."""
    others = {}
    for stage, settings in project.stages().items():
        if stage == name:
            continue
        with contextlib.suppress(UserError):
            variables = settings.get("environment_variables", {})
            others[stage] = load_job(stage, root=project.root, environ=variables, require_cloud=True).spec
    return others


def find_target(name: str, project: Project, environ: Mapping[str, str]) -> Target | None:
    """The job as its YAML says, or None if it can no longer be read: deleting does not need it."""
    try:
        job = load_job(name, root=project.root, environ=environ, require_cloud=True)
    except UserError:
        return None
    return Target(name=job.name, spec=job.spec, overrides={})
