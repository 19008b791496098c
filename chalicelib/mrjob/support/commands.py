"""Another program as a task: lines go to its stdin, and come from its stdout once it has ended.

Both outputs go to files, so that the program never waits for us while we wait for it, and memory is bounded.
"""

from __future__ import annotations

import shlex
import subprocess
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

#: Exit codes of a shell that could not start a program, and from which on a signal killed one.
_NOT_STARTED = (126, 127)
_KILLED = 128
#: Bytes of stderr that an error tells.
_TOLD = 2000

Report = Callable[[str], None]


class ProgramFailed(Exception):
    """A program that a step consists of did not do its work."""


class ProgramKilled(ProgramFailed):
    """A signal ended the program, perhaps for want of memory: another attempt may do better."""

    retry = True


class Program:
    """A program at work. It ends with its last line, or with this object."""

    def __init__(
        self, command: str | Sequence[str], what: str, folder: Path, *, filters: bool = False
    ) -> None:
        """`command` is split as a shell would split it, and run without one; of a filter it is a line for a shell.

        `what` names it in errors; temporary files lie in `folder`. Raises ProgramFailed if there is no such program.
        """
        text = command if isinstance(command, str) else shlex.join(command)
        self._what = f"{what}: {text}"
        self._filters = filters
        self._out: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - as long as the program
        self._err: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        args = ["sh", "-c", text] if filters else shlex.split(text)
        try:
            self._process = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=self._out, stderr=self._err)
        except OSError as error:
            self._out.close()
            self._err.close()
            raise ProgramFailed(
                f"{self._what}: cannot be started: {error.strerror}: expected a program that this machine has, or one"
                " that lies beside the job; on Lambda there are few: write it in Python"
            ) from error
        self._end = weakref.finalize(self, _end, self._process, self._out, self._err)

    def feed(self, line: bytes) -> None:
        """Give it one line, without its end. One that reads no more is left alone."""
        assert self._process.stdin
        with suppress(BrokenPipeError):
            self._process.stdin.write(line + b"\n")

    def lines(self, report: Report) -> Iterator[bytes]:
        """What it writes, without the lines' ends, once it has read everything; its stderr goes to `report`.

        Raises ProgramFailed if it fails. Of a filter only what no shell could start, or what a signal killed, is a
        failure: `grep` without a match ends with 1.
        """
        try:
            self._wait(report)
            self._out.seek(0)
            for line in self._out:
                yield line.removesuffix(b"\n")
        finally:
            self._end()

    def _wait(self, report: Report) -> None:
        assert self._process.stdin
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        code = self._process.wait()
        self._err.seek(0)
        for line in self._err:
            report(line.decode(errors="replace").rstrip("\n"))
        if code < 0 or code in _NOT_STARTED or code > _KILLED or (code and not self._filters):
            kind = ProgramKilled if code < 0 or code > _KILLED else ProgramFailed
            raise kind(f"{self._what}: exit status {code}: expected 0{self._last_words()}")

    def _last_words(self) -> str:
        size = self._err.seek(0, 2)
        self._err.seek(max(0, size - _TOLD))
        text = self._err.read().decode(errors="replace").strip()
        return f"; it said: {text}" if text else ""


def counted(line: str) -> tuple[str, str, int] | None:
    """(group, counter, amount) of a line of stderr as Hadoop Streaming reads it; None for any other line."""
    start, found, rest = line.partition("reporter:counter:")
    parts = rest.split(",")
    if start or not found or len(parts) != 3 or not parts[2].strip().lstrip("-").isdigit():
        return None
    return parts[0], parts[1], int(parts[2])


def _end(process: subprocess.Popen[bytes], *files: IO[bytes]) -> None:
    """Leave no program behind, whatever stopped its task."""
    for file in files:
        file.close()
    if process.poll() is None:
        process.kill()
        process.wait()
    if process.stdin:
        with suppress(OSError):
            process.stdin.close()
