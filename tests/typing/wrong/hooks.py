"""Jobs that a type checker must refuse: above each wrong line stands the gist of what each checker says."""

from collections.abc import Iterator

from chalicelib import Aggregator, Job, Sum
from chalicelib.join import Join

# by mypy: Module "chalicelib" has no attribute "Summ"
# by pyright: "Summ" is unknown import symbol
from chalicelib import Summ as Summ  # isort: skip


class OnePair(Job):
    # by mypy: Return type "tuple[str, int]" of "mapper" incompatible with return type "Iterable[tuple[Any, Any]]"
    # by pyright: "tuple[str, int]" is not assignable to "Iterable[Pair]"
    def mapper(self, _: None, line: str) -> tuple[str, int]:
        return line, 1


class Words(Job):
    # by mypy: Return type "Iterator[str]" of "mapper" incompatible with return type "Iterable[tuple[Any, Any]]"
    # by pyright: "Iterator[str]" is not assignable to "Iterable[Pair]"
    def mapper(self, _: None, line: str) -> Iterator[str]:
        yield from line.split()

    # by mypy: expression has type "type[Sum]", base class "Job" defined the type as
    # by pyright: Type "type[Sum]" is not assignable to type "Aggregator"
    reducer = Sum


class LineAlone(Job):
    # by mypy: Signature of "mapper" incompatible with supertype
    # by pyright: Positional parameter count mismatch; base method has 3, but override has 2
    def mapper(self, line: str) -> Iterator[tuple[str, int]]:
        yield line, 1

    # by mypy: Signature of "reducer" incompatible with supertype
    # by pyright: Function accepts too few positional parameters; expected 3 but received 2
    def reducer(self, values: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield "", sum(values)


class ThreeArguments(Job):
    # by mypy: Signature of "reducer" incompatible with supertype
    # by pyright: Extra parameter "values"
    def reducer(self, key: str, first: int, values: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield key, first + sum(values)

    # by mypy: Signature of "combiner" incompatible with supertype
    # by pyright: "Iterator[int]" is not assignable to "Iterable[Pair]"
    def combiner(self, key: str, values: Iterator[int]) -> Iterator[int]:
        yield sum(values)


class Span(Aggregator):
    # by mypy: Signature of "lift" incompatible with supertype
    # by pyright: Positional parameter count mismatch; base method has 2, but override has 3
    def lift(self, key: str, value: int) -> int:
        return value

    # by mypy: Signature of "merge" incompatible with supertype
    # by pyright: Positional parameter count mismatch; base method has 3, but override has 2
    def merge(self, states: list[int]) -> int:
        return max(states)


class Partitioned(Job):
    # by mypy: Signature of "partitioner" incompatible with supertype
    # by pyright: Function accepts too few positional parameters; expected 3 but received 2
    def partitioner(self, key: str) -> int:
        return len(key)


class ByText(Job):
    # by mypy: Signature of "partitioner" incompatible with supertype
    # by pyright: "str" is not assignable to "int"
    def partitioner(self, key: str, n: int) -> str:
        return key[:n]


class Sorted(Job):
    # by mypy: expression has type "Literal['count']", base class "Job" defined the type as
    # by pyright: Type "Literal['count']" is not assignable to declared type
    order_by = "count"
    # by mypy: expression has type "str", base class "Job" defined the type as "int | None"
    # by pyright: Type "Literal['10']" is not assignable to declared type "int | None"
    limit = "10"
    # by mypy: expression has type "str", base class "Job" defined the type as "bool"
    # by pyright: Type "Literal['yes']" is not assignable to declared type "bool"
    descending = "yes"


class SortedByPair(Job):
    # by mypy: Signature of "order_by" incompatible with supertype
    # by pyright: Function accepts too few positional parameters; expected 3 but received 2
    def order_by(self, pair: tuple[str, int]) -> int:
        return pair[1]

    # by mypy: Signature of "writer" incompatible with supertype
    # by pyright: "list[str]" is not assignable to "str"
    def writer(self, key: str, value: int) -> list[str]:
        return [key, str(value)]

    # by mypy: Signature of "having" incompatible with supertype
    # by pyright: Positional parameter count mismatch; base method has 3, but override has 2
    def having(self, value: int) -> bool:
        return value > 1


class Steps(Job):
    # by mypy: expression has type "tuple[Sorted, SortedByPair]", base class "Job" defined the type as
    # by pyright: "Sorted | SortedByPair" is not a subtype of "type[Job]"
    steps = (Sorted(), SortedByPair())


class StepsOfNames(Job):
    # by mypy: Signature of "steps" incompatible with supertype
    # by pyright: "str" is not a subtype of "type[Job]"
    def steps(self) -> list[str]:
        return ["Sorted", "SortedByPair"]


class Joined(Join):
    # by mypy: expression has type "Literal['leftish']", base class "Join" defined the type as
    # by pyright: Type "Literal['leftish']" is not assignable to declared type
    how = "leftish"

    # by mypy: Signature of "key" incompatible with supertype
    # by pyright: Positional parameter count mismatch; base method has 3, but override has 2
    def key(self, record: list[str]) -> str:
        return record[0]


class Services(Job):
    def mapper(self, _: None, line: str) -> Iterator[tuple[str, int]]:
        # by mypy: Argument 2 to "count" of "Job" has incompatible type "float"; expected "int"
        # by pyright: "float" is not assignable to "int"
        self.count("lines", 0.5)
        # by mypy: "Input" has no attribute "name"
        # by pyright: Cannot access attribute "name" for class "Input"
        yield self.input.name, 1
