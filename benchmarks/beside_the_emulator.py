"""Small runs of the real deployment, on the emulator, beside the twin, which is told what was measured of the emulator.

    python -m benchmarks.beside_the_emulator [--repeats 5]

Writes a table of docs/scale.md. Measured are events, calls, starts of processes and requests, between the runs, by a
function of its own that does nothing else; of the runs that are compared nothing goes into the twin. Both sides are
warm. The emulator is one process, so that requests of many functions wait for each other: the twin is told that, too.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from msgspec.structs import replace as struct_replace

from scripts.emulation import emulator as ministack
from tests.cloud.harness import IN, OUT, Cloud
from tests.conftest import checkout_in
from tests.worlds.limited import Limited, Timed, timed_spec
from tests.worlds.twin.terms import Terms

from .probe import Probe
from .scale_page import PAGE, as_table, written

SLOTS = 10
#: Seeds of the twin, of which the median is taken; and seconds between two drops of one world.
SEEDS, GAP = 9, 120.0
_LINE = b"w0000 w0001 w0002 w0003 w0004 w0005 w0006 w0007\n"
_PATIENCE = 240.0
_JOB = '''"""Counts words; each line takes `params.seconds`."""

import time

from chalicelib import Job, Sum


class Paced(Job):
    def mapper(self, _, line):
        time.sleep(self.params["seconds"])
        for word in line.split():
            yield word, 1

    reducer = Sum()
'''


class Server:
    """One process that answers one request after the other."""

    def __init__(self) -> None:
        self.now: Callable[[], float] = lambda: 0.0
        self._free = 0.0

    def wait(self, seconds: float) -> float:
        """How long until it can begin with a request that takes it so long."""
        now = self.now()
        begins = max(now, self._free)
        self._free = begins + seconds
        return begins - now


@dataclass(frozen=True, kw_only=True)
class Emulated(Terms):
    """The emulator's terms. `served`: seconds that a request takes the emulator, while others wait."""

    served: float = 0.0
    server: Server = field(default_factory=Server)

    def request_seconds(self, chance: random.Random, kind: str, memory: int, at_once: int = 1) -> float:
        return self.server.wait(self.served) + super().request_seconds(chance, kind, memory, at_once)


#: The emulator keeps an event with no slot for 0.2 s, then twice as long, up to 3 s, each half as much more or less
#: (`scripts/emulation/async_queue.py`). All events under way are worked on.
_QUEUE = Emulated(slots=SLOTS, first_backoff=0.3, longest_backoff=4.5, least_jitter=1 / 3)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """So many files of so many lines at once, each line of which takes `seconds`, and is a map task if `cut`."""

    name: str
    files: int
    lines: int
    seconds: float
    cut: bool

    @property
    def job(self) -> str:
        return "cut" if self.cut else "whole"


SCENARIOS = (
    Scenario(name="a file of 1 KB", files=1, lines=21, seconds=0.0, cut=False),
    Scenario(name="a run of 8 tasks of 2 s", files=1, lines=8, seconds=2.0, cut=True),
    Scenario(name="20 files at once, 1 task of 2 s each", files=20, lines=1, seconds=2.0, cut=True),
)

# -- the emulator -------------------------------------------------------------------------------------------------


def deploy(cloud: Cloud) -> None:
    """Deploy a job for each way to cut the input."""
    (cloud.root / "jobs/paced.py").write_text(_JOB)
    for one in (SCENARIOS[0], SCENARIOS[1]):
        lines = [
            "job: paced:Paced",
            f'input: {{url: "s3://{IN}/{one.job}/"}}',
            'work: {url: "s3://sluice-demo-work/"}',
            f'output: {{url: "s3://{OUT}/{one.job}/"}}',
            f"params: {{seconds: {one.seconds}}}",
            *([f"split_size: {len(_LINE)}", "partitions: 1"] if one.cut else ()),
        ]
        (cloud.root / f"jobs/{one.job}.yml").write_text("\n".join(lines) + "\n")
        cloud.script("deploy", one.job, check=True)


