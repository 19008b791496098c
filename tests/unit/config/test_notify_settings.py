"""Whom a job may have told: by AWS's names, and by https only."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.config.deployment_settings import notify_problems
from chalicelib.core.deployment_spec import NotifySpec

TOPIC = "arn:aws:sns:eu-west-1:123456789012:runs"
BUS = "arn:aws:events:eu-west-1:123456789012:event-bus/own"
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:hook-AbCdEf"
PARAMETER = "arn:aws:ssm:eu-west-1:123456789012:parameter/sluice/hook"


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"topic": TOPIC},
        {"bus": "default", "on": "failed"},
        {"bus": BUS},
        {"webhook": "https://example.com", "secret": SECRET},
        {"webhook": "https://example.com:8443/a?b=c", "secret": PARAMETER},
    ],
)
def test_what_can_be_told(given: dict[str, Any]) -> None:
    assert list(notify_problems(NotifySpec(**given))) == []


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"topic": "runs"}, "topic"),
        ({"topic": TOPIC + "*"}, "topic"),
        ({"topic": TOPIC + ".fifo"}, "topic"),
        ({"bus": "arn:aws:sns:eu-west-1:123456789012:runs"}, "bus"),
        ({"bus": "a*"}, "bus"),
        ({"webhook": "http://example.com", "secret": SECRET}, "webhook"),
        ({"webhook": "https://me:pass@example.com/", "secret": SECRET}, "webhook"),
        ({"webhook": "https://example.com/ x", "secret": SECRET}, "webhook"),
        ({"webhook": "https://example.com"}, "secret"),
        ({"secret": SECRET}, "webhook"),
        ({"webhook": "https://example.com", "secret": "sesame"}, "secret"),
        ({"webhook": "https://example.com", "secret": SECRET[:-6] + "*"}, "secret"),
        ({"on": "success, failure"}, "on"),
        ({"on": ""}, "on"),
    ],
)
def test_what_cannot_is_named_with_what_was_expected(given: dict[str, Any], key: str) -> None:
    ((found, text),) = notify_problems(NotifySpec(**given))
    assert found == f"notify.{key}"
    assert "expected" in text or "missing" in text or "FIFO" in text
