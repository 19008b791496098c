"""What runs told."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.core.messages import Stats, Wasted
from chalicelib.core.outcome import Manifest
from chalicelib.core.spec import JobSpec
from chalicelib.run.status.fields import Dollars


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the tasks of one run that succeeded told."""

    spec: JobSpec
    small: bool
    map_tasks: int
    reduce_tasks: int
    mapped: Stats
    reduced: Stats
    map_wasted: Wasted
    reduce_wasted: Wasted
    dollars: Dollars

    @classmethod
    def of(cls, manifest: Manifest, spec: JobSpec, dollars: Dollars, *, small: bool) -> Told:
        """From a run's manifest, and what it was planned with."""
        return cls(
            spec=spec,
            small=small,
            map_tasks=manifest.map_tasks,
            reduce_tasks=manifest.reduce_tasks,
            mapped=manifest.mapped,
            reduced=manifest.reduced,
            map_wasted=manifest.map_wasted,
            reduce_wasted=manifest.reduce_wasted,
            dollars=dollars,
        )
