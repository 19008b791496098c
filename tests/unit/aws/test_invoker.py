"""The Lambda invoker: names, payloads, and errors in words. botocore's Stubber stands for Lambda."""

from __future__ import annotations

import json
from collections.abc import Iterator

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber
from mypy_boto3_lambda import LambdaClient

from chalicelib.aws.invoker import MAX_PAYLOAD, LambdaInvoker
from chalicelib.core.errors import InvokeError


@pytest.fixture
def client() -> Iterator[LambdaClient]:
    made = boto3.client(
        "lambda",
        endpoint_url="http://127.0.0.1:1",  # nobody is there
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=2),
    )
    yield made
    made.close()


@pytest.fixture
def stub(client: LambdaClient) -> Iterator[Stubber]:
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def expect(stub: Stubber, name: str, payload: object) -> None:
    body = json.dumps(payload, separators=(",", ":")).encode()
    stub.add_response(
        "invoke", {"StatusCode": 202}, {"FunctionName": name, "InvocationType": "Event", "Payload": body}
    )


@pytest.mark.parametrize("prefix", ["sluice-wordcount", "sluice-wordcount-"])
def test_a_function_is_started_by_its_deployed_name(client: LambdaClient, stub: Stubber, prefix: str) -> None:
    payload = {"run": "2024-é", "lo": 0, "hi": 32}
    expect(stub, "sluice-wordcount-mapper", payload)
    invoker = LambdaInvoker(client, prefix)
    invoker.invoke("mapper", payload)
    assert invoker.requests["invoke"] == 1


def test_a_payload_may_be_as_large_as_the_limit(client: LambdaClient, stub: Stubber) -> None:
    payload = {"x": "a" * (MAX_PAYLOAD - len('{"x":""}'))}
    expect(stub, "p-reducer", payload)
    LambdaInvoker(client, "p").invoke("reducer", payload)


def test_a_larger_payload_is_refused_and_not_sent(client: LambdaClient, stub: Stubber) -> None:
    payload = {"x": "a" * (MAX_PAYLOAD - len('{"x":""}') + 1)}
    with pytest.raises(InvokeError, match=r"p-mapper: .*at most 262,144 bytes, got 262,145; .*through S3"):
        LambdaInvoker(client, "p").invoke("mapper", payload)


@pytest.mark.parametrize(
    ("code", "status", "hint"),
    [
        ("ResourceNotFoundException", 404, "deploy the job"),
        ("AccessDeniedException", 403, "allow lambda:InvokeFunction"),
        ("TooManyRequestsException", 429, "repeated in vain"),
        ("ServiceException", 500, "repeated in vain"),
    ],
)
def test_a_refusal_says_which_function_and_what_to_do(
    client: LambdaClient, stub: Stubber, code: str, status: int, hint: str
) -> None:
    stub.add_client_error("invoke", code, "as Lambda words it", http_status_code=status)
    with pytest.raises(InvokeError) as caught:
        LambdaInvoker(client, "sluice-job").invoke("supervisor", {})
    assert str(caught.value).startswith(
        f"sluice-job-supervisor: Invoke: {code} ({status}): as Lambda words it; "
    )
    assert hint in str(caught.value)


def test_nobody_at_the_endpoint(client: LambdaClient) -> None:
    with pytest.raises(InvokeError, match=r"p-mapper: Invoke: .*check the network, and AWS_ENDPOINT_URL"):
        LambdaInvoker(client, "p").invoke("mapper", {})
