"""Rows gathered on local disk until all are there: for folders by a column, and for Parquet.

At most one file is open at a time. Each becomes an object that is created conditionally; the marker of the task
says which there are, so whatever an attempt left that did not come so far counts for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from ...core.errors import UserError
from ...core.keys import OutputKeys
from ...core.ports import Disk, Loc, ObjectWriter, Store
from ...core.spec import JobSpec, OutputSpec
from ...core.tasks import Part
from .columns import Chooser
from .compressed import Counted, Packed, copy_file
from .rows import Writer, encoder
from .text import cell_text

#: Folders of one part; more would be a request each, and surely a mistake.
MOST_FOLDERS = 10_000
#: Bytes of a folder's encoded value; local file systems take names of 255.
_LONGEST = 200


class _Spool(Protocol):
    """The rows of one object."""

    records: int

    def add(self, keys: Sequence[Any], values: Sequence[Any]) -> None: ...

    def send(self, sink: ObjectWriter) -> None:
        """Write the object's bytes, and remove what was gathered."""


class _RowSpool:
    """Rows as text; memory: one block."""

    def __init__(self, output: OutputSpec, disk: Disk, path: Path, own: Writer | None) -> None:
        self._rows = encoder(output, own)
        self._disk = disk
        self._path = path
        self.records = 0

    def add(self, keys: Sequence[Any], values: Sequence[Any]) -> None:
        with self._disk.open(self._path, "ab") as file:
            file.write(self._rows(keys, values))
        self.records += len(keys)

    def send(self, sink: ObjectWriter) -> None:
        copy_file(self._disk, self._path, sink)


class Gathered:
    """The rows of a part, until all are there; `commit` makes its objects and says what there is then.

    Use as a context manager: what was gathered goes at its end.
    """

    def __init__(
        self,
        store: Store,
        place: OutputKeys,
        number: int,
        spec: JobSpec,
        disk: Disk,
        own: Writer | None = None,
        mark: str = "",
    ) -> None:
        self._store = store
        self._place = place
        self._number = number
        self._spec = spec
        self._disk = disk
        self._own = own
        self._mark = mark
        self._chooser = Chooser(spec.output.by, spec.output.columns) if spec.output.by else None
        self._spools: dict[str | None, _Spool] = {}

    @property
    def loc(self) -> Loc:
        """The part, or with folders the place they are in."""
        return self._place.prefix if self._chooser else self._place.part(self._number, self._extension)

    @property
    def _extension(self) -> str:
        return self._spec.output.extension

    def add(self, keys: Sequence[Any], values: Sequence[Any]) -> None:
        """Take pairs. Raises what an encoder raises, and UserError if there are too many folders."""
        if self._chooser is None:
            self._spool(None).add(keys, values)
            return
        groups: dict[str | None, tuple[list[Any], list[Any]]] = {}
        for key, value in zip(keys, values, strict=True):
            folder = self._folder(key, value)
            group = groups.get(folder) or groups.setdefault(folder, ([], []))
            group[0].append(key)
            group[1].append(value)
        for folder, group in groups.items():
            self._spool(folder).add(*group)

    def _folder(self, key: Any, value: Any) -> str | None:
        assert self._chooser is not None
        cell = self._chooser.cell(key, value)
        return None if cell is None else cell_text(cell)

    def _spool(self, folder: str | None) -> _Spool:
        if folder not in self._spools:
            self._check(folder)
            path = self._folder_on_disk / f"{len(self._spools)}"
            self._spools[folder] = self._new_spool(path)
        return self._spools[folder]

    def _check(self, folder: str | None) -> None:
        if len(self._spools) >= MOST_FOLDERS:
            raise UserError(
                f"output.by: {self._spec.output.by} has more than {MOST_FOLDERS} values in one part: choose a column"
                " with fewer"
            )
        if self._chooser and folder is not None:
            name = self._place.folder(self._chooser.name, folder).prefix.key.removeprefix(
                self._place.prefix.key
            )
            if len(name) > _LONGEST:
                raise UserError(
                    f"output.by: a value of {self._spec.output.by} is too long for a folder's name: {folder!r:.100}"
                )

    def _new_spool(self, path: Path) -> _Spool:
        if self._spec.output.format == "parquet":
            from .parquet import TableSpool  # only jobs that write such files have DuckDB

            return TableSpool(self._spec, self._disk, path)
        return _RowSpool(self._spec.output, self._disk, path, self._own)

    def commit(self) -> Part:
        """Make the objects. One that is there already is an earlier attempt's, complete, and stays."""
        if self._chooser is None:
            return self._send(self._place.part(self._number, self._extension), self._spool(None))
        made = []
        for folder in sorted(self._spools, key=lambda text: (text is not None, text or "")):
            place = self._place.folder(self._chooser.name, folder)
            made.append(self._send(place.part(self._number, self._extension), self._spools[folder]))
        return Part(
            key=self._place.prefix.key,
            bytes=sum(part.bytes for part in made),
            records=sum(part.records for part in made),
            folders=tuple(made),
        )

    def commit_rows(self) -> list[Part]:
        """The same of what has no folders: its object, or none where there are no rows."""
        return [self.commit()] if self._spools else []

    def _send(self, loc: Loc, spool: _Spool) -> Part:
        """Make one object; one that is there already is an earlier attempt's, complete, and stays."""
        counted = Counted(self._store.writer(loc, if_absent=True, mark=self._mark))
        kind = self._spec.output.compression
        sink: ObjectWriter = counted if kind == "none" else Packed(counted, kind)
        with sink:
            spool.send(sink)
            mine = sink.commit()
        size = counted.size if mine else self._store.head(loc).size
        return Part(key=loc.key, bytes=size, records=spool.records)

    def __enter__(self) -> Self:
        self._opened = ExitStack()
        self._folder_on_disk = self._opened.enter_context(self._disk.folder("sluice-part-"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spools.clear()
        self._opened.close()
