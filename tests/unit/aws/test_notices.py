"""What arrives where a job has its runs told of: topics, buses and secrets by moto, webhooks by a server of our own."""

from __future__ import annotations

import datetime
import hashlib
import hmac
import http.server
import ipaddress
import json
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import urllib3
from botocore.stub import Stubber
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from moto import mock_aws

from chalicelib.aws.notices import Teller, signature
from chalicelib.core.deployment_spec import NotifySpec
from chalicelib.core.errors import NoticeError
from chalicelib.core.outcome import Notice

GOOD = Notice(
    job="words", run="r1", outcome="success", output="s3://out/words/r1/", manifest="s3://out/m", records=7
)
BAD = Notice(
    job="words", run="r2", outcome="failed", output="s3://out/words/r2/", manifest="s3://out/m", reason="x"
)


def client(service: str) -> Any:
    made: Any = boto3
    return made.client(service, region_name="eu-west-1")


@pytest.fixture(autouse=True)
def _aws() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.fixture
def queue() -> Any:
    """A queue's URL and ARN."""
    url = client("sqs").create_queue(QueueName="told")["QueueUrl"]
    arn = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    return url, arn


def received(url: str) -> list[Any]:
    found = client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in found]


def test_a_topic_gets_the_notice_as_json_with_attributes_to_filter_by(queue: Any) -> None:
    url, arn = queue
    topic = client("sns").create_topic(Name="runs")["TopicArn"]
    client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    Teller(client)(NotifySpec(topic=topic), GOOD)
    (envelope,) = received(url)
    assert envelope["Subject"] == "words has succeeded: r1"
    assert {name: given["Value"] for name, given in envelope["MessageAttributes"].items()} == {
        "job": "words",
        "outcome": "success",
    }
    assert json.loads(envelope["Message"]) == {
        "version": 1, "job": "words", "run": "r1", "outcome": "success", "reason": "", "source": "",
        "output": "s3://out/words/r1/", "manifest": "s3://out/m", "records": 7, "bad": 0, "left_out": 0, "inputs": 0,
        "input_bytes": 0, "started": "", "finished": "",
    }  # fmt: skip


def to_bus(notice: Notice, answer: dict[str, Any]) -> dict[str, Any]:
    """What a bus that answers so is sent. (moto delivers to no target without a library for templates.)"""
    events = client("events")
    sent: list[dict[str, Any]] = []
    events.meta.events.register(
        "provide-client-params.events.PutEvents", lambda params, **_: sent.append(params)
    )
    with Stubber(events) as stub:
        stub.add_response("put_events", answer)
        Teller(lambda _: events)(NotifySpec(bus="default"), notice)
    return dict(sent[0]["Entries"][0])


def test_a_bus_gets_an_event_that_rules_can_match() -> None:
    entry = to_bus(BAD, {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]})
    assert (entry["Source"], entry["DetailType"], entry["EventBusName"]) == (
        "sluice",
        "Sluice Run Failed",
        "default",
    )
    assert json.loads(entry["Detail"])["reason"] == "x"


def test_an_event_that_a_bus_refuses_is_told_of() -> None:
    refused = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure", "ErrorMessage": "no"}]}
    with pytest.raises(NoticeError, match="could not tell default: InternalFailure: no"):
        to_bus(GOOD, refused)


def test_who_cannot_be_told_is_named_and_the_others_are_told(queue: Any) -> None:
    url, arn = queue
    topic = client("sns").create_topic(Name="runs")["TopicArn"]
    client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    gone = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:gone-AbCdEf"
    whom = NotifySpec(topic=topic, webhook="https://127.0.0.1:1/hook", secret=gone)
    with pytest.raises(
        NoticeError, match=r"job words, run r1: could not tell https://127\.0\.0\.1:1/hook: .*Secret"
    ):
        Teller(client)(whom, GOOD)
    assert len(received(url)) == 1
    missing = topic.replace("runs", "nowhere")
    with pytest.raises(NoticeError, match=rf"{missing}: a notice: NotFound"):
        Teller(client)(NotifySpec(topic=missing), GOOD)


# ---------------------------------------------------------------------------------------------------
# Webhooks


class Hook:
    """A server on loopback that keeps what it was sent, and answers with `status`."""

    def __init__(self, folder: Path) -> None:
        self.requests: list[tuple[str, Any, bytes]] = []
        self.status = 200
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.requests.append((self.path, self.headers, body))
                self.send_response(hook.status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        certificate = self_signed(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self._server.server_port}/hook?a=1"
        self.trusted = str(certificate)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def self_signed(folder: Path) -> Path:
    """A key and a certificate of 127.0.0.1 in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "certificate.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[Hook]:
    made = Hook(tmp_path)
    yield made
    made.close()


def to_hook(hook: Hook, secret: str) -> None:
    # moto answers for every other address.
    with (
        mock_aws(config={"core": {"passthrough": {"urls": [r"https://127\.0\.0\.1.*"]}}}),
        urllib3.PoolManager(ca_certs=hook.trusted) as http,
    ):
        Teller(client, http)(NotifySpec(webhook=hook.url, secret=secret), GOOD)


def secret_arn(kind: str, text: str) -> str:
    if kind == "secretsmanager":
        arn: str = client(kind).create_secret(Name="hook", SecretString=text)["ARN"]
        return arn
    client("ssm").put_parameter(Name="/sluice/hook", Value=text, Type="SecureString")
    return "arn:aws:ssm:eu-west-1:123456789012:parameter/sluice/hook"


@pytest.mark.parametrize("kind", ["secretsmanager", "ssm"])
def test_a_webhook_gets_a_post_signed_with_the_secret(kind: str, hook: Hook) -> None:
    to_hook(hook, secret_arn(kind, "sesame"))
    ((path, headers, body),) = hook.requests
    assert path == "/hook?a=1"
    assert (headers["Content-Type"], headers["X-Sluice-Notice"]) == ("application/json", "words/r1")
    assert json.loads(body)["records"] == 7
    at, _, digest = headers["X-Sluice-Signature"].removeprefix("t=").partition(",v1=")
    assert abs(time.time() - int(at)) < 600
    assert digest == hmac.digest(b"sesame", f"{at}.".encode() + body, "sha256").hex()


@pytest.mark.parametrize("status", [301, 307, 404, 500])
def test_any_answer_but_success_is_told_and_no_other_address_is_asked(status: int, hook: Hook) -> None:
    hook.status = status
    with pytest.raises(NoticeError, match=f"{hook.url[:25]}.*it answered with status {status}"):
        to_hook(hook, secret_arn("ssm", "sesame"))
    assert len(hook.requests) == 1


def test_a_server_that_nobody_vouches_for_is_told_nothing(hook: Hook) -> None:
    arn = secret_arn("ssm", "sesame")
    with urllib3.PoolManager() as http, pytest.raises(NoticeError, match="certificate verify failed"):
        Teller(client, http)(NotifySpec(webhook=hook.url, secret=arn), GOOD)
    assert hook.requests == []


def test_the_signature_is_over_the_time_and_the_body() -> None:
    """RFC 4231 has no such text; Python's own `hmac.new` is the oracle."""
    expected = hmac.new(b"key", b"5.{}", hashlib.sha256).hexdigest()
    assert signature("key", 5, b"{}") == f"t=5,v1={expected}"
    assert len({signature("key", 5, b"{}"), signature("key", 6, b"{}"), signature("yek", 5, b"{}")}) == 3