def drop(cloud: Cloud, scenario: Scenario, turn: str) -> float:
    """Seconds from the PUT of the first file to the last `_SUCCESS`. Raises AssertionError if a run fails."""
    job, body = scenario.job, _LINE * scenario.lines
    before = _ends(cloud, job)
    began = time.monotonic()
    for number in range(scenario.files):
        cloud.put(IN, f"{job}/{turn}-{number:02d}.txt", body)
    while len(ended := _ends(cloud, job) - before) < scenario.files:
        assert time.monotonic() < began + _PATIENCE, f"{scenario.name}: {len(ended)} have ended"
        time.sleep(0.05 + 0.05 * (time.monotonic() - began))  # looks take the emulator's time, too
    took = time.monotonic() - began
    failed = [key for key in ended if key.endswith("/_FAILED")]
    assert not failed, cloud.get(OUT, failed[0]).decode()
    return took


def _ends(cloud: Cloud, job: str) -> set[str]:
    return {key for key in cloud.listing(OUT, f"{job}/") if key.endswith(("/_SUCCESS", "/_FAILED"))}


# -- what is measured of it -----------------------------------------------------------------------------------------


def start_of_a_worker(cloud: Cloud) -> float:
    """How much longer a function takes in a new process: ours, with an event that tells of nothing."""
    name, took = "sluice-whole-coordinator", list[float]()
    timeout = cloud.functions.get_function_configuration(FunctionName=name)["Timeout"]
    cloud.functions.update_function_configuration(
        FunctionName=name, Timeout=timeout - 1
    )  # ends its processes
    time.sleep(0.5)
    for _ in range(2):
        began = time.monotonic()
        cloud.functions.invoke(FunctionName=name, Payload=b'{"Records": []}')
        took.append(time.monotonic() - began)
    return max(took[0] - took[1], 0.0)


def stretch() -> float:
    """Seconds that pass while a process that wants to work all the time gets one of a processor."""
    began, until = time.monotonic(), time.process_time() + 0.1
    while time.process_time() < until:
        pass
    return (time.monotonic() - began) / 0.1


@dataclass
class Measured:
    """What was measured between the runs of a scenario."""

    events: list[float] = field(default_factory=list)
    calls: list[float] = field(default_factory=list)
    short: list[float] = field(default_factory=list)
    listings: list[float] = field(default_factory=list)
    #: Requests of many functions at once, by how many these are.
    crowded: list[float] = field(default_factory=list)
    stretches: list[float] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)

    def look(self, probe: Probe, at_once: int) -> None:
        for measured, look in (
            (self.events, lambda: [probe.event_delay()]),
            (self.calls, lambda: probe.call_delay(at_once)),
        ):
            measured += look()
            time.sleep(0.3)  # so that its process is free again
        took = probe.requests(1)
        self.short += [*took["put"], *took["get"]]
        self.listings += took["list"]
        if at_once > 1:
            took = probe.requests(at_once)
            self.crowded += [one / at_once for kind in took.values() for one in kind]
        self.stretches.append(stretch())
        self.loads.append(os.getloadavg()[0])

    def terms(self, cold_start: float, own: float) -> Emulated:
        """The emulator as the twin wants it described. `own`: seconds of our code for a request."""
        least, middle = min(self.calls), median(self.calls)  # a few calls start a process
        most = 2 * middle - least
        return replace(
            _QUEUE,
            event_delay=max(median(self.events) - (least + most) / 2, 0.001),
            event_spread=0.0,
            event_tail=0.0,
            dispatch=(least, most),
            cold_start=cold_start,
            request=statistics.mean(self.short),
            list_page=statistics.mean(self.listings),
            served=min(statistics.mean(self.crowded or [0.0]), statistics.mean(self.short)),
            request_spread=0.0,
            slow_share=0.0,
            request_work=own * median(self.stretches),
            one_processor=1,
        )


