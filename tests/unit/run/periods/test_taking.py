"""What a tick takes, held against dictionaries, and how much of it is in memory at once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given as examples
from hypothesis import settings
from hypothesis import strategies as st

from chalicelib.core.errors import CorruptData, UserError
from chalicelib.core.messages import encode
from chalicelib.core.ports import Loc, ObjectInfo, ObjectWriter, Runtime
from chalicelib.core.spec import InputSpec
from chalicelib.run.events import created
from chalicelib.run.periods import given
from chalicelib.run.periods.frames import Taken, read_found, read_taken
from chalicelib.run.periods.keys import PeriodKeys, is_period, parse_taken
from chalicelib.run.periods.pointer import Period, event_of, read
from chalicelib.run.periods.taking import REMEMBERED, Taking, clean
from chalicelib.stores.disk import LocalDisk
from chalicelib.stores.memory import MemoryStore

KEYS = PeriodKeys(Loc("work", "w/"), "job")
INPUTS = (InputSpec(tag="b", url="s3://in/b/"), InputSpec(tag="a", url="s3://in/a/"))


class World:
    """A memory store, a clock that a test sets, and ticks one after the other."""

    def __init__(self) -> None:
        self.time = 1_000_000.0
        self.store = MemoryStore(now=lambda: self.time)
        self._tokens = count()
        self.remaining = lambda: 300.0

    def now(self) -> float:
        return self.time

    def runtime(self) -> Runtime:
        return Runtime(
            store=self.store,
            invoker=self,  # type: ignore[arg-type]
            clock=self,  # type: ignore[arg-type]
            new_token=lambda: f"t{next(self._tokens)}",
            remaining=lambda: self.remaining(),
            load_job=lambda _: object,
            disk=LocalDisk(Path("/nowhere")),
        )

    def tick(self, most: int = 1_000_000) -> Period | None:
        runtime = self.runtime()
        period = Taking(runtime, KEYS, INPUTS, read(self.store, KEYS), most).take()
        if period:
            self.store.put_if_absent(KEYS.period(period.number), encode(period))
            clean(runtime, KEYS, period.number)
        return period

    def given(self, period: Period | None, again: str = "") -> list[tuple[str, str]]:
        """(key, etag) of what the period's run reads."""
        if period is None:
            return []
        (item,) = created(event_of(KEYS.period(period.number), period, again))
        found = given.objects_of(self.store, item)
        return [(info.key, info.etag) for _, info in found]


NAMES = st.sampled_from(
    ["a/1", "a/2", "a/2/3", "b/", "b/1", "b/_x/1", "b/é", "b/\U0001f600", "b/z.manifest", "c/1"]
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), NAMES),
        st.tuples(st.just("delete"), NAMES),
        st.tuples(st.just("tick"), st.integers(1, 4)),
    ),
    max_size=40,
)


def counts(name: str) -> bool:
    """Whether a name is input, said by hand."""
    return name not in ("b/", "b/_x/1", "b/z.manifest", "c/1")


@settings(max_examples=150, deadline=None)
@examples(STEPS)
def test_each_version_that_is_there_when_its_turn_comes_is_taken_once(
    steps: list[tuple[str, object]],
) -> None:
    world, there, taken = World(), dict[str, str](), list[tuple[str, str]]()

    def tick(most: int) -> None:
        period = world.tick(most)
        assert period is None or 0 < period.count <= most
        seen = world.given(period)
        assert seen == sorted(seen), "in the order of keys"
        assert set(seen) <= set(there.items()), "only what is there, as it is"
        taken.extend(seen)

    for verb, what in steps:
        world.time += 60
        if verb == "put":
            there[str(what)] = world.store.put(Loc("in", str(what)), b"x")
        elif verb == "delete":
            there.pop(str(what), None)
            world.store.delete("in", [str(what)])
        else:
            assert isinstance(what, int)
            tick(what)
    for _ in range(12):
        tick(2)
    assert len(taken) == len(set(taken)), "none twice"
    assert {pair for pair in there.items() if counts(pair[0])} <= set(taken), "none left out"
    assert all(counts(name) for name, _ in taken)
    assert len(list(world.store.list(KEYS.all_taken))) <= 2


