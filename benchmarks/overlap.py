# ruff: noqa: N803 - the arguments have the names that boto3 gives them
"""How busy a task on S3 is: real mappers and reducers against a store that adds time to each request and each byte.

    python benchmarks/overlap.py                          this code
    python benchmarks/overlap.py --against ../other       in turn with the code of another checkout
    python benchmarks/overlap.py --stretch 5              all of it five times slower, on a machine that is busy

The store is `S3Store` over a client that keeps objects in memory and sleeps as S3 would take: 30 ms a request, and
60 MB/s for each request's body. The jobs compute by sleeping, too, so that what else runs on the machine hardly counts.

`waited` is for how long the task's own thread stood still for the store, `busy` the rest of its wall time. The slower
half is what computing takes, or uploads would in line, whichever is more, as a share of computing and waiting together:
of the wall, but for what the task waits for a processor that others have.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import wraps
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
#: By how much the store and the jobs are slower than is said; figures are divided by it.
STRETCH = float(os.environ.get("OVERLAP_STRETCH", "1"))
WAIT, RATE = 0.030 * STRETCH, 60e6 / STRETCH
#: Bytes of input; enough for several parts of 8 MiB each.
SIZE = 64 << 20


#: Seconds for which the task's own thread has waited for the store, and how deep it is in that.
_waited = [0.0, 0.0]


@contextmanager
def waiting() -> Iterator[None]:
    """Counts what is done in it as waiting, if the task's own thread does it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    began = time.perf_counter()
    _waited[1] += 1
    try:
        yield
    finally:
        _waited[1] -= 1
        if not _waited[1]:
            _waited[0] += time.perf_counter() - began


