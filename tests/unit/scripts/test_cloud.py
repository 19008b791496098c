"""`scripts/cloud.py`: what it remembers of the emulator that it started."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import cloud


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ('{"endpoint": "http://127.0.0.1:1", "pid": 7}', cloud.State("http://127.0.0.1:1", 7)),
        (
            '{"endpoint": "http://127.0.0.1:1", "pid": 7, "key_id": "AKIA1", "secret": "s"}',
            cloud.State("http://127.0.0.1:1", 7, "AKIA1", "s"),
        ),
        ('{"endpoint": "http://127.0.0.1:1"}', None),
        ("[1]", None),
        ("{", None),
        (None, None),
    ],
)
def test_a_state_that_is_missing_or_broken_is_none(
    text: str | None, state: cloud.State | None, tmp_path: Path
) -> None:
    path = tmp_path / "cloud.json"
    if text is not None:
        path.write_text(text)
    assert cloud.read_state(path) == state


def test_nothing_answers_where_nothing_listens() -> None:
    assert not cloud.answers("http://127.0.0.1:1")


def test_the_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "cloud.sh"
    path.write_text("old, and everybody may read it")
    path.chmod(0o644)
    cloud.write_private(path, "export AWS_SECRET_ACCESS_KEY='s'\n")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == "export AWS_SECRET_ACCESS_KEY='s'\n"
