"""Fixtures that more than one test module uses, and which tests share a process when several run side by side."""

from __future__ import annotations

import contextlib
import gc
import importlib
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from scripts.deployment.project import Project  # noqa: E402
from scripts.deployment.waiters import fast_waiters  # noqa: E402
from scripts.emulation import emulator as ministack  # noqa: E402
from scripts.emulation.warm_start import keep_models  # noqa: E402
from tests.cloud.harness import Cloud, connect  # noqa: E402

keep_models()

# On CI every run tries the same examples: a change is blamed for what it broke, not for what chance found.
settings.register_profile("ci", derandomize=True)
settings.register_profile("quick", max_examples=20)
if os.environ.get("CI"):
    settings.load_profile("ci")


# ---------------------------------------------------------------------------------------------------
# Side by side

PROCESSORS = os.cpu_count() or 1

#: Files whose tests run in one process because they share deployments, which take seconds. What takes longest begins
#: first. Any other file is a group of its own, so that what its tests share is made once.
GROUPS = {
    "cloud": (
        "tests/chaos/test_deployed.py",  # first: it has an emulator of its own, which then is gone
        "tests/cloud/test_slots.py",  # so has it
        "tests/cloud/test_warm_scripts.py",
        "tests/cloud/test_word_counts.py",
        "tests/cloud/test_scripted_runs.py",
        "tests/cloud/test_scripts.py",
        "tests/cloud/test_dashboard.py",
        "tests/cloud/test_mistakes.py",
        "tests/cloud/test_failed_events.py",
        "tests/cloud/test_brakes.py",
        "tests/cloud/test_lifecycle.py",
        "tests/cloud/test_bus.py",
    ),
    "deployed once": (
        "tests/cloud/test_shipped_jobs.py",
        "tests/cloud/test_totals.py",
        "tests/features/sql/test_cloud.py",
        "tests/cloud/test_inputs.py",
        "tests/cloud/test_clocks.py",
        "tests/cloud/test_steps.py",
        "tests/features/mrjob/test_cloud.py",
        "tests/documents/test_tutorial.py",  # it has an emulator of its own
    ),
}
_GROUP_OF = {file: group for group, files in GROUPS.items() for file in files}
_TURN = {file: turn for turn, file in enumerate(_GROUP_OF)}


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def pytest_collectstart(collector: pytest.Collector) -> None:
    """With `-n` each process reads all tests, and where none was read before, pytest rewrites their asserts.

    That takes as long as all else until the first test. So each begins with other files, and finds the rest rewritten.
    """
    share = getattr(collector.config, "workerinput", {})
    if not share.get("whole") or not isinstance(collector, pytest.Session):
        return
    gc.disable()  # until all is read: nothing of it goes away
    files = [path.relative_to(ROOT) for path in sorted((ROOT / "tests").rglob("test_*.py"))]
    for path in files[int(share["workerid"].removeprefix("gw")) :: share["workercount"]]:
        # What is wrong with a file pytest tells when it is its turn.
        with contextlib.suppress(Exception, pytest.skip.Exception):
            importlib.import_module(".".join(path.with_suffix("").parts))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a process of `-n` whether all files are read, since none was named."""
    node.workerinput["whole"] = node.config.args_source is not pytest.Config.ArgsSource.ARGS


def pytest_collection_finish() -> None:
    """The garbage collector need not look again and again at what was read: it is there until the end."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    gc.unfreeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _TURN.get(_file(item.nodeid), len(_TURN)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: some always wait, for the emulator or for a time-out."""
    return PROCESSORS + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `-n`, a process takes one group after the other, in the order of their first tests."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = _file(nodeid)
            if file not in _GROUP_OF:
                return file
            # The functions of one emulator keep two processors busy by themselves. Two emulators would start twice
            # the processes at once, which wait for each other, and so start still more.
            return "emulator" if PROCESSORS <= 2 else _GROUP_OF[file]

    config.option.loadscopereorder = False
    return Groups(config, log)


