"""Takes what is new under the input: compares a listing with the record of what was taken before.

A time would not do to tell what is new: an object can appear late with an older one, as multipart uploads do. So the
record has a row for each object that was taken and still lies there, and of those that vanished for a day more. Both
come in the order of their keys, so a tick goes through them side by side and holds a few thousand rows of each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from ...core.keys import is_hidden
from ...core.ports import Loc, ObjectInfo, Runtime
from ...core.spec import MANIFEST_SUFFIX, InputSpec
from .frames import Found, Frames, Taken, read_taken
from .keys import PeriodKeys, parse_taken
from .pointer import Period, Pointer, Standing, swap

#: Seconds for which an object that vanished is remembered: one that comes back as it was is not new.
REMEMBERED = 86_400
#: Objects that one period's run is given at most; the next one begins behind them.
MOST_OBJECTS = 1_000_000
#: Seconds, and share of the function's time, that are left for writing.
_KEPT, _KEPT_SHARE = 60.0, 0.25
#: Records that are kept: the newest, and the one that a slower tick may be reading.
_KEPT_RECORDS = 2


class Listing:
    """What lies under the inputs now and is input, by bucket and key, as far as there is time."""

    def __init__(
        self,
        runtime: Runtime,
        inputs: Sequence[InputSpec],
        after: tuple[str, str],
    ) -> None:
        self._store = runtime.store
        self._remaining = runtime.remaining
        self._kept = min(_KEPT, runtime.remaining() * _KEPT_SHARE)
        self._inputs = sorted(inputs, key=lambda given: given.loc)
        self.after = after
        #: The last object that was listed, if time was up before all were.
        self.cut: tuple[str, str] | None = None

    def __iter__(self) -> Iterator[Found]:
        last = self.after
        for given in self._inputs:
            bucket, prefix = given.loc
            within = bucket == self.after[0] and self.after[1].startswith(prefix)
            if (bucket, prefix) < self.after and not within:
                continue  # all of it was listed before
            for info in self._store.list(given.loc, self.after[1] if within else ""):
                if self._remaining() <= self._kept and last != self.after:
                    self.cut = last
                    return
                last = bucket, info.key
                if is_input(given, info.key):
                    yield bucket, info

    def stop(self, last: tuple[str, str]) -> None:
        """Let the listing end behind this object."""
        self.cut = last


def is_input(given: InputSpec, key: str) -> bool:
    """Whether a period takes the object: no folder, nor hidden, nor a manifest; of the input's suffix."""
    name = key.removeprefix(given.loc.key)
    base = name.rpartition("/")[2]
    return (
        bool(base)
        and not is_hidden(name)
        and not base.endswith(MANIFEST_SUFFIX)
        and base.endswith(given.suffix)
    )


def version(info: ObjectInfo) -> int:
    """What tells one version of an object from another, as far as a listing shows it."""
    text = f"{info.etag}\0{info.size}\0{info.modified!r}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def joined(
    listing: Listing, taken: Iterable[Taken], now: float, most: int = MOST_OBJECTS
) -> Iterator[tuple[Taken, ObjectInfo | None]]:
    """The rows of the next record, in order, each with the object if that is new.

    Rows that the listing did not come to, because it began behind them or time was up, stay as they are.
    """
    news, listed, old = 0, iter(listing), iter(taken)
    row, found = next(old, None), next(listed, None)
    while row is not None or found is not None:
        here = (found[0], found[1].key) if found else None
        if row is not None and (here is None or row[:2] < here):
            yield from _unlisted(row, listing, now)
            row = next(old, None)
            continue
        assert found is not None
        here = found[0], found[1].key
        seen = Taken(*here, version(found[1]))
        same = row is not None and row[:2] == here and row.version == seen.version
        yield seen, None if same else found[1]
        news += not same
        row = next(old, None) if row is not None and row[:2] == here else row
        if news >= most:
            listing.stop(here)
            found = None
        else:
            found = next(listed, None)


def _unlisted(row: Taken, listing: Listing, now: float) -> Iterator[tuple[Taken, None]]:
    passed_over = row[:2] <= listing.after or (listing.cut is not None and row[:2] > listing.cut)
    if passed_over:
        yield row, None
    elif not row.gone:
        yield row._replace(gone=max(1, int(now))), None
    elif now - row.gone < REMEMBERED:
        yield row, None


@dataclass
class _Drafts:
    """What a tick wrote that counts once the pointer names it."""

    taken: Loc
    objects: Loc
    count: int = 0
    bytes: int = 0


class Taking:
    """One tick's look at what is new."""

    def __init__(
        self,
        runtime: Runtime,
        keys: PeriodKeys,
        inputs: Sequence[InputSpec],
        standing: Standing,
        most: int = MOST_OBJECTS,
    ) -> None:
        self._runtime, self._store, self._keys = runtime, runtime.store, keys
        self._standing, self._most = standing, most
        self._listing = Listing(runtime, inputs, standing.pointer.after)
        self._token = runtime.new_token()

    def take(self) -> Period | None:
        """The period that this tick has made of what is new; None if nothing is, or another tick was faster.

        Both are written before the pointer: the record, and the list of what is new. The pointer commits.
        """
        drafts = self._write()
        before, after = self._standing.pointer, self._listing.cut or ("", "")
        if not drafts.count:
            self._note(replace(before, token=self._token, begun=before.period is not None, after=after))
            return None
        period = Period(
            number=self._standing.next_number,
            objects=drafts.objects.key,
            count=drafts.count,
            bytes=drafts.bytes,
            sent=self._runtime.clock.now(),
        )
        pointer = Pointer(token=self._token, period=period, taken=drafts.taken.key, after=after)
        # What was written in vain is not deleted here: an answer may have been lost, and others have gone on from it.
        return period if swap(self._store, self._keys, self._standing, pointer) else None

    def _note(self, pointer: Pointer) -> None:
        """Remember where the listing ended and that the last run has begun, if either is news."""
        before = self._standing.pointer
        if (pointer.begun, pointer.after) != (before.begun, before.after):
            swap(self._store, self._keys, self._standing, pointer)

    def _write(self) -> _Drafts:
        """Write both lists, or nothing if nothing is new."""
        number, token, store = self._standing.next_number, self._token, self._store
        drafts = _Drafts(self._keys.taken(number, token), self._keys.objects(number, token))
        with store.writer(drafts.taken) as taken_sink, store.writer(drafts.objects) as given_sink:
            taken, given = Frames(taken_sink), Frames(given_sink)
            rows = joined(self._listing, self._taken_before(), self._runtime.clock.now(), self._most)
            for row, info in rows:
                taken.add(row)
                if info is not None:
                    given.add((row.bucket, info))
                    drafts.count += 1
                    drafts.bytes += info.size
            if drafts.count:
                taken.flush()
                given.flush()
                taken_sink.commit()
                given_sink.commit()
        return drafts

    def _taken_before(self) -> Iterator[Taken]:
        key = self._standing.pointer.taken
        if key:
            loc = Loc(self._keys.work.bucket, key)
            yield from read_taken(self._store.stream(loc), loc.url)


def clean(runtime: Runtime, keys: PeriodKeys, number: int) -> None:
    """Delete the records of periods that nobody reads any more, those of ticks that died among them."""
    old: list[str] = []
    for info in runtime.store.list(keys.all_taken):
        found = parse_taken(info.key)
        if found is None or found > number - _KEPT_RECORDS:
            break  # they come in the order of their numbers
        old.append(info.key)
    if old:
        runtime.store.delete(keys.work.bucket, old)
