"""Each function under its own role, in an account that enforces policies: what it needs passes, the rest is refused.

moto signs, authenticates and evaluates each S3 request. It does not know conditions (on `s3:prefix`, on owners), which
are taken out here; `tests/unit/scripts/test_policies.py` judges them, and the invocations, by its own reading of IAM,
which is compared with moto's below.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace as replace_target
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core.authorization import enable_iam_authentication
from moto.iam.access_control import IAMPolicy, PermissionResult
from msgspec.structs import replace

from chalicelib import Job, Sum
from chalicelib.core.errors import Forbidden, StoreError
from chalicelib.core.keys import DONE
from chalicelib.core.ports import FunctionName, Loc, Runtime
from chalicelib.core.spec import BadRecordsSpec, InputSpec, JobSpec, OutputSpec, PlaceSpec
from chalicelib.functions import coordinator, mapper, reducer, scheduler, supervisor
from chalicelib.functions.auditing import auditor
from chalicelib.run import job_code
from chalicelib.run.events import event_for
from chalicelib.run.periods.keys import PeriodKeys
from chalicelib.stores.disk import LocalDisk
from chalicelib.stores.s3 import S3Store
from chalicelib.stores.s3_errors import translated
from scripts.deployment.policies import may_start, policies
from scripts.deployment.target import FUNCTIONS, Json, Target, Where, function_name
from tests.unit.scripts.test_policies import allowed, object_arn
from tests.worlds.simulation import report_of


class Words(Job):
    def mapper(self, _: Any, line: str) -> Any:
        if line == "poison":
            raise ValueError(line)
        yield line, 1

    reducer = Sum()


IN, WORK, OUT, ELSE = "demo-in", "demo-work", "demo-out", "demo-else"
SPEC = JobSpec(
    job="words:Words",
    input=InputSpec(url=f"s3://{IN}/data/"),
    work=PlaceSpec(url=f"s3://{WORK}/w/"),
    output=OutputSpec(url=f"s3://{OUT}/words/"),
    split_size=100,
    bad_records=BadRecordsSpec(policy="quarantine", max_fraction=0.5),
)
TARGET = Target(name="words", spec=SPEC, overrides={}, shape=job_code.shape(lambda _: Words, SPEC))
DOCUMENTS = policies(TARGET, Where("aws", "us-east-1", "123456789012"))
CLOCKED = replace(SPEC, trigger="every 15m", audit=3600)
CLOCKED_DOCUMENTS = policies(replace_target(TARGET, spec=CLOCKED), Where("aws", "us-east-1", "123456789012"))
HANDLERS: dict[FunctionName, Callable[..., None]] = {
    "coordinator": lambda runtime, event: coordinator.handle(runtime, event, "words", SPEC),
    "scheduler": lambda runtime, event: scheduler.handle(runtime, event, "words", CLOCKED),
    "mapper": mapper.handle,
    "supervisor": supervisor.handle,
    "reducer": reducer.handle,
}


def without_conditions(document: Json) -> Json:
    statements = [
        {key: value for key, value in statement.items() if key != "Condition"}
        for statement in document["Statement"]
    ]
    return {**document, "Statement": statements}


class OneByOne(S3Store):
    """Deletes each key by itself: of a DeleteObjects, moto asks whether the bucket may be deleted from."""

    def delete(self, bucket: str, keys: Iterable[str]) -> None:
        for key in keys:
            try:
                self.client.delete_object(Bucket=bucket, Key=key)
            except ClientError as error:
                raise translated(error, "DeleteObject", Loc(bucket, key).url) from error


@cache
def session() -> boto3.Session:
    """One for all clients, each of which has keys of its own: it looks for descriptions of services once."""
    return boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing")


class Account:
    """Buckets with objects of several owners, a role for each function, and one for the user who looks on."""

    def __init__(self, documents: Mapping[FunctionName, Json]) -> None:
        self.documents = documents
        self._iam = session().client("iam", region_name="us-east-1")
        self._sts = session().client("sts", region_name="us-east-1")
        everything = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
        }
        self.admin = self._under_role("admin", everything)
        self.stores = {
            function: self._under_role(function_name("words", function), without_conditions(document))
            for function, document in documents.items()
        }
        for bucket in (IN, WORK, OUT, ELSE):
            self.admin.client.create_bucket(Bucket=bucket)
        for loc in FOREIGN.values():
            self.admin.put(loc, SECRET)

    def _under_role(self, name: str, document: Json) -> S3Store:
        trust = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}
        role = self._iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
        self._iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(document))
        got = self._sts.assume_role(RoleArn=role["Arn"], RoleSessionName="test")["Credentials"]
        client = session().client(
            "s3",
            region_name="us-east-1",
            aws_access_key_id=got["AccessKeyId"],
            aws_secret_access_key=got["SecretAccessKey"],
            aws_session_token=got["SessionToken"],
            config=Config(retries={"total_max_attempts": 1}),
        )
        return OneByOne(client)

    def close(self) -> None:
        for client in (
            self._iam,
            self._sts,
            *(store.client for store in (self.admin, *self.stores.values())),
        ):
            client.close()


SECRET = b"secret"
SECRET_ETAG = hashlib.md5(SECRET).hexdigest()
#: What is no business of some function or other.
FOREIGN = {
    "another bucket": Loc(ELSE, "data/a.txt"),
    "the input": Loc(IN, "data/a.txt"),
    "input beside the prefix": Loc(IN, "private/a.txt"),
    "another job's work": Loc(WORK, "w/runs/others/r/plan.json"),
    "a job's work whose name begins alike": Loc(WORK, "w/runs/words2/r/plan.json"),
    "work beside the prefix": Loc(WORK, "runs/words/r/plan.json"),
    "another job's results": Loc(OUT, "others/r/part-00000.tsv"),
    "a part": Loc(OUT, "words/r/part-00000.tsv"),
    "a run file": Loc(WORK, "w/runs/words/r/map/000000.0.ab.run"),
    "a verdict": Loc(WORK, "w/runs/words/r/run.done"),
}


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws(), ExitStack() as stack:
        found = Account(DOCUMENTS)
        stack.callback(found.close)
        stack.enter_context(enable_iam_authentication())
        yield found


@pytest.fixture
def clocked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """The same of a job that the clock starts."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws(), ExitStack() as stack:
        found = Account(CLOCKED_DOCUMENTS)
        stack.callback(found.close)
        stack.enter_context(enable_iam_authentication())
        yield found


