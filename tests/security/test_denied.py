"""Each function under its own role, in an account that enforces policies: what it needs passes, the rest is refused.

moto signs, authenticates and evaluates each S3 request. It does not know conditions on `s3:prefix`, which are
taken out here; `tests/unit/test_policies.py` judges them, and the invocations, by its own reading of IAM.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core.authorization import enable_iam_authentication

from chalicelib import Job, Sum, coordinator, mapper, reducer, supervisor
from chalicelib.errors import Forbidden, StoreError
from chalicelib.events import event_for
from chalicelib.keys import DONE
from chalicelib.ports import FunctionName, Loc, Runtime
from chalicelib.spec import BadRecordsSpec, InputSpec, JobSpec, OutputSpec, PlaceSpec
from chalicelib.stores.s3 import S3Store
from chalicelib.stores.s3_errors import translated
from scripts.deployment.plan import FUNCTIONS, Json, Target, function_name
from scripts.deployment.policies import policies
from tests.unit.test_policies import allowed

IN, WORK, OUT, ELSE = "demo-in", "demo-work", "demo-out", "demo-else"
SPEC = JobSpec(
    job="words:Words",
    input=InputSpec(url=f"s3://{IN}/data/"),
    work=PlaceSpec(url=f"s3://{WORK}/w/"),
    output=OutputSpec(url=f"s3://{OUT}/words/"),
    split_size=100,
    bad_records=BadRecordsSpec(policy="quarantine", max_fraction=0.5),
)
TARGET = Target(name="words", spec=SPEC, overrides={})
DOCUMENTS = policies(TARGET)
HANDLERS: dict[FunctionName, Callable[..., None]] = {
    "coordinator": lambda runtime, event: coordinator.handle(runtime, event, "words", SPEC),
    "mapper": mapper.handle,
    "supervisor": supervisor.handle,
    "reducer": reducer.handle,
}


class Words(Job):
    def mapper(self, _: Any, line: str) -> Any:
        if line == "poison":
            raise ValueError(line)
        yield line, 1

    reducer = Sum()


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


class Account:
    """Buckets with objects of several owners, a role for each function, and one for the user who looks on."""

    def __init__(self) -> None:
        self._iam = boto3.client("iam", region_name="us-east-1")
        self._sts = boto3.client("sts", region_name="us-east-1")
        everything = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
        }
        self.admin = self._under_role("admin", everything)
        self.stores = {
            function: self._under_role(
                function_name("words", function), without_conditions(DOCUMENTS[function])
            )
            for function in FUNCTIONS
        }
        for bucket in (IN, WORK, OUT, ELSE):
            self.admin.client.create_bucket(Bucket=bucket)
        for loc in FOREIGN.values():
            self.admin.put(loc, b"secret")

    def _under_role(self, name: str, document: Json) -> S3Store:
        trust = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}
        role = self._iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
        self._iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(document))
        got = self._sts.assume_role(RoleArn=role["Arn"], RoleSessionName="test")["Credentials"]
        client = boto3.client(
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
        found = Account()
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
                assert allowed(DOCUMENTS[function], "lambda:InvokeFunction", arn)
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
            scratch=self.scratch,
        )


class Waits(Exception):
    """A supervisor had nothing to do."""


HANDLERS["supervisor"] = lambda runtime, event: _patient(runtime, event)


def _patient(runtime: Runtime, event: dict[str, Any]) -> None:
    try:
        supervisor.handle(runtime, event)
    except Waits:
        return


@pytest.mark.parametrize("body", [b"a\nb\n" * 100, b"poison\na\na\n"])
def test_whole_runs_pass_under_the_functions_own_roles(account: Account, body: bytes, tmp_path: Path) -> None:
    cloud = Cloud(account, tmp_path, Words)
    place = Loc(IN, "data/new.txt")
    account.admin.put(place, body)
    cloud.queue.append(("coordinator", event_for(place)))
    cloud.run(twice=True)  # so that losers clean up after themselves, too
    assert cloud.ran == set(FUNCTIONS)
    keys = [info.key for info in account.admin.list(Loc(OUT, "words/"))]
    assert any(key.endswith("/_SUCCESS") for key in keys)
    parts = b"".join(
        account.admin.get(Loc(OUT, key)) for key in keys if "/part-" in key and "words/r/" not in key
    )
    assert parts == (b"a\t2\n" if b"poison" in body else b"a\t100\nb\t100\n")


def get(store: S3Store, loc: Loc) -> object:
    return store.get(loc)


def put(store: S3Store, loc: Loc) -> object:
    return store.put(loc, b"harm")


def delete(store: S3Store, loc: Loc) -> object:
    return store.delete(loc.bucket, [loc.key])


def multipart(store: S3Store, loc: Loc) -> object:
    with store.writer(loc) as writer:
        writer.write(bytes(9 << 20))
        return writer.commit()


ALL_KINDS = {"get": get, "put": put, "delete": delete, "multipart": multipart}
#: What each function may do to each of the things above; all else must be refused.
MAY: dict[FunctionName, dict[str, set[str]]] = {
    "coordinator": {"the input": {"get"}},
    "mapper": {"the input": {"get"}, "a run file": set(ALL_KINDS), "a verdict": {"get"}},
    "supervisor": {"a run file": {"get"}, "a verdict": {"get", "put", "multipart"}},
    "reducer": {
        "a run file": {"get"},
        "a verdict": {"get", "put", "multipart"},
        "a part": {"get", "put", "multipart"},
    },
}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_other_call_is_refused_and_harms_nothing(account: Account, function: FunctionName) -> None:
    refused = 0
    for name, loc in FOREIGN.items():
        for kind, call in ALL_KINDS.items():
            if kind in MAY[function].get(name, ()):
                call(account.stores[function], loc)
                account.admin.put(loc, b"secret")
                continue
            with pytest.raises(Forbidden, match=rf"s3://{loc.bucket}/.*: AccessDenied"):
                call(account.stores[function], loc)
            assert account.admin.get(loc) == b"secret"
            refused += 1
    assert refused >= 4 * len(FOREIGN) - 7


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


@pytest.mark.parametrize("function", FUNCTIONS)
def test_only_its_siblings_can_be_started(function: FunctionName) -> None:
    """moto gives no name of a function to its evaluator: this is our own reading of the policies."""
    for account_arn in (
        "arn:aws:lambda:us-east-1:123456789012:function:",
        "arn:aws-cn:lambda:cn-north-1:1:function:",
    ):
        for name in ("sluice-others-mapper", "sluice-words2-mapper", "payroll", "sluice-words-mapper-2"):
            assert not allowed(DOCUMENTS[function], "lambda:InvokeFunction", account_arn + name)
        for action in (
            "lambda:UpdateFunctionCode",
            "lambda:DeleteFunction",
            "iam:PassRole",
            "s3:PutBucketPolicy",
        ):
            assert not allowed(DOCUMENTS[function], action, account_arn + "sluice-words-mapper")
