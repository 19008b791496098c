#!/usr/bin/env python
# PYTHON_ARGCOMPLETE_OK
"""Make a project: a folder with one job and its test, and what it takes to run, test and deploy it.

    init.py DIR                 a new project in DIR, or what is missing in one that is there
    init.py DIR --upgrade       after a newer Sluice was installed: renew Sluice's own files, too

Each file is named with what was done to it. A file that you have changed stays as it is.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import scripts.console.lacking  # noqa: F401 (first: it says what this Python lacks)
from chalicelib.config.load import job_names
from chalicelib.core.deployment_spec import DEFAULT_PYTHON
from chalicelib.core.errors import UserError
from scripts.console.terminal import Parser, run_main, say
from scripts.new_job import asked_account, own_prefix, scaffold
from scripts.projects import files, vendor
from scripts.projects.renew import Change, changes, with_block, without_hashes
from scripts.projects.wheel import FOLDER, find_wheel, requirement
from scripts.projects.where import HOME, LIBRARY

JOB = "wordcount"
SAID = {"write": "wrote", "renew": "renewed", "keep": "left as it is", "same": ""}

NEXT_STEPS = """\
next, in {folder}:
  sluice run {job} FILE... --output counts/       the job, on this machine
  make test                                       what CI runs
  sluice new_job NAME                             a job of your own
  sluice deploy {job} --dry-run                   what a deployment would change"""


def main(
    argv: Sequence[str],
    account: Callable[[], str] | None = None,
    find: Callable[[], Path | None] = find_wheel,
) -> int:
    parser = Parser(
        prog="init.py", aws=True, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "folder", metavar="DIR", nargs="?", default=".", help="made if it is missing (default: .)"
    )
    parser.add_argument(
        "--upgrade", action="store_true", help="renew Sluice's own files that nobody has changed"
    )
    parser.add_argument(
        "--buckets", metavar="PREFIX",
        help="the first job's buckets are PREFIX-in, PREFIX-work and PREFIX-out, as new_job.py says",
    )  # fmt: skip
    options = parser.parse_args(argv)
    root = Path(options.folder).absolute()
    _check(root)
    is_new = not job_names(root)
    for change in _changes(root, find(), upgrade=options.upgrade, is_new=is_new):
        _carry_out(root, change)
    if is_new:
        for path in scaffold(root, JOB, options.buckets or own_prefix(account or asked_account)).paths:
            say(f"  wrote  {path}")
    vendor.link(root)
    if is_new:
        say(*NEXT_STEPS.format(folder=options.folder, job=JOB).splitlines())
    return 0


def _check(root: Path) -> None:
    """Raises UserError for a folder that can be no project; nothing was written."""
    if root.exists() and not root.is_dir():
        raise UserError(f"{root}: is a file; expected a folder, or the name of a new one")
    if root.resolve() == HOME:
        raise UserError(
            f"{root}: is Sluice's own checkout, which is a project already; expected another folder"
        )
    if (root / LIBRARY.name).exists():
        raise UserError(
            f"{root / LIBRARY.name}: Chalice would ship this folder in the place of Sluice's package, which has the "
            "same name; make the project in another folder, or rename this one"
        )


def _changes(root: Path, wheel: Path | None, *, upgrade: bool, is_new: bool) -> Iterator[Change]:
    wanted = requirement(_keep_wheel(root / FOLDER, wheel, upgrade=upgrade))
    ours = files.own_files(wanted, DEFAULT_PYTHON)
    there = {path: text for path in ours if (text := _text(root / path)) is not None}
    yield from changes(ours, there, upgrade=upgrade)
    yield from _pins(root, upgrade=upgrade)
    for path, text in {
        **(files.first_files() if is_new else {}),
        files.CHALICE: files.CHALICE_CONFIG,
    }.items():
        if not (root / path).exists():
            yield Change(path, "write", text)


def _pins(root: Path, *, upgrade: bool) -> Iterator[Change]:
    """What becomes of the list of requirements, in which some lines are Sluice's."""
    listed = _text(root / files.REQUIREMENTS)
    pins = without_hashes((HOME / files.REQUIREMENTS).read_text("utf-8"))
    wanted = with_block(files.template(files.REQUIREMENTS) if listed is None else listed, pins)
    if listed is None or (listed != wanted and upgrade):
        yield Change(files.REQUIREMENTS, "write" if listed is None else "renew", wanted)
    elif listed != wanted:
        why = "Sluice's part is of another version; `sluice init --upgrade` renews that part"
        yield Change(files.REQUIREMENTS, "keep", listed, why)


def _carry_out(root: Path, change: Change) -> None:
    if change.action in ("write", "renew"):
        path = root / change.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(change.text, "utf-8")
    if SAID[change.action]:
        say(f"  {SAID[change.action]}  {change.path}{change.why and ': '}{change.why}")


def _keep_wheel(folder: Path, wheel: Path | None, *, upgrade: bool) -> str | None:
    """The name of the wheel that the project installs: the one it has, unless it is new or upgraded."""
    kept = sorted(folder.glob("*.whl"), key=lambda path: path.stat().st_mtime)
    if wheel is None or (kept and not upgrade):
        return kept[-1].name if kept else None
    path, content = folder / wheel.name, wheel.read_bytes()
    if not path.exists() or path.read_bytes() != content:
        say(f"  {'renewed' if path.exists() else 'wrote'}  {FOLDER}/{path.name}")
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for old in kept:
        if old.name != path.name:
            say(f"  left as it is  {FOLDER}/{old.name}: nothing needs it any more, so it can be deleted")
    return path.name


def _text(path: Path) -> str | None:
    return path.read_text("utf-8") if path.is_file() else None


if __name__ == "__main__":
    sys.exit(run_main(lambda: main(sys.argv[1:])))