class Cloud:
    """Delivers what functions start and what S3 tells, each to a handler under its own role."""

    def __init__(self, account: Account, scratch: Path, job: type[Job]) -> None:
        self.account, self.scratch, self.job = account, scratch, job
        self.queue: list[tuple[FunctionName, dict[str, Any]]] = []
        self.told: set[str] = {loc.key for loc in FOREIGN.values()}
        self.ran: set[str] = set()
        self.tokens = count()
        self.seats: int | None = None

    def run(self, *, twice: bool = False) -> None:
        while self.queue:
            function, payload = self.queue.pop(0)
            self.ran.add(function)
            for _ in range(1 + twice):
                HANDLERS[function](self._runtime(function), payload)
            for info in self.account.admin.list(Loc(WORK, "w/")):
                if info.key.endswith(DONE) and info.key not in self.told:
                    self.told.add(info.key)
                    self.queue.append(("supervisor", event_for(Loc(WORK, info.key))))

    def _runtime(self, function: FunctionName) -> Runtime:
        cloud = self

        class Invoker:
            def invoke(self, other: FunctionName, payload: dict[str, Any]) -> None:
                arn = f"arn:aws:lambda:us-east-1:123456789012:function:{function_name('words', other)}"
                assert allowed(cloud.account.documents[function], "lambda:InvokeFunction", arn)
                cloud.queue.append((other, payload))

        class Clock:
            time = 1_795_232_664.0

            def now(self) -> float:
                return self.time

            def pause(self, seconds: float) -> None:
                """Another function's turn comes: what waits is called again by its event."""
                raise Waits

        return Runtime(
            store=self.account.stores[function],
            invoker=Invoker(),
            clock=Clock(),
            new_token=lambda: f"{next(self.tokens):04x}",
            remaining=lambda: 300.0,
            load_job=lambda _: self.job,
            disk=LocalDisk(self.scratch),
            seats=self.seats,
        )


class Waits(Exception):
    """A supervisor had nothing to do."""


HANDLERS["supervisor"] = lambda runtime, event: _patient(runtime, event)


def _patient(runtime: Runtime, event: dict[str, Any]) -> None:
    try:
        supervisor.handle(runtime, event)
    except Waits:
        return