# -- the twin ---------------------------------------------------------------------------------------------------------


def twin(scenario: Scenario, terms: Emulated) -> float:
    """The same in the twin: seconds, the median of some seeds. What is dropped first finds no warm function."""
    return median(_twin(scenario, terms, seed)[0] for seed in range(SEEDS))


def own_work(scenario: Scenario) -> float:
    """Processor seconds of our own code for a request, in the twin, which leaves out S3's client."""
    began = time.process_time()
    _, requests = _twin(scenario, _QUEUE, 0)
    return (time.process_time() - began) / requests


def _twin(scenario: Scenario, terms: Emulated, seed: int) -> tuple[float, int]:
    spec = timed_spec(seconds=scenario.seconds)
    params = {"map": scenario.seconds, "reduce": 0.0}
    spec = struct_replace(spec, params=params, split_size=len(_LINE) if scenario.cut else None)
    terms = replace(terms, server=Server())
    with Limited(Timed, spec, terms, seed=seed) as world:
        terms.server.now = lambda: world.now
        runs = [
            world.drop(f"{turn}-{number}.txt", _LINE * scenario.lines, at=turn * GAP + number * terms.request)
            for turn in range(2)
            for number in range(scenario.files)
        ]
        world.run()
        last = [world.runs[run].ended for run in runs[scenario.files :]]
        took = max(ended for ended in last if ended is not None) - GAP
        return took, sum(world.figures.requests.values())


# -- side by side -----------------------------------------------------------------------------------------------------

_HEAD = ("what is dropped", "event ms", "call ms", "start ms", "PUT, GET ms", "LIST ms", "of it alone", "our code ms",
         "load", "emulator s", "twin s", "error")  # fmt: skip


def row(cloud: Cloud, probe: Probe, scenario: Scenario, repeats: int) -> Sequence[str]:
    """One scenario on both sides, and what was measured between the runs of the real one."""
    at_once = min(max(scenario.files, scenario.lines if scenario.cut else 1), SLOTS)
    probe.call_delay(at_once)  # and so starts its processes
    drop(cloud, scenario, "first")
    found, measured = [], Measured()
    for number in range(repeats):
        measured.look(probe, at_once)
        found.append(drop(cloud, scenario, f"{number:02d}"))
    start = median(start_of_a_worker(cloud) for _ in range(2))
    terms = measured.terms(start, own_work(scenario))
    real, virtual = median(found), twin(scenario, terms)
    print(scenario.name, [f"{took:.2f}" for took in found], measured.stretches, file=sys.stderr, flush=True)
    shown = (terms.event_delay, median(terms.dispatch), start, terms.request, terms.list_page, terms.served)
    return (
        scenario.name,
        *(f"{1000 * one:,.0f}" for one in (*shown, terms.request_work)),
        f"{median(measured.loads):.0f}",
        f"{real:.2f} ({min(found):.2f} to {max(found):.2f})",
        f"{virtual:.2f}",
        f"{virtual / real - 1:+.0%}",
    )


def table(repeats: int) -> str:
    """All scenarios, on an emulator of their own."""
    settings = {"LAMBDA_ACCOUNT_CONCURRENCY": str(SLOTS), "GATEWAY_EVENTS_AT_ONCE": "200"}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        with (
            ministack.running(place / "ministack.log", settings) as emulator,
            checkout_in(place, emulator) as cloud,
        ):
            deploy(cloud)
            probe = Probe(cloud)
            return as_table([_HEAD, *(row(cloud, probe, scenario, repeats) for scenario in SCENARIOS)])


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.beside_the_emulator", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="drops of each, of which the median is taken")
    options = parser.parse_args()
    logging.getLogger("chalicelib").setLevel(logging.CRITICAL)
    text = table(options.repeats)
    PAGE.write_text(written(PAGE.read_text("utf-8"), "emulator", text), "utf-8")


if __name__ == "__main__":
    main()
