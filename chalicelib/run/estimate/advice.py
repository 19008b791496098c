"""Which settings would be better: each is tried at other values, and the best change is made, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from ...core.spec import GIB, MIB, JobSpec
from ..status.price_list import Prices
from ..status.prices import US_EAST_1
from .estimate import Estimate, estimate
from .figures import FIGURES, Figures
from .work import Work

#: A change is worth its words if it takes a fifth of the time away for at most a tenth more money, or a fifth of the
#: money for at most a tenth more time.
_GAIN, _PRICE = 0.8, 1.1
#: Changes that are made one after the other, at most.
_MOST = 6
_MEMORY = (256, 512, 1024, 1769, 3008, 5120, 10_240)
_SIZES = tuple(size * MIB for size in (16, 32, 64, 128, 256, 512, 1024, 2048, 4096))


@dataclass(frozen=True, kw_only=True)
class Change:
    """A setting, as in the job's YAML, at another value."""

    setting: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Advice:
    """Changes that belong together, in the order of what they gain, and what the run takes with all of them."""

    changes: tuple[Change, ...]
    spec: JobSpec
    estimate: Estimate


def advise(
    spec: JobSpec, work: Work, figures: Figures = FIGURES, prices: Prices = US_EAST_1
) -> Advice | None:
    """Settings that are much better than those of `spec`; None where they are good as they are."""
    now = estimate(spec, work, figures, prices)
    begun = [
        ({}, spec),
        *(({change.setting: change.value}, other) for change, other in _sizes(spec, "split_size")),
    ]
    found = [_improved(made, other, work, figures, prices) for made, other in begun]
    better = [one for one in found if _is_worth_it(now, one.estimate)]
    return min(better, key=lambda one: _badness(one.estimate)) if better else None


def _improved(made: dict[str, str], spec: JobSpec, work: Work, figures: Figures, prices: Prices) -> Advice:
    """`made` are changes that were made already. Makes the best one more, until none is worth it."""
    made, now = dict(made), estimate(spec, work, figures, prices)
    for _ in range(_MOST):
        tried = [
            (change, other, estimate(other, work, figures, prices)) for change, other in _neighbours(spec)
        ]
        better = [found for found in tried if _is_worth_it(now, found[2])]
        if not better:
            break
        change, spec, now = min(better, key=lambda found: _badness(found[2]))
        made[change.setting] = change.value
    changes = tuple(Change(setting=setting, value=value) for setting, value in made.items())
    return Advice(changes=changes, spec=spec, estimate=now)


def _badness(found: Estimate) -> tuple[int, float]:
    """Fewest limits at which the run cannot end, then time and money, each doubling weighing the same."""
    return len(found.fatal), found.times.median * max(found.total, 1e-6)


def _is_worth_it(now: Estimate, other: Estimate) -> bool:
    if len(other.fatal) != len(now.fatal):
        return len(other.fatal) < len(now.fatal)
    time, money = other.times.median / now.times.median, other.total / max(now.total, 1e-9)
    return (time <= _GAIN and money <= _PRICE) or (money <= _GAIN and time <= _PRICE)


def _neighbours(spec: JobSpec) -> Iterator[tuple[Change, JobSpec]]:
    """The configuration with one setting at another value."""
    for name in ("split_size", "reduce_size"):
        if name == "reduce_size" or not (spec.split_lines or spec.map_tasks):
            yield from _sizes(spec, name)
    for function in ("supervisor", "coordinator"):
        for megabytes in _MEMORY:
            memory = replace(spec.memory, **{function: megabytes})
            yield (
                Change(setting=f"memory.{function}", value=str(megabytes)),
                replace(spec, memory=memory),
            )
        timeout: Any = replace(spec.timeout, **{function: 900})
        yield Change(setting=f"timeout.{function}", value="15m"), replace(spec, timeout=timeout)


def _sizes(spec: JobSpec, name: str) -> Iterator[tuple[Change, JobSpec]]:
    for size in _SIZES:
        value = f"{size // GIB}GiB" if size >= GIB else f"{size // MIB}MiB"
        yield Change(setting=name, value=value), replace(spec, **{name: size})
