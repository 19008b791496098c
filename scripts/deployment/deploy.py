"""Deploying and deleting one job, step by step. Each step can be repeated: a deployment that was
interrupted is finished by the next one."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chalicelib.config import check
from chalicelib.config.layers import EXEMPT
from chalicelib.config.load import JOBS, load_job
from chalicelib.config.schema import ENV_PREFIX
from chalicelib.core.errors import UserError
from chalicelib.core.spec import JobSpec
from chalicelib.job.load_class import job_loader
from chalicelib.run import job_code

from .aws import Aws
from .chalice_cli import chalice
from .plan import (
    APP,
    FUNCTIONS,
    WORK_RETENTION_DAYS,
    Target,
    deployed_account,
    deployed_buckets,
    function_name,
    function_names,
    lifecycle_rules,
    sluice_function,
    stage_config,
)
from .policies import policies
from .project import Project

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Deployer:
    """Deploys from a checkout to an account; `environ` is what the chalice process gets."""

    project: Project
    aws: Aws
    environ: Mapping[str, str]
    say: Say
    verbose: bool = False
    work_days: int = field(default=WORK_RETENTION_DAYS)

    def deploy(self, target: Target) -> None:
        """Deploy the job. Raises DeployError; what was done by then stays, and is used by the next try."""
        self.project.check_vendor()
        with self.project.locked():
            for bucket, purpose in target.buckets.items():
                made = self.aws.ensure_bucket(bucket, target.spec.kms_key)
                self.say(f"{purpose} bucket s3://{bucket}/: {'created' if made else 'exists'}")
            self.project.write_stage(target.name, stage_config(target), policies(target))
            self._forget_foreign(target.name)
            before = deployed_buckets(self.project.deployed(target.name))
            self._drop_stale_rules(target)
            self.say(f"deploying the four functions {APP}-{target.name}-* with Chalice")
            self.project.drop_compiled()
            self.project.drop_unusable_packages()
            self.project.link_defaults()
            self._chalice("deploy", target.name, self.project.folder_for(target.spec))
            self._finish(target, before)

    def delete(self, name: str, target: Target | None) -> None:
        """Delete everything of the job `name` but data: functions, roles, rules, logs, stage, policies.

        `target` is the job if its YAML is still there; it tells the buckets if Chalice's record is lost.
        """
        with self.project.locked():
            self._forget_foreign(name)
            record = self.project.deployed(name)
            buckets = deployed_buckets(record) | set(target.buckets if target else ())
            self._clean_buckets(name, buckets)
            # Chalice deletes from its record and stops at the first thing that is gone already.
            if record and len(self.aws.existing_functions(name)) == len(function_names(name)):
                self._chalice("delete", name, self.project.root)
            for what in self.aws.delete_leftovers(name):
                self.say(f"deleted {what}")
            self.project.forget_deployed(name)
            self.project.write_stage(name, None)

    def _chalice(self, command: str, stage: str, folder: Path) -> None:
        chalice(command, stage, folder, self.environ, verbose=self.verbose)

    def _forget_foreign(self, name: str) -> None:
        """Chalice's record of another account or region (an emulator's, say) would mislead it here."""
        known = deployed_account(self.project.deployed(name))
        if known and known != (self.aws.region, self.aws.account):
            self.say(f"the last deployment of {name} went to {known[1]} in {known[0]}; starting afresh")
            self.project.forget_deployed(name)

    def _drop_stale_rules(self, target: Target) -> None:
        """Rules whose function is gone make S3 refuse the new ones; rules of our functions in the wrong
        bucket would start them for nothing."""
        for bucket in target.buckets:
            misplaced = {
                function_name(target.name, function)
                for function in FUNCTIONS
                if function not in target.triggers or target.triggers[function].bucket != bucket
            }
            dropped = self.aws.drop_dead_rules(bucket)
            dropped += self.aws.drop_rules(bucket, functools.partial(_is_of, misplaced))
            self.aws.keep_first_rule(
                bucket, functools.partial(_is_of, {function_name(target.name, "coordinator")})
            )
            if dropped:
                self.say(f"removed {dropped} stale event rule(s) of s3://{bucket}/")

    def _finish(self, target: Target, before: set[str]) -> None:
        """What Chalice cannot set, and a check of what it did."""
        for name in function_names(target.name):
            self.aws.configure_function(name)
        for function, rules in target.rules.items():
            self.aws.ensure_rule(function_name(target.name, function), *rules)
        for bucket in target.buckets:
            self.aws.set_lifecycle(bucket, target.name, lifecycle_rules(target, bucket, self.work_days))
        self._clean_buckets(target.name, before - set(target.buckets))

    def _clean_buckets(self, name: str, buckets: set[str]) -> None:
        """Remove the job's event and lifecycle rules from `buckets`. Rules first: one that points at a
        deleted function makes every later change of the bucket's rules fail."""
        ours = set(function_names(name))
        for bucket in sorted(buckets):
            if not self.aws.bucket_is_there(bucket):
                continue
            if self.aws.drop_rules(bucket, functools.partial(_is_of, ours)):
                self.say(f"removed the event rules of {name} from s3://{bucket}/")
            self.aws.set_lifecycle(bucket, name, [])


def _is_of(functions: set[str], arn: str) -> bool:
    return sluice_function(arn) in functions


def load_target(name: str, project: Project, environ: Mapping[str, str]) -> Target:
    """The job `name`, checked: its YAML, its class, its places beside the jobs deployed. Raises UserError."""
    job = load_job(name, root=project.root, environ=environ, require_cloud=True)
    load = job_loader(project.root / JOBS)
    job_code.check(load, name, job.spec)
    check.check(job.spec, name, _deployed_beside(name, project))
    overrides = {
        key: value for key, value in environ.items() if key.startswith(ENV_PREFIX) and key not in EXEMPT
    }
    return Target(name=job.name, spec=job.spec, overrides=overrides, shape=job_code.shape(load, job.spec))


def _deployed_beside(name: str, project: Project) -> dict[str, JobSpec]:
    """The other stages' jobs, each with its own overrides; one that no longer reads cannot be compared."""
    others = {}
    for stage, settings in project.stages().items():
        if stage == name:
            continue
        with contextlib.suppress(UserError):
            variables = settings.get("environment_variables", {})
            others[stage] = load_job(stage, root=project.root, environ=variables, require_cloud=True).spec
    return others


def find_target(name: str, project: Project, environ: Mapping[str, str]) -> Target | None:
    """The job as its YAML says, or None if it can no longer be read: deleting does not need it."""
    try:
        job = load_job(name, root=project.root, environ=environ, require_cloud=True)
    except UserError:
        return None
    return Target(name=job.name, spec=job.spec, overrides={})
