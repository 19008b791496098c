"""Every error Sluice raises. The text of an error says where, what, and what was expected.

Two families matter to callers: `UserError` is a mistake the user can mend (it is printed as a
block, without a traceback); everything else below `SluiceError` is a fault of the run.
"""

from __future__ import annotations

import traceback
from pathlib import Path


class SluiceError(Exception):
    """Base of all errors raised on purpose."""

    #: A fatal error would be the same on every attempt, so a task that meets it is not retried.
    fatal = False


class UserError(SluiceError):
    """Something the user can mend: a job file, a path, a name on the command line."""

    fatal = True


class ConfigError(UserError):
    """A job's YAML, an environment variable or `--set` holds something unexpected."""


class JobCodeError(SluiceError):
    """The user's mapper, combiner or reducer raised; the cause is chained."""


class DataTypeError(UserError):
    """A key or value is of a type that Sluice does not carry, or keys do not compare."""


class InputError(UserError):
    """Input bytes that cannot be read as the declared format: names object and offset."""


class InputChanged(InputError):
    """An input object was overwritten or deleted while the run was reading it."""


class StoreError(SluiceError):
    """The object store answered with an error that a retry did not mend."""


class NotFound(StoreError):
    """The object, bucket or folder does not exist."""


class Forbidden(StoreError):
    """The caller may not touch this object or bucket."""


class PreconditionFailed(StoreError):
    """The object no longer has the etag the caller named."""


class InvokeError(SluiceError):
    """A function could not be started, and a retry did not mend it."""


class DiskError(SluiceError):
    """The local disk is full, or failed: the attempt fails, and the next one may find room."""


class CorruptData(SluiceError):
    """Bytes that Sluice itself wrote do not have the checksum or shape they were written with."""


class RunFailed(SluiceError):
    """A run ended with `_FAILED`; the text is its reason."""


def user_traceback(error: BaseException) -> str:
    """The traceback, of the user's code from there on; empty for a user's mistake, whose text is enough."""
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
    """One line on an error: its last line, as Python prints it."""
    return "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
