"""What an `s3://` URL of a command line stands for."""

from __future__ import annotations

from ...core.errors import NotFound, UserError
from ...core.keys import is_hidden
from ...core.ports import Loc, ObjectInfo, Store

SCHEME = "s3://"


def loc_of(url: str) -> Loc:
    """The place as it is written; a prefix ends in `/`. Raises UserError for what names no bucket."""
    bucket, _, key = url.removeprefix(SCHEME).partition("/")
    if not url.startswith(SCHEME) or not bucket:
        raise UserError(f"{url}: expected s3://BUCKET/PREFIX/, s3://BUCKET/KEY or a path of this machine")
    return Loc(bucket, key)


def is_prefix(place: Loc) -> bool:
    return not place.key or place.key.endswith("/")


def objects_at(url: str, suffix: str, store: Store) -> list[tuple[str, ObjectInfo]]:
    """The object of that name or, where the URL ends in `/`, all below it that are not hidden and end in `suffix`.

    By key. Raises UserError if there are none.
    """
    place = loc_of(url)
    if not is_prefix(place):
        try:
            return [(place.bucket, store.head(place))]
        except NotFound as error:
            raise UserError(f"{url}: there is no such object; for all below a prefix, end it in /") from error
    found = [
        (place.bucket, info)
        for info in store.list(place)
        if not info.key.endswith("/") and not is_hidden(name := info.key.removeprefix(place.key)) and name
        if info.key.endswith(suffix)
    ]
    if not found:
        ending = f" that end in {suffix}" if suffix else ""
        raise UserError(f"{url}: there are no objects{ending}")
    return found
