"""The emulator runs code, so it must not do so for a web page that a developer visits while it is up."""

from __future__ import annotations

import base64
import http.client
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from scripts.emulation.emulator import Emulator

pytestmark = pytest.mark.cloud

CODE = "def handler(event, context):\n    return event\n"


def client(emulator: Emulator, service: str, key_id: str = "", secret: str = "") -> Any:
    return boto3.client(
        service,
        endpoint_url=emulator.endpoint,
        region_name="us-east-1",
        aws_access_key_id=key_id or emulator.keys.key_id,
        aws_secret_access_key=secret or emulator.keys.secret,
    )


def function(name: str) -> dict[str, Any]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("code.py", CODE)
    return {
        "FunctionName": name, "Runtime": "python3.11", "Handler": "code.handler",
        "Role": "arn:aws:iam::000000000000:role/any", "Code": {"ZipFile": buffer.getvalue()},
    }  # fmt: skip


def ask(
    emulator: Emulator, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
) -> tuple[int, dict[str, str], bytes]:
    """A request as a browser or another program makes it, header by header."""
    place = urlsplit(emulator.endpoint)
    assert place.hostname
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=30)
    try:
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def signed(emulator: Emulator, method: str, path: str, secret: str = "", **more: str) -> dict[str, str]:
    request = AWSRequest(method, emulator.endpoint + path, headers=dict(more))
    keys = Credentials(emulator.keys.key_id, secret or emulator.keys.secret)
    SigV4Auth(keys, "lambda", "us-east-1").add_auth(request)
    return dict(request.headers.items())


@pytest.fixture
def functions(emulator: Emulator) -> Iterator[Any]:
    made = client(emulator, "lambda")
    yield made
    made.close()


FUNCTIONS = "/2015-03-31/functions"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example", "Content-Type": "text/plain"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Referer": "https://evil.example/"},
        {},
    ],
)
@pytest.mark.parametrize("query", ["", "?X-Amz-Credential=test/20260101/us-east-1/lambda/aws4_request"])
def test_a_form_of_a_web_page_makes_no_function(
    headers: dict[str, str], query: str, emulator: Emulator, functions: Any
) -> None:
    wanted = function("from-a-page")
    wanted["Code"] = {"ZipFile": base64.b64encode(wanted["Code"]["ZipFile"]).decode()}
    status, answered, body = ask(emulator, "POST", FUNCTIONS + query, headers, json.dumps(wanted).encode())
    assert status == 403
    assert b"refused: " in body
    assert not any(name.startswith("access-control-") for name in answered)
    assert "from-a-page" not in {row["FunctionName"] for row in functions.list_functions()["Functions"]}


def test_a_web_page_is_not_told_that_it_may_ask(emulator: Emulator) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    status, answered, _ = ask(emulator, "OPTIONS", FUNCTIONS, headers)
    assert status == 403
    assert not any(name.startswith("access-control-") for name in answered)


def test_even_a_signed_request_of_a_web_page_is_refused(emulator: Emulator) -> None:
    headers = signed(emulator, "GET", FUNCTIONS)
    assert ask(emulator, "GET", FUNCTIONS, headers)[0] == 200
    assert ask(emulator, "GET", FUNCTIONS, {**headers, "Origin": "http://localhost"})[0] == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", ""])
def test_a_name_that_was_made_to_lead_here_is_refused(host: str, emulator: Emulator) -> None:
    """DNS rebinding: the page's own host then has our address, and its requests no foreign Origin."""
    host = host.format(port=urlsplit(emulator.endpoint).port)
    headers = signed(emulator, "GET", FUNCTIONS, Host=host)
    assert ask(emulator, "GET", FUNCTIONS, {**headers, "Host": host})[0] == 403


@pytest.mark.parametrize("key_id", ["", "test", "000000000000", "123456789012"])
@pytest.mark.parametrize("service", ["s3", "lambda", "iam", "sts"])
def test_other_keys_are_refused(key_id: str, service: str, emulator: Emulator) -> None:
    """MiniStack itself takes `test` and any account's number for its owner."""
    for secret in ("test", "x" * 40):
        made = client(emulator, service, key_id, secret)
        call = {
            "s3": "list_buckets",
            "lambda": "list_functions",
            "iam": "list_roles",
            "sts": "get_caller_identity",
        }
        with pytest.raises(ClientError) as caught:
            getattr(made, call[service])()
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        assert caught.value.response["Error"]["Code"] == "SignatureDoesNotMatch"
        made.close()


def test_a_signature_is_of_one_request(emulator: Emulator) -> None:
    headers = signed(emulator, "GET", FUNCTIONS)
    assert ask(emulator, "DELETE", FUNCTIONS, headers)[0] == 403
    assert ask(emulator, "GET", FUNCTIONS + "/other", headers)[0] == 403
    assert ask(emulator, "GET", FUNCTIONS, headers, b"another body")[0] == 403


@pytest.mark.parametrize("path", ["/_ministack/reset", "/_ministack/config", "/health", "/some-bucket/key"])
def test_what_needs_no_keys_elsewhere_does_here(path: str, emulator: Emulator) -> None:
    for method in ("GET", "POST", "PUT"):
        assert ask(emulator, method, path, {})[0] == 403


def test_ours_works(emulator: Emulator, functions: Any) -> None:
    s3 = client(emulator, "s3")
    s3.create_bucket(Bucket="gate-test")
    for key in ("plain", "a b/ü+&=?#%41.txt", "a//b", "x" * 900):
        s3.put_object(Bucket="gate-test", Key=key, Body=b"red" * 5)
        assert s3.get_object(Bucket="gate-test", Key=key, Range="bytes=0-2")["Body"].read() == b"red"
    found = s3.list_objects_v2(Bucket="gate-test", Prefix="a b/ü+&=", Delimiter="/")["Contents"]
    assert [row["Key"] for row in found] == ["a b/ü+&=?#%41.txt"]
    s3.put_object(Bucket="gate-test", Key="large", Body=io.BytesIO(b"x" * 3_000_000))
    for key in [row["Key"] for row in s3.list_objects_v2(Bucket="gate-test")["Contents"]]:
        s3.delete_object(Bucket="gate-test", Key=key)
    s3.delete_bucket(Bucket="gate-test")
    s3.close()
    functions.create_function(**function("gate-test"))
    answer = functions.invoke(FunctionName="gate-test", Payload=b'{"a": 1}')
    assert json.loads(answer["Payload"].read()) == {"a": 1}
    functions.delete_function(FunctionName="gate-test")


def test_answers_let_no_web_page_read_them(emulator: Emulator) -> None:
    status, answered, _ = ask(emulator, "GET", FUNCTIONS, signed(emulator, "GET", FUNCTIONS))
    assert status == 200
    assert not any(name.startswith("access-control-") for name in answered)


def test_it_says_that_it_is_up_to_programs_only(emulator: Emulator) -> None:
    assert ask(emulator, "GET", "/_ministack/health", {})[0] == 200
    assert ask(emulator, "GET", "/_ministack/health", {"Host": "evil.example"})[0] == 403
    assert ask(emulator, "GET", "/_ministack/health", {"Origin": urlencode({"a": "b"})})[0] == 403
