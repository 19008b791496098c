"""Outputs of several kinds from one job: pairs whose key names one go to objects of their own beside the part.

They lie in `output=NAME/`, have a format of their own, and belong to the part: its marker commits all of them at once.
Their rows wait on local disk until all are there, as those of folders by a column do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from msgspec.structs import replace

from ...core.tasks import Part
from ...job.job import Output
from ..shuffle.run_file import read_blocks
from .commit_part import PartFile, PartWriter
from .folders import Gathered
from .text import FORMATS, Rows


class NamedOutputs:
    """A `PartFile`: the job's part as `main` has it, and the rows of its other outputs by name."""

    def __init__(self, main: PartFile, others: Mapping[str, Gathered], url: str) -> None:
        self._main = main
        self._others = others
        self._url = url
        self._rows = main.rows
        #: Rows of the other outputs so far.
        self._named = 0

    @property
    def rows(self) -> Rows:
        return self._split

    @property
    def piece_rows(self) -> Rows:
        """Pieces hold typed pairs: (name or nothing, key) and value."""
        return _marked

    @property
    def open(self) -> Callable[[], PartWriter]:
        return lambda: _Writer(self._main.open(), self._others, lambda: self._named)

    def joined(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Memory: one block of pairs. Raises CorruptData for bytes that are no blocks."""
        for keys, values in read_blocks(pieces, self._url):
            yield self._split([Output(name, key) if name else key for name, key in keys], values)

    def _split(self, keys: Sequence[Any], values: Sequence[Any]) -> bytes:
        """The rows of the part; those of other outputs are gathered."""
        if Output not in set(map(type, keys)):
            return self._rows(keys, values)
        groups: dict[str, tuple[list[Any], list[Any]]] = {}
        for key, value in zip(keys, values, strict=True):
            name, own = (key.name, key.key) if type(key) is Output else ("", key)
            group = groups.setdefault(name, ([], []))
            group[0].append(own)
            group[1].append(value)
        main = groups.pop("", ([], []))
        for name, group in groups.items():
            self._others[name].add(*group)
            self._named += len(group[0])
        return self._rows(*main) if main[0] else b""


def _marked(keys: Sequence[Any], values: Sequence[Any]) -> bytes:
    marked = [(key.name, key.key) if type(key) is Output else ("", key) for key in keys]
    return FORMATS["pairs"](marked, values)


class _Writer:
    """A `PartWriter` of the part, whose `publish` makes the objects of the other outputs first."""

    def __init__(self, main: PartWriter, others: Mapping[str, Gathered], named: Callable[[], int]) -> None:
        self._main = main
        self._others = others
        self._named = named
        self._opened = ExitStack()

    def write(self, data: bytes) -> None:
        self._main.write(data)

    def publish(self, records: int, /) -> Part:
        made = [part for name in sorted(self._others) for part in self._others[name].commit_rows()]
        main = self._main.publish(records - self._named())
        return replace(
            main,
            bytes=main.bytes + sum(part.bytes for part in made),
            records=main.records + sum(part.records for part in made),
            folders=(*main.objects, *made),
        )

    def __enter__(self) -> Self:
        for other in self._others.values():
            self._opened.enter_context(other)
        self._opened.enter_context(self._main)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.__exit__(kind, error, trace)
