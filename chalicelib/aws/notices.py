"""Delivers notices: to an SNS topic, an EventBridge bus, a webhook. docs/how-to/notices.md shows what arrives.

Clients are made at the first notice, so that a function that tells nobody does not start more slowly.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..core.deployment_spec import NotifySpec
from ..core.errors import NoticeError
from ..core.messages import encode
from ..core.outcome import Notice
from ..stores.s3_errors import describe

if TYPE_CHECKING:
    import urllib3

#: What an event of ours is of, and what it is, on an EventBridge bus.
SOURCE = "sluice"
DETAIL = {"success": "Sluice Run Succeeded", "failed": "Sluice Run Failed"}
#: Of a POST: the signature, and what is the same whenever the same notice comes again.
SIGNATURE, NOTICE_ID = "X-Sluice-Signature", "X-Sluice-Notice"
#: Seconds for a connection, and for an answer.
_CONNECT, _ANSWER = 5.0, 10.0
#: Characters that SNS takes as a subject.
_LONGEST_SUBJECT = 100


class Teller:
    """Tells all whom a job names. `client` makes AWS's clients by their names, `http` opens connections."""

    def __init__(self, client: Callable[[str], Any], http: urllib3.PoolManager | None = None) -> None:
        self._client = functools.cache(client)
        self._http = http

    def __call__(self, whom: NotifySpec, notice: Notice) -> None:
        """Tell everybody. Raises NoticeError that names who could not be told; the others were."""
        problems = [problem for problem in self._problems(whom, notice) if problem]
        if problems:
            raise NoticeError(f"job {notice.job}, run {notice.run}: could not tell {'; '.join(problems)}")

    def _problems(self, whom: NotifySpec, notice: Notice) -> Iterator[str]:
        for address, send in ((whom.topic, self._publish), (whom.bus, self._put), (whom.webhook, self._post)):
            if address:
                yield self._attempt(address, functools.partial(send, whom, notice))

    def _attempt(self, address: str, send: Callable[[], str]) -> str:
        """Why it could not be told; empty if it was."""
        from botocore.exceptions import BotoCoreError, ClientError
        from urllib3.exceptions import HTTPError

        try:
            problem = send()
        except (ClientError, BotoCoreError) as error:
            problem = describe(error, "a notice")
        except HTTPError as error:
            problem = str(error)
        return f"{address}: {problem}" if problem else ""

    def _publish(self, whom: NotifySpec, notice: Notice) -> str:
        ended = "has succeeded" if notice.outcome == "success" else "has failed"
        self._client("sns").publish(
            TopicArn=whom.topic,
            Subject=f"{notice.job} {ended}: {notice.run}"[:_LONGEST_SUBJECT],
            Message=encode(notice).decode(),
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in (("job", notice.job), ("outcome", notice.outcome))
            },
        )
        return ""

    def _put(self, whom: NotifySpec, notice: Notice) -> str:
        answer = self._client("events").put_events(
            Entries=[
                {
                    "Source": SOURCE,
                    "DetailType": DETAIL[notice.outcome],
                    "Detail": encode(notice).decode(),
                    "EventBusName": whom.bus,
                }
            ]
        )
        entry = answer["Entries"][0] if answer.get("FailedEntryCount") else {}
        return f"{entry.get('ErrorCode')}: {entry.get('ErrorMessage')}" if entry else ""

    def _post(self, whom: NotifySpec, notice: Notice) -> str:
        body = encode(notice)
        answer = self._connections().request(
            "POST",
            whom.webhook,
            body=body,
            headers={
                "Content-Type": "application/json",
                NOTICE_ID: f"{notice.job}/{notice.run}",
                SIGNATURE: signature(self._secret(whom.secret), int(time.time()), body),
            },
            redirect=False,  # the secret is known to the one that was named, and to nobody else
            retries=False,
        )
        return "" if 200 <= answer.status < 300 else f"it answered with status {answer.status}"

    def _connections(self) -> urllib3.PoolManager:
        import urllib3

        if self._http is None:
            self._http = urllib3.PoolManager(timeout=urllib3.Timeout(connect=_CONNECT, read=_ANSWER))
        return self._http

    def _secret(self, arn: str) -> str:
        """Read anew for each notice, so that a secret may be changed."""
        if ":ssm:" in arn:
            name = arn.partition(":parameter")[2]
            found = self._client("ssm").get_parameter(Name=name, WithDecryption=True)
            return str(found["Parameter"]["Value"])
        return str(self._client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])


def signature(secret: str, now: int, body: bytes) -> str:
    """`t=NOW,v1=HEX`: HMAC-SHA256 (RFC 2104) over the time in seconds, a dot and the body.

    The time is signed, too, so that who listens can refuse what somebody recorded and sends again.
    """
    digest = hmac.new(secret.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={now},v1={digest}"
