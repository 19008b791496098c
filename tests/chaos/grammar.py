"""Which objects a run may leave: every key that `chalicelib.keys` documents, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterable

from chalicelib.keys import OutputKeys, RunKeys
from chalicelib.ports import Loc

_TOKEN, _EXTENSION = "t0ken", "extens1on"
_KEYS = RunKeys(Loc("", ""), "job", "run")
_OUTPUT = OutputKeys(Loc("", ""))


def _pattern(loc: Loc, root: str) -> str:
    """A key made with task 0, attempt 0 and a token, as a pattern for all tasks, attempts and tokens."""
    key = re.escape(loc.key.removeprefix(root))
    key = re.sub(r"(?<!\d)0{5,}", lambda zeros: rf"\d{{{len(zeros[0])}}}", key)
    key = re.sub(r"\\\.0(?=\\\.)", r"\\.\\d+", key)
    return key.replace(_TOKEN, "[0-9a-f]+").replace(_EXTENSION, "[a-z]+")


_WORK = re.compile(
    "|".join(
        _pattern(loc, _KEYS.root.key)
        for loc in (
            _KEYS.plan,
            _KEYS.plan_done,
            _KEYS.run_done,
            _KEYS.lease,
            _KEYS.reduce_plan,
            _KEYS.reduce_index,
            _KEYS.reduce_started,
            _KEYS.run_file(0, 0, _TOKEN),
            _KEYS.piece(0, 0, _TOKEN),
            _KEYS.done("map", 0),
            _KEYS.done("reduce", 0),
            _KEYS.failed("map", 0, 0),
            _KEYS.failed("reduce", 0, 0),
            _KEYS.following("map", 0, 0, _TOKEN),
            _KEYS.following("reduce", 0, 0, _TOKEN),
            _KEYS.quarantine("map", 0, 0, _TOKEN),
            _KEYS.quarantine("reduce", 0, 0, _TOKEN),
        )
    )
)
_RESULT = re.compile(
    "|".join(
        _pattern(loc, "")
        for loc in (_OUTPUT.part(0, _EXTENSION), _OUTPUT.manifest, _OUTPUT.success, _OUTPUT.failure)
    )
)


def odd_work(root: str, keys: Iterable[str]) -> list[str]:
    """The keys of a run's work place that are in no document; `root` is the place."""
    return [key for key in keys if not _WORK.fullmatch(key.removeprefix(root))]


def odd_results(root: str, keys: Iterable[str]) -> list[str]:
    return [key for key in keys if not _RESULT.fullmatch(key.removeprefix(root))]
