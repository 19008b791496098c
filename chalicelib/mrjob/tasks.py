"""One task of an mrjob job: what it finds, and the user's methods or programs that its lines go through."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import starmap
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from ..core.errors import ConfigError, DataTypeError
from ..job.job import Job
from ..stores.disk import system_disk
from .compat import translate_jobconf_dict
from .definition import JobDefinition
from .lines import Cut, Decode, cut, decoder, drops_keys, encoder, groups_of, joined, sorted_rests
from .protocol import RawValueProtocol
from .step import Kind, MRStep, Role, called
from .support import about, surroundings
from .support.commands import Program, counted
from .support.options import task_args
from .support.side_files import SideFile, files_of, folder_of, links, side_file

#: A row of the output: the line alone.
Row = tuple[None, bytes]
Emit = Callable[[Any, Any], Cut | Row]
T = TypeVar("T")


def keyless(job: JobDefinition, steps: Sequence[MRStep], number: int) -> bool:
    """Whether this step's reducer reads its lines by a protocol without keys."""
    step = steps[number]
    if not step.has_explicit_reducer or step.is_program("reducer"):
        return False
    return drops_keys(job.pick_protocols(number, "reducer")[0])


class Task(Job):
    """What the tasks of a step share. The user's job is made when its work begins, once for each role."""

    #: As mrjob has it, a mapper, with its init and final, reads one object.
    _one_object = True

    mrjob: ClassVar[type[JobDefinition]]
    home: ClassVar[Path | None]
    number: ClassVar[int] = 0
    several: ClassVar[bool] = False
    last: ClassVar[bool] = True
    #: What reduces in this step: the reducer, or the combiner of a step without one, or nothing.
    fold: ClassVar[Role | None] = None
    #: This step's reducer reads lines that hold no key.
    keyless: ClassVar[bool] = False
    #: What lies in a task's working folder, and what each is called there; of a job that is only described, nothing.
    side_files: ClassVar[Mapping[SideFile, str]] = {}
    #: JOBCONF, `-D`, and the step's own.
    settings: ClassVar[Mapping[str, str]] = {}
    #: `--cmdenv`.
    variables: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def _put_back(cls) -> None:
        surroundings.leave_all()

    def user_job(self, role: Role) -> JobDefinition:
        """A new instance of the user's class for this role."""
        job = self.mrjob.__new__(self.mrjob)
        job._sluice_task = self
        args = task_args(self.params)
        try:
            job.__init__([*args, f"--{role}", f"--step-num={self.number}"])  # type: ignore[misc]
        except ValueError as error:
            raise ConfigError(f"{self.mrjob.__name__}: options {shlex.join(args)}: {error}") from error
        return job

    def begin(self, role: Role) -> tuple[JobDefinition, MRStep]:
        """The user's job in a working folder of its own, and its step with methods bound to it."""
        if role != "combiner":
            self._put_back()  # after a task that failed
        root = self._root()
        folder = surroundings.new_folder(root)
        put = links(dict(self.side_files), self._find, root)
        imports = [put[name] for side, name in self.side_files.items() if side.kind == "import"]
        surroundings.enter(folder, put, {**self._about(role, folder), **self.variables}, imports)
        job = self.user_job(role)
        self._step = job.steps()[self.number]
        return job, self._step

    def program(self, part: str) -> Program:
        """The program that is this part of the step, at work in the task's folder."""
        what = f"{self.mrjob.__name__}: step {self.number + 1}: {part}"
        return Program(self._step[part], what, self._root(), filters=part.endswith("_pre_filter"))

    def report(self, line: str) -> None:
        """A line of a program's stderr: it may count, as programs of Hadoop's do, or say what it is doing."""
        found = counted(line)
        if found:
            self.count_for(*found)
        elif line:
            self.say(line.removeprefix("reporter:status:"))

    @staticmethod
    def _to_the_end(pairs: Iterable[T]) -> Iterator[T]:
        """All of them; with the last one the role's work is done, and the process is as it was before."""
        try:
            yield from pairs
        finally:
            surroundings.leave()

    def whole_line(self, head: Any, rest: Any) -> bytes:
        """The line that a record of the input is, or a cut line of the step before."""
        if self.number:
            return joined(head, rest)
        if type(rest) is bytes:
            return rest
        if type(rest) is str:
            return rest.encode()
        raise DataTypeError(
            f"{self.mrjob.__name__}: mrjob's protocols read lines, got {type(rest).__name__}: set"
            " input.format: text and input.encoding: bytes"
        )

    def _root(self) -> Path:
        return (self._services.disk or system_disk()).root

    def _about(self, role: Role, folder: Path) -> dict[str, str]:
        """What `jobconf_from_env` finds, under all names that it may be asked by."""
        it = self._services
        found = about.of_task(it.run, role, self.number, it.task, it.attempt)
        found |= about.of_folder(folder, self.side_files)
        if role == "mapper":
            found |= about.of_input(self.input.url, self.input.start, self.input.stop)
        named = translate_jobconf_dict({**self.settings, **found})
        return {name.replace(".", "_"): value for name, value in named.items()}

    def emitter(self, job: JobDefinition, role: Role) -> Emit:
        """From pairs to rows of the output, or to lines for what comes next."""
        write = job.pick_protocols(self.number, role)[1]
        if role == "mapper" and self.fold:
            return encoder(write, self.keyless)
        if self.last:
            return lambda key, value: (None, write(key, value))
        return encoder(write, self._keyless_next(job))

    def line_emitter(self, job: JobDefinition, role: Role) -> Callable[[bytes], Cut | Row]:
        """The same from lines that a program writes."""
        if role == "reducer" or not self.fold:
            if self.last:
                return lambda line: (None, line)
            keyless = self._keyless_next(job)
        else:
            keyless = self.keyless
        return lambda line: cut(line, keyless)

    def _keyless_next(self, job: JobDefinition) -> bool:
        """Whether what this step writes goes straight to a reducer that reads no keys."""
        steps, after = job.steps(), self.number + 1
        return not steps[after].maps(after) and keyless(job, steps, after)

    # -- services for the user's job ------------------------------------------------------------------

    def count_for(self, group: str, counter: str, amount: int) -> None:
        self.count(f"{group},{counter},{self.number}" if self.several else f"{group},{counter}", amount)

    def say(self, message: str) -> None:
        self.log.info("%s", message)

    def placed(self, given: Any) -> Any:
        """Where the files lie that a file option names: one, or a list of them."""
        if given is None or isinstance(given, list):
            return given and [self.placed(name) for name in given]
        side = side_file("file", str(given))
        return self.side_files[side] if side in self.side_files else str(self._find(side))

    @classmethod
    def files_beside(cls) -> list[Path]:
        """The files that lie beside the job's and that it or its command line names: they travel with the code."""
        own = folder_of(cls.mrjob.mr_job_script())
        return [file for side in cls.side_files for file in files_of(own / side.source)]

    def _find(self, side: SideFile) -> Path:
        path = Path(os.path.expandvars(side.source)).expanduser()
        own = folder_of(self.mrjob.mr_job_script())
        for folder in (self.home, own) if self.home else (own,):
            if (folder / path).exists():
                return folder / path
        try:
            return self.file(path.name)
        except ConfigError as error:
            text = f"{side.source}: no such file in {self.home or own}: put it beside the job's file"
            raise ConfigError(f"{self.mrjob.__name__}: {text}") from error


