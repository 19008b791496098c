"""One task of a job over streams, without a run: for users' own tests of mappers and reducers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Self

from .step import MRStep, Pairs, Role, called

_first = itemgetter(0)


class Trial:
    """The part of `MRJob` that runs single tasks over stdin and stdout."""

    options: Any
    steps: Callable[[], Sequence[MRStep]]
    pick_protocols: Callable[[int, Role], tuple[Callable[[bytes], Any], Callable[..., bytes]]]

    def __init__(self) -> None:
        self._stdin: Any = None
        self._stdout: Any = None
        self._stderr: Any = None

    @property
    def stdin(self) -> Any:
        return self._stdin or getattr(sys.stdin, "buffer", sys.stdin)

    @property
    def stdout(self) -> Any:
        return self._stdout or getattr(sys.stdout, "buffer", sys.stdout)

    @property
    def stderr(self) -> Any:
        return self._stderr or getattr(sys.stderr, "buffer", sys.stderr)

    def sandbox(self, stdin: Any = None, stdout: Any = None, stderr: Any = None) -> Self:
        """Read and write these instead of the process's streams; `stdin` may be a list of lines, as bytes."""
        self._stdin, self._stdout, self._stderr = stdin or BytesIO(), stdout or BytesIO(), stderr or BytesIO()
        return self

    def run_mapper(self, step_num: int = 0) -> None:
        """Map stdin's (or the input files') lines to stdout."""
        self._run_task("mapper", step_num)

    def run_combiner(self, step_num: int = 0) -> None:
        """Combine stdin's sorted lines to stdout."""
        self._run_task("combiner", step_num)

    def run_reducer(self, step_num: int = 0) -> None:
        """Reduce stdin's sorted lines to stdout."""
        self._run_task("reducer", step_num)

    def _run_task(self, role: Role, step_num: int) -> None:
        read, write = self.pick_protocols(step_num, role)
        pairs = (read(line.rstrip(b"\r\n")) for line in self._read_lines())
        work = {"mapper": self.map_pairs, "combiner": self.combine_pairs, "reducer": self.reduce_pairs}[role]
        for key, value in work(pairs, step_num):
            self.stdout.write(write(key, value) + b"\n")

    def _read_lines(self) -> Iterator[bytes]:
        for name in self.options.args or ["-"]:
            if name == "-":
                yield from self.stdin
            else:
                with Path(name).open("rb") as file:
                    yield from file

    def map_pairs(self, pairs: Pairs, step_num: int = 0) -> Iterator[Any]:
        """The pairs that one map task yields."""
        step = self._step(step_num)
        yield from called(step["mapper_init"])
        if step["mapper_raw"]:
            path, uri = self.options.args
            yield from called(step["mapper_raw"], path, uri)
        else:
            for key, value in pairs:
                yield from called(step["mapper"], key, value)
        yield from called(step["mapper_final"])

    def combine_pairs(self, pairs: Pairs, step_num: int = 0) -> Iterator[Any]:
        """What the combiner yields for these pairs, which are grouped by key."""
        return self._fold(pairs, "combiner", step_num)

    def reduce_pairs(self, pairs: Pairs, step_num: int = 0) -> Iterator[Any]:
        """What the reducer yields for these pairs, which are grouped by key."""
        return self._fold(pairs, "reducer", step_num)

    def _fold(self, pairs: Pairs, role: Role, step_num: int) -> Iterator[Any]:
        step = self._step(step_num)
        if step[role] is None:
            raise ValueError(f"No {role} in step {step_num}")
        yield from called(step[f"{role}_init"])
        for key, group in groupby(pairs, _first):
            yield from called(step[role], key, (value for _, value in group))
        yield from called(step[f"{role}_final"])

    def _step(self, number: int) -> MRStep:
        steps = self.steps()
        if not 0 <= number < len(steps):
            raise ValueError(f"Out-of-range step: {number}")
        return steps[number]
