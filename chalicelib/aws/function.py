"""The composition root on Lambda: one process serves one function of one job.

Clients and the handler's modules are made once per process, while Lambda starts it (`prepare`),
because a process has a whole CPU then, however little memory its function has. What changes from
one invocation to the next is the time that remains, and nothing else.
"""

from __future__ import annotations

import functools
import gc
import logging
import os
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast, get_args

from msgspec import Struct

from ..core.keys import parse_run_key
from ..core.ports import FunctionName, Runtime
from ..functions.attempt.log_lines import JsonLines, printed_as_lines
from ..job.services import JOBS_LOG
from ..run.events import created, failed_event, is_of_bus, round_of, tells_of_objects

if TYPE_CHECKING:
    from ..core.spec import JobSpec
    from ..mapreduce.guard.host import ThisProcess

log = logging.getLogger(__name__)

#: Where the zip is unpacked: the folder of `app.py`, `chalicelib/` and `jobs/`.
ROOT = Path(__file__).resolve().parents[2]

Event = dict[str, Any]


class LambdaContext(Protocol):
    """What we use of the object that Lambda gives to every invocation."""

    def get_remaining_time_in_millis(self) -> int: ...


class SystemClock:
    def now(self) -> float:
        return time.time()

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)


class TimeLeft:
    """Seconds until Lambda stops the invocation under way."""

    def __init__(self) -> None:
        self.context: LambdaContext | None = None

    def __call__(self) -> float:
        if self.context is None:
            raise RuntimeError("the time that remains is known during an invocation only")
        return self.context.get_remaining_time_in_millis() / 1000


class Process(Struct, frozen=True, kw_only=True):
    """One function of one job, ready to handle invocations one after the other."""

    job: str
    function: FunctionName
    handle: Callable[[Event], None]
    time_left: TimeLeft
    host: ThisProcess

    def run(self, event: Event, context: LambdaContext) -> None:
        """Handle one invocation. An error is logged with its ids and raised, so that Lambda retries."""
        failed = failed_event(event)
        ids = {"job": self.job, "function": self.function, **event_ids(failed or event)}
        if failed is not None:
            reason = event["requestContext"]
            ids |= {"failed": reason.get("functionArn"), "condition": reason.get("condition")}
            log.warning("a function has failed for good on an event", extra=ids)
        elif again := round_of(event):
            log.warning(
                "an event on which a function has failed is taken up again", extra=ids | {"round": again}
            )
        elif self.function in ("coordinator", "supervisor") and not tells_of_objects(event):
            log.info("ignored an event without Records (S3 sends one to test a new rule)", extra=ids)
            return
        self.time_left.context = context
        self.host.begin()
        try:
            with printed_as_lines(self.function, event, sys.stdout):
                self.handle(event)
        except Exception:
            log.exception("the %s failed; Lambda retries it", self.function, extra=ids)
            raise


def event_ids(event: Event) -> dict[str, Any]:
    """What an event tells about itself, for the log: run, tasks and attempt, or bucket and key."""
    found: dict[str, Any] = {key: event[key] for key in ("job", "run", "attempt") if key in event}
    if "lo" in event and "hi" in event:
        found["task"] = f"{event['lo']}..{event['hi'] - 1}"
    of_bus = (
        {"s3": {"bucket": {"name": item.loc.bucket}, "object": {"key": item.loc.key}}}
        for item in created(event)
    )
    for record in of_bus if is_of_bus(event) else event.get("Records") or ():
        place = record.get("s3", {})
        found["bucket"] = place.get("bucket", {}).get("name")
        found["key"] = place.get("object", {}).get("key")
        ours = parse_run_key(str(found["bucket"]), str(found["key"]))
        if ours:
            found["run"] = ours[0].run
        break
    return found


def split_function_name(deployed: str) -> tuple[str, FunctionName]:
    """(`sluice-<job>-`, function) of a deployed function's name; its siblings share the prefix."""
    for function in get_args(FunctionName):
        if deployed.endswith(f"-{function}"):
            return deployed.removesuffix(function), function
    expected = ", ".join(f"*-{name}" for name in get_args(FunctionName))
    raise RuntimeError(f"AWS_LAMBDA_FUNCTION_NAME: expected one of {expected}, got {deployed!r}")


def compose(environ: Mapping[str, str], root: Path) -> Process:
    """Build the process that `environ` describes; imports only what its function needs."""
    was_on = gc.isenabled()
    gc.disable()  # what is imported is no garbage, and to look through it takes long
    try:
        return _composed(environ, root)
    finally:
        if was_on:
            gc.freeze()  # no collection of an invocation looks through it, either
            gc.enable()


