"""A task's part of the results: how pairs become its bytes, at once or in pieces that are joined later.

An attempt that has time enough opens the part and writes it as a whole. One that has not leaves pieces in the work
place, and its last invocation joins them. What a piece holds is the difference between the two kinds of part:

* `PartOfRows`: a row's bytes depend on that row alone, so a piece is a stretch of the part itself.
* `PartOfPairs`: they depend on the rows around it (the header of a csv file, the folders of `output.by`, the row
  groups of Parquet), so a piece holds typed pairs, and the rows are made when all of them are there.

`commit_part` has the writers that publish what was written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ...core.keys import OutputKeys
from ...core.plan import Plan
from ...core.ports import Runtime
from ...core.spec import JobSpec
from ...job.load_class import container_of
from ...job.steps import writing_class
from ..shuffle.run_file import read_blocks
from .commit_part import GatheredPart, ObjectPart, PartFile, PartWriter
from .folders import Gathered
from .rows import Writer, encoder, is_stateful
from .text import FORMATS, Rows

#: The column whose values other outputs are, as far as their folders tell.
NAMED = "output"


class PartOfRows(Struct, frozen=True, kw_only=True):
    """A part whose pieces are stretches of it."""

    rows: Rows
    open: Callable[[], PartWriter]

    @property
    def piece_rows(self) -> Rows:
        return self.rows

    def joined(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        return iter(pieces)


class PartOfPairs(Struct, frozen=True, kw_only=True):
    """A part whose pieces hold typed pairs. `url` names it in messages about them."""

    rows: Rows
    open: Callable[[], PartWriter]
    url: str

    @property
    def piece_rows(self) -> Rows:
        return FORMATS["pairs"]

    def joined(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Memory: one block of pairs. Raises CorruptData for bytes that are no blocks."""
        for keys, values in read_blocks(pieces, self.url):
            yield self.rows(keys, values)


def part_file(runtime: Runtime, plan: Plan, task: int) -> PartFile:
    """The part of one task of a step.

    A step that is not the last writes typed pairs, and the bytes that a job in SQL writes are rows already: neither
    has a use for the user's own `writer`.
    """
    spec, place = plan.own_spec, OutputKeys(plan.results)
    loc = place.part(task, spec.output.extension)
    mark = plan.mark if plan.last_step else ""
    new_object = partial(ObjectPart, runtime.store, loc, spec.output, mark)
    if plan.sql or not plan.last_step:
        return PartOfRows(rows=FORMATS["pairs"], open=new_object)
    main = _main_part(runtime, plan, task)
    if not spec.outputs:
        return main
    from .named_outputs import NamedOutputs  # few jobs have several outputs

    others = {
        name: Gathered(
            runtime.store,
            place.folder(NAMED, name),
            task,
            replace(spec, output=spec.output_of(name)),
            runtime.disk,
            mark=mark,
        )
        for name in spec.outputs
    }
    return NamedOutputs(main, others, loc.url)


def _main_part(runtime: Runtime, plan: Plan, task: int) -> PartFile:
    """The part of the results proper."""
    spec, place, mark = plan.own_spec, OutputKeys(plan.results), plan.mark
    loc = place.part(task, spec.output.extension)
    new_object = partial(ObjectPart, runtime.store, loc, spec.output, mark)
    if spec.output.container:
        from .container import ContainerPart, ContainerRows  # few jobs write formats of their own

        made = ContainerRows(container_of(runtime.load_job, spec), spec.output.container)
        new_part = partial(ContainerPart, made, runtime.store, loc, spec.output, mark)
        return PartOfPairs(rows=made, open=new_part, url=loc.url)
    own = _own_writer(runtime, spec)
    if spec.output.by or spec.output.format == "parquet":
        gathered = Gathered(runtime.store, place, task, spec, runtime.disk, own, mark)
        return PartOfPairs(
            rows=_gathering(gathered), open=partial(GatheredPart, gathered), url=gathered.loc.url
        )
    rows = encoder(spec.output, own)
    if is_stateful(spec.output):
        return PartOfPairs(rows=rows, open=new_object, url=loc.url)
    return PartOfRows(rows=rows, open=new_object)


def _gathering(gathered: Gathered) -> Rows:
    """Rows that are gathered: nothing is left to be written."""

    def rows(keys: Sequence[Any], values: Sequence[Any]) -> bytes:
        gathered.add(keys, values)
        return b""

    return rows


def _own_writer(runtime: Runtime, spec: JobSpec) -> Writer | None:
    """The job's `writer`, if it has one."""
    cls = writing_class(runtime.load_job(spec.job), spec.params)
    return cls(dict(spec.params)).writer if getattr(cls, "writer", None) else None
