"""Credentials, and what user code holds in its variables, are in no object, log line or deployed file.

The tests take the credentials that functions really run with, let runs succeed, set records aside and fail, and
search all that is there afterwards.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.aws.function import JsonLines
from chalicelib.core.errors import Forbidden
from chalicelib.core.ports import Loc
from chalicelib.run.events import event_for
from scripts.deployment.load import load_target
from scripts.deployment.policies import policies
from scripts.deployment.project import Project
from scripts.deployment.stage import stage_config
from tests.security.test_denied import ELSE, IN, OUT, WORK, Account, Cloud, account

__all__ = ["account"]

SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI-K7MDENG-bPxRfiCY",
    "AWS_SESSION_TOKEN": "FwoGZXIvYXdzEDoaDKqv",
    "DATABASE_PASSWORD": "correct-horse-battery",
}


class Careless(Job):
    """Holds a password while it fails."""

    def mapper(self, _: Any, line: str) -> Any:
        password = os.environ["DATABASE_PASSWORD"]
        if line == "poison":
            raise ValueError(f"no connection for {len(password)} letters")
        yield line, 1

    reducer = Sum()


class Hopeless(Careless):
    def reducer(self, key: str, values: Any) -> Any:
        password = os.environ["DATABASE_PASSWORD"]
        raise ValueError(f"no connection for {len(password)} letters")


class Kept(logging.Handler):
    """All that Lambda would write to CloudWatch."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.setFormatter(JsonLines())

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def kept() -> Iterator[Kept]:
    """The log, at the levels that functions set."""
    handler, root, ours = Kept(), logging.getLogger(), logging.getLogger("chalicelib")
    levels = root.level, ours.level
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    ours.setLevel(logging.INFO)
    yield handler
    root.removeHandler(handler)
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def secrets_of(account: Account) -> list[bytes]:
    """Those of the environment, and those that the functions' clients sign with."""
    found = list(SECRETS.values())
    for store in account.stores.values():
        signed: Any = store.client._request_signer._credentials  # type: ignore[attr-defined]
        found += [signed.secret_key, signed.token]
    return [secret.encode() for secret in found]


@pytest.mark.parametrize(
    ("job", "body", "told"),
    [
        (Careless, b"a\nb\n" * 50, b"_SUCCESS"),
        (Careless, b"poison\na\na\n", b"no connection for 21 letters"),
        (Careless, b"poison\npoison\npoison\n", b"max_fraction"),
        (Hopeless, b"a\nb\n", b"no connection for 21 letters"),
    ],
)
def test_no_secret_is_written_down(
    job: type[Job],
    body: bytes,
    told: bytes,
    account: Account,
    kept: Kept,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    cloud = Cloud(account, tmp_path, job)
    place = Loc(IN, "data/new.txt")
    account.admin.put(place, body)
    cloud.queue.append(("coordinator", event_for(place)))
    cloud.run()
    written = {
        f"{bucket}/{info.key}": account.admin.get(Loc(bucket, info.key))
        for bucket in (IN, WORK, OUT)
        for info in account.admin.list(Loc(bucket, ""))
    }
    everything = b"\n".join([*map(str.encode, written), *written.values(), *map(str.encode, kept.lines)])
    assert told in everything
    assert kept.lines
    assert [secret for secret in secrets_of(account) if secret in everything] == []


@pytest.mark.parametrize("function", ["coordinator", "mapper", "supervisor", "reducer"])
def test_a_refusal_of_aws_is_told_without_the_request_it_was_signed_for(
    account: Account, function: Any
) -> None:
    with pytest.raises(Forbidden) as caught:
        account.stores[function].get(Loc(ELSE, "data/a.txt"))
    text = str(caught.value)
    assert [secret for secret in secrets_of(account) if secret.decode() in text] == []
    assert "X-Amz" not in text
    assert "Signature" not in text


def test_a_deployment_writes_none_of_the_environment_but_its_own_overrides(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs/tally.py").write_text(
        "from chalicelib import Job, Sum\n\n\nclass Tally(Job):\n"
        "    def mapper(self, _, line):\n        yield line, 1\n\n    reducer = Sum()\n"
    )
    (tmp_path / "jobs/tally.yml").write_text(
        "job: tally:Tally\ninput: {url: 's3://in-a/x/'}\nwork: {url: 's3://work-b/'}\noutput: {url: 's3://out-c/'}\n"
    )
    project = Project(tmp_path)
    target = load_target("tally", project, {**SECRETS, "SLUICE_MAX_ATTEMPTS": "2", "PATH": "/bin"})
    project.write_stage("tally", stage_config(target), policies(target))
    files = [path for path in (tmp_path / ".chalice").rglob("*") if path.is_file()]
    written = "".join(path.read_text() for path in files)
    assert '"SLUICE_MAX_ATTEMPTS": "2"' in written
    assert [name for name, value in SECRETS.items() if name in written or value in written] == []