class Flickering(World):
    """An object vanishes from listings and comes back as it was, as one does whose delete marker is deleted."""

    def __init__(self) -> None:
        super().__init__()
        self.store.put(Loc("in", "a/1"), b"x")
        self.shown = self.store.list

    def hide(self, hidden: bool) -> None:
        def rows(prefix: Loc, after: str = "") -> Iterator[ObjectInfo]:
            return (info for info in self.shown(prefix, after) if info.key != "a/1" or not hidden)

        self.store.list = rows  # type: ignore[method-assign]


@pytest.mark.parametrize(("seconds", "again"), [(REMEMBERED / 4, False), (REMEMBERED + 1, True)])
def test_what_vanishes_and_comes_back_is_remembered_for_a_day(seconds: float, again: bool) -> None:
    world = Flickering()
    assert world.given(world.tick())
    world.hide(True)
    for name in ("b/2", "b/3"):  # records are written when something is new
        world.store.put(Loc("in", name), b"x")
        assert len(world.given(world.tick())) == 1
        world.time += seconds
    world.store.put(Loc("in", "b/4"), b"x")
    world.tick()
    world.hide(False)
    assert [key for key, _ in world.given(world.tick())] == (["a/1"] if again else [])


def test_of_many_objects_a_few_thousand_are_in_memory_at_once() -> None:
    """What was listed and is not yet written is never more than a frame of each list."""
    world, many = World(), 10_000
    shown, writer = world.store.list, world.store.writer
    listed = written = furthest = 0

    def rows(prefix: Loc, after: str = "") -> Iterator[ObjectInfo]:
        nonlocal listed, furthest
        if prefix.bucket != "in":
            yield from shown(prefix, after)
            return
        for number in range(many):
            listed += 1
            furthest = max(furthest, listed - written)
            yield ObjectInfo(f"{prefix.key}{number:08d}.gz", 1, "etag", 1.0)

    def counted(loc: Loc, if_absent: bool = False, mark: str = "") -> ObjectWriter:
        sink = writer(loc, if_absent, mark)
        write = sink.write

        def frame(data: bytes) -> None:
            nonlocal written
            written += 4096 if loc.key.startswith(KEYS.all_given.key) else 0
            write(data)

        sink.write = frame  # type: ignore[method-assign]
        return sink

    world.store.list, world.store.writer = rows, counted  # type: ignore[method-assign]
    period = world.tick()
    assert period is not None
    assert (period.count, listed) == (2 * many, 2 * many)
    assert 4096 <= furthest <= 4097


def test_a_record_or_list_that_is_damaged_is_named() -> None:
    world = World()
    world.store.put(Loc("in", "a/1"), b"x")
    period = world.tick()
    assert period is not None
    for loc in (Loc("work", period.objects), Loc("work", read(world.store, KEYS).pointer.taken)):
        body = world.store.get(loc)
        for damaged in (body[:-1], body[:2], body + b"x", b"\xff" * 9, body[:-3] + b"xyz"):
            reader = read_found if loc.key == period.objects else read_taken
            with pytest.raises(CorruptData, match="where"):
                list(reader(iter([damaged]), "where"))
        world.store.delete("work", [loc.key])
    with pytest.raises(UserError, match="the list of the period's objects is gone"):
        world.given(period)
    world.store.delete("work", [KEYS.period(1).key])
    with pytest.raises(UserError, match="the period's own file is gone"):
        world.given(period)


def test_keys_are_read_as_they_are_written() -> None:
    assert is_period(KEYS.work, KEYS.period(12))
    assert not is_period(KEYS.work, KEYS.objects(12, "t"))
    assert not is_period(Loc("work", "v/"), KEYS.period(12))
    assert not is_period(Loc("in", "w/"), KEYS.period(12))
    assert parse_taken(KEYS.taken(12, "t").key) == 12
    assert parse_taken("w/periods/job/taken/x") is None
    assert Taken("in", "a", 3) < Taken("in", "b", 1)
