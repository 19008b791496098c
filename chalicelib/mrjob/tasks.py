"""An mrjob job as jobs of Sluice: one class for each step, whose methods pass lines to the user's methods."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import starmap
from pathlib import Path
from typing import Any, ClassVar
from zlib import crc32

from ..core.errors import ConfigError, DataTypeError
from ..job.job import Job
from ..stores.disk import system_disk
from . import environment
from .definition import JobDefinition
from .lines import Cut, Decode, decoder, drops_keys, encoder, joined, rest_order, sorted_rests
from .protocols import PairProtocol, RawValueProtocol
from .steps import MRStep, Role, called

#: A row of the output: the line alone.
Row = tuple[None, bytes]
Emit = Callable[[Any, Any], Cut | Row]


def adapt(cls: type[JobDefinition], home: Path | None = None) -> type[Job]:
    """The job with its steps; `params.args` is its command line.

    `home` is the folder that relative paths of the command line start from: by default the job's own.
    """

    def steps(self: Job) -> list[type[Task]]:
        return step_classes(cls, task_args(self.params), home)

    members = {"steps": steps, "writer": _line, "__module__": cls.__module__, "__doc__": cls.__doc__}
    return type(cls.__name__, (Job,), members)


def _line(self: Job, key: None, value: bytes) -> bytes:  # noqa: ARG001 - a method
    """A row of the output is what the job's output protocol wrote, whatever `output.format` says."""
    return value + b"\n"


def task_args(params: dict[str, Any]) -> list[str]:
    """`params.args`: a list, or text as for a shell. Raises ConfigError for anything else."""
    given = params.get("args", [])
    if isinstance(given, str):
        return shlex.split(given)
    if isinstance(given, list):
        return list(map(str, given))
    raise ConfigError(f"params.args: expected the job's options as text or a list, got {given!r}")


def step_classes(cls: type[JobDefinition], args: Sequence[str], home: Path | None = None) -> list[type[Task]]:
    """A class for each step. Raises ConfigError or UserError for what cannot be run."""
    probe = type(cls.__name__, (Task,), {"mrjob": cls, "home": home, "__module__": cls.__module__})(
        {"args": list(args)}
    )
    job = probe.user_job("mapper")
    steps = job.checked_steps()
    return [_step_class(job, steps, number, home) for number in range(len(steps))]


def _step_class(job: JobDefinition, steps: Sequence[MRStep], number: int, home: Path | None) -> type[Task]:
    cls, step, last = type(job), steps[number], number == len(steps) - 1
    # Without a reducer, mrjob's own local runners end a step with its combiner.
    fold: Role | None = (
        "reducer" if step.has_explicit_reducer else "combiner" if step.has_explicit_combiner else None
    )
    members: dict[str, Any] = {
        "mrjob": cls,
        "home": home,
        "number": number,
        "several": len(steps) > 1,
        "last": last,
        "fold": fold,
        "shuffle": fold is not None,
        "keyless": _keyless(job, steps, number),
        "__module__": cls.__module__,
        "__doc__": cls.__doc__,
    }
    bases: list[type[Task]] = []
    if not step.maps(number):
        bases.append(_PassesOn)
    else:
        bases.append(_MapsFiles if step["mapper_raw"] else _Maps)
    if fold:
        bases.append(_Reduces)
        if fold == "reducer" and step.has_explicit_combiner:
            bases.append(_Combines)
        if job.sort_values() or members["keyless"]:
            members["sort_values"] = True
            read = job.pick_protocols(number, fold)[0]
            if not job.sort_values():
                members["sort_key"] = _by_first_field
            elif not isinstance(getattr(read, "__self__", None), PairProtocol):
                members["sort_key"] = _by_line
    return type(cls.__name__, (*bases,), members)


def _keyless(job: JobDefinition, steps: Sequence[MRStep], number: int) -> bool:
    """Whether this step's reducer reads its lines by a protocol without keys."""
    step = steps[number]
    return step.has_explicit_reducer and drops_keys(job.pick_protocols(number, "reducer")[0])


def _by_line(self: Any, key: bytes, value: bytes | None) -> bytes:  # noqa: ARG001 - methods
    return rest_order(value)


def _by_first_field(self: Any, key: bytes, value: bytes) -> bytes:  # noqa: ARG001
    return value.partition(b"\t")[0]


