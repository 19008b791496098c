"""Faults in the emulator's worker processes, which load this file because its folder is on their PYTHONPATH.

FAULTS_FOLDER names a folder with a scenario for each run, `<run>.json` (and a copy named after the input object):
which requests to S3 and Lambda go wrong, how often, and at which the process is killed. All is done below the AWS
client, at the wire: Sluice's own code is as it is deployed. Each fault is written to `<scenario>.log` first.

FAULTS_SPEED makes the functions' clock go so many times as fast, and each process's clock is wrong by up to
FAULTS_SKEW of its own seconds.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

FUNCTION = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "").rpartition("-")[2]
FOLDER = os.environ.get("FAULTS_FOLDER", "")

_RUN = re.compile(r"\d{8}T\d{6}-[0-9a-f]{12}|input-[a-z0-9-]+")
_UNKNOWN: dict[str, Any] = {"id": "", "rates": {}, "strikes": [], "limits": {}}
_S3_BUSY = ((503, "SlowDown"), (500, "InternalError"))


class Scenario:
    """What is to happen to one run, as far as this process is concerned."""

    def __init__(self, folder: Path, document: dict[str, Any]) -> None:
        self._folder = folder
        self._document = document
        self.chance = random.Random(f"{document.get('seed')} {os.getpid()}")

    def claim(self, kind: str, limit: int) -> bool:
        """Whether this is one of the first `limit` faults of a kind in this run, over all processes."""
        for number in range(limit):
            name = self._folder / f"{self._document['id']}.{kind.replace(' ', '-')}.{number}.claim"
            try:
                os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            except FileExistsError:
                continue
            self._note(kind)
            return True
        return False

    def happens(self, kind: str) -> bool:
        rate = self._document["rates"].get(kind, 0.0)
        limit = self._document["limits"].get(kind, 20)
        return self.chance.random() < rate and self.claim(kind, limit)

    def killed(self, side: str, request: Any) -> bool:
        """Whether the process is to die before or after this very request."""
        for number, strike in enumerate(self._document["strikes"]):
            if (
                strike["function"] == FUNCTION
                and strike["side"] == side
                and strike["method"] == request.method
                and strike["url"] in request.url
                and self.claim(f"killed {side} {FUNCTION} {number}", strike.get("times", 1))
            ):
                return True
        return self._may_die(f"killed {side} a request")

    def dies_soon(self) -> bool:
        return self._may_die("killed at any instant")

    def _may_die(self, kind: str) -> bool:
        """Lambda delivers an event three times, so that two deaths of a function are survived for sure."""
        if self.chance.random() >= self._document["rates"].get(kind, 0.0):
            return False
        limit = self._document["limits"].get(FUNCTION, 2)
        return self.claim(f"killed {FUNCTION}", limit)

    def _note(self, kind: str) -> None:
        line = f"{FUNCTION}\t{kind}\n".encode()
        log = os.open(self._folder / f"{self._document['id']}.log", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        os.write(log, line)
        os.close(log)


class Scenarios:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Scenario] = {}

    def of(self, request: Any) -> Scenario | None:
        """The scenario of the run that a request belongs to."""
        body = request.body if isinstance(request.body, bytes) and "/invocations" in request.url else b""
        found = _RUN.search(request.url) or _RUN.search(body.decode("utf-8", "replace"))
        if not found:
            return None
        name = found[0]
        if name not in self._known:
            try:
                document = json.loads((self._folder / f"{name}.json").read_text())
            except FileNotFoundError:
                document = {}
            self._known[name] = Scenario(self._folder, _UNKNOWN | document)
        return self._known[name]


def install(folder: Path) -> None:
    from io import BytesIO

    import botocore.httpsession as http
    from botocore.awsrequest import AWSResponse
    from botocore.exceptions import ConnectionClosedError
    from urllib3 import HTTPResponse

    scenarios, send = Scenarios(folder), http.URLLib3Session.send

    def answer(request: Any, status: int, code: str) -> Any:
        s3 = "/2015-03-31/" not in request.url
        text = f"<Error><Code>{code}</Code><Message>said the test</Message></Error>" if s3 else "{}"
        body = b"" if request.method == "HEAD" else text.encode()
        headers = {"content-length": str(len(body)), "x-amzn-errortype": code}
        raw = HTTPResponse(BytesIO(body), headers=headers, status=status, preload_content=False)
        return AWSResponse(request.url, status, headers, raw)

    def cut(response: Any) -> Any:
        """The same answer, of whose body only the first half comes."""
        body = response.raw.read()
        headers = dict(response.headers)
        raw = HTTPResponse(
            BytesIO(body[: len(body) // 2]),
            headers=headers,
            status=response.status_code,
            preload_content=False,
        )
        return AWSResponse(response.url, response.status_code, response.headers, raw)

    def troubled(self: Any, request: Any) -> Any:
        scenario = scenarios.of(request)
        if scenario is None:
            return send(self, request)
        invokes, writes = "/invocations" in request.url, request.method in ("PUT", "POST", "DELETE")
        if scenario.dies_soon():
            threading.Timer(scenario.chance.uniform(0.0, 0.05), die).start()
        if scenario.killed("before", request):
            die()
        if scenario.happens("delayed"):
            time.sleep(scenario.chance.uniform(0.0, 3.0))
        if scenario.happens("reset"):
            raise ConnectionClosedError(endpoint_url=request.url)
        if scenario.happens("refused"):
            busy = (429, "TooManyRequestsException") if invokes else scenario.chance.choice(_S3_BUSY)
            return answer(request, *busy)
        conditional = "If-None-Match" in request.headers or "If-Match" in request.headers
        if request.method == "PUT" and conditional and scenario.happens("conflict"):
            return answer(request, 409, "ConditionalRequestConflict")
        response = send(self, request)
        if invokes and scenario.happens("invoked twice"):
            response = send(self, request)
        if scenario.killed("after", request):
            die()
        if writes and scenario.happens("answer lost"):
            raise ConnectionClosedError(endpoint_url=request.url)
        if request.stream_output and response.status_code in (200, 206) and scenario.happens("body cut"):
            return cut(response)
        return response

    http.URLLib3Session.send = troubled


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hurry(speed: float, skew: float) -> None:
    """Let this process's clock go faster than the world's, and wrong."""
    real_time, real_sleep = time.time, time.sleep
    zero = float(os.environ["FAULTS_ZERO"])
    wrong = random.Random(os.getpid()).uniform(-skew, skew)
    time.time = lambda: zero + (real_time() - zero) * speed + wrong
    time.sleep = lambda seconds: real_sleep(seconds / speed)


if FOLDER and FUNCTION and "SLUICE_NAME" in os.environ and sys.orig_argv[-1].endswith(".py"):
    hurry(float(os.environ.get("FAULTS_SPEED", "1")), float(os.environ.get("FAULTS_SKEW", "0")))
    install(Path(FOLDER))
