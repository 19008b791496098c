"""One contract for every invoker: Lambda's over HTTP, the local engine's over a pipe, and those of simulated worlds.

Whoever calls `invoke` may count on this: the function begins later, not inside the call; it begins at least once, with
the payload as it was then; and a payload that cannot travel is refused at once.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest
from botocore.config import Config

from chalicelib import Job
from chalicelib.aws.invoker import LambdaInvoker
from chalicelib.core.errors import InvokeError
from chalicelib.core.ports import FunctionName, Invoker, Runtime
from chalicelib.local.workers import Setup, Worker, World
from tests.worlds.parallel import Parallel
from tests.worlds.simulation import Simulation, spec

Call = tuple[str, dict[str, Any]]

PAYLOADS: dict[str, dict[str, Any]] = {
    "empty": {},
    "a call": {
        "bucket": "work",
        "prefix": "",
        "job": "j",
        "run": "20260101T000000-a",
        "lo": 0,
        "hi": 32,
        "hops": 3,
    },
    "text": {"name": 'naïve 水 🙂\n\t"quoted" \\', "": "empty key"},
    "numbers": {"large": 2**53 - 1, "negative": -1, "fraction": 0.1, "none": None, "yes": True},
    "nested": {"Records": [{"s3": {"object": {"key": "a/b.done"}}}, {}, [[1], []]]},
}


class Place(NamedTuple):
    #: Run this with the invoker, wherever it lives.
    run: Callable[[Callable[[Invoker], None]], None]
    #: Which functions have begun, and with what. Those of a simulated world begin when this is called.
    begun: Callable[[], list[Call]]
    #: Of each that began in this process: whether that was during a call of the invoker.
    inside: list[bool]

    def invoke(self, *calls: tuple[FunctionName, dict[str, Any]]) -> None:
        def ask(invoker: Invoker) -> None:
            for function, payload in calls:
                invoker.invoke(function, payload)

        self.run(ask)


@pytest.fixture(params=["lambda", "worker", "simulation", "simulation that repeats", "parallel"])
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(f"{request.param.replace(' ', '_')}_place")
    return found


# ------------------------------------------------------------------ Lambda


class Api(ThreadingHTTPServer):
    """Lambda's API, as far as an asynchronous invocation needs it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.calls: list[Call] = []
        self.kinds: set[str | None] = set()
        #: Status and AWS's code of the next answers.
        self.answer = (202, "")


