"""Which objects a run may leave: every key that `chalicelib.core.keys` documents, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec.structs import replace

from chalicelib.core.keys import OutputKeys, RunKeys
from chalicelib.core.ports import Loc

_TOKEN, _EXTENSION = "t0ken", "extens1on"
_KEYS = RunKeys(Loc("", ""), "job", "run")
_OUTPUT = OutputKeys(Loc("", ""))


def _pattern(loc: Loc, root: str) -> str:
    """A key made with task 0, attempt 0 and a token, as a pattern for all tasks, attempts and tokens."""
    key = re.escape(loc.key.removeprefix(root))
    key = re.sub(r"(?<!\d)0{5,}", lambda zeros: rf"\d{{{len(zeros[0])}}}", key)
    key = re.sub(r"\\\.0(?=\\\.)", r"\\.\\d+", key)
    key = key.replace(r"step\-1", r"step\-\d+")
    return key.replace(_TOKEN, "[0-9a-f]+").replace(_EXTENSION, "[a-z]+")


def _small(keys: RunKeys) -> RunKeys:
    return replace(keys, small=True)


def _of_step(keys: RunKeys) -> list[Loc]:
    return [
        keys.plan,
        keys.plan_done,
        _small(keys).plan_done,
        keys.run_done,
        keys.lease,
        keys.reduce_plan,
        keys.index_block(0),
        keys.sums(0),
        keys.reduce_started,
        keys.exchange_plan,
        keys.exchange_started,
        keys.index_block(0, "exchange"),
        keys.sums(0, "exchange"),
        keys.run_file(0, 0, _TOKEN),
        keys.run_file(0, 0, _TOKEN, "exchange"),
        keys.piece(0, 0, _TOKEN),
        keys.done("map", 0),
        keys.done("exchange", 0),
        keys.done("reduce", 0),
        _small(keys).done("map", 0),
        _small(keys).done("reduce", 0),
        keys.failed("map", 0, 0),
        keys.failed("exchange", 0, 0),
        keys.failed("reduce", 0, 0),
        keys.overtaken("map", 0, 0, _TOKEN),
        keys.overtaken("exchange", 0, 0, _TOKEN),
        keys.overtaken("reduce", 0, 0, _TOKEN),
        keys.continuation("map", 0, 0, _TOKEN),
        keys.continuation("exchange", 0, 0, _TOKEN),
        keys.continuation("reduce", 0, 0, _TOKEN),
        keys.quarantine("map", 0, 0, _TOKEN),
        keys.quarantine("reduce", 0, 0, _TOKEN),
    ]


_LATER = _KEYS.at(1)
_WORK = re.compile(
    "|".join(
        _pattern(loc, _KEYS.root.key)
        for loc in (*_of_step(_KEYS), *_of_step(_LATER), OutputKeys(_LATER.input).part(0, _EXTENSION))
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
