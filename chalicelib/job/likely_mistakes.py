"""What in a job's class is allowed and most likely a mistake: a hook under another name, a mapper that yields nothing.

Nothing is called: names are compared, and the code of methods is read. Jobs written for mrjob are left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType
from typing import Any

from .job import Job

#: What a job's methods may use, rather than what they may be.
_SERVICES = frozenset({"count", "file", "input", "log", "params", "random"})
#: Names of other frameworks that are too short, or too different, to be like ours.
_ELSEWHERE = {
    "map": "mapper",
    "mapping": "mapper",
    "order": "order_by",
    "sort_by": "order_by",
    "filter": "having",
}
#: How alike two names are that are taken for one, from 0 to 1; `combine` and `combiner` are to 0.93.
_ALIKE = 0.8
#: Methods without which no pair is made, and who may make them in their place.
_MAKERS = {
    "mapper": "mapper_final",
    "mapper_chunk": "mapper_final",
    "mapper_raw": "mapper_final",
    "combiner": "combiner_final",
    "reducer": "reducer_final",
}


#: Bits of a generator, a coroutine or both, as in `inspect`, whose import takes longer than all of this.
_GIVES = 0x20 | 0x80 | 0x200


class LikelyMistake(UserWarning):
    """Something in a job's class that is allowed, and of no use as it is."""


def likely_mistakes(classes: Iterable[type[Any]]) -> list[str]:
    """A sentence for each likely mistake in the classes of a job's steps, none twice."""
    found = (text for cls in classes if _is_users(cls) for text in (*_misnamed(cls), *_silent(cls)))
    return list(dict.fromkeys(found))


def likely_names(cls: type[Any]) -> dict[str, str]:
    """By the names of a class that nothing uses: the hooks that they most likely were meant to be."""
    bases = [base for base in cls.__mro__ if _is_ours(base) and base is not object]
    hooks = {name for base in bases for name in vars(base) if not name.startswith("_")} - _SERVICES
    own = {
        name: value
        for base in reversed(_users(cls))
        for name, value in vars(base).items()
        if not name.startswith("_") and not any(hasattr(theirs, name) for theirs in bases)
    }
    if not own:
        return {}
    used = _names_in(_codes(cls))
    likely = {name: _likely(name, hooks) for name, value in own.items() if _may_be_hook(value)}
    return {name: hook for name, hook in likely.items() if hook and name not in used}


def _likely(name: str, hooks: set[str]) -> str:
    if _ELSEWHERE.get(name) in hooks:
        return _ELSEWHERE[name]
    import difflib  # most names are right

    return next(iter(difflib.get_close_matches(name, sorted(hooks), n=1, cutoff=_ALIKE)), "")


def _may_be_hook(value: object) -> bool:
    return not isinstance(value, property | type)


def _misnamed(cls: type[Any]) -> Iterator[str]:
    for name, hook in likely_names(cls).items():
        yield f"{cls.__name__}.{name}: nothing calls or reads it: did you mean `{hook}`?"


def _silent(cls: type[Any]) -> Iterator[str]:
    for name, last in _MAKERS.items():
        method = next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), None)
        if not isinstance(method, FunctionType) or _is_ours(method):
            continue
        if _returns_nothing(method) and getattr(cls, last) is getattr(Job, last):
            yield (
                f"{cls.__name__}.{name}: never yields and always returns None, so that nothing comes of it: did you"
                " forget to `yield`? If it is meant so, write `return ()`"
            )


def _returns_nothing(method: FunctionType) -> bool:
    """Whether a function comes to its end, and all its ends are None. One that only raises has none."""
    if method.__code__.co_flags & _GIVES:
        return False
    import dis  # most methods that make pairs are generators

    returned: list[bool] = []
    before: dis.Instruction | None = None
    for instruction in dis.get_instructions(method):
        if instruction.opname == "RETURN_CONST":  # from Python 3.12 on
            returned.append(instruction.argval is None)
        elif instruction.opname == "RETURN_VALUE":
            constant = before is not None and before.opname == "LOAD_CONST" and before.argval is None
            returned.append(constant and not instruction.is_jump_target)
        before = instruction
    return bool(returned) and all(returned)


_PACKAGE = __name__.partition(".")[0]


def _is_ours(found: type[Any] | FunctionType) -> bool:
    return found.__module__.partition(".")[0] == _PACKAGE


def _is_users(cls: type[Any]) -> bool:
    """Whether a class is a user's job, not one of ours, nor made of one for mrjob."""
    return isinstance(cls, type) and issubclass(cls, Job) and not hasattr(cls, "mrjob") and bool(_users(cls))


def _users(cls: type[Any]) -> list[type[Any]]:
    """The classes that the user wrote for a job: itself, other jobs, and what stands in the same file."""
    return [
        base
        for base in cls.__mro__
        if not _is_ours(base) and (issubclass(base, Job) or base.__module__ == cls.__module__)
    ]


def _codes(cls: type[Any]) -> Iterator[CodeType]:
    for base in _users(cls):
        for value in vars(base).values():
            function = getattr(value, "__func__", getattr(value, "fget", value))
            if isinstance(function, FunctionType):
                while hasattr(function, "__wrapped__"):
                    function = function.__wrapped__
                yield function.__code__


def _names_in(codes: Iterable[CodeType]) -> set[str]:
    """All names that functions use, and the functions inside them."""
    waiting, names = list(codes), set[str]()
    while waiting:
        code = waiting.pop()
        names.update(code.co_names, (text for text in code.co_consts if isinstance(text, str)))
        waiting += [inner for inner in code.co_consts if isinstance(inner, CodeType)]
    return names
