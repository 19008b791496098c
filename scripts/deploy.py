#!/usr/bin/env python
# PYTHON_ARGCOMPLETE_OK
"""Deploy a job to AWS, or delete it.

A deployment makes the buckets that are missing (private, encrypted, TLS only), writes the job's stage and
policies for Chalice, lets Chalice deploy the four functions with a role each, and sets what Chalice cannot:
recursion, retries, who is told of failed events, event rules and the lifecycle of work objects. A bucket that
exists keeps its settings. Doing it again changes only what differs, and ships the code.

    deploy.py NAME --dry-run            print each step and what it would change, and change nothing
    deploy.py NAME
    deploy.py NAME --delete --dry-run
    deploy.py NAME --delete             functions, roles, rules and logs go; all data stays
    deploy.py NAME --package DIR --format terraform      write it down for a pipeline, and ask AWS for nothing

Each names the runs that are under way and what becomes of them: a run is of one code, so one that was begun by other
code fails. With --wait, those that are under way end first.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
if __name__ == "__main__":
    sys.dont_write_bytecode = True  # Chalice would ship it; and a dry run writes nothing at all

import scripts.console.lacking  # noqa: F401 (first: it says what this Python lacks)
from chalicelib.aws.function import SystemClock
from chalicelib.stores.s3 import S3Store
from scripts.console.terminal import Parser, run_main, say
from scripts.deployment import under_way
from scripts.deployment.aws.clients import connect
from scripts.deployment.deploy import Deployer
from scripts.deployment.lifecycle import WORK_RETENTION_DAYS
from scripts.deployment.load import find_target, load_target
from scripts.deployment.project import Project
from scripts.deployment.steps import AnyStep
from scripts.deployment.target import Target, check_name
from scripts.deployment.templates.write import FORMATS, write_package
from scripts.deployment.trial import try_out
from scripts.projects.where import project_root


def parse(argv: list[str]) -> argparse.Namespace:
    parser = Parser(
        prog="deploy.py", aws=True, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", metavar="NAME", help="the job: jobs/NAME.yml")
    parser.add_argument("--stage", metavar="STAGE", help="one of the job's `stages`: the job NAME-STAGE")
    parser.add_argument("--delete", action="store_true", help="remove what was deployed, but never data")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the steps, each with what it would change in the account or in .chalice/, or `nothing`; "
        "AWS is only read, and no file is written",
    )
    parser.add_argument(
        "--work-days",
        type=int,
        default=WORK_RETENTION_DAYS,
        metavar="N",
        help="work objects expire after N days (default %(default)s)",
    )
    parser.add_argument(
        "--wait", action="store_true", help="let the runs end first that are under way; not with --dry-run"
    )
    package = parser.add_argument_group("write it down for a pipeline of yours")
    package.add_argument(
        "--package",
        type=Path,
        metavar="DIR",
        help="write all that a deployment makes into this folder instead",
    )
    package.add_argument("--format", choices=FORMATS, default=FORMATS[0], help="default %(default)s")
    package.add_argument(
        "--own-buckets",
        default="",
        metavar="NAME,NAME",
        help="buckets of the job that the pipeline makes; the others exist (default: all do)",
    )
    package.add_argument(
        "--account-concurrency",
        type=int,
        metavar="N",
        help="how many functions may run at once in the account; without it no supervisor waits",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="show Chalice's output")
    options = parser.parse_args(argv)
    if options.stage:
        options.name = f"{options.name}-{options.stage}"
    if options.work_days < 1:
        parser.error(f"--work-days: expected at least 1, got {options.work_days}")
    if options.wait and options.dry_run:
        parser.error("--wait: a dry run changes nothing, so there is nothing to wait for")
    if options.package and (options.delete or options.dry_run or options.wait):
        parser.error("--package: it changes nothing in an account; leave out --delete, --dry-run and --wait")
    return options


def main(argv: list[str]) -> int:
    options = parse(argv)
    name, project = check_name(options.name), Project(project_root())
    # A mistake in the job is told before AWS is asked for anything.
    target = None if options.delete else load_target(name, project, os.environ)
    for text in target.warnings if target else ():
        say(f"warning: {text}", err=True)
    if options.package and target:
        return _package(project, target, options)
    deployer = Deployer(
        project=project,
        clients=connect(),
        environ=os.environ,
        say=say,
        verbose=options.verbose,
        work_days=options.work_days,
    )
    if target is None:
        return _delete(deployer, name, dry_run=options.dry_run, wait=options.wait)
    return _deploy(deployer, target, dry_run=options.dry_run, wait=options.wait)


def _package(project: Project, target: Target, options: argparse.Namespace) -> int:
    own = tuple(name.strip() for name in options.own_buckets.split(",") if name.strip())
    written, told = write_package(
        project,
        target,
        options.package,
        options.format,
        own=own,
        concurrency=options.account_concurrency,
        work_days=options.work_days,
        try_out=try_out,
    )
    for path in written:
        say(f"wrote {path}")
    for text in told:
        say(f"note: {text}")
    return 0


def _deploy(deployer: Deployer, target: Target, *, dry_run: bool, wait: bool) -> int:
    fate = under_way.on_deployment(under_way.code_of(deployer.project, target))
    if dry_run:
        _show(deployer, f"deploying {target.name} to", deployer.plan(target))
        _tell_of_runs(deployer, target, fate)
        return 0
    _tell_of_runs(deployer, target, fate, wait=wait)
    deployer.deploy(target)
    say(f"{target.name}: deployed")
    for given in target.spec.inputs:
        say(f"  drop files into  {given.url}")
    say(f"  find results in  {target.spec.output.url}")
    return 0


def _delete(deployer: Deployer, name: str, *, dry_run: bool, wait: bool) -> int:
    target = find_target(name, deployer.project, os.environ)
    if dry_run:
        _show(deployer, f"deleting {name} from", deployer.plan_deletion(name, target))
    if target:
        _tell_of_runs(deployer, target, under_way.on_deletion, wait=wait)
    if dry_run:
        return 0
    deployer.delete(name, target)
    say(f"{name}: deleted; data in its buckets was left as it is")
    return 0


def _tell_of_runs(
    deployer: Deployer, target: Target, fate: Callable[[under_way.Run], str], *, wait: bool = False
) -> None:
    under_way.tell(S3Store(deployer.clients.s3), target, SystemClock(), say, fate, wait=wait)


def _show(deployer: Deployer, doing: str, steps: Iterable[AnyStep]) -> None:
    clients = deployer.clients
    say(f"{doing} account {clients.account} in {clients.region} would change:")
    for step in steps:
        for line in step.lines:
            say(f"  {line}")
    say("this was a dry run: nothing was changed")


if __name__ == "__main__":
    sys.exit(run_main(lambda: main(sys.argv[1:])))
