"""One line of a log: what it carries, whether it was asked for, and how it is shown. Pure."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from scripts.console.terminal import Line as Shown

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_STYLES = {"DEBUG": "dim", "WARNING": "yellow", "ERROR": "bold red", "CRITICAL": "bold red"}
#: Fields that the head of a line shows, or that say nothing to people.
_TOLD = {"at", "level", "message", "job", "run", "step", "phase", "task", "attempt", "function", "printed",
         "request", "traceback"}  # fmt: skip


@dataclass(frozen=True)
class LogLine:
    """A line, when it was written (seconds since the epoch), and by which function where that is known."""

    at: float
    fields: dict[str, Any]
    function: str = ""

    @property
    def level(self) -> str:
        return str(self.fields.get("level", "INFO"))

    @property
    def task(self) -> int | None:
        """The task, or of a call for several (`3..8`) the one that the call does itself."""
        text = str(self.fields.get("task", "")).partition("..")[0]
        return int(text) if text.isdecimal() else None


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which lines of a run were asked for; None: all."""

    run: str
    task: int | None = None
    attempt: int | None = None
    level: str | None = None

    def __contains__(self, line: LogLine) -> bool:
        """Lines without a run are those that name it in their text, which the source has seen to."""
        return (
            line.fields.get("run", self.run) == self.run
            and self.task in (None, line.task)
            and self.attempt in (None, line.fields.get("attempt"))
            and (self.level is None or _rank(line.level) >= _rank(self.level))
        )


def parse(text: str, at: float | None = None, function: str = "") -> LogLine:
    """A line as it was logged. What is no JSON of ours, such as what Lambda says of an error, is its own message.

    `at` is when it was logged, if the line does not say that itself.
    """
    text = text.rstrip("\r\n")
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        found = {"level": "ERROR" if text.startswith("[ERROR]") else "INFO", "message": text}
    told = found.get("at")
    when = at if at is not None else float(told) if isinstance(told, int | float) else 0.0
    return LogLine(when, found, function)


def as_json(line: LogLine) -> str:
    """The line's own fields, and `at` and `function` if it lacks them."""
    told = {"at": line.at, **({"function": line.function} if line.function else {})}
    return json.dumps(told | line.fields, ensure_ascii=False)


def draw(line: LogLine) -> list[Shown]:
    """`03:24:41.250  map 42.1  ERROR  text  field=value`; further lines of the text, and a traceback, below it."""
    when = datetime.fromtimestamp(line.at, UTC).strftime("%H:%M:%S.%f")[:-3]
    first, *rest = str(line.fields.get("message", "")).split("\n")
    more = "".join(f"  {name}={value}" for name, value in line.fields.items() if name not in _TOLD)
    level: Shown = [] if line.level == "INFO" else [(f"{line.level}  ", _STYLES.get(line.level, ""))]
    head: Shown = [(f"{when}  ", "dim"), (f"{_who(line):<11}  ", "cyan"), *level, (first, "")]
    below = [*rest, *str(line.fields.get("traceback") or "").rstrip().splitlines()]
    return [[*head, (more, "dim")], *([(f"    {text}", "dim")] for text in below)]


def _who(line: LogLine) -> str:
    """`map 42.1`: task 42, attempt 1; what is of no task names its function."""
    fields = line.fields
    if "phase" not in fields or "task" not in fields:
        return str(fields.get("function") or line.function)
    step = f"step-{fields['step']} " if fields.get("step") else ""
    return f"{step}{fields['phase']} {fields['task']}.{fields.get('attempt', 0)}"


def _rank(level: str) -> int:
    return logging.getLevelNamesMapping().get(level, logging.INFO)
