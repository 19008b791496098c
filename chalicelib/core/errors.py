"""Every error that Sluice raises on purpose. Its text says where, what, and what was expected.

    SluiceError *
    ├── UserError *              the user can mend it: printed without a traceback, never retried
    │   ├── ConfigError *
    │   ├── CodeChanged
    │   ├── DataTypeError *
    │   │   └── Unsupported      in `codec.py`
    │   └── InputError *
    │       └── InputChanged
    ├── JobCodeError *
    ├── StoreError
    │   ├── NotFound
    │   ├── Forbidden
    │   └── PreconditionFailed
    ├── InvokeError
    ├── DiskError
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
    """The user's mapper, combiner or reducer raised; the cause is chained."""


class CodeChanged(UserError):
    """A job was deployed again while a run was under way that its former code began."""


class DataTypeError(UserError):
    """A key or value is of a type that Sluice does not carry, or keys do not compare."""


class InputError(UserError):
    """Input bytes that cannot be read as the declared format. The text names object and offset."""


class InputChanged(InputError):
    """An input object was overwritten or deleted while the run was reading it."""


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


class DiskError(SluiceError):
    """The local disk is full, or failed: the attempt fails, and the next one may find room."""


class CorruptData(SluiceError):
    """Bytes that Sluice itself wrote no longer have the checksum or shape that they were written with."""


class RunFailed(SluiceError):
    """A run ended with `_FAILED`. The text is the reason."""


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
