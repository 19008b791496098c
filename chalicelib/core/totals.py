"""The messages of `accumulate`: what the totals are made of, what waits to be merged, what is shown."""

from __future__ import annotations

import re
from typing import NamedTuple

from .keys import RunKeys, TotalsKeys
from .messages import Count, Message
from .ports import Loc

_ASLEEP = r"/asleep/(?P<run>[^/]+)\.(?P<step>\d+)$"


class Asleep(NamedTuple):
    """A run that found the turn taken and left: nobody supervises `step` of it until it is called."""

    run: str
    step: int

    def word(self, places: TotalsKeys) -> Loc:
        """The object that says so."""
        return all_asleep(places).child(f"{self.run}.{self.step}")

    def keys(self, places: TotalsKeys) -> RunKeys:
        return RunKeys(places.work, places.job, self.run, self.step)


def all_asleep(places: TotalsKeys) -> Loc:
    """The prefix of the words of all runs that have left."""
    return places.root.child("asleep/")


def parse_asleep(key: str) -> Asleep | None:
    """Whose word an object is."""
    found = re.search(_ASLEEP, key)
    return Asleep(found["run"], int(found["step"])) if found else None


def call_of(keys: RunKeys, caller: str) -> Loc:
    """The object of which a supervisor is told that is to look at `keys` again. There is none: it names the caller."""
    return keys.root.child(f"turn-of.{caller}")


class StatePart(Message, frozen=True, kw_only=True, array_like=True):
    """An object of typed pairs: keys and the states of an aggregator. `edges` as in `Part`."""

    key: str
    bytes: Count
    etag: str
    edges: tuple[Count, ...] = ()


class Waiting(Message, frozen=True, kw_only=True):
    """The states of a run that is not merged yet."""

    run: str
    parts: tuple[StatePart, ...]


class Pointer(Message, frozen=True, kw_only=True):
    """Which states are the totals. Each is written over the one before, if that is still what it was."""

    #: How many merges there were before this and with it.
    generation: Count
    #: Which step of which run made it: no two pointers have the same bytes.
    run: str = ""
    step: Count = 0
    #: How many runs withdrew since that merge, and the last that did.
    withdrawals: Count = 0
    withdrawn: str = ""
    parts: tuple[StatePart, ...] = ()
    #: The runs that this merge added; those of earlier ones have markers.
    recent: tuple[str, ...] = ()


class TotalsPlan(Message, frozen=True, kw_only=True):
    """What a merge with the totals, or their rendering, was planned on."""

    #: Of the pointer that was read; "" if there was none.
    etag: str
    #: The generation that a merge would make, or that is rendered.
    generation: Count
    #: The runs whose states are merged.
    runs: tuple[str, ...] = ()


class ShownPart(Message, frozen=True, kw_only=True):
    """An object of results."""

    key: str
    bytes: Count
    records: Count


class Shown(Message, frozen=True, kw_only=True):
    """`_totals.json`: where the results are that have everything in them up to a generation."""

    job: str
    generation: Count
    #: The run that wrote the parts.
    run: str
    records: Count
    bytes: Count
    parts: tuple[ShownPart, ...]
