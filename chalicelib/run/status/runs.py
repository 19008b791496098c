"""Which runs there are, read from keys alone: those in a work place, and those with results."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ...core.keys import OutputKeys, RunKeys, parse_run_key, results_place, runs_prefix
from ...core.plan import Plan
from ...core.ports import Loc, Store

#: Keys of one run that are read in a row before its other keys are jumped over: small runs come many
#: to a page of a listing, large ones cost a request each.
HOP_AFTER = 500
_LAST = chr(0x10FFFF)
#: More steps than a run comes to of a job with `accumulate`, which may merge more than once, or with loops.
_MOST_STEPS = 4096


def list_runs(store: Store, work: Loc, job: str = "", since: str = "") -> list[RunKeys]:
    """Runs that have an object in the work place, newest last (run ids begin with their time).

    `since`: of `job`, only those whose ids are not before this one.
    """

    def run_of(key: str) -> _Found | None:
        parsed = parse_run_key(work.bucket, key)
        if parsed is None or parsed[0].work != work:
            return None
        return _Found(parsed[0].at(0), parsed[0].run_root, True)

    prefix = runs_prefix(work, job)
    return _newest_last(_hop(store, prefix, run_of, prefix.child(since).key if job and since else ""))


def runs_since(store: Store, work: Loc, job: str, since: str) -> Iterator[RunKeys]:
    """Runs of `job` with an object in the work place whose ids are not before `since`; oldest first, maybe repeatedly.

    Listed only as far as they are asked for.
    """

    def run_of(key: str) -> _Found | None:
        parsed = parse_run_key(work.bucket, key)
        return (
            _Found(parsed[0].at(0), parsed[0].run_root, True) if parsed and parsed[0].work == work else None
        )

    prefix = runs_prefix(work, job)
    return _hop(store, prefix, run_of, prefix.child(since).key)


def most_steps(plan: Plan) -> int:
    """How many steps a run may have come to."""
    return _MOST_STEPS if plan.repeats else plan.steps


def current_step(store: Store, keys: RunKeys, steps: int) -> RunKeys:
    """The last step of a run of `steps` steps that has a plan; the first one if none has.

    Plans are there from the first step up to the current one, so it takes a few looks only.
    """
    low, high = 0, steps - 1
    while low < high:
        middle = (low + high + 1) // 2
        if any(row.key == keys.at(middle).plan.key for row in store.list(keys.at(middle).plan)):
            low = middle
        else:
            high = middle - 1
    return keys.at(low)


def list_finished(store: Store, output: Loc, work: Loc, job: str, since: str = "") -> list[RunKeys]:
    """Runs of `job` with a manifest under `output`, whether or not their work objects remain; newest last.

    `since`: only those whose ids are not before this one.
    """

    def run_of(key: str) -> _Found | None:
        run, slash, _ = key[len(output.key) :].partition("/")
        if not slash or not _RUN_ID.fullmatch(run):
            return None
        results = results_place(output, run)
        return _Found(RunKeys(work, job, run), results, key == OutputKeys(results).manifest.key)

    return _newest_last(_hop(store, output, run_of, output.child(since).key if since else ""))


_RUN_ID = re.compile(r"[A-Za-z0-9._-]+")


class _Found(NamedTuple):
    """What one key of a listing tells: whose it is, where that run's keys are, and if it proves a run."""

    keys: RunKeys
    root: Loc
    proof: bool


def _hop(
    store: Store, prefix: Loc, run_of: Callable[[str], _Found | None], begin: str = ""
) -> Iterator[RunKeys]:
    """The runs of a listing, perhaps repeatedly, without reading all of a large run's keys.

    The keys that prove a run must be among its first HOP_AFTER. `begin`: the key after which to begin.
    """
    after: str | None = begin
    last: RunKeys | None = None
    while after is not None:
        start, after = after, None
        seen = 0
        for row in store.list(prefix, start):
            found = run_of(row.key)
            if found is None:
                continue
            seen = seen + 1 if found.keys == last else 1
            last = found.keys
            if found.proof:
                yield found.keys
            if seen >= HOP_AFTER:
                after = found.root.key + _LAST
                break


def _newest_last(runs: Iterator[RunKeys]) -> list[RunKeys]:
    return sorted(set(runs), key=lambda keys: (keys.run, keys.job))
