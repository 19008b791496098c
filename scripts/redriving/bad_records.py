"""The bad records that a run set aside: read from its work place, and shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from chalicelib.core.errors import NotFound
from chalicelib.core.keys import Phase, RunKeys, parse_quarantined
from chalicelib.core.messages import decode
from chalicelib.core.ports import Loc, Store
from chalicelib.core.tasks import BadRecord, MapMarker, ReduceMarker
from scripts.console.terminal import Line, count

#: Characters of a record's text that are shown.
_TEXT = 200


def bad_records(store: Store, keys: RunKeys) -> Iterator[BadRecord]:
    """The records that the committed attempts of one step set aside, each once.

    An attempt that died before it could clean up may have left the same records a second time. The task's
    marker says which object counts.
    """
    for info in store.list(keys.quarantined):
        found = parse_quarantined(info.key)
        if found is None or not _counts(store, keys, *found, info.key):
            continue
        loc = Loc(keys.work.bucket, info.key)
        for number, line in enumerate(store.get(loc).splitlines(), start=1):
            yield decode(BadRecord, line, f"{loc.url}, line {number}")


def _counts(store: Store, keys: RunKeys, phase: Phase, task: int, key: str) -> bool:
    loc = keys.done(phase, task)
    kind: type[MapMarker | ReduceMarker] = MapMarker if phase == "map" else ReduceMarker
    try:
        return decode(kind, store.get(loc), loc.url).quarantine == key
    except NotFound:  # the task is still under way
        return False


def show(keys: RunKeys, records: Sequence[BadRecord], limit: int) -> list[Line]:
    """How many there are and of which errors, then the first `limit` of them."""
    if not records:
        return [[(f"{keys.job} {keys.run}: no bad records", "")]]
    kinds = Counter(record.error.partition(":")[0] for record in records)
    told = ", ".join(f"{number:,} {kind}" for kind, number in kinds.most_common())
    lines: list[Line] = [
        [(f"{keys.job} {keys.run}: ", "bold"), (f"{count(len(records), 'bad record')}: {told}", "")]
    ]
    for record in records[:limit]:
        lines += _shown(record)
    if len(records) > limit:
        lines += [[], [(f"... and {len(records) - limit:,} more; --show {len(records)} shows all", "dim")]]
    return lines


def _shown(record: BadRecord) -> Iterator[Line]:
    place = record.source if record.phase == "map" else f"group of key {record.source}"
    if record.offset is not None:
        place += f", byte {record.offset}"
    if record.line is not None:
        place += f", line {record.line}"
    yield []
    yield [(f"  {place}: ", "bold"), (record.error, "")]
    if record.text:
        text = record.text.rstrip("\r\n")
        yield [("    " + text[:_TEXT] + ("..." if len(text) > _TEXT else ""), "")]
    for line in record.traceback.splitlines():
        yield [("    " + line, "dim")]
