"""What a run would come to, before anything of it is written: held against `limits`, and what a supervisor bears.

Raises LimitMet, which names the number, the limit and what to change; the coordinator then ends the run by it. How
much a compressed object unpacks to is known only while it is read: see `mapreduce.input.blocks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from ..core.errors import LimitMet
from ..core.keys import RunKeys
from ..core.ports import ObjectInfo, Runtime
from ..core.spec import JobSpec
from ..mapreduce.input.splits import split_size
from ..run.status.runs import runs_since

_HOUR = 3600.0
#: Map tasks that every supervisor bears: the arithmetic is not even imported for them.
_FEW = 2000
#: Seconds are those of another machine: a run is refused if it would take so many times what there is.
_SLACK = 2.0


def check_rate(runtime: Runtime, keys: RunKeys, spec: JobSpec) -> None:
    """Whether the run of `keys` is one too many in an hour. Reads only if there is such a limit."""
    most = spec.limits.runs_per_hour
    if most is None:
        return
    since = datetime.fromtimestamp(max(0.0, runtime.clock.now() - _HOUR), UTC).strftime("%Y%m%dT%H%M%S")
    seen: set[str] = set()
    for other in runs_since(runtime.store, keys.work, keys.job, since):
        seen.add(other.run)
        if len(seen - {keys.run}) >= most:
            raise LimitMet(
                f"limits.runs_per_hour: {most:,} other runs of {keys.job} have begun since {since} (UTC), as many as"
                " there may be: raise it, or drop the files again later, or several together (trigger: marker)"
            )


def check_bytes(spec: JobSpec, inputs: Sequence[tuple[str, ObjectInfo]]) -> None:
    """Whether the objects are too much input together."""
    most, size = spec.limits.input_bytes, sum(info.size for _, info in inputs)
    if most is not None and size > most:
        raise LimitMet(
            f"limits.input_bytes: the {len(inputs):,} objects of this run have {size:,} bytes, over the limit of"
            f" {most:,}: raise it, or drop fewer at once"
        )


def check_chain(spec: JobSpec, chain: int, source: str) -> None:
    """Whether too many runs, one started by the results of the other, led to this one."""
    most = spec.limits.max_chain
    if chain > most:
        raise LimitMet(
            f"limits.max_chain: {source} is the result of {chain:,} runs that started each other in a row, over the"
            f" limit of {most:,}: do results come back into an input, by way of another job, account or replication?"
            " If that is meant, raise it"
        )


def check_plan(spec: JobSpec, size: int, tasks: int, partitions: int) -> None:
    """Whether `tasks` map tasks over `size` bytes are too many, for `limits` or for whoever supervises them."""
    check_tasks(spec, size, tasks)
    check_dollars(spec, size, tasks)
    check_supervisor(spec, partitions, tasks)


def check_tasks(spec: JobSpec, size: int, tasks: int) -> None:
    """Whether `tasks` map tasks over `size` bytes are too many."""
    limits = spec.limits
    if limits.tasks is not None and tasks > limits.tasks:
        raise LimitMet(
            f"limits.tasks: this run has {tasks:,} map tasks, over the limit of {limits.tasks:,}: raise it, or"
            f" {_cut_by(spec, size)}, or drop fewer files at once"
        )


def _cut_by(spec: JobSpec, size: int) -> str:
    """The setting that says how much of the input is one map task."""
    if spec.split_lines:
        return f"split_lines ({spec.split_lines:,})"
    if spec.map_tasks:
        return f"lower map_tasks ({spec.map_tasks:,})"
    return f"split_size ({split_size(spec, size):,} bytes)"


def check_dollars(spec: JobSpec, size: int, tasks: int) -> None:
    """Whether `tasks` map tasks over `size` bytes would cost too much."""
    limits = spec.limits
    if limits.dollars is None:
        return
    from ..run.status.prices import foreseen  # few jobs have this limit

    if (dollars := foreseen(spec, size, tasks)) > limits.dollars:
        raise LimitMet(
            f"limits.dollars: this run of {tasks:,} map tasks over {size:,} bytes would cost about ${dollars:,.2f},"
            f" over the limit of ${limits.dollars:,.2f}: raise it, or drop fewer files at once"
        )


def check_supervisor(spec: JobSpec, partitions: int, tasks: int) -> None:
    """Whether a supervisor has memory and time for so many map tasks; both grow with them, whatever records are."""
    if tasks <= _FEW:
        return
    from ..run.estimate import supervision  # large runs alone need it
    from ..run.estimate.figures import FIGURES

    for limit in supervision.limits(spec, tasks, partitions, FIGURES, _SLACK):
        raise LimitMet(f"{limit.name}: {limit.text}: {limit.lift}")