@pytest.fixture(autouse=True)
def _log_levels_of_a_new_process() -> None:
    """Commands that a test calls in this process quieten our loggers, as in their own; the next test listens."""
    for name in [*logging.Logger.manager.loggerDict]:
        if name.partition(".")[0] == "chalicelib":
            logging.getLogger(name).setLevel(logging.NOTSET)


TOLD = "told"


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Say something that was measured, and is not judged; it stands below the tests, whatever process said it."""
    return lambda text: record_property(TOLD, text)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    said = [
        text
        for report in terminalreporter.stats.get("passed", [])
        if report.when == "call"
        for name, text in report.user_properties
        if name == TOLD
    ]
    if said:
        terminalreporter.section("measured")
        terminalreporter.write_line("\n".join(said))


# ---------------------------------------------------------------------------------------------------
# The package that pip installs


@pytest.fixture(scope="session")
def build_wheel(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """What `make wheel` does; the new wheel's path."""
    python = ROOT / ".venv-wheel" / "bin" / "python"
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--disable-pip-version-check")

    def build() -> Path:
        if not python.exists():
            pytest.fail(f"{python} is missing: run `make setup`")
        folder = tmp_path_factory.mktemp("dist")
        command = [python, "-m", "pip", "wheel", *options, "--wheel-dir", folder, ROOT]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        (built,) = folder.glob("*.whl")
        return built

    return build


@pytest.fixture(scope="session")
def wheel(build_wheel: Callable[[], Path]) -> Path:
    return build_wheel()


# ---------------------------------------------------------------------------------------------------
# The emulator


#: An idle process of a function holds 45 MB, and a burst leaves a hundred of them behind: MiniStack would keep each for
#: five minutes, and a machine of 16 GB would have to kill some. (It always keeps the first of each function.)
SHORT_OF_MEMORY = {"LAMBDA_WARM_TTL_SECONDS": "20"}
#: Half of what a process costs until it works is reading boto3.
WARM_STARTS = {"GATEWAY_WARM_STARTS": "1"}


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ministack.Emulator]:
    """One MiniStack for all tests of a process; each makes and removes what it needs in it."""
    log = tmp_path_factory.mktemp("ministack") / "ministack.log"
    with ministack.running(log, SHORT_OF_MEMORY | WARM_STARTS) as started:
        yield started


@pytest.fixture(scope="session")
def checkout(emulator: ministack.Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A copy of this checkout with the tests' jobs beside its own; nothing is deployed yet.

    All jobs are in it from the beginning: the zip is built anew for other files, and then with pip.
    """
    with checkout_in(tmp_path_factory.mktemp("cloud"), emulator) as cloud:
        yield cloud


@contextmanager
def checkout_in(folder: Path, emulator: ministack.Emulator) -> Iterator[Cloud]:
    """A checkout whose scripts use this emulator."""
    root = folder / "checkout"
    root.mkdir()
    Project(ROOT).copy_to(root)
    compiled = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(ROOT / "scripts", root / "scripts", ignore=compiled)
    for jobs in ("cloud/jobs", "features/mrjob/jobs"):
        shutil.copytree(ROOT / "tests" / jobs, root / "jobs", ignore=compiled, dirs_exist_ok=True)
    environ = emulator.environment() | {
        "AWS_DATA_PATH": str(fast_waiters(folder / "models")),
        "PYTHONFAULTHANDLER": "1",  # a crash of Python itself says where
    }
    cloud = connect(root, environ)
    yield cloud
    for client in (cloud.s3, cloud.functions, cloud.iam, cloud.logs):
        client.close()


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A program that we start is born with our signals, and where ours are ignored (a job in the background, with no
    terminal) it ignores Ctrl-C and a hang-up, too. One that has handlers here is born with the defaults.
    """
    before = {
        number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGHUP)
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
