"""Which objects a run reads: each once, looked up side by side, and refused in time where there are too many."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib import Job, Sum
from chalicelib.core.errors import UserError
from chalicelib.core.ports import Loc, ObjectInfo, Runtime
from chalicelib.functions import coordinator
from chalicelib.functions.run_inputs import Superseded, objects
from chalicelib.run.events import Created, event_for
from chalicelib.stores.memory import MemoryStore
from tests.worlds.recorded import Recorded
from tests.worlds.simulation import IN, OUT, WORK, Killed, Simulation, spec

MARKER = spec(trigger="marker")


class Lines(Job):
    def mapper(self, _: Any, line: str) -> Any:
        yield line, 1


class Timed(Recorded):
    """Each request to look something up takes `seconds`; an invocation has `lifetime`."""

    seconds = 0.0
    lifetime = 300.0

    def runtime(self) -> Runtime:
        world, deadline = self, self.time + self.lifetime

        class Store(MemoryStore):
            parallel_reads = 0

            def head(self, loc: Loc) -> ObjectInfo:
                world.time += world.seconds
                if world.time > deadline:
                    raise Killed
                return super().head(loc)

            def list(self, prefix: Loc, after: str = "") -> Any:
                for info in super().list(prefix, after):
                    world.time += world.seconds
                    if world.time > deadline:
                        raise Killed
                    yield info

        plain = super().runtime()
        store = Store(now=self.now)
        store.__dict__.update(self.store.__dict__)
        return Runtime(
            store=store,
            invoker=plain.invoker,
            clock=plain.clock,
            new_token=plain.new_token,
            remaining=lambda: deadline - world.time,
            load_job=plain.load_job,
            disk=plain.disk,
        )

    def named(self, *lines: str, base: str = "x.manifest") -> list[str]:
        self.add(base, "".join(f"{line}\n" for line in lines).encode())
        found = objects(self.runtime(), MARKER, Created(loc=IN.child(base)))
        return [f"{bucket}/{info.key}" for bucket, info in found]


@pytest.fixture
def world(tmp_path: Path) -> Timed:
    return Timed(Lines, tmp_path)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["data/a", "data/a"], ["a"]),
        (["s3://in/data/a"] * 1000 + ["data/a"], ["a"]),
        (["data/p/", "data/p/1", "data/p/"], ["p/1", "p/2"]),
        (["data/p/2", "data/p/", "data/a"], ["p/2", "p/1", "a"]),
        (["data/p/q/", "data/p/", "s3://in/data/"], ["p/q/0", "p/1", "p/2", "a"]),
    ],
)
def test_an_object_that_is_named_twice_counts_once_at_its_first_place(
    lines: list[str], expected: list[str], world: Timed
) -> None:
    for name in ("a", "p/1", "p/2", *(["p/q/0"] if "data/p/q/" in lines else [])):
        world.add(name, b"x\n")
    assert world.named(*lines) == [f"in/data/{name}" for name in expected]


def test_the_records_of_an_object_that_is_named_a_thousand_times_are_mapped_once(tmp_path: Path) -> None:
    world = Simulation(Lines, MARKER, tmp_path)
    world.add("a", b"x\n")
    world.drop("list.manifest", b"data/a\n" * 1000 + b"data/\n")
    world.run()
    assert world.text() == b"x\t1\n"


def test_a_byte_order_mark_is_no_part_of_the_first_name(world: Timed) -> None:
    world.add("a", b"x\n")
    assert world.named("\ufeffdata/a") == ["in/data/a"]


# -- side by side -----------------------------------------------------------------------------------------


class Meeting(MemoryStore):
    """The first look-up waits until the second has begun, so one after the other would not come to an end."""

    parallel_reads = 1

    def __init__(self) -> None:
        super().__init__()
        self.second = threading.Event()

    def head(self, loc: Loc) -> ObjectInfo:
        if loc.key == "data/000":
            assert self.second.wait(30), "nothing else is looked up meanwhile"
        elif not loc.key.endswith(".manifest"):
            self.second.set()
        return super().head(loc)


def test_names_are_looked_up_side_by_side_and_come_in_order(world: Timed) -> None:
    store = world.store = Meeting()
    names = [f"{number * 7919 % 1000:03}" for number in range(100)]
    for name in names:
        store.put(IN.child(name), b"x\n")
    store.put(IN.child("x.manifest"), "".join(f"data/{name}\n" for name in names).encode())
    found = objects(Recorded.runtime(world), MARKER, Created(loc=IN.child("x.manifest")))
    assert [info.key for _, info in found] == [f"data/{name}" for name in names]


def test_of_several_names_that_are_wrong_the_first_is_told(world: Timed) -> None:
    store = world.store = MemoryStore()
    store.parallel_reads = 4
    store.put(IN.child("x.manifest"), b"".join(b"data/gone%d\n" % number for number in range(500)))
    with pytest.raises(UserError, match=r"gone0: .*line 1 names it, but it does not exist"):
        objects(Recorded.runtime(world), MARKER, Created(loc=IN.child("x.manifest")))


# -- in time ----------------------------------------------------------------------------------------------


def run_to_the_end(world: Timed, name: str) -> str:
    """Deliver the event three times, as Lambda does; what `_FAILED` says at last."""
    event = event_for(IN.child(name))
    for _ in range(3):
        try:
            coordinator.handle(world.runtime(), event, "job", MARKER)
        except Killed:
            continue
        break
    (failed,) = [key for key in world.names(OUT) if key.endswith("_FAILED")]
    return world.store.get(OUT.child(failed)).decode()


def test_more_names_than_there_is_time_for_end_in_a_verdict_that_says_how_many_fit(world: Timed) -> None:
    world.seconds = 0.02
    names = [f"{number:05}" for number in range(20_000)]
    for name in names:
        world.add(name, b"x\n")
    world.add("x.manifest", "".join(f"data/{name}\n" for name in names).encode())
    told = run_to_the_end(world, "x.manifest")
    assert "12,001 of its 20,000 names were looked up in the 240 s there are for that" in told
    assert "raise timeout.coordinator" in told


@pytest.mark.parametrize("name", ["_READY", "x.manifest"])
def test_more_objects_than_there_is_time_to_list_end_in_a_verdict(name: str, world: Timed) -> None:
    world.seconds = 1.0
    for number in range(400):
        world.add(f"{number:03}", b"x\n")
    world.add(name, b"data/\n")
    assert "239 objects under s3://in/data/ were listed in the 240 s" in run_to_the_end(world, name)


def test_names_that_just_fit_are_read(world: Timed) -> None:
    world.seconds, world.lifetime = 1.0, 8.0
    for number in range(6):
        world.add(str(number), b"x\n")
    assert len(world.named(*(f"data/{number}" for number in range(6)))) == 6


# -- an object that was overwritten -----------------------------------------------------------------------


def test_an_event_of_an_earlier_writing_starts_nothing(
    world: Timed, caplog: pytest.LogCaptureFixture
) -> None:
    etags = [world.store.put(IN.child("a"), body) for body in (b"1\n", b"2\n", b"3\n")]
    world.log.clear()
    for number, etag in enumerate(etags):
        event = event_for(IN.child("a"))
        event["Records"][0]["s3"]["object"] |= {"eTag": etag, "sequencer": str(number)}
        coordinator.handle(world.runtime(), event, "job", spec())
    assert world.log == ["plan.json", "mapper", "plan.done"]
    assert world.names(OUT) == []
    told = [record.getMessage() for record in caplog.records if "does not start" in record.getMessage()]
    assert len(told) == 2
    assert f"s3://in/data/a was overwritten since (its etag was {etags[0]}, now it is {etags[2]})" in told[0]


def test_a_run_that_was_planned_is_started_though_its_object_was_overwritten(world: Timed) -> None:
    etag = world.store.put(IN.child("a"), b"1\n")
    event = event_for(IN.child("a"))
    event["Records"][0]["s3"]["object"]["eTag"] = etag
    world.log.clear()
    world.kill_after = "plan.json"
    with pytest.raises(Killed):
        coordinator.handle(Recorded.runtime(world), event, "job", spec())
    world.store.put(IN.child("a"), b"2\n")
    coordinator.handle(world.runtime(), event, "job", spec())
    assert world.log == ["plan.json", "a", "mapper", "plan.done"]


def test_an_event_that_tells_no_etag_starts_a_run_over_the_object_as_it_is(world: Timed) -> None:
    world.add("a", b"x\n")
    item = Created(loc=IN.child("a"))
    assert [info.key for _, info in objects(world.runtime(), spec(), item)] == ["data/a"]
    with pytest.raises(Superseded):
        objects(world.runtime(), spec(), replace(item, etag="another"))


def test_totals_count_an_object_that_was_overwritten_once(tmp_path: Path) -> None:
    class Counted(Lines):
        reducer = Sum()

    world = Simulation(Counted, spec(accumulate=True), tmp_path)
    for body in (b"x\n", b"x\nx\n", b"x\n\n"):
        world.drop("a", body)
    world.run()
    runs = {info.key.split("/")[2] for info in world.memory.list(WORK.child("runs/"))}
    assert len(runs) == 1
    assert world.text() == b"\t1\nx\t1\n"