class Task(Job):
    """What the tasks of a step share. The user's job is made when its work begins, once for each role."""

    mrjob: ClassVar[type[JobDefinition]]
    home: ClassVar[Path | None]
    number: ClassVar[int] = 0
    several: ClassVar[bool] = False
    last: ClassVar[bool] = True
    #: What reduces in this step: the reducer, or the combiner of a step without one, or nothing.
    fold: ClassVar[Role | None] = None
    #: This step's reducer reads lines that hold no key.
    keyless: ClassVar[bool] = False

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
        """The user's job in its folder, and its step with methods bound to it."""
        job = self.user_job(role)
        self._enter([*job.files(), *_listed(job.options.upload_files)])
        environment.current = self
        return job, job.steps()[self.number]

    def emitter(self, job: JobDefinition, role: Role) -> Emit:
        """From pairs to rows of the output, or to lines for what comes next."""
        write = job.pick_protocols(self.number, role)[1]
        if role == "mapper" and self.fold:
            return encoder(write, self.keyless)
        if self.last:
            return lambda key, value: (None, write(key, value))
        steps = job.steps()
        after = self.number + 1
        straight = not steps[after].maps(after)
        return encoder(write, straight and _keyless(job, steps, after))

    # -- services for the user's job ------------------------------------------------------------------

    def count_for(self, group: str, counter: str, amount: int) -> None:
        self.count(f"{group},{counter},{self.number}" if self.several else f"{group},{counter}", amount)

    def say(self, message: str) -> None:
        self.log.info("%s", message)

    def placed(self, given: Any) -> Any:
        """Where the files lie that a file option names: one, or a list of them."""
        if isinstance(given, list):
            return [self.placed(name) for name in given]
        return given if given is None else str(self._find(str(given).partition("#")[0]))

    @classmethod
    def files_beside(cls, params: dict[str, Any]) -> list[Path]:
        """The files that lie beside the job's and that FILES or its command line name: they travel with the code."""
        job = cls(params).user_job("mapper")
        names = [*job.files(), *_listed(job.options.upload_files)]
        for option in sorted(job._file_arg_dests):
            given = getattr(job.options, option)
            names += given if isinstance(given, list) else [given] if given else []
        own = environment.folder_of(cls.mrjob.mr_job_script())
        paths = (own / name.partition("#")[0] for name in names)
        return [path for path in paths if path.is_file()]

    def _find(self, name: str) -> Path:
        path = Path(os.path.expandvars(name)).expanduser()
        own = environment.folder_of(self.mrjob.mr_job_script())
        for folder in (self.home, own) if self.home else (own,):
            if (folder / path).exists():
                return folder / path
        try:
            return self.file(path.name)
        except ConfigError as error:
            text = f"{self.mrjob.__name__}: {name}: no such file in {self.home or own}: put it beside the job's file"
            raise ConfigError(text) from error

    def _enter(self, names: Sequence[str]) -> None:
        """Change to a folder in which the side files have the names that the job expects."""
        if not names:
            return
        links = {}
        for given in names:
            source, _, name = given.partition("#")
            links[Path(name or source).name] = self._find(source)
        disk = self._services.disk or system_disk()
        folder = disk.root / f"mrjob-{crc32(repr(sorted(links.items())).encode()):08x}"
        folder.mkdir(parents=True, exist_ok=True)
        for name, path in links.items():
            with suppress(FileExistsError):
                (folder / name).symlink_to(path.absolute())
        os.chdir(folder)


def _listed(given: Sequence[str]) -> list[str]:
    return [name for names in given for name in names.split(",") if name]


class _HasMapper(Task):
    """A step that has a mapper of the user's."""

    part: ClassVar[str]

    def mapper_init(self) -> Iterator[Cut | Row]:
        job, step = self.begin("mapper")
        self._map, self._map_final = step[self.part], step["mapper_final"]
        self._encode = self.emitter(job, "mapper")
        self._read = job.pick_protocols(self.number, "mapper")[0]
        self._plain = type(getattr(self._read, "__self__", None)) is RawValueProtocol
        return starmap(self._encode, called(step["mapper_init"]))

    def mapper_final(self) -> Iterator[Cut | Row]:
        return starmap(self._encode, called(self._map_final))


class _Maps(_HasMapper):
    """A step whose mapper reads lines, of the input or of the step before."""

    part = "mapper"

    def mapper(self, key: Any, value: Any) -> Iterator[Cut | Row]:
        return starmap(self._encode, self._map(*self._record(key, value)) or ())

    def _record(self, head: Any, rest: Any) -> Any:
        """(key, value) for the user's mapper, from a record of the input or a cut line of the step before."""
        if self.number:
            return self._read(joined(head, rest))
        if type(rest) is bytes:
            return self._read(rest.rstrip(b"\r\n"))
        if type(rest) is not str:
            raise DataTypeError(
                f"{self.mrjob.__name__}: mrjob's protocols read lines, got {type(rest).__name__}: set"
                " input.format: text and input.encoding: bytes"
            )
        return (None, rest.rstrip("\r\n")) if self._plain else self._read(rest.encode().rstrip(b"\r\n"))


class _MapsFiles(_HasMapper):
    """A first step whose mapper takes whole objects."""

    part = "mapper_raw"

    def mapper_raw(self, path: str) -> Iterator[Cut | Row]:
        return starmap(self._encode, called(self._map, path, self.input.url))


class _PassesOn(Task):
    """A later step without a mapper: lines go straight to its reducer."""

    def mapper(self, key: bytes, value: bytes | None) -> Sequence[Cut]:
        return ((key, value),)


class _Reduces(Task):
    def reducer_init(self) -> Iterator[Cut | Row]:
        assert self.fold
        job, step = self.begin(self.fold)
        self._reduce, self._reduce_final = step[self.fold], step[f"{self.fold}_final"]
        self._decode: Decode = decoder(job.pick_protocols(self.number, self.fold)[0], self.keyless)
        self._emit = self.emitter(job, self.fold)
        return starmap(self._emit, called(step[f"{self.fold}_init"]))

    def reducer(self, head: bytes, rests: Iterator[bytes | None]) -> Iterator[Cut | Row]:
        return starmap(self._emit, self._reduce(*self._decode(head, rests)) or ())

    def reducer_final(self) -> Iterator[Cut | Row]:
        return starmap(self._emit, called(self._reduce_final))


class _Combines(Task):
    def combiner_init(self) -> Iterator[Cut]:
        job, step = self.begin("combiner")
        read, write = job.pick_protocols(self.number, "combiner")
        self._combine, self._combine_final = step["combiner"], step["combiner_final"]
        self._read_group = decoder(read, self.keyless)
        self._write_pair = encoder(write, self.keyless)
        return starmap(self._write_pair, called(step["combiner_init"]))

    def combiner(self, head: bytes, rests: Iterator[bytes | None]) -> Iterator[Cut]:
        values = sorted_rests(rests) if self.sort_values else rests
        return starmap(self._write_pair, self._combine(*self._read_group(head, values)) or ())

    def combiner_final(self) -> Iterator[Cut]:
        return starmap(self._write_pair, called(self._combine_final))