def watch() -> None:
    """Have what waits for a thread counted."""

    def counted(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def call(*args: Any, **named: Any) -> Any:
            with waiting():
                return method(*args, **named)

        return call

    Future.result = counted(Future.result)  # type: ignore[method-assign]
    ThreadPoolExecutor.shutdown = counted(ThreadPoolExecutor.shutdown)  # type: ignore[method-assign]


class SlowClient:
    """What `S3Store` asks of boto3's client, in memory; each request takes its time."""

    def __init__(self) -> None:
        self.wait, self.rate = 0.0, float("inf")
        self.objects: dict[tuple[str, str], bytes] = {}
        self._parts: dict[str, dict[int, bytes]] = {}
        self._lock = threading.Lock()
        #: Seconds that uploads would take in line, and reads.
        self.sending = self.reading = 0.0

    def _take(self, size: int, *, sends: bool) -> None:
        seconds = WAIT + size / RATE
        with self._lock:
            if sends:
                self.sending += seconds
            else:
                self.reading += seconds
        with waiting():
            time.sleep(self.wait + size / self.rate)

    def get_object(self, *, Bucket: str, Key: str, Range: str = "", **_: Any) -> dict[str, Any]:
        body = self._found(Bucket, Key, "GetObject")
        whole = len(body)
        if Range:
            start, _, stop = Range.removeprefix("bytes=").partition("-")
            body = body[int(start) : int(stop) + 1 if stop else None]
        self._take(len(body), sends=False)
        return {"Body": BytesIO(body), "ETag": self._etag(Bucket, Key), "ContentRange": f"bytes 0-0/{whole}"}

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        body = self._found(Bucket, Key, "HeadObject")
        self._take(0, sends=False)
        return {
            "ContentLength": len(body),
            "ETag": self._etag(Bucket, Key),
            "LastModified": datetime.now(UTC),
        }

    def list_objects_v2(self, *, Bucket: str, Prefix: str, **_: Any) -> dict[str, Any]:
        self._take(0, sends=False)
        found = sorted(key for bucket, key in self.objects if bucket == Bucket and key.startswith(Prefix))
        now = datetime.now(UTC)
        rows = [
            {
                "Key": key,
                "Size": len(self.objects[Bucket, key]),
                "ETag": self._etag(Bucket, key),
                "LastModified": now,
            }
            for key in found
        ]
        return {"Contents": rows}

    def put_object(
        self, *, Bucket: str, Key: str, Body: bytes, IfNoneMatch: str = "", **_: Any
    ) -> dict[str, Any]:
        self._take(len(Body), sends=True)
        self._put(Bucket, Key, Body, "PutObject", absent=bool(IfNoneMatch))
        return {"ETag": self._etag(Bucket, Key)}

    def delete_objects(self, *, Bucket: str, Delete: dict[str, Any]) -> dict[str, Any]:
        for row in Delete["Objects"]:
            self.objects.pop((Bucket, row["Key"]), None)
        return {}

    def create_multipart_upload(self, **_: Any) -> dict[str, Any]:
        self._take(0, sends=True)
        with self._lock:
            upload = str(len(self._parts))
            self._parts[upload] = {}
        return {"UploadId": upload}

    def upload_part(self, *, UploadId: str, PartNumber: int, Body: bytes, **_: Any) -> dict[str, Any]:
        self._take(len(Body), sends=True)
        self._parts[UploadId][PartNumber] = Body
        return {"ETag": f'"{PartNumber:032x}"'}

    def complete_multipart_upload(
        self,
        *,
        Bucket: str,
        Key: str,
        UploadId: str,
        IfNoneMatch: str = "",
        **_: Any,
    ) -> dict[str, Any]:
        self._take(0, sends=True)
        parts = self._parts.pop(UploadId)
        body = b"".join(parts[number] for number in sorted(parts))
        self._put(Bucket, Key, body, "CompleteMultipartUpload", absent=bool(IfNoneMatch))
        return {}

    def abort_multipart_upload(self, *, UploadId: str, **_: Any) -> dict[str, Any]:
        self._parts.pop(UploadId, None)
        return {}

    def _found(self, bucket: str, key: str, operation: str) -> bytes:
        try:
            return self.objects[bucket, key]
        except KeyError:
            raise _refusal("NoSuchKey", 404, operation) from None

    def _put(self, bucket: str, key: str, body: bytes, operation: str, *, absent: bool) -> None:
        with self._lock:
            if absent and (bucket, key) in self.objects:
                raise _refusal("PreconditionFailed", 412, operation)
            self.objects[bucket, key] = body

    def _etag(self, bucket: str, key: str) -> str:
        body = self.objects[bucket, key]
        return f'"{hashlib.md5(str((key, len(body))).encode(), usedforsecurity=False).hexdigest()}"'


def _refusal(code: str, status: int, operation: str) -> Exception:
    from botocore.exceptions import ClientError

    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, operation)  # type: ignore[typeddict-item]


