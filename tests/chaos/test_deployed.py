"""Faults in the deployed functions: killed processes, a network and an S3 that fail, events late, twice or never.

The functions' clocks go ten times as fast, so that a lease and Lambda's retries keep their proportions on AWS (45
seconds; one minute, then two) and a test does not take minutes; and they differ by up to a minute.
`make chaos` runs all scenarios, and some at the true speed with a retry that comes long before the lease ends.
"""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chaos.conftest import MakeCloud
from tests.chaos.grammar import odd_results, odd_work
from tests.chaos.postman import Posted, Postman, Scenario, batches, silence
from tests.chaos.table import faults, render
from tests.cloud.harness import OUT, WORK, Cloud

pytestmark = pytest.mark.cloud

FULL = os.environ.get("CHAOS") == "full"
SPEED = 10.0

#: Requests at which a function is killed, before and after they took effect.
MOMENTS = {
    "supervisor": (
        ("PUT", "/reduce/lease"),
        ("GET", "/plan.json"),
        ("GET", "%2Fmap%2F"),
        ("GET", "/map/000000.done"),
        ("PUT", "/reduce/index"),
        ("PUT", "/reduce/plan.json"),
        ("POST", "chaos-reducer/invocations"),
        ("PUT", "/reduce/started"),
        ("GET", "%2Freduce%2F"),
    ),
    "coordinator": (("PUT", "/plan.json"), ("POST", "chaos-mapper/invocations"), ("PUT", "/plan.done")),
    "mapper": (("POST", "chaos-mapper/invocations"), ("PUT", ".run"), ("PUT", "/map/000003.done")),
    "reducer": (
        ("PUT", "/part-"),
        ("PUT", "/reduce/00000.done"),
        ("PUT", "/run.done"),
        ("PUT", "/_manifest.json"),
        ("PUT", "/_SUCCESS"),
    ),
}
#: What may be done by the supervisor or by the last reducer, whoever is faster: such a strike may find nobody.
EITHER = ("/run.done", "/_manifest.json", "/_SUCCESS")

LIKELY = {
    "killed before a request": 0.05,
    "killed after a request": 0.05,
    "killed at any instant": 0.05,
    "delayed": 0.1,
    "reset": 0.08,
    "refused": 0.1,
    "conflict": 0.2,
    "invoked twice": 0.3,
    "answer lost": 0.15,
    "body cut": 0.15,
    "event dropped": 0.4,
    "event doubled": 0.4,
    "event late": 0.4,
}


def text() -> bytes:
    chance = random.Random(7)
    return b"\n".join(b" ".join(b"w%d" % chance.randrange(400) for _ in range(8)) for _ in range(180))


TEXT = text()


def strike(function: str, method: str, url: str, side: str) -> Scenario:
    label = re.sub(r"[^a-z0-9]+", "-", f"{function} {side} {method} {url}".lower()).strip("-")
    doomed = {"function": function, "method": method, "url": url, "side": side}
    return Scenario(label=label, strikes=(doomed,))


STRIKES = [
    strike(function, method, url, side)
    for function, moments in MOMENTS.items()
    for method, url in moments
    for side in ("before", "after")
]


def mixture(seed: int) -> Scenario:
    """Four to nine kinds of fault at once."""
    chance = random.Random(f"mixture {seed}")
    kinds = chance.sample(sorted(LIKELY), chance.randint(4, 9))
    rates = {kind: LIKELY[kind] * chance.uniform(0.3, 1.3) for kind in kinds}
    return Scenario(label=f"mixture-{seed}", seed=seed, rates=rates)


def chosen(label: str) -> Scenario:
    (found,) = [scenario for scenario in STRIKES if scenario.label == label]
    return found


def scenarios() -> list[Scenario]:
    if FULL:
        return [*STRIKES, *map(mixture, range(30))]
    return [
        chosen("supervisor-after-get-2fmap-2f"),
        chosen("supervisor-before-put-reduce-started"),
        mixture(1),
    ]


class Figures:
    """All that was injected and all that came out."""

    def __init__(self) -> None:
        self.rows: list[tuple[object, ...]] = []
        self.injected: Counter[str] = Counter()

    def add(self, name: str, runs: list[Posted], counts: list[Counter[str]]) -> None:
        total: Counter[str] = sum(counts, Counter())
        kills = sum(number for kind, number in total.items() if " killed " in kind)
        times = [posted.seconds for posted in runs]
        resumed = sum(posted.resumed > 0 for posted in runs)
        self.rows.append(
            (name, len(runs), kills, sum(total.values()), resumed, len(runs), f"{max(times):.1f} s")
        )
        for kind, number in total.items():
            self.injected[re.sub(r"^(\w+ killed) .*?(before|after)? ?\w* ?\d*$", r"\1 \2", kind).strip()] += (
                number
            )

    def __str__(self) -> str:
        head = ["emulator", "runs", "kills", "faults", "resumed by hand", "right", "slowest"]
        return render(head, self.rows) + "\n" + faults(self.injected)


