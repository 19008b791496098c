"""What an attempt says, as lines of JSON: the job's `self.log`, what it prints, and what we log ourselves.

A line carries the ids of the task that said it, whatever function or process it comes from, so that the lines of one
run can be found among all others. `scripts/logs.py` reads them.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO

from ...core.ports import FunctionName
from ...job.services import JOBS_LOG
from ...run.calls import FUNCTION, phase_of

#: What a record carries that was printed.
PRINTED = "printed"
#: Characters without a line end that make a line all the same: CloudWatch takes 256 KB an event.
_LONGEST = 1 << 15
_TASKS = frozenset(FUNCTION.values())


class JsonLines(logging.Formatter):
    """One JSON object a line, so that whoever reads can select by field. With `timed`, `at` says when, in seconds."""

    #: What every record has; all else came in by `extra=`.
    _STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "aws_request_id", "taskName"}

    def __init__(self, *, timed: bool = False) -> None:
        super().__init__()
        self._timed = timed

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {"at": record.created} if self._timed else {}
        line |= {"level": record.levelname, "message": record.getMessage()}
        line |= {key: value for key, value in vars(record).items() if key not in self._STANDARD}
        if request := getattr(record, "aws_request_id", None):
            line["request"] = request
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        import json  # most processes on this machine log nothing

        return json.dumps(line, default=str, ensure_ascii=False)


class Printed(io.TextIOBase):
    """Stands for standard output: each whole line goes to `tell`; with `shown`, also to where it would have gone.

    What has no line end yet waits for one, or for `flush`. What is written while a line is told (by a handler that a
    job has put upon standard output) goes on as it is.
    """

    def __init__(self, under: TextIO, tell: Callable[[str], None], *, shown: bool) -> None:
        self._under, self._tell, self._shown = under, tell, shown
        self._waiting: list[str] = []
        self._length = 0
        self._telling = False

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._under.encoding

    @property
    def buffer(self) -> Any:
        """For bytes, which no line of the log can hold."""
        return self._under.buffer

    def fileno(self) -> int:
        return self._under.fileno()

    def isatty(self) -> bool:
        return self._shown and self._under.isatty()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self._telling:
            return self._under.write(text)
        if self._shown:
            self._under.write(text)
        head, end, rest = text.rpartition("\n")
        if end:
            for line in ("".join(self._waiting) + head).split("\n"):
                self._say(line)
            self._waiting, self._length = [], 0
        if rest:
            self._waiting.append(rest)
            self._length += len(rest)
            if self._length > _LONGEST:
                self._say_rest()
        return len(text)

    def flush(self) -> None:
        self._say_rest()
        self._under.flush()

    def _say_rest(self) -> None:
        if self._waiting and not self._telling:
            text, self._waiting, self._length = "".join(self._waiting), [], 0
            self._say(text)

    def _say(self, line: str) -> None:
        self._telling = True
        try:
            for start in range(0, max(len(line), 1), _LONGEST):
                self._tell(line[start : start + _LONGEST])
        finally:
            self._telling = False


def task_ids(function: FunctionName, payload: Mapping[str, Any]) -> dict[str, Any]:
    """What `self.log` adds to each line, by the call of a mapper or reducer."""
    found = {name: payload[name] for name in ("job", "run", "step", "attempt") if name in payload}
    return {**found, "phase": phase_of(function, payload), "task": payload.get("lo")}


@contextmanager
def printed_as_lines(
    function: FunctionName, payload: Mapping[str, Any], under: TextIO, *, shown: bool = False
) -> Iterator[None]:
    """What is printed meanwhile is logged at the level `INFO`, with the ids of the task that `payload` calls for.

    Only mappers and reducers run the job's code. What other programs write to the descriptor itself stays without ids.
    """
    if function not in _TASKS:
        yield
        return
    ids = {**task_ids(function, payload), PRINTED: True}
    logger = logging.getLogger(f"{JOBS_LOG}.{payload.get('job', '')}")

    def tell(line: str) -> None:
        # Not by `info`: whoever silences the job's logger does not silence `print`.
        logger.handle(logger.makeRecord(logger.name, logging.INFO, "", 0, line, (), None, extra=ids))

    stream = Printed(under, tell, shown=shown)
    with redirect_stdout(stream):
        try:
            yield
        finally:
            stream.flush()
