"""Deployed where few functions may run at once: files that are dropped together all end well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from scripts.emulation import emulator as ministack
from tests.cloud.harness import Cloud
from tests.conftest import SHORT_OF_MEMORY, checkout_in

pytestmark = pytest.mark.cloud

SLOTS = 4
FILES = 8


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """An account of its own, in which four functions run at once; a job of several map and reduce tasks in it."""
    folder = tmp_path_factory.mktemp("few")
    settings = SHORT_OF_MEMORY | {"LAMBDA_ACCOUNT_CONCURRENCY": str(SLOTS)}
    with (
        ministack.running(folder / "ministack.log", settings) as emulator,
        checkout_in(folder, emulator) as cloud,
    ):
        cloud.script("deploy", "small", check=True)
        yield cloud


def test_all_of_many_files_are_counted_right(few: Cloud) -> None:
    body = b"".join(b"word %d of %d\n" % (number, number % 10) for number in range(300))
    runs = few.count("small", {f"{number:03d}.txt": body for number in range(FILES)})
    for run in runs.values():
        assert run.succeeded
        assert run.counts() == Counter(body.decode().split())


def test_nobody_waits_there(few: Cloud) -> None:
    environment = few.functions.get_function_configuration(FunctionName="sluice-small-supervisor")[
        "Environment"
    ]
    assert environment["Variables"]["SLUICE_CONCURRENCY"] == str(SLOTS)
    assert not [key for key in few.listing("sluice-demo-work") if key.startswith("seats/")]
