"""Virtual time: many strands of work, of which one runs at a time, until it sleeps or ends; then time jumps.

A strand is a thread, since the code in it calls down through ordinary functions to where it sleeps. Whoever goes to
sleep works off what is due and hands over to the strand that is next; if that is itself, no thread is switched. What is
due at the same moment comes in the order in which it was asked for, so that a run is the same each time.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from itertools import count

#: Bytes of a thread's stack: there may be thousands of them.
_STACK = 1 << 20
#: Seconds, in real time, that the whole may take before it is given up.
_PATIENCE = 3600.0


class Stopped(BaseException):
    """The strand was stopped where it slept; no handler of ours may see this."""


class Strand:
    """One thread's worth of work. `doomed` makes its sleep, and each one after it, raise Stopped."""

    def __init__(self) -> None:
        self.doomed = False
        #: Which entry wakes it; older ones are void.
        self.wake = -1
        self._turn = threading.Lock()
        self._turn.acquire()
        self.work: Callable[[], None] | None = None
        self.thread: threading.Thread | None = None

    def give(self) -> None:
        self._turn.release()

    def wait(self) -> None:
        if not self._turn.acquire(timeout=_PATIENCE):
            raise AssertionError("a strand does not come to its end")


class VirtualTime:
    """The clock and all that is due. `now` is in seconds since the epoch."""

    def __init__(self, start: float) -> None:
        self.now = start
        self.current: Strand | None = None
        #: Set by whoever has seen enough.
        self.enough = False
        self._due: list[tuple[float, int, Callable[[], Strand | None] | Strand]] = []
        self._number = count()
        self._main = Strand()
        self._idle: list[Strand] = []
        self._busy: dict[Strand, None] = {}  # in the order of their beginning
        self._until = float("inf")
        self._over = False
        self._error: BaseException | None = None

    def at(self, when: float, action: Callable[[], Strand | None]) -> None:
        """Do something at a time; a strand that it gives runs at once."""
        heapq.heappush(self._due, (max(when, self.now), next(self._number), action))

    def after(self, seconds: float, action: Callable[[], Strand | None]) -> None:
        self.at(self.now + seconds, action)

    def strand(self, work: Callable[[], None]) -> Strand:
        """A strand that does `work` when it is given its turn: to be returned by an action. `work` must not raise."""
        found = self._idle.pop() if self._idle else self._new()
        found.doomed, found.work = False, work
        self._busy[found] = None
        return found

    def sleep(self, until: float) -> None:
        """Sleep, in a strand. Raises Stopped if it is doomed."""
        me = self.current
        assert me is not None, "only strands sleep"
        if not me.doomed:
            me.wake = next(self._number)
            heapq.heappush(self._due, (until, me.wake, me))
            self._hand_over(me)
        if me.doomed:
            raise Stopped

    def stop(self, strand: Strand) -> None:
        """Doom a strand: it wakes at once, and its sleep raises Stopped."""
        strand.doomed = True
        strand.wake = next(self._number)
        heapq.heappush(self._due, (self.now, strand.wake, strand))

    def run(self, until: float) -> None:
        """Work until nothing is due, `enough` is set, or the time has come. Raises what an action raised."""
        self._until = until
        following = self._next()
        if following is not self._main:
            self._give(following)
            self._main.wait()
        if self._error:
            raise self._error

    def close(self) -> None:
        """Stop whatever still sleeps, and end all threads."""
        self._over = True
        while self._busy:
            strand = next(iter(self._busy))
            strand.doomed = True
            self._give(strand)
            self._main.wait()
        for strand in self._idle:
            strand.work = None
            strand.give()
            assert strand.thread is not None
            strand.thread.join()
        self._idle.clear()

    # -- whose turn it is -----------------------------------------------------------------------------------

    def _next(self) -> Strand:
        """Work off what is due, up to the next strand that has its turn; the main one if that was all."""
        try:
            while self._due and not self.enough and not self._over:
                if self._due[0][0] > self._until:
                    self.now = self._until
                    break
                when, number, item = heapq.heappop(self._due)
                if isinstance(item, Strand):
                    if item.wake == number:
                        self.now = max(self.now, when)
                        return item
                    continue
                self.now = max(self.now, when)
                begun = item()
                if begun is not None:
                    return begun
        except BaseException as error:  # noqa: BLE001 - `run` raises it
            self._error = error
        return self._main

    def _hand_over(self, me: Strand) -> None:
        following = self._next()
        if following is not me:
            self._give(following)
            me.wait()
        self.current = me

    def _give(self, strand: Strand) -> None:
        self.current = None if strand is self._main else strand
        strand.give()

    def _new(self) -> Strand:
        strand = Strand()
        before = threading.stack_size(_STACK)
        try:
            strand.thread = threading.Thread(target=self._live, args=(strand,), daemon=True)
            strand.thread.start()
        finally:
            threading.stack_size(before)
        return strand

    def _live(self, me: Strand) -> None:
        """One thread: a piece of work after the other, until there is none."""
        me.wait()
        while me.work is not None:
            self.current = me
            me.work()
            del self._busy[me]
            me.wake = -1
            self._idle.append(me)
            following = self._next()
            if following is not me:
                self._give(following)
                me.wait()
