"""Runs looked at again and again until they end, and shown as they move."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import msgspec

from chalicelib.core.ports import Clock
from chalicelib.run.status.collect import RunStatus

from .progress import summary
from .terminal import Line, Screen

Look = Callable[[], Sequence[RunStatus]]
Draw = Callable[[Sequence[RunStatus]], list[Line]]


def follow(
    look: Look,
    screen: Screen,
    clock: Clock,
    *,
    finished: Callable[[Sequence[RunStatus]], bool],
    draw: Draw,
    json: bool = False,
    every: float = 1.0,
) -> Sequence[RunStatus]:
    """Look until `finished`, and return what was seen last.

    A terminal is redrawn; a pipe gets a line, or with `json` an object, for each run that has moved.
    """
    with _reporter(screen, draw, json) as report:
        while True:
            statuses = look()
            report(statuses)
            if finished(statuses):
                return statuses
            clock.pause(every)


def all_ended(statuses: Sequence[RunStatus]) -> bool:
    """No run is under way."""
    return all(status.ended for status in statuses)


Report = Callable[[Sequence[RunStatus]], None]


def _reporter(screen: Screen, draw: Draw, json: bool) -> AbstractContextManager[Report]:
    """Whether a terminal is redrawn or news are printed."""
    if screen.terminal and not json:
        return _redrawn(screen, draw)
    return nullcontext(News(screen, json=json).report)


@contextmanager
def _redrawn(screen: Screen, draw: Draw) -> Iterator[Report]:
    last: list[Line] = []

    def redraw(statuses: Sequence[RunStatus]) -> None:
        last[:] = draw(statuses)
        show(last)

    try:
        with screen.live() as show:
            yield redraw
    finally:  # whole, where the redrawn one is cut at the screen's edges; also after Ctrl-C
        screen.print(*last)


class News:
    """Prints the runs that have moved since they were last looked at."""

    def __init__(self, screen: Screen, *, json: bool) -> None:
        self._screen, self._json = screen, json
        self._told: dict[tuple[str, str], object] = {}

    def report(self, statuses: Sequence[RunStatus]) -> None:
        for status in statuses:
            news = (
                status.phase,
                status.step,
                status.map.done,
                status.exchange and status.exchange.done,
                status.reduce.done,
                status.attempts_failed,
                status.bad,
            )
            if self._told.get((status.job, status.run)) == news:
                continue
            self._told[status.job, status.run] = news
            if self._json:
                self._screen.write(msgspec.json.encode(status).decode())
            else:
                self._screen.print(summary(status))
