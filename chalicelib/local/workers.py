"""Worker processes, forked from one warm parent, and the messages between them.

A worker is what a Lambda is: it gets a function's name and a payload, and may start other functions and
create objects while it works. Both reach the parent as messages; data never does, it is in the store.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NoReturn

from msgspec import Struct, field, msgpack

from ..core.errors import StoreError, user_traceback
from ..core.ports import Files, FunctionName, Loc, Runtime
from ..core.spec import TimeoutSpec
from ..functions import mapper, reducer, supervisor
from ..functions.attempt.log_lines import printed_as_lines
from ..mapreduce.guard.apart import Fork
from ..mapreduce.guard.host import ThisProcess
from ..stores.disk import LocalDisk
from .log_file import log_to
from .remote.mixed_store import Remote, store_over

_HANDLERS: dict[FunctionName, Callable[[Runtime, dict[str, Any]], None]] = {
    "mapper": mapper.handle,
    "reducer": reducer.handle,
    "supervisor": supervisor.handle,
}
#: Seconds of the least time-out there is here (some of it is kept for writing), and of the longest that a job's file
#: may have, which stands for none.
_LEAST_TIMEOUT, _NO_TIMEOUT = 5, 900
#: Seconds of a function without a time-out. The supervisor has none here: it hands over when it has one.
_FOREVER = 10.0**9
#: Seconds beyond its time-out after which a function is ended that does not end by itself.
_GRACE = 5.0


def timeouts_of(spec: TimeoutSpec) -> dict[FunctionName, float]:
    """Those of the functions that run the job's code. The longest that AWS allows means that there is none here."""
    given: dict[FunctionName, int] = {"mapper": spec.mapper, "reducer": spec.reducer}
    return {name: max(seconds, _LEAST_TIMEOUT) for name, seconds in given.items() if seconds < _NO_TIMEOUT}


class Call(Struct, frozen=True):
    """Parent to worker: run this function. `tried` counts earlier deliveries that came to nothing."""

    function: FunctionName
    payload: dict[str, Any]
    tried: int = 0


class Report(Struct, frozen=True):
    """Worker to parent: an invocation asked for, an object created, or the work is done."""

    kind: Literal["invoke", "created", "idle"]
    function: FunctionName = "mapper"
    payload: dict[str, Any] = {}
    bucket: str = ""
    key: str = ""
    error: str = ""


class World:
    """What stands between a worker and all else: here nothing. Tests put trouble there."""

    def runtime(self, runtime: Runtime) -> Runtime:
        """What the handlers get; called in each new process, before its first invocation."""
        return runtime

    def reports(self, report: Report) -> Iterable[Report]:
        """What the parent hears when a worker says `report`."""
        return (report,)


WAKE = b"wake"
_reports = msgpack.Decoder(Report)
_calls = msgpack.Decoder(Call)


class Setup(Struct):
    """What every worker is forked with."""

    roots: list[Path]
    load_job: Callable[[str], type[Any]]
    scratch: Path
    #: Whether an object's creation is anybody's business.
    watched: Callable[[Loc], bool]
    world: World = field(default_factory=World)
    #: Seconds that an invocation of a function may run; without a number there is no limit.
    timeouts: Mapping[FunctionName, float] = field(default_factory=dict)
    #: In which folders the files of some roots lie for now.
    standing_in: Mapping[Path, Path] = field(default_factory=dict)
    #: What is read that is no file of this machine.
    remote: Remote | None = None
    #: Descriptors of the parent's that are to end with the parent, whatever becomes of its workers.
    private: tuple[int, ...] = ()
    #: What is a file of this machine, for what reads it in place.
    files: Files | None = None
    #: The file that a worker logs to, by its number.
    log: Callable[[int], Path] | None = None


class Pipe:
    """One end of a two-way pipe between processes, for whole messages; `multiprocessing` takes 10 ms to import."""

    _LENGTH = 4

    def __init__(self, read: int, write: int) -> None:
        self._read, self._write = read, write
        self._ready = select.poll()
        self._ready.register(read, select.POLLIN)

    @staticmethod
    def pair() -> tuple[Pipe, Pipe]:
        (read, theirs), (their_read, write) = os.pipe(), os.pipe()
        return Pipe(read, write), Pipe(their_read, theirs)

    def fileno(self) -> int:
        return self._read

    def send(self, body: bytes) -> None:
        """Raises BrokenPipeError if nobody is there to read it."""
        left = memoryview(len(body).to_bytes(self._LENGTH, "big") + body)
        while left:
            left = left[os.write(self._write, left) :]

    def receive(self) -> bytes:
        """The next message. Raises EOFError if none will come."""
        return self._take(int.from_bytes(self._take(self._LENGTH), "big"))

    def poll(self, seconds: float) -> bool:
        """Wait for a message: whether there is one."""
        return bool(self._ready.poll(seconds * 1000))

    def close(self) -> None:
        os.close(self._read)
        os.close(self._write)

    def _take(self, size: int) -> bytes:
        body = bytearray()
        while len(body) < size:
            some = os.read(self._read, size - len(body))
            if not some:
                raise EOFError
            body += some
        return bytes(body)


def first_of(workers: Iterable[Worker], seconds: float) -> list[Worker]:
    """The workers that have something to tell, or are gone, of which `Worker.read` tells; none after so long."""
    by_number = {worker.pipe.fileno(): worker for worker in workers}
    ready = select.poll()
    for number in by_number:
        ready.register(number, select.POLLIN)
    return [by_number[number] for number, _ in ready.poll(seconds * 1000)]


