"""Writes the rules by which S3 starts functions.

S3 has one notification configuration per bucket and no way to write it conditionally, so each change reads it,
writes it and reads it again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from chalicelib.config.triggers import Trigger

from ..rules import has_rule, picked, tells_bus, with_bus, with_first_rule, with_rule, without_rules
from ..target import DeployError, Json
from .account import Account
from .clients import Clients
from .errors import translated

#: How often a notification configuration is written again when another deployment overwrote ours.
ATTEMPTS = 5


class EventRules:
    """The event rules of an account's buckets. Raises DeployError."""

    def __init__(self, clients: Clients) -> None:
        self._account = Account(clients)
        self._s3, self._lambda = clients.s3, clients.lambda_

    def drop(self, bucket: str, drop: Callable[[str], bool]) -> int:
        """Remove the bucket's rules whose function's ARN `drop` picks, and return their number."""
        with translated(f"read and write the event rules of the bucket {bucket}"):
            for _ in range(ATTEMPTS):
                before = self._account.rules(bucket)
                after = without_rules(before, drop)
                if after == before:
                    return 0
                self._write(bucket, after)
                if not picked(self._account.rules(bucket), drop):
                    return len(picked(before, drop))
        raise DeployError(_contended(bucket))

    def drop_dead(self, bucket: str) -> int:
        """Remove rules of Sluice functions that no longer exist, because S3 refuses every later change for them."""
        with translated(f"read the event rules of the bucket {bucket}"):
            rules = self._account.rules(bucket)
        dead = self._account.dead_functions(rules)
        return self.drop(bucket, lambda arn: arn in dead) if dead else 0

    def tell_bus(self, bucket: str) -> bool:
        """Let S3 tell the account's event bus of the bucket, too; True if it did not before."""
        with translated(f"read and write the event rules of the bucket {bucket}"):
            for _ in range(ATTEMPTS):
                before = self._account.rules(bucket)
                if tells_bus(before):
                    return False
                self._write(bucket, with_bus(before))
                if tells_bus(self._account.rules(bucket)):
                    return True
        raise DeployError(_contended(bucket))

    def keep_first(self, bucket: str, ours: Callable[[str], bool]) -> None:
        """Remove all but the first of the rules whose function's ARN `ours` picks: Chalice knows only that one."""
        with translated(f"read and write the event rules of the bucket {bucket}"):
            before = self._account.rules(bucket)
            if before != (after := with_first_rule(before, ours)):
                self._write(bucket, after)

    def ensure(self, function: str, *triggers: Trigger) -> None:
        """Write the function's rules unless they are all there. `triggers` are of one bucket.

        Chalice writes the first alone, and another deployment may have lost it.
        """
        bucket = triggers[0].bucket
        with translated(f"read and write the event rules of the bucket {bucket}"):
            arn = self._lambda.get_function_configuration(FunctionName=function)["FunctionArn"]
            for _ in range(ATTEMPTS):
                found = self._account.rules(bucket)
                if has_rule(found, arn, *triggers):
                    return
                self._write(bucket, with_rule(found, arn, *triggers))
        raise DeployError(_contended(bucket))

    def _write(self, bucket: str, config: Json) -> None:
        self._s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration=cast(Any, config)
        )


def _contended(bucket: str) -> str:
    return f"another deployment keeps changing the event rules of {bucket}: deploy again when it is done"
