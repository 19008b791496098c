"""A checkout deployed to the emulator, driven from outside: by S3, the Lambda API and the scripts."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote_plus

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.cloud import warm_scripts

IN, WORK, OUT = "sluice-demo-in", "sluice-demo-work", "sluice-demo-out"
FUNCTIONS = ("coordinator", "mapper", "supervisor", "reducer")

#: Seconds until a test gives up; a run takes a few, on a busy machine some more.
PATIENCE = 240.0
#: Between two looks.
PAUSE = 0.1
LOG_LINES = 12

T = TypeVar("T")


class Run(NamedTuple):
    """A run that has ended; `source` is the URL of the object that started it."""

    job: str
    run: str
    source: str
    #: Names and bodies of its results.
    files: dict[str, bytes]

    @property
    def succeeded(self) -> bool:
        return "_SUCCESS" in self.files

    @property
    def parts(self) -> list[bytes]:
        """The parts in their order."""
        return [body for name, body in sorted(self.files.items()) if name.startswith("part-")]

    @property
    def text(self) -> bytes:
        return b"".join(self.parts)

    @property
    def manifest(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.files["_manifest.json"])
        return found

    @property
    def failure(self) -> str:
        return self.files["_FAILED"].decode()

    def counts(self) -> Counter[str]:
        """What a word count found. Each word once: a word that two parts hold would be counted wrong."""
        found: Counter[str] = Counter()
        for line in self.text.decode().splitlines():
            escaped, _, number = line.rpartition("\t")
            word = escaped.replace("\\\\", "\\")  # the only escape that a word without white space can need
            assert word not in found, f"{word!r} is in the results of {self.run} twice"
            found[word] = int(number)
        return found


@dataclass(frozen=True)
class Cloud:
    """The emulator and a checkout whose jobs are deployed to it; `environ` is for its scripts."""

    root: Path
    environ: Mapping[str, str]
    s3: Any
    functions: Any
    iam: Any
    logs: Any
    #: The source of each run that was looked at, by job and run: it never changes, and a look may be one of hundreds.
    _sources: dict[tuple[str, str], str] = field(default_factory=dict, repr=False, compare=False)

    # -------------------------------------------------------------- objects

    def put(self, bucket: str, key: str, body: bytes = b"") -> str:
        """Write an object; its URL."""
        self.s3.put_object(Bucket=bucket, Key=key, Body=body)
        return f"s3://{bucket}/{key}"

    def get(self, bucket: str, key: str) -> bytes:
        body: bytes = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return body

    def find(self, bucket: str, key: str) -> bytes | None:
        try:
            return self.get(bucket, key)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchKey":
                raise
            return None

    def listing(self, bucket: str, prefix: str = "") -> dict[str, tuple[str, Any]]:
        """(etag, time of the last change) of each object by key."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return {
            row["Key"]: (row["ETag"], row["LastModified"])
            for page in pages
            for row in page.get("Contents", [])
        }

    def buckets(self) -> set[str]:
        return {row["Name"] for row in self.s3.list_buckets()["Buckets"]}

    # -------------------------------------------------------------- runs

    def runs(self, job: str) -> dict[str, str]:
        """The source of each run that has a plan, by its id."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=WORK, Prefix=f"runs/{job}/", Delimiter="/"
        )
        folders = [row["Prefix"] for page in pages for row in page.get("CommonPrefixes", [])]
        found = {run: self._planned_source(job, run) for run in (folder.split("/")[2] for folder in folders)}
        return {run: source for run, source in found.items() if source is not None}

    def _planned_source(self, job: str, run: str) -> str | None:
        if (job, run) not in self._sources:
            document = self.find(WORK, f"runs/{job}/{run}/plan.json")
            if document is None:
                return None
            self._sources[job, run] = json.loads(document)["plan"]["source"]
        return self._sources[job, run]

    def plan(self, job: str, run: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.get(WORK, f"runs/{job}/{run}/plan.json"))
        found: dict[str, Any] = document["plan"]
        return found

    def run_of(self, job: str, source: str) -> str | None:
        """The one run that this object started, if it has begun."""
        found = [run for run, of in self.runs(job).items() if of == source]
        assert len(found) <= 1, f"{source} started {len(found)} runs: {found}"
        return found[0] if found else None

    def ended(self, job: str, wanted: Container[str] | None = None) -> dict[str, Run]:
        """The runs that have ended, by their source; those of the `wanted` sources, or all."""
        runs = {}
        for key in self._verdicts(job):
            run = key.split("/")[1]
            source = self._source(job, run)
            if wanted is None or source in wanted:
                files = {
                    key.split("/", 2)[2]: self.get(OUT, key) for key in self.listing(OUT, f"{job}/{run}/")
                }
                runs[source] = Run(job, run, source, files)
        return runs

    def _source(self, job: str, run: str) -> str:
        """The source of a run that has ended."""
        if (job, run) not in self._sources:
            told = json.loads(self.get(OUT, f"{job}/{run}/_manifest.json")).get("source")
            self._sources[job, run] = told or self.plan(job, run)["source"]
        return self._sources[job, run]

    def wait(self, job: str, sources: Iterable[str]) -> dict[str, Run]:
        """The runs that these objects started, once all of them have ended."""
        wanted = set(sources)

        def look() -> dict[str, Run] | None:
            names = self._verdicts(job)
            if len(names) < len(wanted):
                return None
            ended = self.ended(job, wanted)
            return {source: ended[source] for source in wanted} if wanted <= ended.keys() else None

        return self.until(look, job, f"the runs of {len(wanted)} object(s) of {job} to end")

    def _verdicts(self, job: str) -> list[str]:
        return [key for key in self.listing(OUT, f"{job}/") if key.endswith(("/_SUCCESS", "/_FAILED"))]

    def until(self, look: Callable[[], T | None], job: str, what: str) -> T:
        """What `look` finds, asked until it is something; fails with all there is to know about the job."""
        deadline = time.monotonic() + PATIENCE
        while True:
            began = time.monotonic()
            found = look()
            if found:
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {PATIENCE:.0f} s for {what}\n{self.report(job)}")
            # Who looks all the time takes the processor from what it looks for.
            time.sleep(max(PAUSE, 3 * (time.monotonic() - began)))

    def count(self, job: str, bodies: Mapping[str, bytes]) -> dict[str, Run]:
        """Drop files by their name and wait; the run of each name."""
        urls = {self.put(IN, f"{job}/{name}", body): name for name, body in bodies.items()}
        return {urls[source]: run for source, run in self.wait(job, urls).items()}

    def start(self, name: str, bodies: Mapping[str, bytes]) -> str:
        """Drop files for a marker job, then a manifest that lists them; the manifest's URL."""
        urls = [self.put(IN, f"scripted/{name}/{file}", body) for file, body in bodies.items()]
        return self.put(IN, f"scripted/{name}.manifest", "\n".join(urls).encode())

    def report(self, job: str) -> str:
        """The runs' status, and the last lines that the job's functions logged."""
        told = [self.script("status", job).stdout]
        for function in FUNCTIONS:
            told += [f"--- log of {function}", *self.log(job, function)[-LOG_LINES:]]
        return "\n".join(told)

    def log(self, job: str, function: str) -> list[str]:
        try:
            events = self.logs.filter_log_events(logGroupName=f"/aws/lambda/sluice-{job}-{function}")[
                "events"
            ]
        except ClientError as error:
            return [str(error)]
        return [event["message"].rstrip() for event in sorted(events, key=lambda event: event["timestamp"])]

    # -------------------------------------------------------------- functions

    def invoke(self, job: str, function: str, payload: Any) -> None:
        """Call a function and wait for it; what it raises is an error here."""
        answer = self.functions.invoke(
            FunctionName=f"sluice-{job}-{function}", Payload=json.dumps(payload).encode()
        )
        said = answer["Payload"].read().decode()
        assert "FunctionError" not in answer, said

    def s3_event(self, key: str, sequencer: str = "0055AED6DCD90281E5") -> dict[str, Any]:
        """The event by which S3 tells of an object of the input bucket, as AWS documents it."""
        head = self.s3.head_object(Bucket=IN, Key=key)
        return {
            "Records": [
                {
                    "eventVersion": "2.1",
                    "eventSource": "aws:s3",
                    "awsRegion": "us-east-1",
                    "eventTime": "2026-11-21T03:24:24.123Z",
                    "eventName": "ObjectCreated:Put",
                    "s3": {
                        "s3SchemaVersion": "1.0",
                        "bucket": {"name": IN, "arn": f"arn:aws:s3:::{IN}"},
                        "object": {
                            "key": quote_plus(key, safe="/"),
                            "size": head["ContentLength"],
                            "eTag": head["ETag"].strip('"'),
                            "sequencer": sequencer,
                        },
                    },
                }
            ]
        }

    # -------------------------------------------------------------- scripts

    def script(self, name: str, *args: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        """Run a script of the checkout as a user would.

        `run` begins processes of its own, and what is in PYTHONPATH is for a Python that starts from nothing.
        """
        path = self.root / "scripts" / f"{name}.py"
        if name == "run" or "PYTHONPATH" in self.environ:
            done = self.execute(str(path), *args)
        else:
            done = warm_scripts.run(path, args, self.root, self.environ, 2 * PATIENCE)
        said = f"{name} {args} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        assert not check or done.returncode == 0, said
        return done

    def started(self, name: str, *args: str) -> subprocess.Popen[str]:
        """The same, while it runs; what it prints, errors too, can be read line by line."""
        return subprocess.Popen(
            [sys.executable, "-u", str(self.root / "scripts" / f"{name}.py"), *args],
            cwd=self.root,
            env=dict(self.environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def chalice(self, command: str, stage: str) -> str:
        """Run the real chalice, with nothing of ours around it."""
        run = "import sys; from chalice.cli import main; sys.exit(main())"
        done = self.execute("-c", run, command, "--stage", stage)
        assert done.returncode == 0, (
            f"chalice {command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )
        return done.stdout

    def execute(self, *args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *args],
            cwd=self.root,
            env=dict(self.environ),
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
            check=False,
        )

    # -------------------------------------------------------------- what is deployed

    def deployed(self, job: str) -> dict[str, Any]:
        """All that the account holds of a job: functions, roles, logs and rules."""
        ours = f"sluice-{job}-"
        functions = self.functions.get_paginator("list_functions").paginate()
        roles = self.iam.get_paginator("list_roles").paginate()
        groups = self.logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{ours}")["logGroups"]
        return {
            "functions": {
                row["FunctionName"]: self._settings(row["FunctionName"])
                for page in functions
                for row in page["Functions"]
                if row["FunctionName"].startswith(ours)
            },
            "roles": {
                row["RoleName"]: self._policies(row["RoleName"])
                for page in roles
                for row in page["Roles"]
                if row["RoleName"].startswith(ours)
            },
            "logs": sorted(row["logGroupName"] for row in groups),
            "events": {bucket: self._events(bucket, ours) for bucket in (IN, WORK, OUT)},
            "lifecycle": {bucket: self._lifecycle(bucket, ours) for bucket in (IN, WORK, OUT)},
        }

    def _settings(self, name: str) -> dict[str, Any]:
        found = self.functions.get_function_configuration(FunctionName=name)
        kept = ("Handler", "MemorySize", "Timeout", "Runtime", "Role", "Environment", "Architectures")
        retries = self.retries(name)["MaximumRetryAttempts"]
        loop = self.functions.get_function_recursion_config(FunctionName=name)["RecursiveLoop"]
        return {key: found.get(key) for key in kept} | {"retries": retries, "recursion": loop}

    def retries(self, name: str) -> dict[str, Any]:
        """What becomes of the function's asynchronous events that fail.

        CloudFormation has to name a version. To AWS `$LATEST` is the same as none; MiniStack keeps the two apart.
        """
        ask = self.functions.get_function_event_invoke_config
        try:
            found = ask(FunctionName=name)
        except self.functions.exceptions.ResourceNotFoundException:
            found = ask(FunctionName=name, Qualifier="$LATEST")
        kept = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")
        return {key: found[key] for key in kept}

    def _policies(self, role: str) -> dict[str, Any]:
        names = self.iam.list_role_policies(RoleName=role)["PolicyNames"]
        return {
            name: self.iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names
        }

    def _events(self, bucket: str, ours: str) -> list[Any]:
        found = self.s3.get_bucket_notification_configuration(Bucket=bucket)
        rules = found.get("LambdaFunctionConfigurations", [])
        kept = [
            {k: v for k, v in rule.items() if k != "Id"}
            for rule in rules
            if ours in rule["LambdaFunctionArn"]
        ]
        return sorted(kept, key=lambda rule: rule["LambdaFunctionArn"])

    def _lifecycle(self, bucket: str, ours: str) -> list[Any]:
        try:
            rules = self.s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchLifecycleConfiguration":
                raise
            return []
        return [rule for rule in rules if rule["ID"].startswith(ours)]


def connect(root: Path, environ: Mapping[str, str]) -> Cloud:
    """Clients of the emulator that `environ` points to, and of nothing else."""

    def client(service: str) -> Any:
        return client_of(environ, service)

    return Cloud(root, environ, client("s3"), client("lambda"), client("iam"), client("logs"))


def client_of(environ: Mapping[str, str], service: str) -> Any:
    """A client of the emulator that `environ` points to."""
    return boto3.client(
        service,
        endpoint_url=environ["AWS_ENDPOINT_URL"],
        region_name=environ["AWS_DEFAULT_REGION"],
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
        config=Config(read_timeout=PATIENCE, max_pool_connections=32),
    )