class Worker:
    """The parent's side of one process."""

    def __init__(self, setup: Setup, number: int = 0) -> None:
        self._setup, self._number = setup, number
        self.call: Call | None = None
        #: When the call in hand is overdue, by `time.monotonic`, and whether it was.
        self.until = float("inf")
        self.overdue = False
        self._start()

    def _start(self) -> None:
        self.pipe, theirs = Pipe.pair()
        gc.freeze()
        if self._setup.remote:
            self._setup.remote.hang_up()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        self._pid = os.fork()
        if not self._pid:
            _live(theirs, self._setup, self.pipe, self._number)
        theirs.close()

    def restart(self) -> int:
        """Replace a process that died; its exit code."""
        self.pipe.close()
        code = self._ended()
        self.call, self.overdue = None, False
        self._start()
        return code

    def give(self, call: Call) -> None:
        self.call = call
        self.until = time.monotonic() + self._setup.timeouts.get(call.function, _FOREVER) + _GRACE
        with suppress(BrokenPipeError):  # it died just now: reading from it will tell
            self.pipe.send(msgpack.encode(call))

    def end_overdue(self) -> None:
        """Kill the process if its call has lasted too long; reading from it will tell."""
        if self.call and not self.overdue and time.monotonic() >= self.until:
            self.overdue = True
            self.kill()

    def wake(self) -> None:
        with suppress(BrokenPipeError):
            self.pipe.send(WAKE)

    def read(self) -> Report:
        """The next report. Raises EOFError or OSError if the process is gone."""
        return _reports.decode(self.pipe.receive())

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)

    def stop(self) -> None:
        """End the process, which may be over, and be rid of it."""
        self.kill()
        self._ended()
        self.pipe.close()

    def _ended(self) -> int:
        """The exit code, when the process is over; that of a signal is below 0."""
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


def new_token() -> str:
    return uuid.uuid4().hex[:12]


class _Timeout:
    """How long the invocation in hand may go on. Time in which the machine sleeps does not count."""

    def __init__(self, timeouts: Mapping[FunctionName, float]) -> None:
        self._timeouts = timeouts
        self._until = _FOREVER

    def begin(self, function: FunctionName) -> None:
        self._until = time.monotonic() + self._timeouts.get(function, _FOREVER)

    def remaining(self) -> float:
        return self._until - time.monotonic()


class _Clock:
    """A worker's clock; its pauses end when the parent says that something has happened."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe

    def now(self) -> float:
        return time.time()

    def pause(self, seconds: float) -> None:
        if self._pipe.poll(seconds):
            self._pipe.receive()  # WAKE: a busy worker is sent nothing else


class _Invoker:
    def __init__(self, send: Callable[[Report], None]) -> None:
        self._send = send

    def invoke(self, function: FunctionName, payload: dict[str, Any]) -> None:
        self._send(Report("invoke", function, payload))


def _live(pipe: Pipe, setup: Setup, parents: Pipe, number: int) -> NoReturn:
    """All that the child does; whatever happens, it goes no way back into its parent's code."""
    code: object = 1
    try:
        if sys.stdin is not None:  # it is the parent's
            with open(os.devnull) as nothing:
                os.dup2(nothing.fileno(), 0)
            sys.stdin = open(0, closefd=False)  # noqa: SIM115 (for as long as the process lasts)
        _work(pipe, setup, parents, number)
    except SystemExit as left:
        code = left.code or 0
    except BaseException:  # noqa: BLE001 - the root of a process
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
    finally:
        os._exit(code if isinstance(code, int) else 1)


def _work(pipe: Pipe, setup: Setup, parents: Pipe, number: int) -> NoReturn:
    """A worker's whole life."""
    parents.close()
    for descriptor in setup.private:
        os.close(descriptor)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if setup.log:
        log_to(setup.log(number))

    def send(report: Report) -> None:
        for heard in setup.world.reports(report):
            pipe.send(msgpack.encode(heard))

    def created(loc: Loc) -> None:
        if setup.watched(loc):
            send(Report("created", bucket=loc.bucket, key=loc.key))

    timeout, host = _Timeout(setup.timeouts), ThisProcess()
    runtime = setup.world.runtime(
        Runtime(
            store=store_over(setup.roots, created, setup.standing_in, setup.remote),
            invoker=_Invoker(send),
            clock=_Clock(pipe),
            new_token=new_token,
            remaining=timeout.remaining,
            load_job=setup.load_job,
            disk=LocalDisk(setup.scratch),
            apart=Fork(setup.remote.hang_up if setup.remote else None),
            host=host,
            files=setup.files,
        )
    )
    try:
        while True:
            body = pipe.receive()
            if body != WAKE:
                call = _calls.decode(body)
                timeout.begin(call.function)
                host.begin()
                send(Report("idle", error=_handle(runtime, call)))
    except (EOFError, OSError):
        os._exit(0)  # the parent is gone


def _handle(runtime: Runtime, call: Call) -> str:
    """Run a handler; what it raises, as text."""
    try:
        with printed_as_lines(call.function, call.payload, sys.stdout, shown=True):
            _HANDLERS[call.function](runtime, call.payload)
    except Exception as error:  # noqa: BLE001 - the root of a process: the parent decides
        # Where in our code the store refused something helps nobody: its text names the object.
        trace = "" if isinstance(error, StoreError) else user_traceback(error)
        return f"{type(error).__name__}: {error}\n{trace}".rstrip()
    return ""