class _HasMapper(Task):
    """A step that has a mapper of the user's."""

    part: ClassVar[str] = "mapper"

    def mapper_init(self) -> Iterable[Cut | Row]:
        job, step = self.begin("mapper")
        self._map, self._map_final = step[self.part], step["mapper_final"]
        self._encode = self.emitter(job, "mapper")
        self._read = job.pick_protocols(self.number, "mapper")[0]
        self._plain = type(getattr(self._read, "__self__", None)) is RawValueProtocol
        return starmap(self._encode, called(step["mapper_init"]))

    def mapper_final(self) -> Iterable[Cut | Row]:
        return self._to_the_end(starmap(self._encode, called(self._map_final)))


class _Maps(_HasMapper):
    """A step whose mapper reads lines, of the input or of the step before."""

    def mapper(self, key: Any, value: Any) -> Iterable[Cut | Row]:
        return starmap(self._encode, self._map(*self._record(key, value)) or ())

    def _record(self, head: Any, rest: Any) -> Any:
        """(key, value) for the user's mapper, from a record of the input or a cut line of the step before."""
        if type(rest) is bytes and not self.number:
            return self._read(rest.rstrip(b"\r\n"))
        if type(rest) is str and self._plain and not self.number:
            return None, rest.rstrip("\r\n")
        return self._read(self.whole_line(head, rest).rstrip(b"\r\n"))


