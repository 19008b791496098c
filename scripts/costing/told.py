"""What the tasks of runs told, from their manifests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import reduce
from operator import add

import msgspec

from chalicelib.core.messages import Stats, Wasted
from chalicelib.core.outcome import Manifest
from chalicelib.core.spec import JobSpec
from chalicelib.run.status.fields import Dollars


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the tasks of some runs told together, which succeeded with the same settings."""

    runs: int = 1
    spec: JobSpec
    #: Runs of one map task, whose mapper also reduced.
    small: bool
    map_tasks: int
    reduce_tasks: int
    mapped: Stats
    reduced: Stats
    map_wasted: Wasted = field(default_factory=Wasted)
    reduce_wasted: Wasted = field(default_factory=Wasted)
    dollars: Dollars

    @classmethod
    def of(cls, manifest: Manifest, spec: JobSpec, dollars: Dollars, *, small: bool) -> Told:
        """One run, from its manifest and what it was planned with."""
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

    def __add__(self, other: Told) -> Told:
        return Told(
            runs=self.runs + other.runs,
            spec=self.spec,
            small=self.small,
            map_tasks=self.map_tasks + other.map_tasks,
            reduce_tasks=self.reduce_tasks + other.reduce_tasks,
            mapped=self.mapped + other.mapped,
            reduced=self.reduced + other.reduced,
            map_wasted=self.map_wasted + other.map_wasted,
            reduce_wasted=self.reduce_wasted + other.reduce_wasted,
            dollars=both(self.dollars, other.dollars),
        )


def alike(recent: Iterable[Told]) -> Told | None:
    """The newest run, the last one, with those that had the same settings; None if there is none."""
    runs = list(recent)
    return reduce(add, (one for one in runs if _settings(one) == _settings(runs[-1]))) if runs else None


def _settings(one: Told) -> tuple[object, ...]:
    spec = one.spec
    return (spec.memory, spec.timeout, spec.architecture, spec.split_size, spec.reduce_size, one.small)


def both(one: Dollars, other: Dollars) -> Dollars:
    """Part by part."""
    pairs = zip(msgspec.structs.astuple(one), msgspec.structs.astuple(other), strict=True)
    return Dollars(**dict(zip(Dollars.__struct_fields__, (a + b for a, b in pairs), strict=True)))
