"""Every error that Sluice raises on purpose. Its text says where, what, and what was expected.

    SluiceError *
    ├── UserError *              the user can mend it: printed without a traceback, never retried
    │   ├── ConfigError *
    │   ├── CodeChanged
    │   ├── ProcessKilled
    │   ├── DataTypeError *
    │   │   └── Unsupported      in `codec.py`
    │   ├── LimitMet
    │   ├── NoResult
    │   ├── NotConverged
    │   └── InputError *
    │       └── InputChanged
    ├── JobCodeError *
    ├── RunStopped
    ├── StoreError
    │   ├── NotFound
    │   ├── Forbidden
    │   └── PreconditionFailed
    ├── InvokeError
    ├── NoticeError
    ├── DiskError
    ├── LostProcess
    ├── CorruptData
    └── RunFailed *

Those with a star are public: `run_job` and what a job may call raise them, so users' tests may name them. The others
pass between rooms, and what is left of them ends a task or a run. mrjob's `StepFailedException` is its own.
"""

from __future__ import annotations

import traceback
from pathlib import Path


class SluiceError(Exception):
    """Base of them all."""

    #: Every attempt would meet a fatal error again, so a task that meets one is not retried.
    fatal = False


class UserError(SluiceError):
    """Something the user can mend: a job file, a path, a name on the command line."""

    fatal = True


class ConfigError(UserError):
    """A job's YAML, an environment variable or `--set` holds something unexpected."""


class JobCodeError(SluiceError):
    """The user's mapper, combiner or reducer raised; the cause is chained, and `may_pass` judges it."""


class CodeChanged(UserError):
    """A job was deployed again while a run was under way that its former code began."""


class ProcessKilled(UserError):
    """A record or group that ends the process which maps or reduces it: it crashes, or leaves without a word."""


class DataTypeError(UserError):
    """A key or value is of a type that Sluice does not carry, or keys do not compare."""


class LimitMet(UserError):
    """A run would pass one of the job's `limits`, or what its functions bear. The text names the number, the limit and
    what to change.
    """


class NoResult(UserError):
    """A step's result that `self.run.result` cannot give: no record is to blame. The text says what to do instead."""


class NotConverged(UserError):
    """A loop has done all the rounds it may, and its job wants it to have converged by then."""


class InputError(UserError):
    """Input bytes that cannot be read as the declared format. The text names object and offset."""


class InputChanged(InputError):
    """An input object was overwritten or deleted while the run was reading it."""


class RunStopped(SluiceError):
    """Somebody has stopped the run: whoever is at work on it ends, and writes nothing more."""


class StoreError(SluiceError):
    """The object store answered with an error, and went on doing so when asked again."""


class NotFound(StoreError):
    """The object, bucket or folder does not exist."""


class Forbidden(StoreError):
    """The caller may not touch this object or bucket."""


class PreconditionFailed(StoreError):
    """The object no longer has the etag the caller named."""


class InvokeError(SluiceError):
    """A function could not be started, not even when it was tried again."""


class NoticeError(SluiceError):
    """A notice of a run's end could not be delivered; the run is not touched by it, and the event comes again."""


class DiskError(SluiceError):
    """The local disk is full, or failed: the attempt fails, and the next one may find room."""


class LostProcess(SluiceError):
    """The process of an attempt was ended, and no record is to blame: the next attempt may come to its end."""


class CorruptData(SluiceError):
    """Bytes that Sluice itself wrote no longer have the checksum or shape that they were written with."""


class RunFailed(SluiceError):
    """A run ended with `_FAILED`. The text is the reason."""


#: Of memory, disk, time and network. (`TimeoutError` and `ConnectionError` are kinds of `OSError`.)
_WORLDS_FAULTS = (MemoryError, OSError, StoreError, InvokeError, DiskError)
#: Libraries whose errors are the network's or another process's, whatever they are called.
_WORLDLY_LIBRARIES = frozenset(
    {"boto3", "botocore", "http", "requests", "s3transfer", "subprocess", "urllib3"}
)
#: DuckDB's errors that are not those of a query or a value.
_DUCKDB_PASSING = frozenset(
    {"OutOfMemoryException", "IOException", "HTTPException", "InterruptException", "InternalException"}
)


def comes_again(error: BaseException) -> bool:
    """Whether every attempt would meet it again, so that another one is of no use.

    Of what a job's own code raises that is assumed, for it is a function of the record, unless it `may_pass`.
    """
    if isinstance(error, JobCodeError):
        return not may_pass(error.__cause__)
    return isinstance(error, SluiceError) and error.fatal


def may_pass(error: BaseException | None) -> bool:
    """Whether what a job's code raised may be the world's fault: memory, disk, time, the network, a service.

    So are errors that were raised from such an error or while one was handled, and those of a class with
    `retry = True`. Of what has no cause nothing is known, so that it may pass, too.
    """
    if error is None:
        return True
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        found = waiting.pop()
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        if _is_the_worlds(found):
            return True
        waiting += (found.__cause__, found.__context__)
        if isinstance(found, BaseExceptionGroup):
            waiting += found.exceptions
    return False


def _is_the_worlds(error: BaseException) -> bool:
    kinds = [(kind.__module__.lstrip("_").partition(".")[0], kind.__name__) for kind in type(error).__mro__]
    return (
        isinstance(error, _WORLDS_FAULTS)
        or getattr(type(error), "retry", False) is True
        or any(
            home in _WORLDLY_LIBRARIES or (home == "duckdb" and name in _DUCKDB_PASSING)
            for home, name in kinds
        )
    )


def user_traceback(error: BaseException) -> str:
    """The traceback, with only the user's frames if a job's code raised; empty for a UserError: its text is enough."""
    if isinstance(error, UserError):
        return ""
    cause = error.__cause__ if isinstance(error, JobCodeError) and error.__cause__ else error
    trace = traceback.TracebackException.from_exception(cause)
    if isinstance(error, JobCodeError):
        own = f"{Path(__file__).parents[1]}/"
        theirs = [frame for frame in trace.stack if not frame.filename.startswith(own)]
        trace.stack = traceback.StackSummary.from_list(theirs)
    return "".join(trace.format()).rstrip()


def explain(error: BaseException) -> str:
    """The last line that Python prints of an error, such as `ValueError: what it says`."""
    return "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]


def of_user(error: Exception | SystemExit) -> Exception:
    """What the user's code raised, as an error: `sys.exit` would end the process, and all that it has in hand."""
    if isinstance(error, Exception):
        return error
    return UserError(f"the job's code ended its process, by sys.exit or exit: {explain(error)}")
