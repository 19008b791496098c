"""Runs on the emulator whose events we deliver ourselves: late, twice, in another order, or never.

The rules by which S3 would call our functions are taken away after the deployment; what S3 would tell, we see in
listings, and tell it to Lambda as S3 does.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chalicelib.core.keys import DONE, OutputKeys, RunKeys, results_place, runs_prefix
from chalicelib.core.ports import Loc
from chalicelib.run.events import created, run_id
from tests.cloud.harness import IN, OUT, WORK, Cloud

JOB = "chaos"
#: Seconds between two looks.
_PAUSE = 0.15


@dataclass(frozen=True)
class Scenario:
    """What goes wrong in one run; `tests/chaos/faults/sitecustomize.py` does all but the events."""

    label: str
    seed: int = 0
    rates: Mapping[str, float] = field(default_factory=dict)
    strikes: tuple[dict[str, Any], ...] = ()
    limits: Mapping[str, int] = field(default_factory=dict)


@dataclass
class Posted:
    """A run under way."""

    scenario: Scenario
    run: str
    began: float
    chance: random.Random
    seconds: float = 0.0
    resumed: int = 0
    events: Counter[str] = field(default_factory=Counter)

    @property
    def keys(self) -> RunKeys:
        return RunKeys(Loc(WORK, ""), JOB, self.run)

    @property
    def output(self) -> OutputKeys:
        return OutputKeys(results_place(Loc(OUT, f"{JOB}/"), self.run))


class Postman:
    """Starts runs and delivers their events until all have ended. `folder` is where the scenarios are."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self._cloud = cloud
        self._folder = folder
        self._told: set[str] = set()
        self._letters: list[tuple[float, str, dict[str, Any]]] = []

    def start(self, scenario: Scenario, body: bytes) -> Posted:
        key = f"{JOB}/input-{scenario.label}.txt"
        etag = self._cloud.s3.put_object(Bucket=IN, Key=key, Body=body)["ETag"].strip('"')
        event = _event(Loc(IN, key), etag)
        (item,) = created(event)
        posted = Posted(scenario, run_id(JOB, item), time.monotonic(), random.Random(scenario.seed))
        document = json.dumps(
            {
                "id": scenario.label,
                "seed": scenario.seed,
                "rates": dict(scenario.rates),
                "strikes": scenario.strikes,
                "limits": {"mapper": 4, "reducer": 4, **scenario.limits},
            }
        )
        for name in (posted.run, f"input-{scenario.label}"):
            (self._folder / f"{name}.json").write_text(document)
        self._post(posted, "coordinator", event, may_drop=False)
        return posted

    def deliver_until_ended(self, runs: Iterable[Posted], resume_after: float, patience: float) -> None:
        """A run that has not ended after `resume_after` seconds is resumed, as a person would."""
        open_runs = {posted.run: posted for posted in runs}
        while open_runs:
            self._look(open_runs)
            self._send()
            for posted in self._ended(open_runs):
                posted.seconds = time.monotonic() - posted.began
                del open_runs[posted.run]
            for posted in open_runs.values():
                age = time.monotonic() - posted.began
                if age > resume_after * (posted.resumed + 1):
                    posted.resumed += 1
                    self._cloud.script("submit", "--resume", JOB, posted.run, check=True)
                assert age < patience, f"{posted.scenario.label}: {posted.run}\n{self._cloud.report(JOB)}"
            time.sleep(_PAUSE)

    def counts(self, posted: Posted) -> Counter[str]:
        """What was done to a run: `function kind` as the faults' log has it, and to its events."""
        log = self._folder / f"{posted.scenario.label}.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return Counter(line.replace("\t", " ") for line in lines) + posted.events

    # -- post -----------------------------------------------------------------------------------------

    def _look(self, runs: Mapping[str, Posted]) -> None:
        for key, (etag, _) in self._cloud.listing(WORK, runs_prefix(Loc(WORK, ""), JOB).key).items():
            run = key.split("/")[2]
            if key.endswith(DONE) and key not in self._told and run in runs:
                self._told.add(key)
                self._post(runs[run], "supervisor", _event(Loc(WORK, key), etag.strip('"')), may_drop=True)

    def _post(self, posted: Posted, function: str, event: dict[str, Any], *, may_drop: bool) -> None:
        chance, rates = posted.chance, posted.scenario.rates
        if may_drop and chance.random() < rates.get("event dropped", 0.0):
            posted.events["event dropped"] += 1
            return
        copies = 1
        if chance.random() < rates.get("event doubled", 0.0):
            posted.events["event doubled"] += 1
            copies = 2
        for _ in range(copies):
            late = chance.random() < rates.get("event late", 0.0)
            posted.events["event late"] += late
            due = time.monotonic() + (chance.uniform(0.5, 3.0) if late else 0.0)
            self._letters.append((due, function, event))

    def _send(self) -> None:
        now = time.monotonic()
        due = [letter for letter in self._letters if letter[0] <= now]
        self._letters = [letter for letter in self._letters if letter[0] > now]
        for _, function, event in due:
            self._cloud.functions.invoke(
                FunctionName=f"sluice-{JOB}-{function}", InvocationType="Event", Payload=json.dumps(event)
            )

    def _ended(self, runs: Mapping[str, Posted]) -> list[Posted]:
        there = self._cloud.listing(OUT, f"{JOB}/")
        return [
            posted
            for posted in runs.values()
            if posted.output.success.key in there or posted.output.failure.key in there
        ]


def silence(cloud: Cloud) -> None:
    """Take away the rules by which S3 calls functions."""
    for bucket in (IN, WORK):
        cloud.s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})


def _event(loc: Loc, etag: str) -> dict[str, Any]:
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}Z"
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": "us-east-1",
                "eventTime": stamp,
                "eventName": "ObjectCreated:Put",
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "bucket": {"name": loc.bucket, "arn": f"arn:aws:s3:::{loc.bucket}"},
                    "object": {
                        "key": loc.key,
                        "size": 0,
                        "eTag": etag,
                        "sequencer": f"{time.monotonic_ns():018X}",
                    },
                },
            }
        ]
    }


def batches(scenarios: list[Scenario], size: int) -> list[list[Scenario]]:
    return [scenarios[at : at + size] for at in range(0, len(scenarios), size)]


Progress = Callable[[str], None]
