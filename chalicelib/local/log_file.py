"""The log of the local engine: a file of JSON lines a worker, beside the objects of the run.

What a terminal shows does not change by it.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from ..functions.attempt.log_lines import PRINTED, JsonLines
from ..job.services import JOBS_LOG

#: Bytes of a worker's file, after which it says that it is full and takes no more.
MOST_BYTES = 64 << 20
_OURS = (__name__.partition(".")[0], JOBS_LOG)


class LogFile(logging.Handler):
    """Appends each record at once, so that a worker that is killed has said what it said; made by the first one."""

    def __init__(self, path: Path, most: int = MOST_BYTES) -> None:
        super().__init__()
        self._path, self._most = path, most
        self._file: int | None = None
        self._closed = False
        self.setFormatter(JsonLines(timed=True))

    def emit(self, record: logging.LogRecord) -> None:
        if self._closed:
            return
        try:
            line = self._line(record)
            if self._file is None:
                self._file = self._open()
            # A process forked from this one and those that this one replaced write to the same file.
            if os.fstat(self._file).st_size + len(line) > self._most:
                self._closed = True
                line = self._line(self._full(record))
            os.write(self._file, line)
        except OSError as error:
            self._closed = True
            sys.stderr.write(f"{self._path}: this log ends here: {error.strerror}\n")

    def _line(self, record: logging.LogRecord) -> bytes:
        return f"{self.format(record)}\n".encode(errors="backslashreplace")

    def _open(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)

    def _full(self, record: logging.LogRecord) -> logging.LogRecord:
        told = f"this worker's log has {self._most} bytes and is full: what it said from here on is left out"
        ids = {name: getattr(record, name) for name in ("job", "run") if hasattr(record, name)}
        return logging.makeLogRecord({"msg": told, "levelname": "WARNING", "levelno": logging.WARNING, **ids})


def log_to(path: Path) -> None:
    """Write what this process logs from INFO on to a file. Handlers that are there get what they would have got."""
    root = logging.getLogger()
    if not root.handlers and logging.lastResort:
        root.addHandler(logging.lastResort)  # which Python uses only where there is nobody else
    levels = {name: logging.getLogger(name).getEffectiveLevel() for name in _OURS}

    def as_before(record: logging.LogRecord) -> bool:
        least = levels.get(record.name.partition(".")[0], logging.NOTSET)
        return record.levelno >= least and not hasattr(record, PRINTED)

    for handler in root.handlers:
        handler.addFilter(as_before)
    root.addHandler(LogFile(path))
    for name in _OURS:
        logging.getLogger(name).setLevel(min(levels[name], logging.INFO))
