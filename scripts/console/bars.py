"""The progress of a run on this machine, as bars on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from chalicelib.core.keys import Phase
from chalicelib.local.local_run import Progress


@contextmanager
def bars(name: str, steps: int, *, at_most: bool = False) -> Iterator[Progress]:
    """A progress bar on a terminal, nothing in a pipe; of several steps it says which one it is of.

    `at_most`: there may be fewer.
    """
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), auto_refresh=False, transient=True) as bars:
        phases: tuple[Phase, ...] = ("map", "reduce")
        rows = {phase: bars.add_task("", total=None) for phase in phases}
        shown, place = -1, name

        def show(step: int, phase: Phase, done: int, total: int) -> None:
            nonlocal shown, place
            if step != shown:
                shown = step
                of = "of at most" if at_most else "of"
                place = f"{name}, step {step + 1} {of} {steps}" if steps > 1 else name
                for each, row in rows.items():
                    bars.update(row, description=f"{place}, {each}", completed=0, total=None)
            if phase not in rows:  # few runs have a second level of shuffle
                rows[phase] = bars.add_task(f"{place}, {phase}", total=None)
            bars.update(rows[phase], completed=done, total=total or None, refresh=True)

        yield show
