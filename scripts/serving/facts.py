"""What the page is told of a run: a row of the list, all of it, its log, its bad records. Plain values for JSON."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

import msgspec

from chalicelib.core.keys import RunKeys
from chalicelib.run.status.collect import Memory, PhaseStatus, RunStatus, collect
from scripts.log_reading.lines import Wanted
from scripts.log_reading.show import source_of
from scripts.redriving.run import set_aside
from scripts.runs.places import results_of
from scripts.runs.show import MAX_MARKERS

from .sources import Run, Source, Sources, Standing

#: Of what may be long, so much is sent: the last lines of a log, the first failed attempts and bad records.
LINES, FAILURES, BAD = 2000, 20, 200
#: Characters of a bad record's text.
_TEXT = 2000


#: The address of a run's report, by the number of its source, its job and its id.
Report = Callable[[int, str, str], str]


def row(standing: Standing, report: Report) -> dict[str, Any]:
    """A run on one line."""
    run, status = standing
    keys = run.keys
    told = {
        "place": run.source,
        "job": keys.job,
        "run": keys.run,
        "report": report(run.source, keys.job, keys.run),
    }
    return told | (_figures(status) if status else _UNREADABLE)


def _figures(status: RunStatus) -> dict[str, Any]:
    return {
        "phase": status.phase,
        "ended": status.ended,
        "step": status.step,
        "steps": status.steps,
        "map": _tasks(status.map),
        "reduce": _tasks(status.reduce),
        "failed": status.attempts_failed,
        "bad": status.bad,
        "started": status.started,
        "elapsed": status.elapsed,
        "records": status.output_records,
        "cost": status.cost,
    }


_UNREADABLE: dict[str, Any] = {
    "phase": "unreadable", "ended": False, "step": 1, "steps": 1, "map": [None, None], "reduce": [None, None],
    "failed": 0, "bad": 0, "started": None, "elapsed": None, "records": None, "cost": None,
}  # fmt: skip


def _tasks(phase: PhaseStatus) -> list[int | None]:
    return [phase.done, phase.total]


class Look:
    """One run, looked at again and again: only news costs requests."""

    def __init__(self, sources: Sources, number: int, job: str, run: str, report: Report) -> None:
        self._sources, self._number, self._report = sources, number, report
        self._source, self._keys = sources.named(number, job, run)
        self._place = sources.place(self._source, job)
        self._memory = Memory()

    def __call__(self) -> dict[str, Any]:
        """All there is to know. Raises UserError if there is no such run, StoreError if it cannot be read."""
        world, keys = self._sources.world, self._keys
        status = collect(
            world.open_store(self._place.work, [keys]),
            keys,
            now=world.clock.now(),
            output=results_of(self._place, keys),
            max_markers=MAX_MARKERS,
            max_failures=FAILURES,
            memory=self._memory,
            region=world.region_of(self._place.work),
            spec=self._place.spec,
        )
        told: dict[str, Any] = msgspec.to_builtins(status)
        return (
            told
            | row((Run(self._number, keys), status), self._report)
            | {
                "inputs": [status.inputs, status.input_bytes],
                "can": offers(self._source, status),
                "measured": [_used(phase) for phase in (status.map, status.reduce)],
            }
        )


def _used(phase: PhaseStatus) -> dict[str, Any]:
    stats = phase.stats
    return {
        "tasks": phase.measured,
        "records_in": stats.records_in,
        "records_out": stats.records_out,
        "bytes_in": stats.bytes_in,
        "bytes_out": stats.bytes_out,
        "seconds": stats.seconds,
    }


def offers(source: Source, status: RunStatus) -> list[str]:
    """What may be done with the run from here. A run on this machine delivers its own events, and is begun by hand."""
    if not status.ended:
        return ["stop", "resume"] if source.deployed else ["stop"]
    return [
        *(["again"] if source.deployed else []),
        *(["redrive"] if status.bad and not status.expired else []),
    ]


def log(keys: RunKeys, wanted: Wanted, logs: Callable[[], Any]) -> dict[str, Any]:
    """The last lines that the run has logged. Raises UserError if there is no log, DeployError as AWS refuses."""
    last: deque[dict[str, Any]] = deque(maxlen=LINES)
    total = 0
    for line in source_of(keys, logs).lines(math.inf):
        if line in wanted:
            total += 1
            last.append({"at": line.at, "function": line.function, "level": line.level, **line.fields})
    return {"total": total, "lines": list(last)}


def bad(sources: Sources, number: int, job: str, run: str) -> dict[str, Any]:
    """The first bad records, and how many there are of which errors. Raises UserError."""
    source, _ = sources.named(number, job, run)
    found = set_aside(sources.world, sources.place(source, job), run).records
    kinds = Counter(record.error.partition(":")[0] for record in found)
    shown = [
        {
            "phase": record.phase,
            "source": record.source,
            "offset": record.offset,
            "line": record.line,
            "error": record.error,
            "traceback": record.traceback,
            "text": record.text[:_TEXT],
        }
        for record in found[:BAD]
    ]
    return {"total": len(found), "kinds": kinds.most_common(), "records": shown}
