"""What the run of a period reads: the objects of its list, as they were when they were taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from ...core.errors import NotFound, UserError
from ...core.keys import RunKeys
from ...core.messages import decode
from ...core.ports import Loc, Store
from ..events import Created, run_id
from .frames import Found, read_found
from .keys import PeriodKeys
from .pointer import Period, created_of

#: Objects that are looked up ahead of who asks, and at once, at most.
_AHEAD, _MOST_AT_ONCE = 256, 32


def read_period(store: Store, loc: Loc) -> Period:
    """Raises UserError if it is gone."""
    try:
        return decode(Period, store.get(loc), loc.url)
    except NotFound as error:
        raise UserError(
            f"{loc.url}: the period's own file is gone, so nobody knows what its run was to read: name that,"
            " scripts/submit.py JOB s3://BUCKET/PREFIX/"
        ) from error


def first_run(keys: PeriodKeys, period: Period) -> RunKeys:
    """The run that the clock starts for a period."""
    return RunKeys(keys.work, keys.job, run_id(keys.job, created_of(keys.period(period.number), period)))


def objects_of(store: Store, item: Created) -> Iterator[Found]:
    """The objects that the event of a period stands for, in the order of their keys.

    A run that the period is given to again reads of them what is still as it was: what was overwritten since, or is
    gone, belongs to a later period or to nobody. Raises UserError if the list is gone.
    """
    period = read_period(store, item.loc)
    found = _listed(store, Loc(item.loc.bucket, period.objects))
    again = item != created_of(item.loc, period)
    return _unchanged(store, found) if again else found


def _listed(store: Store, loc: Loc) -> Iterator[Found]:
    try:
        yield from read_found(store.stream(loc), loc.url)
    except NotFound as error:
        raise UserError(f"{loc.url}: the list of the period's objects is gone: name them again") from error


def _unchanged(store: Store, found: Iterable[Found]) -> Iterator[Found]:
    def look(given: Found) -> bool:
        bucket, info = given
        try:
            now = store.head(Loc(bucket, info.key))
        except NotFound:
            return False
        return (now.etag, now.size, int(now.modified)) == (info.etag, info.size, int(info.modified))

    rest = iter(found)
    if not store.parallel_reads:
        yield from filter(look, rest)
        return
    with ThreadPoolExecutor(min(4 * store.parallel_reads, _MOST_AT_ONCE)) as pool:
        while some := list(islice(rest, _AHEAD)):
            yield from (given for given, same in zip(some, pool.map(look, some), strict=True) if same)
