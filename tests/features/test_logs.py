"""`scripts/logs.py` beside a local run: what the job's code says arrives while it runs, once an attempt."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.unit.scripts.user import ROOT

TASKS, GATED, DEADLY = 50, 10, 20
FAILING = {3, 17, 31, 49}

JOB = """
import os
import time
from pathlib import Path

from chalicelib import Job, Sum


class Passing(Exception):
    retry = True


class Talks(Job):
    def mapper(self, _, line):
        word = line.split()[0]
        print("printed", word)
        self.log.info("logged %s", word)
        number = int(Path(self.input.url).stem)
        if word == "middle" and number in self.params["failing"] and self.first(f"failed-{number}"):
            raise Passing(f"task {number} fails once")
        if word == "middle" and number == self.params["deadly"] and self.first("died"):
            os._exit(3)
        while word == "middle" and number == self.params["gated"] and not self.there("gate"):
            time.sleep(0.02)
        yield word, 1

    reducer = Sum()

    def there(self, name):
        return (Path(self.params["folder"]) / name).exists()

    def first(self, name):
        try:
            (Path(self.params["folder"]) / name).touch(exist_ok=False)
            return True
        except FileExistsError:
            return False
"""


def prepare(folder: Path) -> None:
    params = {"folder": str(folder), "failing": sorted(FAILING), "deadly": DEADLY, "gated": GATED}
    (folder / "talks.py").write_text(JOB)
    document = {
        "job": "talks:Talks", "input": {"url": "s3://in/"}, "work": {"url": "s3://work/"},
        "output": {"url": "s3://out/"}, "split_size": "64KiB", "params": params,
    }  # fmt: skip
    (folder / "talks.yml").write_text(json.dumps(document))
    (folder / "in").mkdir()
    (folder / "work").mkdir()
    for number in range(TASKS):
        body = f"begin {number}\nmiddle {'x' * 40_000}\nend\n"
        (folder / "in" / f"{number:03d}.txt").write_text(body)


@contextmanager
def script(name: str, *args: str | Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(ROOT / "scripts" / f"{name}.py"), *map(str, args)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        try:
            yield started
        finally:
            started.kill()


def test_every_line_of_a_run_with_retries_arrives_once_an_attempt_in_order_while_it_runs(
    tmp_path: Path,
) -> None:
    prepare(tmp_path)
    work, gate = tmp_path / "work", tmp_path / "gate"
    with script(
        "run", tmp_path / "talks.yml", tmp_path / "in", "--output", tmp_path / "out", "--work", work,
        "--workers", "2",
    ) as run:  # fmt: skip
        while not list(work.glob("runs/talks/*/plan.json")):
            assert run.poll() is None, run.communicate()
        with script(
            "logs", tmp_path / "talks.yml", "--work", work, "--follow", "--json", "--every", "0.1"
        ) as logs:
            assert logs.stdout is not None
            lines = []
            for text in logs.stdout:
                lines.append(json.loads(text))
                waits = lines[-1].get("task") == GATED and lines[-1]["message"] == "logged middle"
                if waits and not gate.exists():
                    assert run.poll() is None, run.communicate()
                    gate.touch()  # the run cannot end before its lines were seen
            assert logs.wait() == 0, logs.stderr and logs.stderr.read()
        told = run.communicate()
        assert run.returncode == 0, told
    check(lines, work)
    assert "printed begin" in told[0], "what is printed is still shown where it was"
    assert "logged" not in told[1]


def check(lines: list[dict[str, object]], work: Path) -> None:
    said: dict[tuple[int, int], list[str]] = defaultdict(list)
    for line in lines:
        if re.match("(printed|logged) ", str(line["message"])):
            said[line["task"], line["attempt"]].append(str(line["message"]))  # type: ignore[index]
    begin, middle, end = ([f"printed {word}", f"logged {word}"] for word in ("begin", "middle", "end"))
    (run,) = work.glob("runs/talks/*")
    for task in range(TASKS):
        winner = json.loads((run / "map" / f"{task:06d}.done").read_text())["attempt"]
        twice = [*begin, *middle] if task == DEADLY and winner == 0 else []
        assert said[task, winner] == [*twice, *begin, *middle, *end], task
    for (task, attempt), messages in said.items():
        whole = [*begin, *middle, *end]
        assert task == DEADLY or messages == whole[: len(messages)], "once, and in order"
        if task in FAILING and attempt == 0:
            assert messages == [*begin, *middle], "it failed there"
    assert {task for task, _ in said} == set(range(TASKS))
    assert all((task, 0) in said for task in range(TASKS))
    failures = [line for line in lines if line["level"] == "WARNING" and "fails once" in str(line["message"])]
    assert {line["task"] for line in failures} == FAILING
    assert all("Passing" in str(line["traceback"]) for line in failures)
