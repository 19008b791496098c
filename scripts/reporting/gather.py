"""All that is read for a report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from chalicelib.core.errors import CorruptData, NotFound, UserError
from chalicelib.core.keys import OutputKeys, RunKeys
from chalicelib.core.messages import decode
from chalicelib.core.outcome import Manifest
from chalicelib.core.ports import Loc, Store
from chalicelib.core.spec import JobSpec, parse_url
from chalicelib.core.tasks import BadRecord
from chalicelib.run.status.attempts import History, read_history
from chalicelib.run.status.collect import Memory, RunStatus, collect
from scripts.runs.places import Place, named_run, results_of
from scripts.runs.world import World

#: Bad records that are shown, and the objects that they may come from.
BAD_SHOWN, _BAD_OBJECTS = 50, 10
#: Bytes of such an object that are read: each record may have a megabyte.
_BAD_BYTES = 4 << 20
_FAILURES = 200


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A run as it was found at `now`, seconds since the epoch."""

    status: RunStatus
    history: History
    bad: tuple[BadRecord, ...]
    #: What could not be read.
    problems: tuple[str, ...] = ()
    now: float

    @property
    def begun(self) -> float:
        """When the run began; of one that nobody knows that of, when its first attempt could have."""
        times = [attempt.ready for attempt in self.history.attempts if attempt.ready is not None]
        return self.status.started or min(times, default=self.status.finished or self.now)

    @property
    def ended(self) -> float:
        """When it ended, or when it was looked at."""
        last = [attempt.finished for attempt in self.history.attempts if attempt.finished is not None]
        finished = self.status.finished if self.status.ended else self.now
        return max([finished or self.begun, self.begun, *last])


def gather(world: World, place: Place, run: str) -> Seen:
    """Read the run of this id, or the newest if it is `latest`. Raises UserError if there is none."""
    keys = named_run(world, place, run)
    store, now = world.open_store(place.work, [keys]), world.clock.now()
    return look(store, keys, now, results_of(place, keys), world.region_of(place.work), place.spec)


def look(
    store: Store, keys: RunKeys, now: float, output: Loc | None = None, region: str = "",
    spec: JobSpec | None = None,
) -> Seen:  # fmt: skip
    """Read a run whose results are at `output`, if its plan does not tell, and whose functions are in `region`.

    `spec`: the settings that the job has now, for the price of a run whose plan is gone.
    """
    memory = Memory()
    ended = collect(store, keys, now=now, output=output, memory=memory).ended
    history = read_history(store, keys, ended=ended, memory=memory)
    status = collect(
        store, keys, now=now, output=output, max_failures=_FAILURES, memory=memory, region=region, spec=spec
    )
    problems = list(history.problems)
    bad = tuple(islice(_bad(store, keys, status, history, problems), BAD_SHOWN))
    return Seen(status=status, history=history, bad=bad, problems=tuple(problems), now=now)


def _bad(
    store: Store, keys: RunKeys, status: RunStatus, history: History, problems: list[str]
) -> Iterator[BadRecord]:
    """Bad records, as far as they are there. What is damaged goes to `problems`."""
    for key in (history.quarantine or _listed(store, status))[:_BAD_OBJECTS]:
        loc = Loc(keys.work.bucket, key)
        try:
            body = store.get(loc, 0, _BAD_BYTES)
            lines = [line for line in body.splitlines(keepends=True) if line.endswith(b"\n")]
            yield from (decode(BadRecord, line, loc.url) for line in lines)
        except NotFound:
            continue
        except CorruptData as error:
            problems.append(str(error))


def _listed(store: Store, status: RunStatus) -> tuple[str, ...]:
    """What the manifest names, of a run whose markers are gone."""
    if not status.output or not status.ended:
        return ()
    try:
        loc = OutputKeys(parse_url(status.output)).manifest
        manifest = decode(Manifest, store.get(loc), loc.url)
    except (NotFound, CorruptData, UserError):
        return ()
    return manifest.quarantine if manifest.run == status.run else ()
