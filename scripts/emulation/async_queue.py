"""Keeps asynchronous events for which MiniStack has no slot, as Lambda does, or this machine has no processor.

Where as many functions run as may run at once, MiniStack gives an event up after three tries. Lambda keeps it for six
hours and tries again after a second, then less and less often:
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html. Here the pauses are shorter.

MiniStack starts a process for each event that comes while all others are busy, and a start takes half a second of a
processor: a burst of a hundred events on two processors is a minute of starts. So only some events are worked on at
once. The others wait, unthrottled, as if Lambda took its time to deliver them, and find a process that is warm.

It runs inside MiniStack, and imports nothing of Sluice.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType
from typing import Any

#: Seconds until an event is tried again: at first, and at most.
FIRST, LONGEST = 0.2, 3.0
#: Seconds for which an event is kept.
AGE = 21_600.0

_asynchronous: ContextVar[bool] = ContextVar("asynchronous", default=False)


def keep_events(service: ModuleType, at_once: int) -> None:
    """Change MiniStack's Lambda (`ministack.services.lambda_svc`) so; of the events kept, `at_once` are worked on.

    Calls that somebody waits for are never held up.
    """
    invoke, execute = service.invoke_async_with_retry, service._execute_function
    places = threading.Semaphore(at_once)

    def invoke_asynchronously(func: dict[str, Any], event: dict[str, Any]) -> None:
        token = _asynchronous.set(True)  # the thread that is started sees it, too
        try:
            invoke(func, event)
        finally:
            _asynchronous.reset(token)

    def execute_in_turn(func: dict[str, Any], event: dict[str, Any]) -> Any:
        if not _asynchronous.get():
            return execute(func, event)
        began, pause = time.monotonic(), FIRST
        while True:
            with _held(places):
                result = execute(func, event)
            throttled = isinstance(result, dict) and result.get("throttle")
            if not throttled or time.monotonic() - began > AGE:
                return result
            time.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(2 * pause, LONGEST)

    service.invoke_async_with_retry = invoke_asynchronously  # type: ignore[attr-defined]
    service._execute_function = execute_in_turn  # type: ignore[attr-defined]


@contextmanager
def _held(places: threading.Semaphore) -> Iterator[None]:
    """A place for one event: MiniStack may call itself on the way, which then needs no other."""
    with places:
        token = _asynchronous.set(False)
        try:
            yield
        finally:
            _asynchronous.reset(token)