@pytest.mark.parametrize("seats", [None, 0, 1])
@pytest.mark.parametrize("body", [b"a\nb\n" * 100, b"poison\na\na\n"])
def test_whole_runs_pass_under_the_functions_own_roles(
    account: Account, body: bytes, seats: int | None, tmp_path: Path
) -> None:
    cloud = Cloud(account, tmp_path, Words)
    cloud.seats = seats
    place = Loc(IN, "data/new.txt")
    account.admin.put(place, body)
    cloud.queue.append(("coordinator", event_for(place)))
    cloud.run(twice=True)  # so that losers clean up after themselves, too
    small = seats is not None and b"poison" in body  # in one map task: its mapper needs no reducer
    assert cloud.ran == set(FUNCTIONS) - ({"reducer"} if small else set())
    keys = [info.key for info in account.admin.list(Loc(OUT, "words/"))]
    assert any(key.endswith("/_SUCCESS") for key in keys)
    parts = b"".join(
        account.admin.get(Loc(OUT, key)) for key in keys if "/part-" in key and "words/r/" not in key
    )
    assert parts == (b"a\t2\n" if b"poison" in body else b"a\t100\nb\t100\n")


def test_what_lambda_gave_up_on_is_noted_under_the_supervisors_own_role(
    account: Account, tmp_path: Path
) -> None:
    cloud = Cloud(account, tmp_path, Words)
    cloud.seats = 0
    account.admin.put(Loc(IN, "data/new.txt"), b"a\nb\n")
    cloud.queue.append(("coordinator", event_for(Loc(IN, "data/new.txt"))))
    runtime = cloud._runtime("coordinator")
    HANDLERS["coordinator"](runtime, cloud.queue.pop()[1])
    ((function, payload),) = cloud.queue
    cloud.queue = [("supervisor", report_of(function, payload))]
    cloud.run()
    assert [info.key for info in account.admin.list(Loc(WORK, "w/")) if info.key.endswith("000000.0.failed")]
    assert any(info.key.endswith("/_SUCCESS") for info in account.admin.list(Loc(OUT, "words/")))


