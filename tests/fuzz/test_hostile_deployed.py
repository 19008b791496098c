"""The same hostile objects, dropped on a deployed job: none hangs, none is counted wrongly, each ends in a verdict.

Only `make hostile-deployed` runs it: OBJECTS=10000 SEED=1. A run for each object would take an hour, so runs have many,
and each object is counted by itself: a few hundred of what must not fail, some dozens of what may (packed files with
damage). A run that fails says nothing of what else is in it: the object that it names is judged by that, and the others
are dropped again. What mostly fails (bombs, damaged Parquet), and each manifest, has a run of its own.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chalicelib.config.load import load_job
from chalicelib.core.messages import decode
from chalicelib.core.outcome import Manifest
from chalicelib.core.spec import JobSpec
from chalicelib.run.status.prices import cost_lost, cost_told
from scripts.emulation.emulator import Emulator
from tests.cloud.harness import IN, OUT, WORK, Cloud
from tests.fuzz.hostile import Case, case, good_parquet, judged, told

OBJECTS = int(os.environ.get("HOSTILE_DEPLOYED", "0"))
SEED = int(os.environ.get("SEED", "1"))
JOB = "hostile"
#: Objects of one run of those that must not fail, and how many runs are under way at once.
TOGETHER, AT_ONCE = 250, 16
#: As many of those that may fail, as a run that fails is done again.
RISKY = 25
#: Seconds after which a run is said to hang.
PATIENCE = 240.0
#: Between two looks at what has ended.
PAUSE = 0.2
#: Where the manifests' objects lie; they are the same for all of them.
THERE = f"{JOB}/text/there/"

pytestmark = [
    pytest.mark.cloud,
    pytest.mark.skipif(not OBJECTS, reason="takes minutes: make hostile-deployed"),
]


@dataclass
class Drop:
    """One run: the object that starts it, what has to be there before, and the cases that it is over."""

    marker: str
    body: bytes
    #: By key.
    cases: dict[str, tuple[int, Case]]
    objects: dict[str, bytes] = field(default_factory=dict)
    began: float = 0.0


def folder_of(made: Case) -> str:
    return str(made.input.get("format", "text"))


def alone(number: int, made: Case) -> Drop:
    """A run of one object, by a manifest of it."""
    if made.trigger == "marker":  # it is a manifest itself
        body = made.body.replace(b"s3://in/", f"s3://{IN}/".encode()).replace(b"data/", THERE.encode())
        marker = f"{THERE}{number}.manifest"
        return Drop(marker, body, {marker: (number, made)})
    place = f"{JOB}/{folder_of(made)}/alone/{number}/"
    key = place + made.key
    return Drop(f"{place}go.manifest", key.encode(), {key: (number, made)}, {key: made.body})


def together(name: str, many: list[tuple[int, Case]]) -> Drop:
    """A run of many objects, by a manifest of the folder that all of them are in."""
    root = f"{JOB}/{folder_of(many[0][1])}/together/{name}/"
    cases = {f"{root}{number}/{made.key}": (number, made) for number, made in many}
    return Drop(f"{root[:-1]}.manifest", root.encode(), cases, {key: cases[key][1].body for key in cases})


def drops(parquet_at: Path) -> Iterator[Drop]:
    """All runs, those of many objects as soon as there are enough."""
    parquet, waiting = good_parquet(parquet_at), dict[str, list[tuple[int, Case]]]()
    for number in range(OBJECTS):
        made = case(SEED, number, parquet)
        if made.key in ("_READY", "_SUCCESS"):
            made.key = "_ready"  # here such a name would start a run, as it should
        risky = made.ends == "either" and made.kind != "parquet"
        if made.trigger == "marker" or (made.ends in ("failed", "either") and not risky):
            made.key = made.key if made.trigger == "each" else f"{number}.manifest"
            yield alone(number, made)
            continue
        kind = f"{folder_of(made)} {risky}"
        group = waiting.setdefault(kind, [])
        group.append((number, made))
        if len(group) == (RISKY if risky else TOGETHER):
            yield together(str(number), waiting.pop(kind))
    for kind, group in waiting.items():
        yield together(f"rest {kind}", group)


@dataclass
class Watch:
    """Drops objects, and checks runs as they end."""

    cloud: Cloud
    spec: JobSpec
    emulator: Emulator
    found: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    dollars: float = 0.0
    dearest: float = 0.0
    runs: int = 0
    #: MiB that a function's process has had at most.
    peak: int = 0
    _again: list[Drop] = field(default_factory=list)
    _under_way: dict[str, Drop] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    def run(self, waiting: Iterator[Drop]) -> None:
        more = True
        while more or self._again or self._under_way:
            while (more or self._again) and len(self._under_way) < AT_ONCE:
                drop = self._again.pop() if self._again else next(waiting, None)
                more = more and drop is not None
                if drop:
                    self._drop(drop)
            self._look()
            self.peak = max(self.peak, memory_of(self.emulator.pid))
            time.sleep(PAUSE)

    def _drop(self, drop: Drop) -> None:
        for key, body in drop.objects.items():
            self.cloud.put(IN, key, body)
        drop.began = time.time()
        self._under_way[self.cloud.put(IN, drop.marker, drop.body)] = drop

    def _look(self) -> None:
        pages = self.cloud.s3.get_paginator("list_objects_v2").paginate(
            Bucket=OUT, Prefix=f"{JOB}/", StartAfter=f"{JOB}/{self._since()}"
        )
        keys = [row["Key"] for page in pages for row in page.get("Contents", [])]
        for key in keys:
            if key.endswith(("/_SUCCESS", "/_FAILED")) and key not in self._seen:
                self._seen.add(key)
                self._ended(key.split("/")[1])
        for source, drop in list(self._under_way.items()):
            if time.time() - drop.began > PATIENCE:
                self._under_way.pop(source)
                self._blame(drop, f"no end after {PATIENCE:g} s")

    def _since(self) -> str:
        """What the ids of runs under way come after."""
        began = min((drop.began for drop in self._under_way.values()), default=time.time())
        return datetime.fromtimestamp(began - 10, UTC).strftime("%Y%m%dT%H%M%S")

    def _ended(self, run: str) -> None:
        place = f"{JOB}/{run}/"
        files = {key.removeprefix(place): self.cloud.get(OUT, key) for key in self.cloud.listing(OUT, place)}
        manifest = decode(Manifest, files["_manifest.json"], f"the manifest of {run}")
        drop = self._under_way.pop(manifest.source, None)
        if drop is None:
            self.wrong.append(f"run {run} of {manifest.source}: nobody dropped that")
            return
        self.runs += 1
        self._pay(manifest)
        if {"_SUCCESS", "_FAILED"} <= files.keys():
            self._blame(drop, "two ends")
            return
        self._judge(drop, manifest, files)

    def _judge(self, drop: Drop, manifest: Manifest, files: dict[str, bytes]) -> None:
        failure = files["_FAILED"].decode() if "_FAILED" in files else None
        if failure is not None and len(drop.cases) > 1:
            self._without(drop, failure)
            return
        counts: dict[str, Counter[str]] = {}
        for name, body in files.items():
            for line in body.splitlines() if name.startswith("part-") else ():
                row = json.loads(line)
                key, value = row["key"]
                counts.setdefault(key, Counter())[value] += row["value"]
        lists = [self.cloud.get(WORK, key) for key in manifest.quarantine]
        bad = Counter(json.loads(line)["source"] for one in lists for line in one.splitlines())
        for key, (number, made) in drop.cases.items():
            if made.trigger == "marker":  # its counts are of the objects that it names
                own = sum(counts.values(), Counter[str]())
                wrong = sum(bad.values())
            else:
                own, wrong = counts.pop(key, Counter[str]()), bad.pop(f"s3://{IN}/{key}", 0)
            try:
                if made.ends == "not at all":
                    assert (own, wrong) == (Counter(), 0), "a hidden name was read"
                    verdict = "not input"
                else:
                    verdict = judged(made, failure, own, wrong)
            except AssertionError as error:
                self._note(number, made, str(error))
            else:
                self.found[made.kind, verdict] += 1
        if len(drop.cases) > 1 and (counts or bad):
            self._blame(drop, f"records of objects that nobody dropped: {[*counts, *bad][:5]}")

    def _without(self, drop: Drop, failure: str) -> None:
        """Judge the object that a run of many failed by, and drop the others again."""
        named = [key for key, (_, made) in drop.cases.items() if key in failure and made.ends == "either"]
        if len(named) != 1:
            self._blame(drop, failure)
            return
        number, made = drop.cases[named[0]]
        try:
            self.found[made.kind, judged(made, failure, Counter(), 0)] += 1
        except AssertionError as error:
            self._note(number, made, str(error))
        rest = [found for key, found in drop.cases.items() if key != named[0]]
        self._again.append(together(f"without {number}", rest))

    def _blame(self, drop: Drop, why: str) -> None:
        number, made = next(iter(drop.cases.values()))
        self._note(number, made, f"(first of {len(drop.cases)} in {drop.marker}) {why}")

    def _note(self, number: int, made: Case, why: str) -> None:
        self.wrong.append(f"SEED={SEED} ONLY={number}: {made.kind}, {made.key!r}: {why:.600}")

    def _pay(self, manifest: Manifest) -> None:
        dollars = cost_told(manifest, self.spec, small=False).total
        dollars += cost_lost(self.spec, manifest.map_wasted, manifest.reduce_wasted)
        self.dollars += dollars
        self.dearest = max(self.dearest, dollars)


def memory_of(group: int) -> int:
    """MiB that the largest process of the emulator's group has had, but for the emulator itself and its forks."""
    most, emulator = 0, Path(f"/proc/{group}/cmdline").read_bytes()
    for entry in Path("/proc").iterdir():
        try:
            ours = entry.name.isdigit() and os.getpgid(int(entry.name)) == group
            if ours and (entry / "cmdline").read_bytes() != emulator:
                status = (entry / "status").read_text()
                most = max(most, int(status.partition("VmHWM:")[2].split()[0]) >> 10)
        except (OSError, IndexError):
            continue  # it is gone
    return most


