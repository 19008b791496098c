"""Runs looked at again and again until they end, and shown as they move."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from chalicelib.core.ports import Clock
from chalicelib.run.status.collect import RunStatus

from .progress import summary
from .terminal import Line, Screen

Look = Callable[[], Sequence[RunStatus]]


def follow(
    look: Look,
    screen: Screen,
    clock: Clock,
    *,
    finished: Callable[[Sequence[RunStatus]], bool],
    draw: Callable[[Sequence[RunStatus]], list[Line]],
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
    return all(status.ended for status in statuses)


@contextmanager
def _reporter(
    screen: Screen, draw: Callable[[Sequence[RunStatus]], list[Line]], json: bool
) -> Iterator[Callable[[Sequence[RunStatus]], None]]:
    if screen.terminal and not json:
        last: list[Line] = []

        def redraw(statuses: Sequence[RunStatus]) -> None:
            last[:] = draw(statuses)
            show(last)

        try:
            with screen.live() as show:
                yield redraw
        finally:  # whole, where the redrawn one is cut at the screen's edges; also after Ctrl-C
            screen.print(*last)
        return
    told: dict[tuple[str, str], object] = {}

    def report(statuses: Sequence[RunStatus]) -> None:
        for status in statuses:
            news = (
                status.phase,
                status.step,
                status.map.done,
                status.reduce.done,
                status.attempts_failed,
                status.bad,
            )
            if told.get((status.job, status.run)) == news:
                continue
            told[status.job, status.run] = news
            if json:
                screen.write(msgspec.json.encode(status).decode())
            else:
                screen.print(summary(status))

    yield report
