"""What a deployment chooses for the input that its job expects, where the job does not say it itself.

Nobody knows the input before it is dropped, and memory and disk of a function are set when it is deployed. So a job may
say what it expects, `expect: 1TB`; a run of more or less ends all the same. The rules are few, so that every function
can go by them when it starts; that they are good ones is shown by the estimate (`tests/unit/config/test_chosen.py`).
"""

from __future__ import annotations

from collections.abc import Collection

from msgspec.structs import replace

from ..core.spec import GIB, MIB, JobSpec

#: MB that come with one processor. More is wasted on Python, which uses one; a supervisor of less is slower.
WHOLE = 1769
#: From so much input on, a supervisor that is three times as fast is worth a twentieth of the price.
LARGE = 10 * 10**9
#: MB of local disk that Lambda gives and that it can give, and the share of it that a task's spills may take.
LEAST_DISK, MOST_DISK, SPILLS = 512, 10_240, 0.75
#: A map task reads a thousandth of the input, but no more than this.
_LARGEST_SPLIT, _SPLITS = 4 * GIB, 1000
_MOST_PARTITIONS = 4096


def choose(spec: JobSpec, unsaid: Collection[str]) -> tuple[JobSpec, tuple[str, ...]]:
    """The configuration with what is chosen for `spec.expect`, and the dotted keys of that; of those `unsaid` alone."""
    expected = spec.expect
    if expected is None:
        return spec, ()
    wanted = {key: value for key, value in _wanted(spec, expected).items() if key in unsaid}
    memory = {key.partition(".")[2]: value for key, value in wanted.items() if key.startswith("memory.")}
    spec = replace(spec, memory=replace(spec.memory, **memory))
    if "lambda.ephemeral_storage" in unsaid:
        wanted["lambda.ephemeral_storage"] = disk(spec, expected)
        given = replace(spec.lambda_, ephemeral_storage=wanted["lambda.ephemeral_storage"])
        spec = replace(spec, lambda_=given)
    return spec, tuple(wanted)


def _wanted(spec: JobSpec, expected: int) -> dict[str, int]:
    wanted = {"memory.supervisor": WHOLE if expected >= LARGE else spec.memory.supervisor}
    if not spec.uses_duckdb:  # it uses more than one processor
        wanted |= {"memory.mapper": WHOLE, "memory.reducer": WHOLE}
    if spec.memory_budget is not None and spec.memory_budget >= WHOLE * MIB:
        return {"memory.supervisor": wanted["memory.supervisor"]}
    return wanted


def disk(spec: JobSpec, expected: int) -> int:
    """MB of local disk that hold what a map task or a reduce task spills, whatever it makes of `expected` bytes.

    A task of the one spills what it reads at most; one of the other a partition, if that is larger than its budget.
    """
    split = spec.split_size or min(max(expected // _SPLITS, 1), _LARGEST_SPLIT)
    partition = expected / _partitions(spec)
    spilled = max(split, partition if partition > spec.budget("reducer") else 0)
    needed = -(-int(spilled / SPILLS) // (64 * MIB)) * 64
    return min(max(needed, LEAST_DISK), MOST_DISK)


def _partitions(spec: JobSpec) -> int:
    """Those of input that is too much for its partitions to fit a reducer's memory."""
    together = spec.is_sql and (bool(spec.sql.order_by) or not spec.sql.keys)
    if spec.reducers == 1 or spec.output.one_file or together:
        return 1
    return spec.partitions or _MOST_PARTITIONS
