"""What the page says in words and tables, which need no script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from statistics import median

from chalicelib.core.keys import PHASES
from chalicelib.core.tasks import BadRecord
from chalicelib.run.status.attempts import Attempt, History, StepHistory
from chalicelib.run.status.fields import PhaseStatus, RunStatus
from chalicelib.run.status.price_list import whose
from scripts.console.terminal import count, human_bytes, human_dollars, human_seconds, typed

from .bars import bars_of
from .columns import label
from .gather import BAD_SHOWN, Seen
from .markup import Html, join, tag
from .settings import settings
from .slow import SlowTask, slowest
from .spent import by_part

#: Errors that are shown: one for each message, however many attempts met it.
_ERRORS = 20
_TRACE_LINES = 60
Row = Sequence[object]


def sections(seen: Seen) -> Html:
    """All of them, in order, but for those that would say nothing."""
    status, history = seen.status, seen.history
    parts = [
        ("Summary", "summary", join([_notes(seen), _facts(seen), _phases(seen)])),
        ("What went wrong", "errors", _errors(seen)),
        ("Timeline", "timeline", _timeline(history)),
        (
            "At once",
            "at-once",
            _chart("chart-at-once", "How many attempts ran at once") if history.steps else Html(),
        ),
        ("Partitions and skew", "partitions", _partitions(history)),
        ("Slowest tasks", "slowest", _slowest(history)),
        ("Cost by part", "cost", _cost(status)),
        ("Counters", "counters", _counters(status)),
        ("Bad records", "bad", _bad(seen)),
        ("Configuration", "configuration", _settings(history)),
    ]
    return join(
        tag("section", tag("h2", title), body, id=name, aria_label=title)
        for title, name, body in parts
        if body
    )


# -- the parts -----------------------------------------------------------------------------------------


def _notes(seen: Seen) -> Html:
    """What the reader has to know of all that follows."""
    notes = []
    if seen.status.expired or (seen.status.ended and not seen.history.steps):
        notes.append(
            "The run's plan and markers are gone (the work place's lifecycle rule): what is left is shown."
        )
    if not seen.status.ended:
        notes.append("The run was under way when this was written: make the report again to see more.")
    if any(not one.stats.starts for one in seen.history.attempts if one.outcome == "done"):
        notes.append("Of some attempts it is unknown how they began and what memory they used.")
    notes += seen.problems
    return join(tag("p", note, class_="note") for note in notes)


def _facts(seen: Seen) -> Html:
    status = seen.status
    rows: list[tuple[str, object]] = []
    if status.reason:
        rows.append(("why it failed", tag("span", status.reason, class_="reason")))
    if status.started is not None:
        rows.append(("began", _time(status.started)))
    if status.elapsed is not None:
        rows.append(("took" if status.ended else "runs for", human_seconds(status.elapsed)))
    rows.append(("started by", status.source or "unknown"))
    if status.inputs is not None:
        rows.append(("input", f"{count(status.inputs, 'object')}, {human_bytes(status.input_bytes or 0)}"))
    rows += _records(status)
    if status.cost is not None:
        rows.append(
            (
                "cost",
                f"{'' if status.cost < 0.000_1 else 'about '}{human_dollars(status.cost)} on AWS, by "
                f"{whose(status.region, status.cost_region)}",
            )
        )
    if status.cost_lost:
        rows.append(("and at most", f"{human_dollars(status.cost_lost)} more for attempts that left no word"))
    rows.append(("results", status.output or "unknown"))
    rows.append(("state", status.work))
    return tag("dl", *(join([tag("dt", name), tag("dd", value)]) for name, value in rows))


def _records(status: RunStatus) -> Iterator[tuple[str, object]]:
    if status.map.measured:
        yield "records in", f"{status.map.stats.records_in:,}"
    if status.output_records is not None:
        parts = count(status.parts or 0, "part")
        yield "records out", f"{status.output_records:,} in {parts}, {human_bytes(status.output_bytes or 0)}"
    if status.bad:
        yield "bad records", f"{status.bad:,} set aside"
    if status.left_out:
        yield "map tasks", f"{status.left_out:,} failed and left out"
    yield from ((f"loop {loop.name}", loop.told) for loop in status.loops)


def _phases(seen: Seen) -> Html:
    """How the attempts of each phase ended and what they used."""
    rows = []
    for step in seen.history.steps:
        for phase in PHASES:
            own = [one for one in step.attempts if one.phase == phase]
            if own:
                rows.append((label(seen.history.steps, step.number, phase), *_phase(own)))
    if not rows:
        rows = [
            (name, *_told(phase))
            for name, phase in (
                ("map", seen.status.map),
                ("exchange", seen.status.exchange),
                ("reduce", seen.status.reduce),
            )
            if phase
        ]
        return table(("phase", "tasks", "read", "wrote", "time of functions"), rows)
    head = ("phase", "done", "attempts that do not count", "cold starts", "median task", "longest", "read", "wrote",
            "spilled", "most memory")  # fmt: skip
    return table(head, rows)


def _phase(own: Sequence[Attempt]) -> Row:
    done = [one for one in own if one.outcome == "done"]
    others = Counter(one.outcome for one in own if one.outcome != "done")
    said = sum(one.stats.starts for one in own)
    times = [one.stats.seconds for one in done]
    peak = max((one.stats.peak for one in own), default=0)
    memory = max((one.stats.memory for one in own), default=0)
    return (
        f"{len(done):,} of {len({one.task for one in own}):,}",
        ", ".join(f"{number:,} {outcome}" for outcome, number in others.items()) or "none",
        f"{sum(one.stats.cold for one in own):,} of {said:,}" if said else "unknown",
        human_seconds(median(times)) if times else "",
        human_seconds(max(times)) if times else "",
        human_bytes(sum(one.stats.bytes_in for one in done)),
        human_bytes(sum(one.stats.bytes_out for one in done)),
        human_bytes(sum(one.stats.spilled for one in done)),
        (f"{peak:,} of {memory:,} MiB" if memory else f"{peak:,} MiB") if peak else "unknown",
    )


def _told(phase: PhaseStatus) -> Row:
    stats = phase.stats
    return (f"{phase.done or 0:,}", human_bytes(stats.bytes_in), human_bytes(stats.bytes_out),
            human_seconds(stats.seconds))  # fmt: skip


def _errors(seen: Seen) -> Html:
    """Each message once, with the first attempt that met it."""
    met: dict[tuple[str, str, str], list[str]] = {}
    failures = [one.failure for one in seen.history.attempts if one.failure] + list(seen.status.failures)
    for failure in failures:
        where = f"{failure.phase} task {failure.task}, attempt {failure.attempt}"
        where = "planning" if failure.phase == "plan" else where
        places = met.setdefault((failure.error, failure.message, failure.detail), [])
        if where not in places:
            places.append(where)
    shown = [
        tag(
            "details",
            tag("summary", tag("strong", error), " ", message, " ", tag("small", _places(places))),
            tag("pre", "\n".join(detail.splitlines()[-_TRACE_LINES:]))
            if detail
            else tag("p", "It has no traceback."),
            open=number < 3 and bool(detail),
        )
        for number, ((error, message, detail), places) in enumerate([*met.items()][:_ERRORS])
    ]
    more = [tag("p", f"and {len(met) - _ERRORS:,} other errors")] if len(met) > _ERRORS else []
    return join([*shown, *more])


def _places(places: Sequence[str]) -> str:
    return places[0] if len(places) == 1 else f"{places[0]} and {len(places) - 1:,} more"


def _timeline(history: History) -> Html:
    if not any(history.attempts):
        return Html()
    buttons = [
        ("out", "\u2212", "see more time"),
        ("in", "+", "see less time"),
        ("all", "all", "see everything"),
    ]
    controls = tag(
        "p",
        *(
            tag("button", shown, type="button", data_do=what, aria_label=told, title=told)
            for what, shown, told in buttons
        ),
        tag(
            "label",
            "order ",
            tag("select", *(tag("option", name) for name in ("task", "begin", "longest")), id="order"),
        ),
        tag("span", id="legend"),
        class_="controls",
    )
    told = "Attempts by time, a row a task. Arrow keys move, plus and minus zoom, 0 shows all, n and p choose one."
    hint = "Point at an attempt to see what is known of it, or press n while the timeline has the focus."
    canvas = tag("canvas", tag("p", told), id="canvas", tabindex="0", role="application", aria_label=told)
    return join([controls, canvas, tag("p", hint, id="told", aria_live="polite"), _without_script()])


def _without_script() -> Html:
    return tag(
        "noscript", tag("p", "The timeline and the charts need JavaScript; the tables do not.", class_="note")
    )


def _chart(name: str, told: str) -> Html:
    return join(
        [tag("p", told, class_="caption"), tag("div", id=name, class_="chart", role="img", aria_label=told)]
    )


def _partitions(history: History) -> Html:
    parts = []
    for step in history.steps:
        name = label(history.steps, step.number, "reduce")
        if step.reduce_plan and step.reduce_plan.tasks:
            parts += [tag("p", sentence) for sentence in _skew(step, name)]
            parts += [_chart(bars.id, f"{bars.y} by {bars.x}, {name}".capitalize()) for bars in bars_of(step)]
    return join(parts)


def _skew(step: StepHistory, name: str) -> Iterator[str]:
    assert step.reduce_plan is not None
    sizes = step.partitions or [task.bytes for task in step.reduce_plan.tasks]
    what = "partition" if step.partitions else "reduce task"
    total = sum(sizes)
    filled = [size for size in sizes if size]
    if not filled:
        yield f"{name}: {count(len(sizes), what)}, all empty."
        return
    empty, largest = len(sizes) - len(filled), max(sizes)
    share, times = 100 * largest / total, largest / median(filled)
    yield f"{name}: {count(len(sizes), what)}, {empty:,} of them empty, {human_bytes(total)} in all."
    yield (
        f"The largest is {what} {sizes.index(largest)} with {human_bytes(largest)}: {share:.0f} % of all, "
        f"{times:.1f} times the median of those that have any."
    )


def _slowest(history: History) -> Html:
    rows = [_slow(task, history) for task in slowest(history)]
    head = ("task", "took", "why", "work that counts", "attempts")
    return table(head, rows) if rows else Html()


def _slow(task: SlowTask, history: History) -> Row:
    last = next((one for one in task.attempts if one.outcome == "done"), task.attempts[-1])
    return (
        f"{label(history.steps, last.step, last.phase)} {last.task}",
        human_seconds(task.seconds),
        "; ".join(task.reasons) or "nothing unusual",
        human_seconds(last.stats.seconds),
        len(task.attempts),
    )


def _cost(status: RunStatus) -> Html:
    parts = by_part(status)
    return (
        table(
            ("part", "dollars"),
            [(part.what, human_dollars(part.dollars) if part.dollars else "nothing") for part in parts],
        )
        if parts
        else Html()
    )


def _counters(status: RunStatus) -> Html:
    rows = [(name, f"{number:,}") for name, number in status.counters.items()]
    return table(("counter", "count"), rows) if rows else Html()


def _bad(seen: Seen) -> Html:
    if not seen.status.bad and not seen.bad:
        return Html()
    told = f"{count(seen.status.bad, 'record')} set aside"
    told += f", of which the first {len(seen.bad)} are shown" if len(seen.bad) < seen.status.bad else ""
    command = tag("code", typed(f"scripts/quarantine.py {seen.status.job} {seen.status.run}"))
    rows = [_bad_row(record) for record in seen.bad[:BAD_SHOWN]]
    shown = table(("from", "error", "begins with"), rows) if rows else Html()
    return join([tag("p", told, "; ", command, " shows all of them."), shown])


def _bad_row(record: BadRecord) -> Row:
    place = record.source if record.offset is None else f"{record.source}, byte {record.offset:,}"
    place += f", line {record.line:,}" if record.line is not None else ""
    return (place, record.error, tag("code", record.text[:200]))


def _settings(history: History) -> Html:
    if not history.steps:
        return Html()
    plan = history.steps[0].plan
    rows = [(row.key, tag("code", row.value), row.origin) for row in settings(plan)]
    return tag("details", tag("summary", count(len(rows), "key")), table(("key", "value", "from"), rows))


# -- what they are made of -----------------------------------------------------------------------------


def table(head: Sequence[str], rows: Iterable[Row]) -> Html:
    """A table that scrolls by itself where it is too wide."""
    top = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in head)))
    body = tag("tbody", *(tag("tr", *(tag("td", cell) for cell in row)) for row in rows))
    return tag("div", tag("table", top, body), class_="scroll", tabindex="0")


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
