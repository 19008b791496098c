"""MRStep, and the order in which lines go through a job's tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal

from ..core.errors import UserError

Role = Literal["mapper", "combiner", "reducer"]
#: What does the work of a role: the user's method, of lines or of whole objects, behind a filter or not, or a program.
Kind = Literal["method", "raw", "filtered", "program"]
Pairs = Iterable[tuple[Any, Any]]

MAPPER_PARTS = ("mapper", "mapper_init", "mapper_final", "mapper_raw", "mapper_cmd", "mapper_pre_filter")
COMBINER_PARTS = ("combiner", "combiner_init", "combiner_final", "combiner_cmd", "combiner_pre_filter")
REDUCER_PARTS = ("reducer", "reducer_init", "reducer_final", "reducer_cmd", "reducer_pre_filter")
PARTS = MAPPER_PARTS + COMBINER_PARTS + REDUCER_PARTS
#: What has no place beside a `mapper_raw`, and beside a program: the rest of its role.
_WITHOUT = {"mapper_raw": ("mapper", "mapper_pre_filter"), "mapper_cmd": MAPPER_PARTS}
_WITHOUT |= {"combiner_cmd": COMBINER_PARTS, "reducer_cmd": REDUCER_PARTS}
#: What mrjob puts into the arguments of jar and Spark steps.
INPUT, OUTPUT, GENERIC_ARGS = "<input>", "<output>", "<generic args>"


class StepFailedException(Exception):
    """A run failed; `reason` says why, with job, task and place."""

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"Step failed: {self.reason}" if self.reason else "Step failed"


def same_pair(key: Any, value: Any) -> Pairs:
    """The mapper of a step that has none."""
    yield key, value


def same_pairs(key: Any, values: Iterable[Any]) -> Pairs:
    """The combiner or reducer of a step that has only its init or final."""
    for value in values:
        yield key, value


class MRStep:
    """One step: methods of the job (or functions) for `mapper`, `combiner`, `reducer`, and their `_init` and `_final`.

    `*_cmd` is a program that maps, combines or reduces instead; `*_pre_filter` a line of shell that lines go through
    before they are read; `jobconf` settings that this step's tasks can ask for. `step["mapper"]` is the function, or
    None.
    """

    def __init__(self, **parts: Any) -> None:
        unknown = sorted(parts.keys() - {*PARTS, "jobconf"})
        if unknown:
            raise TypeError(f"MRStep() got an unexpected keyword argument {unknown[0]!r}")
        if not parts.keys() & set(PARTS):
            raise ValueError("Step has no mappers and no reducers")
        for name, others in _WITHOUT.items():
            if parts.get(name) and (
                clash := [other for other in others if other != name and parts.get(other)]
            ):
                raise ValueError(f"Can't specify both {name} and {clash[0]}")
        self._parts: dict[str, Any] = {**dict.fromkeys(PARTS), "jobconf": None, **parts}

    def _has(self, names: Sequence[str]) -> bool:
        return any(self._parts[name] for name in names)

    @property
    def has_explicit_mapper(self) -> bool:
        return self._has(MAPPER_PARTS)

    @property
    def has_explicit_combiner(self) -> bool:
        return self._has(COMBINER_PARTS)

    @property
    def has_explicit_reducer(self) -> bool:
        return self._has(REDUCER_PARTS)

    def __getitem__(self, name: str) -> Any:
        found = self._parts[name]
        if found is None:
            if name == "mapper":
                return same_pair
            if (name == "combiner" and self.has_explicit_combiner) or (
                name == "reducer" and self.has_explicit_reducer
            ):
                return same_pairs
        return found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MRStep) and self._parts == other._parts

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self._parts.items() if value is not None)
        return f"MRStep({given})"

    def is_program(self, role: Role) -> bool:
        """Whether a program does the work of this role, so that no protocol reads or writes its lines."""
        return bool(self._parts[f"{role}_cmd"])

    def kind(self, role: Role) -> Kind:
        if self.is_program(role):
            return "program"
        if self._parts[f"{role}_pre_filter"]:
            return "filtered"
        return "raw" if role == "mapper" and self._parts["mapper_raw"] else "method"

    def maps(self, number: int) -> bool:
        """Whether a mapper runs in this step, the job's `number`th. If not, lines go straight to the reducer."""
        return number == 0 or self.has_explicit_mapper or self.has_explicit_combiner


class _Refused:
    """A step of another kind, which mrjob hands to Hadoop or to Spark."""

    _why = ""

    def __init__(self, *_: Any, **__: Any) -> None:
        raise UserError(f"{type(self).__name__} is not supported: {self._why}; expected MRStep")


class JarStep(_Refused):
    """Refused: it is a Java program."""

    _why = "there is no Java"


class SparkStep(_Refused):
    """Refused, as are SparkJarStep and SparkScriptStep."""

    _why = "there is no Spark"


class SparkJarStep(SparkStep): ...


class SparkScriptStep(SparkStep): ...


def coded_tasks(steps: Sequence[MRStep]) -> list[tuple[int, Role]]:
    """The mappers and reducers of a job that are Python, in the order in which lines go through them.

    The first reads the job's input protocol, the last writes its output protocol, and what goes from one to
    the next is in the internal protocol.
    """
    found: list[tuple[int, Role]] = []
    for number, step in enumerate(steps):
        if step.maps(number) and not step.is_program("mapper"):
            found.append((number, "mapper"))
        if step.has_explicit_reducer and not step.is_program("reducer"):
            found.append((number, "reducer"))
    return found


def to_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a stream of chunks, with their ends. An empty chunk ends a file, and its last line."""
    rest = b""
    for chunk in chunks:
        if not chunk:
            if rest:
                yield rest
            rest = b""
            continue
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line + b"\n"
    if rest:
        yield rest


def called(function: Callable[..., Any] | None, *given: Any) -> Pairs:
    """The pairs that a method of the user's yields: none if there is no method, or if it returns None."""
    return (function(*given) if function else None) or ()
