"""What a job may say of who is told under `notify:`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..core.deployment_spec import NotifySpec
from .problem import Problem

#: What may be told of.
REASONS = ("success", "failed", "bad_records")
_WHERE = r"arn:[a-z-]+:{service}:[a-z0-9-]+:[0-9]{{12}}"
_TOPIC = re.compile(_WHERE.format(service="sns") + r":[A-Za-z0-9_-]+(\.fifo)?")
_BUS = re.compile(f"({_WHERE.format(service='events')}:event-bus/)?[A-Za-z0-9._/-]+")
_SECRET = re.compile(
    f"{_WHERE.format(service='secretsmanager')}:secret:[A-Za-z0-9/_+=.@-]+"
    f"|{_WHERE.format(service='ssm')}:parameter/[A-Za-z0-9/_.-]+"
)
_WEBHOOK = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[!-~]*)?")
_SHAPES = (
    ("topic", _TOPIC, "the ARN of an SNS topic, such as arn:aws:sns:eu-west-1:123456789012:runs"),
    ("bus", _BUS, "the name or ARN of an EventBridge bus, such as default"),
    ("webhook", _WEBHOOK, "an https:// URL of printable characters, without a user's name"),
    ("secret", _SECRET, "the ARN of a Secrets Manager secret or of an SSM parameter"),
)


def notify_problems(spec: NotifySpec) -> Iterator[Problem]:
    for name, shape, wanted in _SHAPES:
        given = getattr(spec, name)
        if given and not shape.fullmatch(given):
            yield Problem(f"notify.{name}", f"expected {wanted}, got {given!a}")
    if spec.topic.endswith(".fifo"):
        yield Problem("notify.topic", f"a FIFO topic wants groups, which notices have not: {spec.topic}")
    for reason in spec.reasons:
        if reason not in REASONS:
            yield Problem("notify.on", f"expected some of {', '.join(REASONS)}, got {reason!a}")
    if not spec.reasons:
        yield Problem("notify.on", f"expected some of {', '.join(REASONS)}; to tell nobody, leave out notify")
    if bool(spec.webhook) != bool(spec.secret):
        missing, why = (
            ("secret", "what goes to notify.webhook is signed with it")
            if spec.webhook
            else ("webhook", "notify.secret signs what goes there, and nothing else")
        )
        yield Problem(f"notify.{missing}", f"missing; {why}")