def work_of(group: int) -> float:
    """Seconds of a processor that the emulator and its functions have taken, those that are gone included."""
    ticks = 0
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.getpgid(int(entry.name)) == group:
                figures = (entry / "stat").read_text().rpartition(")")[2].split()
                ticks += sum(map(int, figures[11:15]))
        except OSError:
            continue
    return ticks / os.sysconf("SC_CLK_TCK")


def test_hostile_objects_on_a_deployed_job(checkout: Cloud, emulator: Emulator, tmp_path: Path) -> None:
    checkout.script("deploy", JOB, check=True)
    spec = load_job(JOB, root=checkout.root, environ={}, require_cloud=True).spec
    for folder in ("p/", "p/q/", ""):
        for number in "123":
            checkout.put(IN, f"{THERE}{folder}{number}", f"{folder}{number}\n".encode())
    watch = Watch(checkout, spec, emulator)
    began, worked = time.monotonic(), work_of(emulator.pid) + time.process_time()
    watch.run(drops(tmp_path / "good.parquet"))
    seconds = time.monotonic() - began
    worked = work_of(emulator.pid) + time.process_time() - worked
    print(told(watch.found))
    print(
        f"{OBJECTS:,} objects in {watch.runs:,} runs, {len(watch.wrong)} wrong; {seconds:,.0f} s, of a"
        f" processor {worked:,.0f}; at most"
        f" {watch.peak} MiB a function; ${watch.dollars:.4f} in all, ${watch.dearest:.5f} the dearest run"
    )
    print("\n".join(watch.wrong[:40]))
    assert watch.wrong == []
    assert sum(watch.found.values()) == OBJECTS
    assert watch.peak < spec.memory.mapper
    assert spec.limits.dollars is not None
    assert watch.dearest <= spec.limits.dollars
