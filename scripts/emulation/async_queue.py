"""Keeps asynchronous events for which MiniStack has no slot, as Lambda does.

Where as many functions run as may run at once, MiniStack gives an event up after three tries. Lambda keeps it for six
hours and tries again after a second, then less and less often:
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html. Here the pauses are shorter.

It runs inside MiniStack, and imports nothing of Sluice.
"""

from __future__ import annotations

import random
import time
from contextvars import ContextVar
from types import ModuleType
from typing import Any

#: Seconds until an event is tried again: at first, and at most.
FIRST, LONGEST = 0.2, 3.0
#: Seconds for which an event is kept.
AGE = 21_600.0

_asynchronous: ContextVar[bool] = ContextVar("asynchronous", default=False)


def keep_throttled(service: ModuleType) -> None:
    """Change MiniStack's Lambda (`ministack.services.lambda_svc`) so."""
    invoke, execute = service.invoke_async_with_retry, service._execute_function

    def invoke_asynchronously(func: dict[str, Any], event: dict[str, Any]) -> None:
        token = _asynchronous.set(True)  # the thread that is started sees it, too
        try:
            invoke(func, event)
        finally:
            _asynchronous.reset(token)

    def execute_when_there_is_a_slot(func: dict[str, Any], event: dict[str, Any]) -> Any:
        began, pause = time.monotonic(), FIRST
        while True:
            result = execute(func, event)
            kept = _asynchronous.get() and isinstance(result, dict) and result.get("throttle")
            if not kept or time.monotonic() - began > AGE:
                return result
            time.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(2 * pause, LONGEST)

    service.invoke_async_with_retry = invoke_asynchronously  # type: ignore[attr-defined]
    service._execute_function = execute_when_there_is_a_slot  # type: ignore[attr-defined]
