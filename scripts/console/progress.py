"""How runs are drawn: one line each, or the full picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import msgspec

from chalicelib.core.tasks import Failure
from chalicelib.run.status.collect import PhaseStatus, RunStatus
from chalicelib.run.status.price_list import whose

from .terminal import Line, bar, count, human_bytes, human_dollars, human_seconds, typed

STYLES = {"succeeded": "bold green", "failed": "bold red", "planning": "dim"}
#: Seconds, as long as a function may live: a finishing run that has written nothing for longer is not finishing.
STALE = 900.0
_LABEL = 10
_TRACEBACK_LINES = 40


def summary(status: RunStatus, *, job: bool = True, widths: tuple[int, int] = (0, 0)) -> Line:
    """One run on one line. `widths` pad the names of job and run."""
    name = f"{status.job:<{widths[0]}}  " if job else ""
    line: Line = [(f"{name}{status.run:<{widths[1]}}  ", ""), (f"{status.phase:<9}", _style(status))]
    if status.place:
        line.append((f"  {status.place}", ""))
    between = f"  exchange {_of(status.exchange)}" if status.exchange else ""
    line.append((f"  map {_of(status.map):>7}{between}  reduce {_of(status.reduce):>5}", ""))
    if status.attempts_failed:
        line.append((f"  {count(status.attempts_failed, 'failed attempt')}", "yellow"))
    if status.bad:
        line.append((f"  {count(status.bad, 'bad record')}", "yellow"))
    if status.elapsed is not None:
        line.append((f"  {human_seconds(status.elapsed)}", ""))
    if status.ended and status.output_records is not None:
        line.append((f"  {count(status.output_records, 'record')}", ""))
    if status.cost is not None:
        line.append((f"  {human_dollars(status.cost)}", "dim"))
    return line


def table(statuses: Sequence[RunStatus], *, job: bool) -> list[Line]:
    """Each run on one line, in columns."""
    widths = (
        max((len(status.job) for status in statuses), default=0),
        max((len(status.run) for status in statuses), default=0),
    )
    return [summary(status, job=job, widths=widths) for status in statuses]


def picture(status: RunStatus, *, terminal: bool) -> list[Line]:
    """Everything that is known of one run."""
    lines: list[Line] = [_title(status)]
    if status.expired:
        lines.append([("  its plan and markers are gone (the work place's lifecycle rule)", "dim")])
    lines += [_row("started", _started(status))] if status.started is not None else []
    if status.inputs is not None:
        size = f", {human_bytes(status.input_bytes)}" if status.input_bytes is not None else ""
        lines.append(_row("input", count(status.inputs, "object") + size))
    lines += _phase_rows("map", status.map, terminal)
    if status.partitions is not None:
        lines.append(_row("shuffle", count(status.partitions, "partition")))
    lines += _phase_rows("exchange", status.exchange, terminal) if status.exchange else []
    lines += _phase_rows("reduce", status.reduce, terminal)
    if status.attempts_failed:
        lines.append([*_row("attempts", ""), (f"{status.attempts_failed:,} failed", "yellow")])
    if status.continued:
        lines.append(
            _row("pieces", f"time ran out {status.continued:,} times, and a fresh invocation went on")
        )
    if status.bad:
        told = typed(f"; scripts/quarantine.py {status.job} {status.run} shows them")
        lines.append([*_row("set aside", ""), (count(status.bad, "bad record"), "yellow"), (told, "dim")])
    if status.left_out:
        told = "; limits.failed_tasks bears it, and _manifest.json names what they would have read"
        lines.append([*_row("left out", ""), (count(status.left_out, "map task"), "yellow"), (told, "dim")])
    for loop in status.loops:
        style = "yellow" if loop.converged is False else ""
        lines.append([*_row("loop", ""), (f"{loop.name}: {loop.told}", style)])
    for number, (name, total) in enumerate(status.counters.items()):
        lines.append(_row("" if number else "counted", f"{total:,} {name}"))
    lines += _ending(status)
    lines += _cost(status)
    lines += [_row("totals", status.totals)] if status.totals else []
    lines.append(_row("state", status.work))
    if status.reason:
        lines += [[], [("  why it failed: ", "bold red"), (_indented(status.reason), "")]]
    for failure in status.failures:
        lines += failure_lines(failure, status.reason)
    return [part for line in lines for part in _split(line)]


def _cost(status: RunStatus) -> list[Line]:
    """What the run costs, and what of it went into attempts that do not count."""
    if status.cost is None:
        return []
    lines = [_row("cost", f"{'' if status.cost < 0.000_1 else 'about '}{human_dollars(status.cost)} on AWS")]
    wasted = [phase.wasted for phase in (status.map, status.exchange, status.reduce) if phase]
    in_vain = sum(one.attempts for one in wasted)
    if in_vain and status.cost_wasted:
        told = f", {human_dollars(status.cost_wasted)} of it for {count(in_vain, 'attempt')}"
        lines[0].append((f"{told} that failed or that another was faster than", "yellow"))
    lines += [_row("", text) for text in _parts(status)]
    lost = sum(one.lost for one in wasted)
    if lost and status.cost_lost:
        told = (
            f"at most {human_dollars(status.cost_lost)} more for {count(lost, 'attempt')} that left no word"
        )
        lines.append([*_row("", ""), (told, "yellow")])
    return lines


def _parts(status: RunStatus) -> Iterator[str]:
    """What the cost is made of, and by whose prices; of a run that costs next to nothing not worth a line."""
    if status.cost_parts is None or (status.cost or 0.0) < 0.000_1:
        return
    dollars = msgspec.structs.asdict(status.cost_parts)
    told = ", ".join(f"{name} {human_dollars(part)}" for name, part in dollars.items() if part >= 0.000_05)
    yield f"{told}; {whose(status.region, status.cost_region)}"


def failure_lines(failure: Failure, told: str = "") -> list[Line]:
    """One failed attempt, with the end of the user's traceback.

    The message is left out if `told`, which was printed before, contains it.
    """
    where = f"{failure.phase} task {failure.task}, attempt {failure.attempt}"
    if failure.phase == "plan":
        where = "planning"
    message = failure.message if failure.error in failure.message else f"{failure.error}: {failure.message}"
    if failure.message in told:
        if not failure.detail:
            return []
        message = "the user's traceback"
    lines: list[Line] = [[], [(f"  {where}: ", "bold"), (_indented(message), "")]]
    detail = failure.detail.rstrip().splitlines()
    if len(detail) > _TRACEBACK_LINES:
        lines.append([(f"    ... {len(detail) - _TRACEBACK_LINES} lines left out (--json has them)", "dim")])
    lines += [[(f"    {text}", "dim")] for text in detail[-_TRACEBACK_LINES:]]
    return lines


def _title(status: RunStatus) -> Line:
    line: Line = [(f"{status.job}  {status.run}  ", "bold"), (status.phase, _style(status))]
    if status.place:
        line.append((f", {status.place}", ""))
    if status.elapsed is not None:
        line.append((f" {'after' if status.ended else 'for'} {human_seconds(status.elapsed)}", ""))
    if status.idle is not None and status.idle >= 1:
        line.append((f", last object written {human_seconds(status.idle)} ago", "dim"))
    return line


def _started(status: RunStatus) -> str:
    when = datetime.fromtimestamp(status.started or 0.0, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"{when}, by {status.source}" if status.source else when


def _phase_rows(name: str, phase: PhaseStatus, terminal: bool) -> list[Line]:
    """The bar with its numbers, and below it what the tasks read, wrote and used."""
    total = max(phase.total or 0, phase.done or 0)
    known = phase.total is not None and phase.done is not None
    drawn = bar(phase.done or 0, total if known else max(total, 1), terminal=terminal)
    rows: list[Line] = [[*_row(name, ""), *drawn, (f"  {_of(phase)} tasks", "")]]
    stats = phase.stats
    if not phase.measured:
        return rows
    if phase.measured < (phase.done or 0):
        rows[0].append((f"; the next line covers {phase.measured:,} of them", "dim"))
    told = f"read {human_bytes(stats.bytes_in)}, {count(stats.records_in, 'record')}"
    told += f"; wrote {human_bytes(stats.bytes_out)}, {count(stats.records_out, 'record')}"
    told += f"; {human_seconds(stats.seconds)} of work"
    requests = f"; {stats.gets:,} GET, {stats.puts:,} PUT, {stats.lists:,} LIST"
    rows.append([*_row("", told), (requests, "dim")])
    return rows


def _ending(status: RunStatus) -> list[Line]:
    rows: list[Line] = []
    if status.output:
        told = status.output
        if status.parts is not None and status.output_records is not None:
            told += f"  {count(status.parts, 'part')}, {count(status.output_records, 'record')}"
            told += f", {human_bytes(status.output_bytes or 0)}"
        rows.append(_row("output", told))
    if status.phase == "finishing" and status.idle is not None and status.idle > STALE:
        rows.append([("  no _SUCCESS or _FAILED there: its results may have been removed since", "yellow")])
    return rows


def _row(label: str, text: str) -> Line:
    return [(f"  {label:<{_LABEL}}", "dim"), (text, "")]


def _of(phase: PhaseStatus) -> str:
    return f"{_number(phase.done)}/{_number(phase.total)}"


def _number(value: int | None) -> str:
    return "?" if value is None else f"{value}"


def _style(status: RunStatus) -> str:
    return STYLES.get(status.phase, "cyan")


def _indented(text: str) -> str:
    return text.replace("\n", "\n    ")


def _split(line: Line) -> Iterator[Line]:
    """A line for each line of its texts."""
    current: Line = []
    for text, style in line:
        first, *rest = text.split("\n")
        current.append((first, style))
        for piece in rest:
            yield current
            current = [(piece, style)]
    yield current
