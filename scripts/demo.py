#!/usr/bin/env python
"""Count words on an emulated AWS: deploy the job with Chalice, drop files in, show the result.

    scripts/demo.py

Everything happens in a temporary copy of this checkout (installed: in a project made for it) and on a free port of
the loopback interface; what was started is stopped at the end, also on Ctrl-C. A report of the last run stays.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from pydoc_data.topics import topics

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import scripts.console.lacking  # noqa: F401 (first: it says what this Python lacks)
from chalicelib.core.errors import RunFailed, UserError
from chalicelib.core.ports import Loc, Store
from chalicelib.mapreduce.output.text import unescape
from scripts import init
from scripts.console.terminal import Parser, Screen, count, human_bytes, human_seconds, run_main
from scripts.deployment.aws.clients import connect
from scripts.deployment.deploy import Deployer
from scripts.deployment.load import load_target
from scripts.deployment.project import Project
from scripts.deployment.target import Target
from scripts.deployment.waiters import fast_waiters
from scripts.emulation import emulator
from scripts.projects.where import INSTALLED, VARIABLE, project_root
from scripts.reporting.gather import gather
from scripts.reporting.page import page
from scripts.runs import world as runs
from scripts.runs.places import LATEST, job_place
from scripts.submitting.submit import submit
from scripts.submitting.world import real_world

JOB = "wordcount"
TOP = 10
#: Bytes of each text file, about; Python's own help texts fill four of them.
FILE_SIZE = 160_000


def main(screen: Screen) -> int:
    """Run the demo; 0 if every run succeeded."""
    try:
        demo(screen)
    except emulator.EmulatorError as error:
        raise UserError(str(error)) from error
    return 0


def demo(screen: Screen) -> None:
    begun = time.monotonic()
    report = project_root() / ".sluice/demo-report.html"  # it outlives all else of the demo
    with tempfile.TemporaryDirectory(prefix="sluice-demo-") as name:
        folder = Path(name)
        os.environ["TMPDIR"] = name  # the emulator leaves its functions' code behind: let it go with us
        screen.print("starting an emulated AWS (MiniStack)")
        with emulator.running(folder / "ministack.log") as cloud:
            use(cloud, folder)
            target = deploy(folder / "checkout", screen)
            files = write_texts(folder / "texts")
            size = sum(path.stat().st_size for path in files)
            screen.print(f"dropping {count(len(files), 'file')}, {human_bytes(size)}: each starts a run")
            world = real_world()
            if submit(JOB, files, world, prefix_dir=False, start_timeout=60.0):
                raise RunFailed(f"the demo's job {JOB} failed; the reason is above")
            words = total(world.store(), target.spec.output_loc)
            if words != counted_here(files):
                raise RunFailed("the results differ from what Python counts in the same files")
            show_top(words, target, screen)
            tell_of(report, report_of(JOB, runs.real_world(), report), screen)
    screen.print(f"all done in {human_seconds(time.monotonic() - begun)}; the emulator is stopped")


def use(cloud: emulator.Emulator, folder: Path) -> None:
    """Let this process and those it starts see the emulator, and nothing of the user's AWS."""
    ours = cloud.environment() | {"AWS_DATA_PATH": str(fast_waiters(folder / "models"))}
    os.environ.clear()
    os.environ.update(ours)


def deploy(folder: Path, screen: Screen) -> Target:
    """Make the buckets and run the real `chalice deploy`, in a copy of this checkout, or in a project made for it."""
    original = Project(project_root())
    if INSTALLED:
        init.main([str(folder), "--buckets", "sluice-demo"])
        project = Project(folder)
        project.take_packages(original)
        os.environ[VARIABLE] = str(folder)
    else:
        folder.mkdir()
        project = original.copy_to(folder)
    target = load_target(JOB, project, os.environ)
    Deployer(project=project, clients=connect(), environ=os.environ, say=screen.print).deploy(target)
    original.take_packages(project)
    return target


def write_texts(folder: Path) -> list[Path]:
    """Text files that every machine has: Python's help on its own language, in several files."""
    folder.mkdir()
    files: list[Path] = []
    chunk, size = [], 0
    for topic in sorted(topics):
        chunk.append(topics[topic])
        size += len(chunk[-1])
        if size >= FILE_SIZE:
            files.append(_write(folder, len(files), chunk))
            chunk, size = [], 0
    if chunk:
        files.append(_write(folder, len(files), chunk))
    return files


def _write(folder: Path, number: int, chunk: list[str]) -> Path:
    path = folder / f"python help {number + 1}.txt"
    path.write_text("\n".join(chunk), "utf-8")
    return path


def show_top(words: Counter[str], target: Target, screen: Screen) -> None:
    """The most frequent words of all results, and where these are."""
    width = max(len(word) for word, _ in words.most_common(TOP))
    screen.print(f"the {TOP} most frequent of {count(len(words), 'word')}:")
    for word, number in words.most_common(TOP):
        screen.print(f"  {word:<{width}}  {number:>7,}")
    screen.print(f"each file's results, sorted by word, are in {target.spec.output.url}RUN/part-*.tsv")


def report_of(job: str, world: runs.World, path: Path) -> str:
    """Write the report of the job's last run; the run's id."""
    seen = gather(world, job_place(job, world), LATEST)
    path.parent.mkdir(exist_ok=True)
    path.write_text(page(seen), "utf-8")
    return seen.status.run


def tell_of(path: Path, run: str, screen: Screen) -> None:
    """How to see the report of a run."""
    screen.print(f"a report of the run {run} is in {os.path.relpath(path)}; in a browser: {path.as_uri()}")


def total(store: Store, output: Loc) -> Counter[str]:
    """The counts of all parts below `output`, added up: one run counted one file."""
    words: Counter[str] = Counter()
    for info in store.list(output):
        if "/part-" not in info.key:
            continue
        for line in store.get(Loc(output.bucket, info.key)).decode().split("\n")[:-1]:
            word, _, number = line.rpartition("\t")
            words[unescape(word)] += int(number)
    return words


def counted_here(files: list[Path]) -> Counter[str]:
    """What the results must be."""
    return Counter(word for path in files for word in path.read_text("utf-8").split())


if __name__ == "__main__":
    Parser(
        prog="demo.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    sys.exit(run_main(lambda: main(Screen(sys.stdout))))
