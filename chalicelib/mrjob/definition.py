"""What an mrjob job defines: its hooks, protocols, options and steps. How it runs is in `job.py`."""

from __future__ import annotations

import inspect
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, Protocol

from ..core.errors import ConfigError, UserError
from .protocol import JSONProtocol, LineProtocol, RawValueProtocol
from .step import PARTS, MRStep, Pairs, Role, coded_tasks, to_lines
from .support import options
from .support.options import log
from .trial import Trial

#: What sets Hadoop up, and means nothing here, as it means nothing to mrjob's own inline and local runners.
_HADOOP_S = ("LIBJARS", "PARTITIONER", "HADOOP_INPUT_FORMAT", "HADOOP_OUTPUT_FORMAT")


class TaskServices(Protocol):
    """What the task that a job works in does for it."""

    def count_for(self, group: str, counter: str, amount: int) -> None:
        """Add to a counter of the run."""

    def say(self, message: str) -> None:
        """Log what the task is doing."""

    def placed(self, given: Any) -> Any:
        """From the value of a file option, a name or a list of names, to where those files lie for the task."""


class JobDefinition(Trial):
    """A job as mrjob has it: generator methods, or `steps()`. `args` is a command line; None is the process's."""

    #: The protocol of the input's lines, of what goes between tasks, and of the output's lines.
    INPUT_PROTOCOL: ClassVar[Any] = RawValueProtocol
    INTERNAL_PROTOCOL: ClassVar[Any] = JSONProtocol
    OUTPUT_PROTOCOL: ClassVar[Any] = JSONProtocol
    #: Reducers get the values of a key sorted as they are encoded.
    SORT_VALUES: ClassVar[bool | None] = None
    #: Files beside the job's, which tasks find in their working folder: `stop.txt`, or `data/stop.txt#words.txt`
    #: for a file that is to have another name there.
    FILES: ClassVar[Sequence[str]] = ()
    #: The same for folders, and for tar and zip files, which tasks find unpacked.
    DIRS: ClassVar[Sequence[str]] = ()
    ARCHIVES: ClassVar[Sequence[str]] = ()
    #: Settings that tasks can ask for, by `jobconf_from_env`. There is no Hadoop to configure.
    JOBCONF: ClassVar[dict[str, Any]] = {}
    #: Ignored, with a warning: there is neither Hadoop nor Java.
    LIBJARS: ClassVar[Sequence[str]] = ()
    PARTITIONER: ClassVar[str | None] = None
    HADOOP_INPUT_FORMAT: ClassVar[str | None] = None
    HADOOP_OUTPUT_FORMAT: ClassVar[str | None] = None

    #: The task this instance works in; None where the job is only described, started or tested.
    _sluice_task: TaskServices | None = None
    options: Any

    def __init__(self, args: Sequence[str] | None = None) -> None:
        self._passthru_arg_dests: set[str] = set()
        self._file_arg_dests: set[str] = set()
        super().__init__()
        self.arg_parser = ArgumentParser(usage="%(prog)s [options] [INPUT ...]", add_help=False)
        self.configure_args()
        self._cl_args = list(sys.argv[1:] if args is None else args)
        if args is not None:
            self.arg_parser.error = _value_error  # type: ignore[method-assign]
        self.load_args(self._cl_args)

    # -- what a job may define ---------------------------------------------------------------------------

    def mapper(self, key: Any, value: Any, /) -> Pairs:
        """Map one record, as the input protocol reads it: by default None and the line as text."""
        raise NotImplementedError

    def mapper_raw(self, input_path: str, input_uri: str, /) -> Pairs:
        """Map a whole object, which lies at `input_path`."""
        raise NotImplementedError

    def mapper_init(self) -> Pairs:
        raise NotImplementedError

    def mapper_final(self) -> Pairs:
        raise NotImplementedError

    def combiner(self, key: Any, values: Iterator[Any], /) -> Pairs:
        """Fold the values that one task has for a key. May be called any number of times, or not at all."""
        raise NotImplementedError

    def combiner_init(self) -> Pairs:
        raise NotImplementedError

    def combiner_final(self) -> Pairs:
        raise NotImplementedError

    def reducer(self, key: Any, values: Iterator[Any], /) -> Pairs:
        """Reduce the values of a key. Keys and values have been through the internal protocol."""
        raise NotImplementedError

    def reducer_init(self) -> Pairs:
        raise NotImplementedError

    def reducer_final(self) -> Pairs:
        raise NotImplementedError

    def mapper_cmd(self) -> str | Sequence[str]:
        """A program that maps instead, with its arguments; it is run without a shell."""
        raise NotImplementedError

    def combiner_cmd(self) -> str | Sequence[str]:
        """A program that combines sorted lines."""
        raise NotImplementedError

    def reducer_cmd(self) -> str | Sequence[str]:
        """A program that reduces sorted lines."""
        raise NotImplementedError

    def mapper_pre_filter(self) -> str:
        """A line of shell that lines go through before the mapper reads them, such as `grep fox`."""
        raise NotImplementedError

    def combiner_pre_filter(self) -> str:
        """The same before the combiner."""
        raise NotImplementedError

    def reducer_pre_filter(self) -> str:
        """The same before the reducer."""
        raise NotImplementedError

    def spark(self, input_path: str, output_path: str) -> None:
        """Refused: there is no Spark."""
        raise NotImplementedError

    def steps(self) -> Sequence[MRStep]:
        """The job's steps; by default one, of the methods that the job defines."""
        if type(self).spark is not JobDefinition.spark:
            raise UserError(f"{type(self).__name__}.spark is not supported: write a mapper and a reducer")
        own: dict[str, Any] = {
            name: getattr(self, name)
            for name in PARTS
            if getattr(type(self), name) is not getattr(JobDefinition, name)
        }
        for name in own:
            if name.endswith(("_cmd", "_pre_filter")):
                own[name] = own[name]()
        return [MRStep(**own)] if own else []

    # -- services ----------------------------------------------------------------------------------------

    def increment_counter(self, group: Any, counter: Any, amount: int = 1) -> None:
        """Add to a counter. In a run it is exact even if tasks are retried. Commas become semicolons."""
        if not isinstance(amount, int):
            raise TypeError(f"amount must be an integer, not {amount!r}")
        names = [str(name).replace(",", ";") for name in (group, counter)]
        if self._sluice_task:
            self._sluice_task.count_for(names[0], names[1], amount)
        else:
            self._report(f"reporter:counter:{names[0]},{names[1]},{amount}\n")

    def set_status(self, msg: Any) -> None:
        """Log what the task is doing."""
        if self._sluice_task:
            self._sluice_task.say(str(msg))
        else:
            self._report(f"reporter:status:{msg}\n")

    def _report(self, line: str) -> None:
        self.stderr.write(line.encode())
        self.stderr.flush()

    # -- the command line --------------------------------------------------------------------------------

    def configure_args(self) -> None:
        """Add options, after `super().configure_args()`."""
        options.add_options(self.arg_parser)

    def load_args(self, args: Sequence[str]) -> None:
        """Parse `args` into `self.options`."""
        self.options = options.parse(self.arg_parser, args)
        if self._sluice_task:
            for name in self._file_arg_dests:
                setattr(self.options, name, self._sluice_task.placed(getattr(self.options, name)))

    def add_passthru_arg(self, *args: Any, **kwargs: Any) -> None:
        """An option for the job's tasks, as argparse's `add_argument` takes it."""
        self._passthru_arg_dests.add(self.arg_parser.add_argument(*args, **kwargs).dest)

    def add_file_arg(self, *args: Any, **kwargs: Any) -> None:
        """An option that names a file; tasks get the path at which it lies for them."""
        if kwargs.get("type") not in (None, str):
            raise ArgumentTypeError("file options must take strings")
        if kwargs.get("action") not in (None, "append", "store"):
            raise ArgumentTypeError("file options must use the actions 'store' or 'append'")
        self._file_arg_dests.add(self.arg_parser.add_argument(*args, **kwargs).dest)

    def pass_arg_through(self, opt_str: str) -> None:
        """Pass an option that exists already on to the job's tasks."""
        for action in self.arg_parser._actions:
            if opt_str in (action.dest, *action.option_strings):
                self._passthru_arg_dests.add(action.dest)
                return
        raise ValueError(f"unknown arg: {opt_str}")

    def is_task(self) -> bool:
        """Whether this instance works in a task, rather than starting a run."""
        chosen = self.options
        return bool(self._sluice_task or chosen.run_mapper or chosen.run_combiner or chosen.run_reducer)

    @property
    def task_args(self) -> list[str]:
        """The part of the command line that is passed to tasks: passthru and file options."""
        return self._given(self._passthru_arg_dests | self._file_arg_dests)

    @property
    def run_args(self) -> list[str]:
        """The part that a run has to know for its tasks: these, and their files, variables and settings."""
        return self._given(self._passthru_arg_dests | self._file_arg_dests | options.CARRIED)

    def file_args(self, args: Sequence[str]) -> list[str]:
        """What the file options of a command line name, as written."""
        given = options.passed_through(self.arg_parser, self._file_arg_dests, args)
        values = [part.partition("=")[2] if part.startswith("-") else part for part in given]
        return [value for value in values if value]

    def _given(self, names: set[str]) -> list[str]:
        return options.passed_through(self.arg_parser, names, self._cl_args)

    # -- protocols and settings --------------------------------------------------------------------------

    def input_protocol(self) -> LineProtocol:
        return _protocol(self.INPUT_PROTOCOL)

    def internal_protocol(self) -> LineProtocol:
        return _protocol(self.INTERNAL_PROTOCOL)

    def output_protocol(self) -> LineProtocol:
        return _protocol(self.OUTPUT_PROTOCOL)

    def pick_protocols(
        self, step_num: int, step_type: Role
    ) -> tuple[Callable[[bytes], Any], Callable[..., bytes]]:
        """(read, write) of a task's lines."""
        tasks = coded_tasks(self.steps())
        last = len(tasks) - 1
        task: tuple[int, Role] = (step_num, "mapper" if step_type == "combiner" else step_type)
        if task not in tasks:
            if step_type == "combiner":  # of what a program has mapped
                return RawValueProtocol().read, RawValueProtocol().write
            raise ValueError(
                f"step {step_num}: a program is the {step_type}: no protocol reads or writes its lines"
            )
        place = tasks.index(task)
        writes = self.output_protocol() if place == last else self.internal_protocol()
        if step_type == "combiner":
            return writes.read, writes.write
        reads = self.internal_protocol() if place else self.input_protocol()
        return reads.read, writes.write

    def sort_values(self) -> bool | None:
        return self.SORT_VALUES

    def files(self) -> Sequence[str]:
        return self.FILES

    def dirs(self) -> Sequence[str]:
        return self.DIRS

    def archives(self) -> Sequence[str]:
        return self.ARCHIVES

    def libjars(self) -> Sequence[str]:
        return self.LIBJARS

    def hadoop_input_format(self) -> str | None:
        return self.HADOOP_INPUT_FORMAT

    def hadoop_output_format(self) -> str | None:
        return self.HADOOP_OUTPUT_FORMAT

    def jobconf(self) -> dict[str, Any]:
        """JOBCONF, and what `-D` on the command line says."""
        return {**self.JOBCONF, **self.options.jobconf}

    def partitioner(self) -> str | None:
        return self.PARTITIONER

    @classmethod
    def mr_job_script(cls) -> str | None:
        """The file that holds the job's class."""
        try:
            return inspect.getsourcefile(cls)
        except TypeError:
            return None

    def parse_output(self, chunks: Iterable[bytes]) -> Iterator[Any]:
        """The (key, value) pairs of a run's output, read by the output protocol."""
        return map(self.output_protocol().read, to_lines(chunks))

    def checked_steps(self) -> Sequence[MRStep]:
        """The steps. Raises ConfigError or UserError for what cannot be run here."""
        name = type(self).__name__
        for attribute in _HADOOP_S:
            if value := getattr(self, attribute.lower())():
                log.warning("%s: %s = %r is ignored: there is no Hadoop", name, attribute, value)
        steps = self.steps()
        if not steps:
            raise ConfigError(f"{name}: no steps: write a mapper or a reducer, or steps()")
        if strange := [step for step in steps if not isinstance(step, MRStep)]:
            raise ConfigError(f"{name}.steps(): expected MRStep, got {strange[0]!r}")
        if any(step["mapper_raw"] for step in steps[1:]):
            raise ConfigError(f"{name}.steps(): mapper_raw reads input, so only the first step can have one")
        return steps


def _protocol(cls: Any) -> LineProtocol:
    made: LineProtocol = cls()
    return made


def _value_error(message: str) -> Any:
    raise ValueError(message)