class _MapsFiles(_HasMapper):
    """A first step whose mapper takes whole objects."""

    part = "mapper_raw"

    def mapper_raw(self, path: str) -> Iterable[Cut | Row]:
        return starmap(self._encode, called(self._map, path, self.input.url))


class _MapsFiltered(_Maps):
    """A step whose mapper reads what a filter lets pass: once the filter has read everything."""

    def mapper_init(self) -> Iterable[Cut | Row]:
        pairs = super().mapper_init()
        self._filter = self.program("mapper_pre_filter")
        return pairs

    def mapper(self, key: Any, value: Any) -> Iterable[Cut | Row]:
        self._filter.feed(self.whole_line(key, value))
        return ()

    def mapper_final(self) -> Iterable[Cut | Row]:
        for line in self._filter.lines(self.report):
            yield from starmap(self._encode, self._map(*self._read(line.rstrip(b"\r\n"))) or ())
        yield from super().mapper_final()


class _MapsByProgram(Task):
    """A step whose mapper is a program."""

    def mapper_init(self) -> Iterable[Cut | Row]:
        job, _ = self.begin("mapper")
        self._to_row = self.line_emitter(job, "mapper")
        self._program = self.program("mapper_cmd")
        return ()

    def mapper(self, key: Any, value: Any) -> Iterable[Cut | Row]:
        self._program.feed(self.whole_line(key, value))
        return ()

    def mapper_final(self) -> Iterable[Cut | Row]:
        return self._to_the_end(map(self._to_row, self._program.lines(self.report)))


class PassesOn(Task):
    """A later step without a mapper: lines go straight to its reducer."""

    def mapper(self, key: bytes, value: bytes | None) -> Sequence[Cut]:
        return ((key, value),)


class _Reduces(Task):
    def reducer_init(self) -> Iterable[Cut | Row]:
        assert self.fold
        job, step = self.begin(self.fold)
        self._reduce, self._reduce_final = step[self.fold], step[f"{self.fold}_final"]
        self._decode: Decode = decoder(job.pick_protocols(self.number, self.fold)[0], self.keyless)
        self._emit = self.emitter(job, self.fold)
        return starmap(self._emit, called(step[f"{self.fold}_init"]))

    def reducer(self, head: bytes, rests: Iterator[bytes | None]) -> Iterable[Cut | Row]:
        return starmap(self._emit, self._reduce(*self._decode(head, rests)) or ())

    def reducer_final(self) -> Iterable[Cut | Row]:
        return self._to_the_end(starmap(self._emit, called(self._reduce_final)))