@pytest.fixture(scope="module")
def told() -> Iterator[Figures]:
    figures = Figures()
    yield figures
    print(f"\n{figures}")


def parts(cloud: Cloud, posted: Posted) -> dict[str, bytes]:
    prefix = posted.output.prefix.key
    found = {key.removeprefix(prefix): cloud.get(OUT, key) for key in cloud.listing(OUT, prefix)}
    return {name: body for name, body in sorted(found.items()) if name.startswith("part-")}


def calm(cloud: Cloud, postman: Postman) -> dict[str, bytes]:
    """The parts of a run in which nothing goes wrong; they are right."""
    posted = postman.start(Scenario("calm"), TEXT)
    postman.deliver_until_ended([posted], resume_after=60.0, patience=60.0)
    assert postman.counts(posted) == Counter()
    found = parts(cloud, posted)
    rows = [line.split("\t") for line in b"".join(found.values()).decode().splitlines()]
    assert {word: int(number) for word, number in rows} == Counter(TEXT.decode().split())
    assert len(found) > 1
    return found


def check(cloud: Cloud, posted: Posted, expected: dict[str, bytes]) -> None:
    """Right, and nothing is left but what is documented."""
    label, output = posted.scenario.label, posted.output
    failure = cloud.find(OUT, output.failure.key)
    assert failure is None, f"{label}: {failure!r}"
    assert cloud.find(OUT, output.success.key) == b"", label
    assert parts(cloud, posted) == expected, label
    manifest: dict[str, Any] = json.loads(cloud.get(OUT, output.manifest.key))
    assert manifest["mapped"]["records_in"] == len(TEXT.splitlines()), label
    assert manifest["records"] == len(b"".join(expected.values()).splitlines()), label
    root = posted.keys.root.key
    assert odd_work(root, cloud.listing(WORK, root)) == [], label
    assert odd_results(output.prefix.key, cloud.listing(OUT, output.prefix.key)) == [], label


def withstand(
    cloud: Cloud, told: Figures, name: str, todo: list[Scenario], resume_after: float, size: int
) -> list[Posted]:
    silence(cloud)
    postman = Postman(cloud, cloud.root.parent / "scenarios")
    expected = calm(cloud, postman)
    done: list[Posted] = []
    for batch in batches(todo, size):
        runs = [postman.start(scenario, TEXT) for scenario in batch]
        postman.deliver_until_ended(runs, resume_after, patience=5 * resume_after)
        done += runs
    time.sleep(1.0 if FULL else 0.0)  # what is still at work may not spoil anything any more
    for posted in done:
        check(cloud, posted, expected)
    counts = [postman.counts(posted) for posted in done]
    told.add(name, done, counts)
    for posted, found in zip(done, counts, strict=True):
        surely = [row for row in posted.scenario.strikes if not row["url"].startswith(EITHER)]
        assert not surely or found, f"{posted.scenario.label}: nobody was killed"
    uploads = cloud.s3.list_multipart_uploads(Bucket=OUT).get("Uploads", [])
    assert uploads == []
    return done


def test_kills_and_a_bad_network_change_nothing(make_cloud: MakeCloud, told: Figures) -> None:
    """As on AWS, ten times as fast: Lambda's retry comes when the lease of the dead has expired."""
    cloud = make_cloud(SPEED, 30.0, 60.0 / SPEED)
    done = withstand(cloud, told, "ten times as fast", scenarios(), resume_after=120.0, size=6)
    assert not any(posted.resumed for posted in done if posted.scenario.strikes)


@pytest.mark.skipif(not FULL, reason="takes minutes: make chaos")
def test_a_retry_that_comes_before_the_lease_of_the_dead_expires_waits_for_it(
    make_cloud: MakeCloud, told: Figures
) -> None:
    """At the true speed, with a retry after 0.2 seconds: it finds the dead supervisor's lease alive."""
    cloud = make_cloud(1.0, 0.0, 0.2)
    todo = [scenario for scenario in STRIKES if scenario.label.startswith("supervisor")]
    done = withstand(cloud, told, "true speed, retry at once", todo, resume_after=150.0, size=9)
    assert not any(posted.resumed for posted in done)
