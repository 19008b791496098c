"""How long an attempt may go on: small steps between looks at the clock, and a stop while there is time to commit.

Lambda ends a function at its timeout, whatever it is doing. So records go to the user's code in steps whose
length adapts to take a fraction of a second, and the attempt stops between two of them early enough to write
what it has. A step that does not come to an end is ended by an alarm.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

#: Seconds a step should take at most.
_LONG_STEP, _SHORT_STEP = 0.5, 0.1
_FIRST_SIZE, _LARGEST_SIZE = 1, 1 << 20
#: The share of a function's time that is kept for writing what it has, and its bounds in seconds.
_RESERVE_SHARE, _LEAST_RESERVE, _MOST_RESERVE = 0.25, 1.0, 120.0
#: Seconds that are as good as no limit.
_NEVER = 86_400
#: What a careful attempt, which wants to know if one record alone is too slow, leaves to a record.
_CAREFUL_SHARE = 0.5


class StepTooLong(BaseException):
    """The alarm went off in the user's code, which shall not catch it by `except Exception`."""


class Pace:
    """Sizes of steps, and whether to stop. `remaining` gives the seconds that the invocation may still run."""

    def __init__(
        self,
        now: Callable[[], float],
        remaining: Callable[[], float],
        *,
        careful: bool = False,
    ) -> None:
        self._now = now
        self._remaining = remaining
        self._careful = careful
        self._size = 1 if careful else _FIRST_SIZE
        #: When it was made, seconds in which records were read and given to the job's code, and those in that code.
        self.made = self._began = now()
        self.fed = self.code = 0.0
        reserve = min(max(remaining() * _RESERVE_SHARE, _LEAST_RESERVE), _MOST_RESERVE)
        self._write = reserve / 2
        self._reserve = remaining() * _CAREFUL_SHARE if careful else reserve

    @property
    def careful(self) -> bool:
        """Whether a record that outlasts the alarm is to blame for it itself."""
        return self._careful

    @property
    def size(self) -> int:
        """Records to take in the next step."""
        return self._size

    def begin(self) -> None:
        self._began = self._now()

    def end(self) -> None:
        """A step has ended: make the next one longer or shorter."""
        seconds = self._now() - self._began
        self.code += seconds
        if self._careful:
            return
        if seconds < _SHORT_STEP:
            self._size = min(self._size * 2, _LARGEST_SIZE)
        elif seconds > _LONG_STEP:
            self._size = max(self._size // 4, 1)

    @property
    def endless(self) -> bool:
        """Whether no clock ends the attempt: it needs no edges to stop at."""
        return self._remaining() > _NEVER

    @property
    def out_of_time(self) -> bool:
        """Whether to stop at the next edge between records."""
        return self._remaining() < self._reserve

    @contextmanager
    def alarm(self) -> Iterator[None]:
        """Raise StepTooLong in the user's code when only the time to write is left.

        Works in a process's main thread, where Lambda runs handlers; elsewhere it only counts seconds.
        """
        began = self._now()
        try:
            with self._alarm():
                yield
        finally:
            self.fed += self._now() - began

    @contextmanager
    def _alarm(self) -> Iterator[None]:
        left = self._remaining() - self._write
        if threading.current_thread() is not threading.main_thread() or left > _NEVER:
            yield
            return

        def ring(_number: int, _frame: FrameType | None) -> None:
            raise StepTooLong

        before = signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, max(left, 0.001))
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


def endless() -> Pace:
    """The pace of work that no clock ends."""
    return Pace(lambda: 0.0, lambda: float("inf"))