def test_a_period_passes_under_the_functions_own_roles(
    clocked: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ticks that come twice, one that loses, and what is no longer needed is deleted."""
    monkeypatch.setitem(
        HANDLERS, "coordinator", lambda runtime, event: coordinator.handle(runtime, event, "words", CLOCKED)
    )
    cloud = Cloud(clocked, tmp_path, Words)
    for number in range(4):
        clocked.admin.put(Loc(IN, f"data/{number}.txt"), f"{number}\n".encode())
        cloud.queue.append(("scheduler", {}))
        cloud.run(twice=True)
    keys = PeriodKeys(Loc(WORK, "w/"), "words")
    assert len(list(clocked.admin.list(keys.all_taken))) == 2
    parts = [
        clocked.admin.get(Loc(OUT, info.key))
        for info in clocked.admin.list(Loc(OUT, "words/"))
        if "/part-" in info.key and "words/r/" not in info.key
    ]
    assert sorted(b"".join(parts).splitlines()) == [b"0\t1", b"1\t1", b"2\t1", b"3\t1", b"secret\t1"]


def multipart(store: S3Store, loc: Loc) -> object:
    with store.writer(loc) as writer:
        writer.write(bytes(9 << 20))
        return writer.commit()


#: What a function could ask of one object.
READS: dict[str, Callable[[S3Store, Loc], object]] = {
    "get": lambda store, loc: store.get(loc),
    "head": lambda store, loc: store.head(loc),
    "stream": lambda store, loc: b"".join(store.stream(loc)),
    "copy": lambda store, loc: store.client.copy_object(
        Bucket=WORK, Key="w/mine", CopySource={"Bucket": loc.bucket, "Key": loc.key}
    ),
}
WRITES: dict[str, Callable[[S3Store, Loc], object]] = {
    "put": lambda store, loc: store.put(loc, b"harm"),
    "put_if_absent": lambda store, loc: store.put_if_absent(loc, b"harm"),
    "put_if_match": lambda store, loc: store.put_if_match(loc, b"harm", SECRET_ETAG),
    "multipart": multipart,
}
DELETES: dict[str, Callable[[S3Store, Loc], object]] = {
    "delete": lambda store, loc: store.delete(loc.bucket, [loc.key]),
}
ALL_KINDS = READS | WRITES | DELETES
MAY_READ = READS.keys() - {"copy"}  # the copy's own place is nobody's
#: What each function may do to each of the things above; all else must be refused.
MAY: dict[FunctionName, dict[str, set[str]]] = {
    "coordinator": {"the input": {*MAY_READ}, "a verdict": {*MAY_READ, *WRITES}},
    "mapper": {
        "the input": {*MAY_READ},
        "a run file": {*MAY_READ, *WRITES, *DELETES},
        "a verdict": {*MAY_READ, *WRITES},
        "a part": {*MAY_READ, *WRITES},
    },
    "supervisor": {"a run file": {*MAY_READ}, "a verdict": {*MAY_READ, *WRITES}},
    "reducer": {
        "a run file": {*MAY_READ},
        "a verdict": {*MAY_READ, *WRITES},
        "a part": {*MAY_READ, *WRITES},
    },
}


class Later:
    """Two hours after the objects were put."""

    def __init__(self, account: Account) -> None:
        self._time = account.admin.head(FOREIGN["the input"]).modified + 7200

    def now(self) -> float:
        return self._time

    def pause(self, seconds: float) -> None:
        raise Waits


def test_what_was_lost_is_found_and_started_under_the_auditor_s_own_role(
    clocked: Account, tmp_path: Path
) -> None:
    """A manifest whose event never came, and a run whose coordinator died behind its plan."""
    manifest = Loc(IN, "data/x.manifest")
    clocked.admin.put(manifest, b"data/a.txt\n")
    clocked.admin.delete(WORK, [FOREIGN["a verdict"].key])  # which is none
    cloud = Cloud(clocked, tmp_path, Words)
    runtime = replace(cloud._runtime("auditor"), clock=Later(clocked))
    auditor.handle(runtime, {}, "words", CLOCKED)
    assert [function for function, _ in cloud.queue] == ["coordinator"]
    event = cloud.queue.pop()[1]
    coordinator.handle(cloud._runtime("coordinator"), event, "words", CLOCKED)
    (done,) = [info.key for info in clocked.admin.list(Loc(WORK, "w/")) if info.key.endswith("plan.done")]
    clocked.admin.delete(WORK, [done])
    cloud.queue.clear()
    auditor.handle(runtime, {}, "words", CLOCKED)
    assert {function for function, _ in cloud.queue} == {"mapper", "supervisor"}
    cloud.run()
    assert any(info.key.endswith("/_SUCCESS") for info in clocked.admin.list(Loc(OUT, "words/")))


#: What an auditor may read beside what it lists.
AUDITED = {"a run file", "a verdict"}


@pytest.mark.parametrize("function", ["scheduler", "auditor"])
def test_what_a_clock_starts_is_refused_every_other_call(clocked: Account, function: FunctionName) -> None:
    for name, loc in FOREIGN.items():
        for kind, call in ALL_KINDS.items():
            if function == "auditor" and name in AUDITED and kind in MAY_READ:
                continue
            with pytest.raises((Forbidden, ClientError), match=r"AccessDenied|403|Forbidden"):
                call(clocked.stores[function], loc)
        assert clocked.admin.get(loc) == SECRET


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_other_call_is_refused_and_harms_nothing(account: Account, function: FunctionName) -> None:
    for kind, call in ALL_KINDS.items():
        refused = []
        for name, loc in FOREIGN.items():
            if kind in MAY[function].get(name, ()):
                call(account.stores[function], loc)
                account.admin.put(loc, SECRET)
                continue
            with pytest.raises((Forbidden, ClientError), match=r"AccessDenied|403|Forbidden"):
                print(f"{kind} of {name}:", call(account.stores[function], loc))  # shown if it is not refused
            assert account.admin.get(loc) == SECRET, (kind, name)
            refused.append(name)
        assert {"another bucket", "input beside the prefix", "another job's work"} <= set(refused), kind


@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_upload_of_another_job_can_be_neither_joined_nor_ended(
    account: Account, function: FunctionName
) -> None:
    loc = FOREIGN["another job's work"]
    place: dict[str, Any] = {"Bucket": loc.bucket, "Key": loc.key}
    place["UploadId"] = account.admin.client.create_multipart_upload(**place)["UploadId"]
    client: Any = account.stores[function].client
    for forbidden in (
        lambda: client.upload_part(**place, PartNumber=1, Body=b"harm"),
        lambda: client.complete_multipart_upload(**place, MultipartUpload={"Parts": []}),
        lambda: client.abort_multipart_upload(**place),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            forbidden()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_buckets_cannot_be_listed_changed_or_made(account: Account, function: FunctionName) -> None:
    store = account.stores[function]
    with pytest.raises(Forbidden):
        list(store.list(Loc(ELSE, "")))
    client: Any = store.client
    for forbidden in (
        lambda: client.put_bucket_policy(Bucket=IN, Policy="{}"),
        lambda: client.delete_bucket(Bucket=ELSE),
        lambda: client.create_bucket(Bucket="mine-now"),
        lambda: client.put_object_acl(Bucket=IN, Key="data/a.txt", ACL="public-read"),
        lambda: client.get_bucket_policy(Bucket=IN),
    ):
        with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
            forbidden()


def test_credentials_of_nobody_are_refused(account: Account) -> None:
    stranger = boto3.client(
        "s3", region_name="us-east-1", aws_access_key_id="AKIAXXXXXXXXXXXXXXXX", aws_secret_access_key="guess"
    )
    with pytest.raises(StoreError) as caught:
        S3Store(stranger).get(FOREIGN["the input"])
    stranger.close()
    assert "guess" not in str(caught.value)


HERE = "arn:aws:lambda:us-east-1:123456789012:function:"
#: The last ones are another partition, region and account.
ARNS = (
    HERE,
    "arn:aws-cn:lambda:us-east-1:123456789012:function:",
    "arn:aws:lambda:eu-west-1:123456789012:function:",
    "arn:aws:lambda:us-east-1:1:function:",
)
STRANGERS = ("sluice-others-mapper", "sluice-words2-mapper", "payroll", "sluice-words-mapper-2")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_only_its_siblings_can_be_started(function: FunctionName) -> None:
    for prefix in ARNS:
        for name in STRANGERS:
            assert not permitted(function, "lambda:InvokeFunction", prefix + name)
        for action in ("lambda:UpdateFunctionCode", "lambda:DeleteFunction", "iam:PassRole"):
            assert not permitted(function, action, prefix + "sluice-words-mapper")
        started = {
            name
            for name in FUNCTIONS
            if permitted(function, "lambda:InvokeFunction", prefix + function_name("words", name))
        }
        assert started == (set(may_start(function, small=True)) if prefix == HERE else set())


def permitted(function: FunctionName, action: str, resource: str) -> bool:
    """What moto's evaluator says; of an Invoke, moto itself would not ask it with the function's name."""
    document = json.dumps(without_conditions(DOCUMENTS[function]))
    found = IAMPolicy(document).is_action_permitted(action, resource)
    return bool(found is PermissionResult.PERMITTED)


ACTIONS = (
    "s3:GetObject",
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:AbortMultipartUpload",
    "s3:ListBucket",
    "s3:PutBucketPolicy",
    "s3:PutObjectAcl",
    "lambda:InvokeFunction",
    "lambda:UpdateFunctionCode",
    "logs:PutLogEvents",
    "kms:Decrypt",
    "iam:PassRole",
)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_our_own_reading_of_policies_agrees_with_motos(function: FunctionName) -> None:
    """`allowed` is what whole simulated runs, time-outs and failures included, are judged by elsewhere."""
    resources = [object_arn(loc) for loc in FOREIGN.values()]
    resources += [f"arn:aws:s3:::{bucket}" for bucket in (IN, WORK, OUT, ELSE)]
    resources += [
        prefix + name
        for prefix in ARNS
        for name in (*STRANGERS, *(function_name("words", f) for f in FUNCTIONS))
    ]
    resources += [
        f"arn:aws:logs:us-east-1:{account}:log-group:/aws/lambda/{function_name('words', name)}:log-stream:x"
        for name in FUNCTIONS
        for account in ("123456789012", "1")
    ]
    resources.append("arn:aws:kms:us-east-1:1:key/1")
    answers = {
        (action, resource): permitted(function, action, resource)
        for action in ACTIONS
        for resource in resources
    }
    document = without_conditions(DOCUMENTS[function])
    assert answers == {request: allowed(document, *request) for request in answers}
    assert set(answers.values()) == {True, False}


# ------------------------------------------------------------------ conditions, which moto does not judge


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_bucket_can_be_listed_as_a_whole(function: FunctionName) -> None:
    for bucket in (IN, WORK, OUT, ELSE):
        for prefix in (None, "", "w", "w/runs/", "w/runs/words2/", "dat", "wor"):
            assert not allowed(DOCUMENTS[function], "s3:ListBucket", f"arn:aws:s3:::{bucket}", prefix)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_may_be_done_may_not_be_done_in_a_bucket_of_somebody_else(function: FunctionName) -> None:
    tried = 0
    for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"):
        for loc in FOREIGN.values():
            if allowed(DOCUMENTS[function], action, object_arn(loc)):
                tried += 1
                assert not allowed(DOCUMENTS[function], action, object_arn(loc), owner="999999999999")
    assert tried
