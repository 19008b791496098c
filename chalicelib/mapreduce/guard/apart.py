"""A task's work in a process of its own, so that whoever outlives it knows which record or group it died at.

Only attempts that follow one that vanished pay for this. Before each call of the mapper or the reducer the child writes
the number of the record or group into memory that both processes share; that costs no request. The child does all of
the attempt, its marker included; the parent only waits.
"""

from __future__ import annotations

import mmap
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

from msgspec import Struct, field

from ...core.errors import ProcessKilled, SluiceError

T = TypeVar("T")

#: Shared: the number of the record or group in hand, then the text of what the child raised.
_NUMBER, _SIZE = 8, 4096
#: Exit codes of a child that ended by itself.
_DONE, _RAISED = 0, 86
#: prctl: the signal to get when the parent dies.
_PR_SET_PDEATHSIG = 1


class Death(Struct, frozen=True):
    """How a child died, and the number of the record or group it had in hand; 0 if it was none."""

    at: int
    how: str


class Trail(Struct):
    """Says which record (of a map task) or group (of a reduce task) is in hand, and keeps those from being tried again
    that are known to kill.
    """

    memory: mmap.mmap
    #: By number: how the process died that had it in hand.
    deadly: Mapping[int, str] = field(default_factory=dict)
    #: Try the one of this number alone, and nothing else; 0: try all.
    only: int = 0
    _number: int = 0

    def step(self, work: Callable[[], T], nothing: Callable[[], T], *, needed: bool = False) -> T:
        """What `work` makes of the next record. Raises ProcessKilled for one that is known to kill its process.

        Where one record alone is tried, the others make `nothing`, and behind it the process ends. `needed`: what comes
        of it decides what is tried next, so it is done all the same.
        """
        if not self._begin("this record ends the process that maps it"):
            return work() if needed else nothing()
        try:
            found = work()
        except (Exception, SystemExit):
            self._passed()
            raise
        self._passed()
        return found

    def along(self, make: Callable[[], Iterable[T]]) -> Iterator[T]:
        """What `make` gives of the next group, one after the other, which is in hand until all of it is taken.

        Raises ProcessKilled for a group that is known to kill. Where one alone is tried, the others are empty.
        """
        if self._begin("this group ends the process that reduces it"):
            try:
                yield from make()
            except (Exception, SystemExit):
                self._passed()
                raise
            self._passed()

    def _begin(self, deadly: str) -> bool:
        """Take up the next one: whether it is to be tried. Raises ProcessKilled if it is known to kill."""
        self._number += 1
        if (how := self.deadly.get(self._number)) is not None:
            raise ProcessKilled(f"{deadly} ({how}), also when it is alone")
        if self.only and self._number < self.only:
            return False
        self._write(self._number)
        return True

    def _passed(self) -> None:
        if self.only:
            os._exit(_DONE)
        self._write(0)

    def _write(self, number: int) -> None:
        self.memory[:_NUMBER] = number.to_bytes(_NUMBER, "little")


class Fork:
    """Runs work in a child process. `before` is called first: it closes what the two must not share."""

    def __init__(self, before: Callable[[], None] | None = None) -> None:
        self._before = before

    def run(self, work: Callable[[Trail], object], deadly: Mapping[int, str], only: int = 0) -> Death | None:
        """None if the work came to its end, else how its process died. Raises SluiceError with what it raised."""
        if self._before:
            self._before()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        with mmap.mmap(-1, _SIZE) as memory:
            parent, system = os.getpid(), _system()
            pid = os.fork()
            if not pid:
                _child(work, Trail(memory, deadly, only), parent, system)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            if code == _DONE:
                return None
            if code == _RAISED:
                raise SluiceError(memory[_NUMBER:].rstrip(b"\0").decode(errors="replace"))
            return Death(int.from_bytes(memory[:_NUMBER], "little"), _told(code))


def _child(work: Callable[[Trail], object], trail: Trail, parent: int, system: Any) -> NoReturn:
    """All that the child does; whatever happens, it goes no way back into its parent's code."""
    code = 1
    try:
        _die_with(parent, system)
        work(trail)
        code = _DONE
    except Exception as error:  # noqa: BLE001 - the root of a process: the parent raises it again
        text = f"{type(error).__name__}: {error}".encode()[: _SIZE - _NUMBER]
        trail.memory[_NUMBER : _NUMBER + len(text)] = text
        code = _RAISED
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _system() -> Any:
    """The C library of this process, or None. Imported before the fork, and by the few processes that do."""
    import ctypes

    with suppress(OSError):
        return ctypes.CDLL(None)
    return None


def _die_with(parent: int, system: Any) -> None:
    """Whoever ends the parent ends the child; where the system cannot do that, the child's own time is its limit."""
    with suppress(AttributeError):
        system.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(_RAISED)


def _told(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    with suppress(ValueError):
        return f"signal {-code}, {signal.Signals(-code).name}"
    return f"signal {-code}"
