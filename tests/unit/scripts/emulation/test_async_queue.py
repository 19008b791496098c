"""Events that wait for a slot or for a processor: none is lost, and only so many run at once."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from scripts.emulation import async_queue

Event = dict[str, Any]


class Service:
    """As much of MiniStack's Lambda as is changed; `function` works on an event."""

    def __init__(self, function: Callable[[Event], Any], at_once: int) -> None:
        self.running, self.most, self.ended = 0, 0, 0
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._function = function
        self.module: Any = SimpleNamespace(
            invoke_async_with_retry=self._invoke, _execute_function=self._execute
        )
        async_queue.keep_events(self.module, at_once)

    def _invoke(self, func: Event, event: Event) -> None:
        context = contextvars.copy_context()
        thread = threading.Thread(
            target=context.run, args=(lambda: self.module._execute_function(func, event),)
        )
        self._threads.append(thread)
        thread.start()

    def _execute(self, func: Event, event: Event) -> Any:
        if event.pop("elsewhere", False):  # MiniStack calls itself where the account is another
            return self.module._execute_function(func, event)
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            return self._function(event)
        finally:
            with self._lock:
                self.running -= 1
                self.ended += 1

    def send(self, *events: Event) -> None:
        for event in events:
            self.module.invoke_async_with_retry({}, event)

    def wait(self) -> None:
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()


def test_only_so_many_events_are_worked_on_at_once() -> None:
    three = threading.Barrier(3)  # each waits for two others: so many are at work together, or the test fails
    service = Service(lambda _: three.wait(timeout=60), at_once=3)
    service.send(*({} for _ in range(21)))
    service.wait()
    assert (service.most, service.ended) == (3, 21)


def test_an_event_needs_one_place_though_ministack_calls_itself() -> None:
    service = Service(lambda _: None, at_once=1)
    service.send(*({"elsewhere": True} for _ in range(5)))
    service.wait()
    assert service.ended == 5


def test_who_waits_for_the_answer_is_not_held_up() -> None:
    go = threading.Event()
    service = Service(lambda event: go.wait(30) if event.get("slow") else "answered", at_once=1)
    service.send({"slow": True})
    assert service.module._execute_function({}, {}) == "answered"
    go.set()
    service.wait()


def test_an_event_for_which_there_is_no_slot_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(async_queue, "FIRST", 0.001)
    answers = iter([{"throttle": True}, {"throttle": True}, {"body": "done"}])
    service = Service(lambda _: next(answers), at_once=1)
    service.send({})
    service.wait()
    assert service.ended == 3


def test_a_throttled_call_is_told_to_who_waits_for_it() -> None:
    service = Service(lambda _: {"throttle": True}, at_once=1)
    assert service.module._execute_function({}, {}) == {"throttle": True}
    assert service.ended == 1
