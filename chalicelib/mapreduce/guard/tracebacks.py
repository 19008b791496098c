"""Tracebacks of many bad records, of which most fail in the same place."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from types import CodeType, TracebackType

from ...core.errors import SluiceError, user_traceback

#: Places that are remembered; a job that fails in more is told each anew.
_MOST = 100
#: Errors of which Python says more than what their text is, in one version or another.
_SAYS_MORE = (SyntaxError, NameError, AttributeError, ImportError, BaseExceptionGroup)

_Place = tuple[tuple[CodeType, int], ...]


class Tracebacks:
    """`user_traceback`, which reads source files and formats frames, done once for each place that raises."""

    def __init__(self) -> None:
        self._stacks: dict[_Place, str] = {}

    def of(self, error: Exception) -> str:
        """The same text as `user_traceback` gives."""
        if _is_more_than_a_stack(error):
            return user_traceback(error)
        place = tuple(_frames(error.__traceback__))
        stack = self._stacks.get(place)
        if stack is None:
            stack = "".join(traceback.format_tb(error.__traceback__))
            if len(self._stacks) < _MOST:
                self._stacks[place] = stack
        head = "Traceback (most recent call last):\n" if stack else ""
        return f"{head}{stack}{_last_line(error)}".rstrip()


def _is_more_than_a_stack(error: Exception) -> bool:
    chained = error.__cause__ is not None or error.__context__ is not None
    said = chained or hasattr(error, "__notes__")
    return said or isinstance(error, (SluiceError, *_SAYS_MORE)) or error.__traceback__ is None


def _frames(trace: TracebackType | None) -> Iterator[tuple[CodeType, int]]:
    while trace is not None:
        yield trace.tb_frame.f_code, trace.tb_lasti
        trace = trace.tb_next


def _last_line(error: Exception) -> str:
    kind = type(error)
    name = (
        kind.__qualname__
        if kind.__module__ in ("__main__", "builtins")
        else f"{kind.__module__}.{kind.__qualname__}"
    )
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - the error's own code; Python has words for it
        return "".join(traceback.format_exception_only(error))
    return f"{name}: {text}" if text else name