class _ReducesFiltered(_Reduces):
    """A step whose reducer reads what a filter lets pass of the sorted lines."""

    def reducer_init(self) -> Iterable[Cut | Row]:
        pairs = super().reducer_init()
        self._filter = self.program(f"{self.fold}_pre_filter")
        return pairs

    def reducer(self, head: bytes, rests: Iterator[bytes | None]) -> Iterable[Cut | Row]:
        for rest in rests:
            self._filter.feed(joined(head, rest, self.keyless))
        return ()

    def reducer_final(self) -> Iterable[Cut | Row]:
        for head, rests in groups_of(self._filter.lines(self.report), self.keyless):
            yield from super().reducer(head, rests)
        yield from super().reducer_final()


class _ReducesByProgram(Task):
    """A step whose reducer is a program."""

    def reducer_init(self) -> Iterable[Cut | Row]:
        assert self.fold
        job, _ = self.begin(self.fold)
        self._to_row = self.line_emitter(job, "reducer")
        self._program = self.program(f"{self.fold}_cmd")
        return ()

    def reducer(self, head: bytes, rests: Iterator[bytes | None]) -> Iterable[Cut | Row]:
        for rest in rests:
            self._program.feed(joined(head, rest, self.keyless))
        return ()

    def reducer_final(self) -> Iterable[Cut | Row]:
        return self._to_the_end(map(self._to_row, self._program.lines(self.report)))


class _Combines(Task):
    def combiner_init(self) -> Iterable[Cut]:
        job, step = self.begin("combiner")
        read, write = job.pick_protocols(self.number, "combiner")
        self._combine, self._combine_final = step["combiner"], step["combiner_final"]
        self._read_group = decoder(read, self.keyless)
        self._write_pair = encoder(write, self.keyless)
        return starmap(self._write_pair, called(step["combiner_init"]))

    def combiner(self, head: bytes, rests: Iterator[bytes | None]) -> Iterable[Cut]:
        values = sorted_rests(rests) if self.sort_values else rests
        return starmap(self._write_pair, self._combine(*self._read_group(head, values)) or ())

    def combiner_final(self) -> Iterable[Cut]:
        return self._to_the_end(starmap(self._write_pair, called(self._combine_final)))


class _CombinesFiltered(_Combines):
    """A step whose combiner reads what a filter lets pass."""

    def combiner_init(self) -> Iterable[Cut]:
        pairs = super().combiner_init()
        self._combiner_s = self.program("combiner_pre_filter")
        return pairs

    def combiner(self, head: bytes, rests: Iterator[bytes | None]) -> Iterable[Cut]:
        for rest in sorted_rests(rests) if self.sort_values else rests:
            self._combiner_s.feed(joined(head, rest, self.keyless))
        return ()

    def combiner_final(self) -> Iterable[Cut]:
        for head, rests in groups_of(self._combiner_s.lines(self.report), self.keyless):
            yield from super().combiner(head, rests)
        yield from super().combiner_final()


class _CombinesByProgram(Task):
    """A step whose combiner is a program."""

    def combiner_init(self) -> Iterable[Cut]:
        self.begin("combiner")
        self._combiner_s = self.program("combiner_cmd")
        return ()

    def combiner(self, head: bytes, rests: Iterator[bytes | None]) -> Iterable[Cut]:
        for rest in sorted_rests(rests) if self.sort_values else rests:
            self._combiner_s.feed(joined(head, rest, self.keyless))
        return ()

    def combiner_final(self) -> Iterable[Cut]:
        return self._to_the_end(cut(line, self.keyless) for line in self._combiner_s.lines(self.report))


#: By what does the work: the user's methods, behind a filter or not, or a program.
MAPPERS: dict[Kind, type[Task]] = {
    "method": _Maps,
    "raw": _MapsFiles,
    "filtered": _MapsFiltered,
    "program": _MapsByProgram,
}
REDUCERS: dict[Kind, type[Task]] = {
    "method": _Reduces,
    "filtered": _ReducesFiltered,
    "program": _ReducesByProgram,
}
COMBINERS: dict[Kind, type[Task]] = {
    "method": _Combines,
    "filtered": _CombinesFiltered,
    "program": _CombinesByProgram,
}