class _Answer(BaseHTTPRequestHandler):
    server: Api

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        name = self.path.split("/")[3]
        status, code = self.server.answer
        if status == 202:
            self.server.calls.append((name.removeprefix("sluice-job-"), json.loads(body)))
            self.server.kinds.add(self.headers["X-Amz-Invocation-Type"])
        self.send_response(status)
        if code:
            self.send_header("X-Amzn-Errortype", code)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def api() -> Iterator[Api]:
    with Api() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def lambda_invoker(api: Api) -> Iterator[LambdaInvoker]:
    client = boto3.client(
        "lambda",
        endpoint_url=f"http://127.0.0.1:{api.server_port}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )
    yield LambdaInvoker(client, "sluice-job")
    client.close()


@pytest.fixture
def lambda_place(api: Api, lambda_invoker: LambdaInvoker) -> Place:
    return Place(lambda ask: ask(lambda_invoker), lambda: api.calls, [])


# ------------------------------------------------------------------ this machine


class Asking(World):
    """A worker whose first act is to ask for what a test asks for."""

    def __init__(self, ask: Callable[[Invoker], None]) -> None:
        self._ask = ask

    def runtime(self, runtime: Runtime) -> Runtime:
        try:
            self._ask(runtime.invoker)
        except TypeError:
            runtime.invoker.invoke("reducer", {"error": "TypeError"})
        runtime.invoker.invoke("supervisor", {"the": "end"})
        return runtime


@pytest.fixture
def worker_place(tmp_path: Path) -> Place:
    heard: list[Call] = []

    def run(ask: Callable[[Invoker], None]) -> None:
        worker = Worker(Setup([tmp_path], lambda _: Job, tmp_path, lambda _: False, Asking(ask)))
        try:
            while (report := worker.read()).payload != {"the": "end"}:
                assert report.kind == "invoke"
                if report.payload == {"error": "TypeError"}:
                    raise TypeError("in the worker")
                heard.append((report.function, report.payload))
        finally:
            worker.stop()

    return Place(run, lambda: heard, [])


# ------------------------------------------------------------------ simulated worlds


class Book:
    """What began, and whether during a call of the invoker."""

    def __init__(self) -> None:
        self.begun: list[Call] = []
        self.inside: list[bool] = []
        self._asking = False

    def run(self, ask: Callable[[Invoker], None], invoker: Invoker) -> None:
        self._asking = True
        try:
            ask(invoker)
        finally:
            self._asking = False

    def note(self, function: str, payload: dict[str, Any]) -> None:
        self.begun.append((function, payload))
        self.inside.append(self._asking)


class Idle(Simulation):
    """Its functions do nothing but make a note."""

    def __init__(self, scratch: Path, book: Book, **how: Any) -> None:
        super().__init__(Job, spec(), scratch, **how)
        self._book = book

    def _handle(self, function: str, payload: dict[str, Any]) -> None:
        self._book.note(function, payload)


def simulated(scratch: Path, **how: Any) -> Place:
    book = Book()
    simulation = Idle(scratch, book, **how)

    def begun() -> list[Call]:
        simulation.run()
        return book.begun

    return Place(lambda ask: book.run(ask, simulation.invoker()), begun, book.inside)


@pytest.fixture
def simulation_place(tmp_path: Path) -> Place:
    return simulated(tmp_path)


@pytest.fixture
def simulation_that_repeats_place(tmp_path: Path) -> Place:
    return simulated(tmp_path, seed=1, duplicates=True)


@pytest.fixture
def parallel_place(tmp_path: Path) -> Place:
    book = Book()

    def handler(function: str) -> Callable[[Runtime, dict[str, Any]], None]:
        return lambda _, payload: book.note(function, payload)

    functions = ("mapper", "reducer", "supervisor")
    world = Parallel(Job, spec(), tmp_path, handlers={name: handler(name) for name in functions})

    def begun() -> list[Call]:
        world.work()
        return book.begun

    return Place(lambda ask: book.run(ask, world), begun, book.inside)


# ------------------------------------------------------------------ the contract


def distinct(calls: list[Call]) -> list[Call]:
    """Each call once, in an order of their own."""
    return [json.loads(text) for text in sorted({json.dumps(call, sort_keys=True) for call in calls})]


class TestInvokerContract:
    @pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
    @pytest.mark.parametrize("function", ["mapper", "reducer", "supervisor"])
    def test_the_function_begins_with_the_payload_as_it_is(
        self, place: Place, function: FunctionName, payload: dict[str, Any]
    ) -> None:
        place.invoke((function, payload))
        begun = place.begun()
        assert begun
        assert all(call == (function, payload) for call in begun)

    def test_each_of_many_begins_at_least_once(self, place: Place) -> None:
        functions: list[FunctionName] = ["mapper", "reducer", "supervisor"]
        calls = [(functions[number % 3], {"number": number}) for number in range(40)]
        place.invoke(*calls)
        assert distinct(place.begun()) == distinct([(function, payload) for function, payload in calls])

    def test_what_happens_to_a_payload_afterwards_is_not_seen(self, place: Place) -> None:
        def ask(invoker: Invoker) -> None:
            payload = {"range": [0, 32]}
            invoker.invoke("mapper", payload)
            payload["range"].append(64)

        place.run(ask)
        assert distinct(place.begun()) == [["mapper", {"range": [0, 32]}]]

    def test_a_function_begins_after_the_call_and_not_inside_it(self, place: Place) -> None:
        """An invoker that ran the function itself would never come back from one that starts its own kind."""
        place.invoke(("mapper", {"lo": 0}), ("mapper", {"lo": 1}))
        assert distinct(place.begun()) == [["mapper", {"lo": 0}], ["mapper", {"lo": 1}]]
        assert not any(place.inside)

    def test_a_payload_too_large_is_delivered_whole_or_refused_in_words(self, place: Place) -> None:
        payload = {"x": "a" * 300_000}
        refused = ""
        try:
            place.invoke(("mapper", payload))
        except InvokeError as error:
            refused = str(error)
        assert distinct(place.begun()) == ([] if refused else [["mapper", payload]])
        assert not refused or ("mapper" in refused and "300,008" in refused)

    def test_a_payload_that_cannot_travel_is_refused_and_nothing_begins(self, place: Place) -> None:
        with pytest.raises(TypeError):
            place.invoke(("mapper", {"x": object()}))
        assert place.begun() == []


class TestLambda:
    """What only Lambda's can do wrong."""

    def test_it_asks_for_an_event_and_not_for_an_answer(
        self, api: Api, lambda_invoker: LambdaInvoker
    ) -> None:
        lambda_invoker.invoke("mapper", {})
        assert api.kinds == {"Event"}

    @pytest.mark.parametrize(
        ("status", "code"),
        [
            (404, "ResourceNotFoundException"),
            (403, "AccessDeniedException"),
            (413, "RequestTooLargeException"),
            (429, "TooManyRequestsException"),
            (500, "ServiceException"),
            (502, ""),
        ],
    )
    def test_every_refusal_is_an_invoke_error_that_names_the_function(
        self, api: Api, lambda_invoker: LambdaInvoker, status: int, code: str
    ) -> None:
        api.answer = (status, code)
        with pytest.raises(InvokeError) as caught:
            lambda_invoker.invoke("reducer", {"lo": 1})
        assert str(caught.value).startswith("sluice-job-reducer: Invoke: ")
        assert str(status) in str(caught.value)
        assert code in str(caught.value)
        assert api.calls == []
        api.answer = (202, "")
        lambda_invoker.invoke("reducer", {"lo": 1})
        assert api.calls == [("reducer", {"lo": 1})], "an invoker is of use after an error"
