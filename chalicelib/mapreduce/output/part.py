"""A part: what one task writes of the results, that is there as a whole or not at all, and stays what it is.

Mostly it is one object, to which rows go as they come. With `output.by` it is one in each of several folders, and
Parquet must be made of all rows at once: those are gathered on local disk, and become objects when all is there.
An attempt that runs out of time leaves pieces; where a row's bytes depend on the rows before it they hold pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...core.keys import OutputKeys
from ...core.plan import Plan
from ...core.ports import Loc, ObjectWriter, Runtime, Store
from ...core.spec import JobSpec, OutputSpec
from ...core.tasks import Part
from ...job.steps import writing_class
from ..input.typed_pairs import Edges
from ..shuffle.run_file import read_blocks
from .compressed import Packed
from .folders import Gathered
from .rows import encoder, is_stateful, without_rows
from .text import FORMATS, Rows


def part_file(runtime: Runtime, plan: Plan, spec: JobSpec, place: OutputKeys, number: int) -> PartFile:
    """The part of one task of `plan`; `spec` is its step's."""
    if plan.sql or not plan.last_step:
        return PartFile(runtime.store, place.part(number, spec.output.extension), spec.output)
    cls = writing_class(runtime.load_job(spec.job), spec.params)
    own = cls(dict(spec.params)).writer if getattr(cls, "writer", None) else None
    if spec.output.by or spec.output.format == "parquet":
        gathered = Gathered(runtime.store, place, number, spec, runtime.disk, own)
        return PartFile(runtime.store, gathered.loc, spec.output, gathered=gathered)
    loc = place.part(number, spec.output.extension)
    return PartFile(runtime.store, loc, spec.output, encoder(spec.output, own))


class PartFile:
    """What is written of one part, and what its marker must tell.

    Without `rows` it takes bytes that are rows already, as a job in SQL makes them, or typed pairs.
    """

    def __init__(
        self,
        store: Store,
        loc: Loc,
        output: OutputSpec,
        rows: Rows | None = None,
        gathered: Gathered | None = None,
    ) -> None:
        self._store = store
        self._loc = loc
        self._output = output
        self._gathered = gathered
        #: From pairs to what is written to the part, and to a piece of it.
        self.rows: Rows = gathered.add if gathered else rows or FORMATS["pairs"]
        self._of_pairs = gathered is not None or (rows is not None and is_stateful(output))
        self.piece_rows: Rows = FORMATS["pairs"] if self._of_pairs else self.rows
        self._begin()

    def _begin(self) -> None:
        #: Whether the part's bytes are others than those that were noted.
        self._repacked = self._output.compression != "none"
        #: Bytes of rows or, when pieces of pairs are joined, of pairs.
        self.size = 0
        self._edges = Edges() if self._output.format == "pairs" else None

    def open(self) -> ObjectWriter:
        """A writer that leaves a part alone that is there already."""
        if self._gathered:
            return self._gathered
        sink = self._store.writer(self._loc, if_absent=True)
        kind = self._output.compression
        return sink if kind == "none" else Packed(sink, kind)

    def note(self, data: bytes) -> None:
        """Take in what is being written."""
        self.size += len(data)
        if self._edges:
            self._edges.feed(data)

    def joined(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """What pieces hold as what is written to the part, taken in as it goes by."""
        if not self._of_pairs:
            for chunk in chunks:
                self.note(chunk)
                yield chunk
            return
        self._repacked = True
        for keys, values in read_blocks(self._noted(chunks), self._loc.url):
            yield self.rows(keys, values)

    def _noted(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.note(chunk)
            yield chunk

    def publish(self, sink: ObjectWriter, records: int) -> Part:
        """Commit, and say what is there now.

        An earlier attempt's part is complete and stays; ours is the same bytes unless the user's code is
        not a function of its input, and then the marker must speak of what is there.
        """
        if not records and not self._gathered and (head := without_rows(self._output)):
            self.note(head)
            sink.write(head)
        mine = sink.commit()
        if self._gathered and self._gathered.part:
            self.size = self._gathered.part.bytes
            return self._gathered.part
        size = self.size
        if not mine:
            size = self._store.head(self._loc).size
            if self._edges:
                self._read_again(self._store.stream(self._loc))
                records, size = self._edges.pairs, self.size
            elif size != self.size and self._output.extension in ("tsv", "jsonl", "text"):
                records = sum(chunk.count(b"\n") for chunk in self._store.stream(self._loc))
        elif self._repacked:
            size = self._store.head(self._loc).size
        self.size = size
        edges = tuple(self._edges.found) if self._edges else ()
        return Part(key=self._loc.key, bytes=size, records=records, edges=edges)

    def _read_again(self, chunks: Iterable[bytes]) -> None:
        self._begin()
        for chunk in chunks:
            self.note(chunk)
