"""The log files of the local engine, one a worker."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from chalicelib.core.keys import RunKeys

from .lines import LogLine, parse


class LogFiles:
    """A `Source`: the files of a run in its work folder. Holds one line of each."""

    #: Seconds after which a line that was written can surely be read, and after which no more come of a run that ended.
    lag, settle = 1.0, 0.0

    def __init__(self, keys: RunKeys) -> None:
        self._pattern = Path(keys.work.bucket) / keys.log("*").key
        self._read: dict[Path, int] = {}

    def lines(self, until: float) -> Iterator[LogLine]:
        files = sorted(self._pattern.parent.glob(self._pattern.name))
        return heapq.merge(*(self._file(path, until) for path in files), key=lambda line: line.at)

    def _file(self, path: Path, until: float) -> Iterator[LogLine]:
        with path.open("rb") as file:
            file.seek(self._read.get(path, 0))
            for line in _whole_lines(file):
                found = parse(line.decode(errors="replace"))
                if found.at > until:
                    return
                self._read[path] = self._read.get(path, 0) + len(line)
                yield found


def _whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """Up to the last line end: behind it somebody may be writing."""
    return (line for line in file if line.endswith(b"\n"))