class OneRun:
    """One run of one map task and one reduce task, whose handlers are called by hand."""

    def __init__(self, job: type[Any], inputs: dict[str, bytes], client: SlowClient, scratch: Path) -> None:
        from chalicelib.core.keys import RunKeys
        from chalicelib.core.ports import Loc
        from chalicelib.core.spec import InputSpec, JobSpec, OutputSpec, PlaceSpec
        from chalicelib.run import plan_step
        from chalicelib.stores.disk import LocalDisk
        from chalicelib.stores.s3 import S3Store

        self.store = S3Store(client)  # type: ignore[arg-type]
        self.job, self.disk, self._tokens = job, LocalDisk(scratch), 0
        self.keys = RunKeys(Loc("work", ""), "job", "run")
        self.calls: list[dict[str, Any]] = []
        places = [Loc("in", f"data/{name}") for name in inputs]
        client.objects |= {tuple(place): body for place, body in zip(places, inputs.values(), strict=True)}  # type: ignore[misc]
        spec = JobSpec(
            job="job:Job",
            input=InputSpec(url="s3://in/data/"),
            work=PlaceSpec(url="s3://work/"),
            output=OutputSpec(url="s3://out/"),
            split_size=1 << 30,
            reduce_size=1 << 30,
            memory_budget=1 << 30,
        )
        run = plan_step.NewRun(
            spec=spec,
            source=places[0].url,
            inputs=[("in", self.store.head(place)) for place in places],
            output=Loc("out", ""),
        )
        plan_step.begin(self.runtime(), self.keys, run)

    def now(self) -> float:
        return time.time()

    def pause(self, seconds: float) -> None:  # noqa: ARG002
        raise AssertionError("neither a mapper nor a reducer waits")

    def invoke(self, function: str, payload: dict[str, Any]) -> None:
        if function != "supervisor":
            self.calls.append(payload)

    def token(self) -> str:
        self._tokens += 1
        return f"t{self._tokens}"

    def runtime(self) -> Any:
        from chalicelib.core.ports import Runtime

        return Runtime(
            store=self.store,
            invoker=self,
            clock=self,
            new_token=self.token,
            remaining=lambda: 900.0,
            load_job=lambda _: self.job,
            disk=self.disk,
        )

    def map(self) -> None:
        from chalicelib.functions import mapper

        mapper.handle(self.runtime(), {**self.calls.pop(), "small": False})

    def plan_reduce(self) -> None:
        from chalicelib.core.messages import encode, to_payload
        from chalicelib.core.plan_file import read_head
        from chalicelib.run.calls import call_for
        from chalicelib.run.reduce_plan import plan_reduce

        plan = plan_reduce(self.store, self.keys, read_head(self.store, self.keys))
        self.store.put(self.keys.reduce_plan, encode(plan))
        self.calls = [to_payload(call_for(self.keys, 0, len(plan.tasks)))]

    def reduce(self) -> None:
        from chalicelib.functions import reducer

        reducer.handle(self.runtime(), self.calls.pop())


class Computing:
    """Computes by sleeping: so many seconds a byte."""

    slept = 0.0

    @classmethod
    def take(cls, size: int, rate: float) -> None:
        began = time.perf_counter()
        time.sleep(size / rate * STRETCH)
        cls.slept += time.perf_counter() - began


def _jobs() -> dict[str, type[Any]]:
    from chalicelib import Job

    class Filter(Job):
        """Rows straight to a part, as many as are read: 20 MB/s, so that computing is the slower half."""

        shuffle = False
        rate = 20e6

        def mapper_chunk(self, text: str) -> Any:
            Computing.take(len(text), self.rate)
            return [(line[:8], line) for line in text.splitlines()]

    class Copy(Filter):
        """The same at 120 MB/s: uploads in line would be the slower half."""

        rate = 120e6

    class Shuffle(Job):
        """Every record goes through the shuffle and to the output."""

        def mapper_chunk(self, text: str) -> Any:
            Computing.take(len(text), 20e6)
            return [(line[:12], line) for line in text.splitlines()]

        def reducer(self, key: str, values: Any) -> Any:
            for value in values:
                self._held = getattr(self, "_held", 0) + len(value)
                if self._held > 1 << 17:
                    Computing.take(self._held, 20e6)
                    self._held = 0
                yield key, value

    class Fast(Filter):
        """Of all its rows it keeps a few: reads are the slower half."""

        rate = 120e6

        def mapper_chunk(self, text: str) -> Any:
            return super().mapper_chunk(text)[::100]

    return {
        "filter": Filter,
        "copy": Copy,
        "shuffle": Shuffle,
        "objects of 4 MB": Filter,
        "objects of 200 KB": Filter,
        "gz": Filter,
        "few rows of objects of 4 MB": Fast,
    }


def inputs_of(name: str, body: bytes) -> dict[str, bytes]:
    """The objects of one task: one, or many, or one that is compressed."""
    if name == "gz":
        return {"a.gz": gzip.compress(body, 1)}
    size = 200_000 if "200 KB" in name else 4_000_000 if "4 MB" in name else len(body)
    return {f"{at:012}.txt": body[at : at + size] for at in range(0, len(body), size)}


