"""Where a library reads the wall clock itself: signatures and credentials of botocore, times of S3's answers.

freezegun stops and moves that clock. moto is S3, and in front of it stands a gate that refuses what S3 refuses: a
token that has expired, a signature made at another time.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.credentials import CredentialProvider, RefreshableCredentials
from botocore.exceptions import CredentialRetrievalError
from botocore.session import Session
from freezegun import freeze_time
from freezegun.api import FrozenDateTimeFactory
from moto import mock_aws

from chalicelib import Job
from chalicelib.aws.function import SystemClock
from chalicelib.core.errors import StoreError
from chalicelib.core.ports import Loc
from chalicelib.stores.s3 import PIECE, S3Store
from chalicelib.stores.s3_uploads import S3Uploads
from scripts import clean
from scripts.console import terminal
from tests.worlds.simulation import Simulation, spec

START = "2026-11-21T03:00:00Z"
#: How long each token is good for; botocore asks for the next one some minutes before.
LIFE = timedelta(hours=1)
#: What S3 grants a clock that is wrong.
SKEW = timedelta(minutes=15)
BIG = Loc("bucket", "big.bin")


class Issuer:
    """Gives out temporary credentials, numbered, until it is out of order."""

    def __init__(self) -> None:
        self.expires: dict[str, datetime] = {}
        self.broken = False

    def __call__(self) -> dict[str, str]:
        if self.broken:
            raise CredentialRetrievalError(provider="issuer", error_msg="nobody is there")
        token = f"token-{len(self.expires)}"
        self.expires[token] = datetime.now(UTC) + LIFE
        return {
            "access_key": "AKIDEXAMPLE",
            "secret_key": "secret",
            "token": token,
            "expiry_time": self.expires[token].isoformat(),
        }


class Issued(CredentialProvider):
    METHOD = "issued"

    def __init__(self, issuer: Issuer) -> None:
        super().__init__()
        self._issuer = issuer

    def load(self) -> RefreshableCredentials:
        return RefreshableCredentials.create_from_metadata(self._issuer(), self._issuer, self.METHOD)


class Gate:
    """S3 looks at token and time of a signature before all else."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        #: What S3's clock shows beyond ours.
        self.ahead = timedelta()
        self.tokens: list[str] = []

    def __call__(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        signed = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        now, token = datetime.now(UTC) + self.ahead, headers["x-amz-security-token"]
        self.tokens.append(token)
        if abs(now - signed) > SKEW:
            return _refusal(request, 403, "RequestTimeTooSkewed")
        if self._issuer.expires[token] <= now:
            return _refusal(request, 400, "ExpiredToken")
        return None


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


class _Raw(io.BytesIO):
    """A body as urllib3 hands it on."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def _refusal(request: AWSPreparedRequest, status: int, code: str) -> AWSResponse:
    body = f"<Error><Code>{code}</Code><Message>as S3 words it</Message></Error>".encode()
    return AWSResponse(request.url, status, {"content-type": "application/xml"}, _Raw(body))


@pytest.fixture
def frozen() -> Iterator[FrozenDateTimeFactory]:
    with freeze_time(START, ignore=["_pytest.timing"]) as factory:  # tests are timed all the same
        yield factory


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def gate(issuer: Issuer) -> Gate:
    return Gate(issuer)


@pytest.fixture
def store(frozen: FrozenDateTimeFactory, issuer: Issuer, gate: Gate) -> Iterator[S3Store]:
    with mock_aws():
        session = Session()
        session.get_component("credential_provider").providers[:] = [Issued(issuer)]
        config = Config(retries={"mode": "standard", "total_max_attempts": 1}, max_pool_connections=8)
        client = session.create_client("s3", region_name="us-east-1", config=config)
        client.meta.events.register_first("before-send.s3", gate)
        client.create_bucket(Bucket="bucket")
        yield S3Store(client, parallel_writes=1)  # type: ignore[arg-type]  # so that tokens come in order
        client.close()


def test_a_run_outlives_its_temporary_credentials(
    store: S3Store, gate: Gate, frozen: FrozenDateTimeFactory
) -> None:
    """A read in pieces and an upload in parts go on with the next token, and nothing is refused on the way."""
    body = bytes(range(256)) * (3 * PIECE // 256)
    with store.writer(BIG, if_absent=True) as writer:
        for at in range(0, len(body), PIECE):
            writer.write(body[at : at + PIECE])
            frozen.tick(LIFE)
        assert writer.commit()
    found = bytearray()
    for block in store.stream(BIG, block=PIECE):
        found += block
        frozen.tick(LIFE)
    assert bytes(found) == body
    assert len(set(gate.tokens)) >= 4
    assert gate.tokens == sorted(gate.tokens, key=lambda token: int(token.partition("-")[2])), (
        "none is used again"
    )


def test_credentials_that_cannot_be_renewed_are_told_with_the_object(
    store: S3Store, issuer: Issuer, frozen: FrozenDateTimeFactory
) -> None:
    store.put(BIG, b"x")
    issuer.broken = True
    frozen.tick(LIFE - timedelta(minutes=12))
    assert store.get(BIG) == b"x", "not yet needed: the old ones are good for some minutes"
    frozen.tick(LIFE)
    with pytest.raises(StoreError, match=r"s3://bucket/big\.bin: GetObject: .*nobody is there"):
        store.get(BIG)
    with pytest.raises(StoreError, match=r"s3://bucket/other: PutObject: .*nobody is there"):
        store.put(Loc("bucket", "other"), b"")
    issuer.broken = False
    assert store.get(BIG) == b"x", "a store is of use after an error"


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_machine_whose_clock_is_wrong_is_told_so(store: S3Store, gate: Gate, hours: int) -> None:
    store.put(BIG, b"x")
    gate.ahead = timedelta(hours=hours)
    with pytest.raises(
        StoreError, match=r"s3://bucket/big\.bin: .*RequestTimeTooSkewed.*set this machine's clock"
    ):
        store.put(BIG, b"y")
    gate.ahead = timedelta(minutes=14 * hours)
    store.put(BIG, b"z")
    assert store.get(BIG) == b"z"


# ---------------------------------------------------------------------------------------------------
# Ages


class Words(Job):
    def mapper(self, _: Any, line: str) -> Any:
        yield line, 1


@pytest.fixture(params=["UTC", "America/Los_Angeles", "Asia/Kathmandu"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The machine's time zone: S3 tells times in UTC, whatever it is."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(("older", "age"), [("7d", timedelta(days=7)), ("90m", timedelta(minutes=90))])
def test_a_run_is_cleaned_away_at_the_second_and_not_before(
    zone: str, store: S3Store, frozen: FrozenDateTimeFactory, tmp_path: Path, older: str, age: timedelta
) -> None:
    """By the times that S3 wrote down, and the clock that the script is given on a real machine."""
    simulation = Simulation(Words, spec(), tmp_path)
    simulation.drop("a.txt", b"a\n")
    simulation.run()
    for bucket in ("work", "out"):
        store.client.create_bucket(Bucket=bucket)
    for name, body in simulation.objects().items():
        bucket, _, key = name.partition("/")
        if bucket != "in":
            store.put(Loc(bucket, key), body)

    def work() -> list[str]:
        return [info.key for info in store.list(Loc("work", ""))]

    frozen.tick(age - timedelta(seconds=1))
    assert cleaned(store, tmp_path, older) == ["freed 0 B: 0 objects of 0 runs"]
    assert work() == simulation.work()
    frozen.tick(1)
    told = cleaned(store, tmp_path, older)
    assert told[-1].endswith(" of 1 run")
    assert work() == []
    assert "_SUCCESS" in {info.key.rpartition("/")[2] for info in store.list(Loc("out", ""))}


def cleaned(store: S3Store, root: Path, older: str) -> list[str]:
    out = io.StringIO()
    world = clean.World(
        root=root,
        environ={},
        screen=terminal.Screen(out, terminal=False),
        clock=SystemClock(),
        open_store=lambda work, runs: store,
        uploads=lambda work: S3Uploads(store.client),
    )
    assert clean.main(["--work", "s3://work/", "--older-than", older], world) == 0
    return out.getvalue().splitlines()
