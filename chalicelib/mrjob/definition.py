"""What an mrjob job defines: its hooks, protocols, options and steps. How it runs is in `job.py`."""

from __future__ import annotations

import inspect
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, Protocol

from ..core.errors import ConfigError, UserError
from . import options
from .options import log
from .protocols import JSONProtocol, LineProtocol, RawValueProtocol
from .steps import PARTS, MRStep, Pairs, Role, coded_tasks, to_lines
from .trial import Trial

_HASHING = (
    "org.apache.hadoop.mapred.lib.HashPartitioner",
    "org.apache.hadoop.mapreduce.lib.partition.HashPartitioner",
)


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
    #: Ignored, with a warning.
    JOBCONF: ClassVar[dict[str, Any]] = {}
    #: Refused unless empty: there is neither Hadoop nor Java.
    ARCHIVES: ClassVar[Sequence[str]] = ()
    DIRS: ClassVar[Sequence[str]] = ()
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

    def mapper_cmd(self) -> str:
        """Refused, as are all `*_cmd` and `*_pre_filter`: tasks have no shell."""
        raise NotImplementedError

    mapper_pre_filter = combiner_cmd = combiner_pre_filter = reducer_cmd = reducer_pre_filter = mapper_cmd

    def spark(self, input_path: str, output_path: str) -> None:
        """Refused: there is no Spark."""
        raise NotImplementedError

    def steps(self) -> Sequence[MRStep]:
        """The job's steps; by default one, of the methods that the job defines."""
        if type(self).spark is not JobDefinition.spark:
            raise UserError(f"{type(self).__name__}.spark is not supported: write a mapper and a reducer")
        own = {
            name: getattr(self, name)
            for name in PARTS
            if getattr(type(self), name) is not getattr(JobDefinition, name)
        }
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
        return options.passed_through(
            self.arg_parser, self._passthru_arg_dests | self._file_arg_dests, self._cl_args
        )

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
        place = tasks.index((step_num, "mapper" if step_type == "combiner" else step_type))
        writes = self.output_protocol() if place == last else self.internal_protocol()
        if step_type == "combiner":
            return writes.read, writes.write
        reads = self.internal_protocol() if place else self.input_protocol()
        return reads.read, writes.write

    def sort_values(self) -> bool | None:
        return self.SORT_VALUES

    def files(self) -> Sequence[str]:
        return self.FILES

    def jobconf(self) -> dict[str, Any]:
        return dict(self.JOBCONF)

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
        for attribute in ("ARCHIVES", "DIRS", "LIBJARS", "HADOOP_INPUT_FORMAT", "HADOOP_OUTPUT_FORMAT"):
            value = getattr(self, attribute)
            if value:
                advice = (
                    "list each file in FILES"
                    if attribute in ("ARCHIVES", "DIRS")
                    else "there is no Java here"
                )
                raise ConfigError(f"{name}: {attribute} = {value!r} is not supported: {advice}")
        if self.partitioner() not in (None, *_HASHING):
            raise ConfigError(f"{name}: PARTITIONER = {self.partitioner()!r}: keys are hashed; expected None")
        steps = self.steps()
        if not steps:
            raise ConfigError(f"{name}: no steps: write a mapper or a reducer, or steps()")
        if strange := [step for step in steps if not isinstance(step, MRStep)]:
            raise ConfigError(f"{name}.steps(): expected MRStep, got {strange[0]!r}")
        if any(step["mapper_raw"] for step in steps[1:]):
            raise ConfigError(f"{name}.steps(): mapper_raw reads input, so only the first step can have one")
        if self.jobconf() or any(step["jobconf"] for step in steps):
            log.warning("%s: JOBCONF is ignored: there is no Hadoop to configure", name)
        return steps


def _protocol(cls: Any) -> LineProtocol:
    made: LineProtocol = cls()
    return made


def _value_error(message: str) -> Any:
    raise ValueError(message)
