#!/usr/bin/env python
"""Deploy a job to AWS, or delete it.

A deployment makes the buckets that are missing (private, encrypted, TLS only), writes the job's stage and
policies for Chalice, lets Chalice deploy the four functions with a role each, and sets what Chalice cannot:
recursion, retries, event rules and the lifecycle of work objects. A bucket that exists keeps its settings.
Doing it again changes only what differs, and ships the code.

    deploy.py NAME --dry-run            print each step and what it would change, and change nothing
    deploy.py NAME
    deploy.py NAME --delete --dry-run
    deploy.py NAME --delete             functions, roles, rules and logs go; all data stays
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
if __name__ == "__main__":
    sys.dont_write_bytecode = True  # Chalice would ship it; and a dry run writes nothing at all

from scripts.console.terminal import Parser, run_main, say
from scripts.deployment.aws.clients import connect
from scripts.deployment.deploy import Deployer
from scripts.deployment.lifecycle import WORK_RETENTION_DAYS
from scripts.deployment.load import find_target, load_target
from scripts.deployment.project import ROOT, Project
from scripts.deployment.steps import AnyStep
from scripts.deployment.target import Target, check_name


def parse(argv: list[str]) -> argparse.Namespace:
    parser = Parser(
        prog="deploy.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", metavar="NAME", help="the job: jobs/NAME.yml")
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
    parser.add_argument("-v", "--verbose", action="store_true", help="show Chalice's output")
    options = parser.parse_args(argv)
    if options.work_days < 1:
        parser.error(f"--work-days: expected at least 1, got {options.work_days}")
    return options


def main(argv: list[str]) -> int:
    options = parse(argv)
    name, project = check_name(options.name), Project(ROOT)
    # A mistake in the job is told before AWS is asked for anything.
    target = None if options.delete else load_target(name, project, os.environ)
    for text in target.warnings if target else ():
        say(f"warning: {text}", err=True)
    deployer = Deployer(
        project=project,
        clients=connect(),
        environ=os.environ,
        say=say,
        verbose=options.verbose,
        work_days=options.work_days,
    )
    if target is None:
        return _delete(deployer, name, dry_run=options.dry_run)
    return _deploy(deployer, target, dry_run=options.dry_run)


def _deploy(deployer: Deployer, target: Target, *, dry_run: bool) -> int:
    if dry_run:
        _show(deployer, f"deploying {target.name} to", deployer.plan(target))
        return 0
    deployer.deploy(target)
    say(f"{target.name}: deployed")
    for given in target.spec.inputs:
        say(f"  drop files into  {given.url}")
    say(f"  find results in  {target.spec.output.url}")
    return 0


def _delete(deployer: Deployer, name: str, *, dry_run: bool) -> int:
    target = find_target(name, deployer.project, os.environ)
    if dry_run:
        _show(deployer, f"deleting {name} from", deployer.plan_deletion(name, target))
        return 0
    deployer.delete(name, target)
    say(f"{name}: deleted; data in its buckets was left as it is")
    return 0


def _show(deployer: Deployer, doing: str, steps: Iterable[AnyStep]) -> None:
    clients = deployer.clients
    say(f"{doing} account {clients.account} in {clients.region} would change:")
    for step in steps:
        for line in step.lines:
            say(f"  {line}")
    say("this was a dry run: nothing was changed")


if __name__ == "__main__":
    sys.exit(run_main(lambda: main(sys.argv[1:])))
