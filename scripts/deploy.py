#!/usr/bin/env python
"""Deploy a job to AWS, or delete it: buckets, Chalice's stage, policies, functions, events, lifecycle."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.console.terminal import run_main
from scripts.deployment.aws import Aws
from scripts.deployment.deploy import Deployer, find_target, load_target
from scripts.deployment.plan import WORK_RETENTION_DAYS, DeployError, check_name
from scripts.deployment.project import ROOT, Project


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", metavar="NAME", help="the job: jobs/NAME.yml")
    parser.add_argument("--delete", action="store_true", help="remove what was deployed, but never data")
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
    target = None if options.delete else load_target(name, project, os.environ)
    deployer = Deployer(
        project=project,
        aws=Aws(),
        environ=os.environ,
        say=print,
        verbose=options.verbose,
        work_days=options.work_days,
    )
    if target is None:
        target = find_target(name, project, os.environ)
        if target is None and name not in project.stages() and not deployer.aws.existing_functions(name):
            raise DeployError(f"{name}: nothing to delete: no such job, stage or functions")
        deployer.delete(name, target)
        print(f"{name}: deleted; data in its buckets was left as it is")
        return 0
    deployer.deploy(target)
    print(f"{name}: deployed")
    for given in target.spec.inputs:
        print(f"  drop files into  {given.url}")
    print(f"  find results in  {target.spec.output.url}")
    return 0


if __name__ == "__main__":
    sys.exit(run_main(lambda: main(sys.argv[1:])))