def _composed(environ: Mapping[str, str], root: Path) -> Process:
    prefix, function = split_function_name(environ["AWS_LAMBDA_FUNCTION_NAME"])
    from ..mapreduce.guard.host import ThisProcess

    job, time_left = environ["SLUICE_NAME"], TimeLeft()
    host = ThisProcess(int(environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE") or 0))
    handle: Callable[..., None] = functools.partial(
        _handler(function), _runtime(prefix, time_left, host, root, environ)
    )
    if function in ("coordinator", "scheduler", "auditor"):
        name, spec = _configured(job, environ, root)
        handle = functools.partial(handle, name=name, spec=spec)
    elif function == "supervisor":
        handle = functools.partial(handle, configured=functools.partial(_configured, job, environ, root))
        if environ.get("SLUICE_TELLS"):
            handle = functools.partial(handle, **_epilogue())
    return Process(job=job, function=function, handle=handle, time_left=time_left, host=host)


def _handler(function: FunctionName) -> Callable[..., None]:
    if function == "auditor":  # what only this one imports has a room of its own
        from ..functions.auditing import auditor

        return auditor.handle
    module = import_module(f"..functions.{function}", __package__)
    return cast(Callable[..., None], module.handle)


def _seats(environ: Mapping[str, str]) -> int:
    """How many supervisors may wait, by how many functions may run at once as its deployment found."""
    from ..functions.supervision.seats import seats_for

    told = environ.get("SLUICE_CONCURRENCY", "")
    return seats_for(int(told) if told.isdecimal() else None)


def _runtime(
    prefix: str, time_left: TimeLeft, host: ThisProcess, root: Path, environ: Mapping[str, str]
) -> Runtime:
    from ..core.deployment_spec import split_names
    from ..job.load_class import job_loader
    from ..mapreduce.guard.apart import Fork
    from ..run.calls import AT_ONCE
    from ..stores.disk import system_disk
    from ..stores.s3 import S3Store, make_client, parts_at_once, reads_at_once
    from .invoker import LambdaInvoker

    s3, functions = make_client("s3"), make_client("lambda")

    def hang_up() -> None:
        """Two processes cannot share a connection; both clients open new ones when they need them."""
        s3.close()
        functions.close()

    return Runtime(
        store=S3Store(
            s3, parallel_reads=reads_at_once(host.memory), parallel_writes=parts_at_once(host.memory)
        ),
        invoker=LambdaInvoker(functions, prefix),
        clock=SystemClock(),
        new_token=lambda: uuid.uuid4().hex[:12],
        remaining=time_left,
        load_job=job_loader(root / "jobs", split_names(environ.get("SLUICE_PACKAGES", ""))),
        disk=system_disk(),
        seats=_seats(environ),
        parallel_calls=AT_ONCE,
        apart=Fork(hang_up),
        host=host,
    )


def _epilogue() -> dict[str, Callable[..., None]]:
    """What follows a run. Clients give up soon: Lambda delivers the event again, and who waits is charged for it."""
    import boto3
    from botocore.config import Config

    from .catalog import Catalog
    from .notices import Teller

    config = Config(retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=5, read_timeout=10)

    def client(service: str) -> Any:
        return cast(Any, boto3).client(service, config=config)

    return {"tell": Teller(client), "register": Catalog(client)}


def _configured(job: str, environ: Mapping[str, str], root: Path) -> tuple[str, JobSpec]:
    """The job's name and its YAML, which the coordinator reads; the others find what they need in the plan."""
    from ..config.load import load_job

    loaded = load_job(job, root=root, environ=environ, require_cloud=True)
    return loaded.name, loaded.spec


def configure_logging() -> None:
    """Use the handler that Lambda installed, with our format; botocore's own chatter stays out."""
    root = logging.getLogger()
    if not root.handlers:  # Lambda installs one, an emulator need not
        root.addHandler(logging.StreamHandler(sys.stdout))
    for handler in root.handlers:
        handler.setFormatter(JsonLines())
    root.setLevel(logging.WARNING)
    for ours in (__name__.partition(".")[0], JOBS_LOG):
        logging.getLogger(ours).setLevel(logging.INFO)


@functools.cache
def process() -> Process:
    """This process's function, composed once."""
    return compose(os.environ, ROOT)


def prepare() -> None:
    """Called while Lambda starts the process: configure and import before the first event."""
    configure_logging()
    process()


def run(event: Event, context: LambdaContext) -> None:
    """Handle one invocation of the function that this process is."""
    process().run(event, context)
