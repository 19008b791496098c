"""Whether a run of what the job expects would end: said before anything is deployed, so before it costs anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chalicelib.core.errors import UserError
from chalicelib.core.spec import GIB, JobSpec
from chalicelib.run.estimate.estimate import estimate
from chalicelib.run.estimate.likeness import likeness
from chalicelib.run.estimate.supervision import Limit
from chalicelib.run.estimate.work import Work

#: These follow from the number of tasks, and from the job's own brakes. The others hang on what the records are like.
_SURE = ("memory.supervisor", "timeout.supervisor", "limits.")


def check_expected(load_job: Callable[[str], type[Any]], name: str, spec: JobSpec) -> list[str]:
    """Warnings: limits that a run over `spec.expect` bytes, in objects of 1 GiB, may meet by the arithmetic of plan.py.

    Raises UserError for one that it is sure to meet, at which it would not begin or not end.
    """
    if spec.expect is None:
        return []
    like = likeness(load_job, name, spec)
    work = Work(
        bytes=spec.expect,
        objects=-(-spec.expect // GIB),
        whole=any(given.whole for given in spec.inputs),
        kind=like.kind,
        way=like.way,
        map_only=like.map_only,
    )
    limits = estimate(spec, work).fatal
    if sure := [limit for limit in limits if limit.name.startswith(_SURE)]:
        raise UserError("\n".join(_told(name, limit) for limit in sure))
    return [_told(name, limit) for limit in limits]


def _told(name: str, limit: Limit) -> str:
    return f"{name}: expect: a run of that size meets {limit.name}: {limit.text}: {limit.lift}"
