"""A function on the emulator that does nothing but tell when it began, and how long its requests take."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterable
from typing import Any

from tests.cloud.harness import Cloud

_PATIENCE = 240.0
_PROBE = '''
import json, time
START = time.time()
import boto3
from botocore.config import Config
s3 = boto3.client("s3", config=Config(max_pool_connections=8))
PLACE = "sluice-probe"


def handle(event, context):
    """Say when it began; or make requests of each kind, from a moment on at which others do, too."""
    now = time.time()
    if "Records" in event:
        name = event["Records"][0]["s3"]["object"]["key"].partition("/")[2]
        s3.put_object(Bucket=PLACE, Key="heard/" + name, Body=str(now).encode())
        return
    time.sleep(max(event.get("at", 0) - now, 0))
    took = {"put": [], "get": [], "list": []}
    for number in range(event.get("requests", 0)):
        key = "said/%s/%d" % (event["name"], number)
        for kind, request in (
            ("put", lambda: s3.put_object(Bucket=PLACE, Key=key, Body=b"x" * 500, IfNoneMatch="*")),
            ("get", lambda: s3.get_object(Bucket=PLACE, Key=key)["Body"].read()),
            ("list", lambda: s3.list_objects_v2(Bucket=PLACE, Prefix="said/" + event["name"])),
        ):
            began = time.time()
            request()
            took[kind].append(time.time() - began)
    said = {"began": now, "took": took}
    s3.put_object(Bucket=PLACE, Key="heard/" + event["name"], Body=json.dumps(said).encode())
'''
_BUCKET = "sluice-probe"
#: Requests of each kind that each of some functions makes.
_REQUESTS = 8


class Probe:
    """A function that tells when it began, and how long requests take."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud, self._turns = cloud, 0
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("probe.py", _PROBE)
        made = cloud.functions.create_function(
            FunctionName=_BUCKET,
            Runtime="python3.13",
            Role="arn:aws:iam::000000000000:role/probe",
            Handler="probe.handle",
            Code={"ZipFile": packed.getvalue()},
            Timeout=60,
        )
        cloud.s3.create_bucket(Bucket=_BUCKET)
        rule = {
            "LambdaFunctionArn": made["FunctionArn"],
            "Events": ["s3:ObjectCreated:*"],
            "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "dropped/"}]}},
        }
        time.sleep(1.0)
        cloud.s3.put_bucket_notification_configuration(
            Bucket=_BUCKET, NotificationConfiguration={"LambdaFunctionConfigurations": [rule]}
        )

    def _names(self, number: int) -> list[str]:
        self._turns += 1
        return [f"{self._turns:03d}-{one:02d}" for one in range(number)]

    def _heard(self, names: Iterable[str]) -> list[Any]:
        found = []
        for name in names:
            until = time.monotonic() + _PATIENCE
            while (body := self._cloud.find(_BUCKET, f"heard/{name}")) is None:
                assert time.monotonic() < until, f"the probe has not said {name}"
                time.sleep(0.02)
            found.append(json.loads(body))
        return found

    def event_delay(self) -> float:
        """From the answer to a PUT until a function begins."""
        (name,) = self._names(1)
        self._cloud.put(_BUCKET, f"dropped/{name}", b"x")
        put = time.time()
        return max(float(self._heard([name])[0]) - put, 0.0)

    def call_delay(self, at_once: int) -> list[float]:
        """From Invoke until a function begins, of so many called at once."""
        names = self._names(at_once)
        sent = [self._call({"name": name}) for name in names]
        return [said["began"] - then for said, then in zip(self._heard(names), sent, strict=True)]

    def requests(self, at_once: int) -> dict[str, list[float]]:
        """How long requests of so many functions at once take, by kind."""
        names, at = self._names(at_once), time.time() + 1.0
        for name in names:
            self._call({"name": name, "requests": _REQUESTS, "at": at})
        said = self._heard(names)
        return {kind: [took for one in said for took in one["took"][kind]] for kind in ("put", "get", "list")}

    def _call(self, payload: dict[str, Any]) -> float:
        sent = time.time()
        self._cloud.functions.invoke(
            FunctionName=_BUCKET, InvocationType="Event", Payload=json.dumps(payload).encode()
        )
        return sent
