"""Whether something was submitted whose run has not begun yet."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

from chalicelib.core.errors import StoreError
from chalicelib.core.keys import is_hidden
from chalicelib.core.ports import Loc, ObjectInfo, Store
from chalicelib.core.spec import MANIFEST_SUFFIX, JobSpec
from scripts.console.terminal import human_seconds

#: Keys of an input place that are looked at; where there are more nothing is said.
_MOST = 1000
#: Seconds after which an object that started no run is no news.
_RECENT = 3600.0


def submit_prefix(spec: JobSpec) -> str:
    """Of manifests that submit.py writes, below the input place. They name objects anywhere in it.

    So a manifest that may name what lies in its own folder alone has to lie at the top.
    """
    return "_submit/" if spec.manifest.scope == "input" else "_submit-"


def not_begun(store: Store, spec: JobSpec, newest: str, now: float) -> str:
    """A sentence on the last object that was put after the run `newest` began (an id, or ""); "" if there is none.

    It goes by times alone, to the second: which run an object starts is known only from that run's plan.
    """
    try:
        found = list(islice(_starting(store, spec), _MOST + 1))
    except StoreError:  # whoever may see the runs need not be allowed to see the input
        return ""
    if len(found) > _MOST or not found:
        return ""
    loc, info = max(found, key=lambda item: item[1].modified)
    age = now - info.modified
    if info.modified < second_of(newest) + 1 or age > _RECENT:
        return ""
    return f"{loc.url} was put {human_seconds(max(age, 0.0))} ago, and its run has not begun yet"


def _starting(store: Store, spec: JobSpec) -> Iterator[tuple[Loc, ObjectInfo]]:
    """Objects that start runs: all input, or the manifests that submit.py wrote."""
    for given in spec.inputs:
        place = given.loc if spec.trigger == "each" else given.loc.child(submit_prefix(spec))
        suffix = given.suffix if spec.trigger == "each" else MANIFEST_SUFFIX
        for info in store.list(place):
            name = info.key.removeprefix(place.key)
            if name and not name.endswith("/") and name.endswith(suffix) and not is_hidden(name):
                yield Loc(place.bucket, info.key), info


def second_of(run: str) -> float:
    """When a run was started, by its id, in seconds since the epoch; 0 if that does not tell."""
    try:
        return datetime.strptime(run[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0