def text(size: int) -> bytes:
    """Lines of 500 hexadecimal digits: a block of rows is 4 MB then."""
    chance = random.Random(7)
    return b"".join(chance.randbytes(250).hex().encode() + b"\n" for _ in range(size // 500))


def measured(name: str, body: bytes) -> dict[str, dict[str, float]]:
    """Of each phase: `wall` seconds, those of computing, and those that its reads and uploads would take in line."""
    found: dict[str, dict[str, float]] = {}
    job, client = _jobs()[name], SlowClient()
    with tempfile.TemporaryDirectory() as scratch:
        run = OneRun(job, inputs_of(name, body), client, Path(scratch))
        phases: list[tuple[str, Callable[[], None]]] = [("map", run.map)]
        if getattr(job, "shuffle", True):
            phases.append(("reduce", run.reduce))
        for phase, work in phases:
            if phase == "reduce":
                run.plan_reduce()
            client.sending = client.reading = Computing.slept = _waited[0] = 0.0
            client.wait, client.rate = WAIT, RATE
            began, used = time.perf_counter(), time.process_time()
            work()
            wall, processor = time.perf_counter() - began, time.process_time() - used
            client.wait, client.rate = 0.0, float("inf")
            figures = {
                "wall": wall,
                "waited": _waited[0],
                "compute": Computing.slept + processor,
                "uploads": client.sending,
                "reads": client.reading,
            }
            found[phase] = {name: seconds / STRETCH for name, seconds in figures.items()}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description="How busy a task on S3 is.", epilog="Example: overlap.py --rounds 3"
    )
    parser.add_argument(
        "--against", type=Path, help="another checkout, whose code runs in turn with this one's"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=SIZE, help="bytes of input (default: 64 MiB)")
    parser.add_argument("--stretch", type=float, default=1.0, help="times by which everything is slower")
    parser.add_argument("--only", choices=list(_jobs()), action="append", help="these jobs (default: all)")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # one job, once, as JSON: in a process of its own
    asked = parser.parse_args()
    if asked.one:
        watch()
        print(json.dumps(measured(asked.one, text(asked.size))))
        return
    os.environ["OVERLAP_STRETCH"] = str(asked.stretch)
    places = {"this": ROOT} | ({"other": asked.against.resolve()} if asked.against else {})
    print(
        "| task | code | reads | computing | uploads | wall | waited | busy | slower half |\n"
        "|---|---|--:|--:|--:|--:|--:|--:|--:|"
    )
    for name in asked.only or _jobs():
        rows: dict[tuple[str, str], list[dict[str, float]]] = {}
        for _ in range(asked.rounds):
            for code, place in places.items():
                for phase, row in _once(name, place, asked.size).items():
                    rows.setdefault((phase, code), []).append(row)
        for (phase, code), some in sorted(rows.items()):
            mean = {figure: median(row[figure] for row in some) for figure in some[0]}
            figures = " | ".join(
                f"{mean[figure]:.2f}" for figure in ("reads", "compute", "uploads", "wall", "waited")
            )
            busy = 1 - mean["waited"] / mean["wall"]
            slower = max(mean["compute"], mean["uploads"]) / (mean["compute"] + mean["waited"])
            print(f"| {name}, {phase} | {code} | {figures} | {busy:.0%} | {slower:.0%} |", flush=True)


def _once(name: str, code: Path, size: int) -> dict[str, dict[str, float]]:
    command = [sys.executable, __file__, "--one", name, "--size", str(size)]
    environment = os.environ | {"PYTHONPATH": str(code)}
    answer = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found: dict[str, dict[str, float]] = json.loads(answer.stdout)
    return found


if __name__ == "__main__":
    if "" not in sys.path and not os.environ.get("PYTHONPATH"):
        sys.path.insert(1, str(ROOT))
    main()
