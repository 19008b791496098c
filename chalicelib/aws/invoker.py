"""Starts functions on AWS Lambda."""

from __future__ import annotations

import json
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from ..core.errors import InvokeError
from ..core.ports import FunctionName
from ..stores.s3_errors import describe

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

#: Lambda takes 1 MB; ours hold a run, a range and an attempt, so a tenth of this is a mistake already.
MAX_PAYLOAD = 256 * 1024


class LambdaInvoker:
    """An `Invoker` whose functions are named `<prefix>-<function>` (a dash at the prefix's end may be there).

    Throttling and lost connections are repeated by the client, as `make_client` configures it; what
    remains is an `InvokeError`. Safe to share among threads.
    """

    def __init__(self, client: LambdaClient, prefix: str) -> None:
        self.client = client
        self.prefix = prefix.removesuffix("-")
        self.requests: Counter[str] = Counter()
        self._lock = threading.Lock()

    def invoke(self, function: FunctionName, payload: dict[str, Any]) -> None:
        name = f"{self.prefix}-{function}"
        body = json.dumps(payload, separators=(",", ":")).encode()
        if len(body) > MAX_PAYLOAD:
            raise InvokeError(
                f"{name}: expected a payload of at most {MAX_PAYLOAD:,} bytes, got {len(body):,}; "
                "payloads name a run and a range of tasks, data goes through S3"
            )
        with self._lock:
            self.requests["invoke"] += 1
        try:
            self.client.invoke(FunctionName=name, InvocationType="Event", Payload=body)
        except (ClientError, BotoCoreError) as error:
            raise InvokeError(f"{name}: {describe(error, 'Invoke')}") from error
