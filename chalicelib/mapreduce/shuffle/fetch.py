"""Several reads under way at once, in order, with bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from ...core.ports import Loc, Store

#: (object, first byte, byte after the last; None for its end)
Range = tuple[Loc, int, int | None]


def fetch_all(store: Store, ranges: Iterable[Range]) -> Iterator[bytes]:
    """The bytes of each range, in order; as many ahead of the consumer as the store is worth."""
    if not store.parallel_reads:
        for loc, start, stop in ranges:
            yield store.get(loc, start, stop)
        return
    with ThreadPoolExecutor(store.parallel_reads) as pool:
        ahead: deque[Future[bytes]] = deque()
        try:
            for loc, start, stop in ranges:
                ahead.append(pool.submit(store.get, loc, start, stop))
                if len(ahead) > 2 * store.parallel_reads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()
