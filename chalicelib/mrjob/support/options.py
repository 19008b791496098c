"""The command line of a job: mrjob's options that mean something here, and an answer to those that don't."""

from __future__ import annotations

import logging
import shlex
from argparse import Action, ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any

from ...core.errors import ConfigError, UserError

log = logging.getLogger("chalicelib.mrjob")

RUNNERS = ("inline", "local", "lambda")
_ELSEWHERE = ("hadoop", "emr", "dataproc", "spark")

#: Options that are ignored, with a warning, and how many values each takes.
_IGNORED: dict[str, int] = {
    "--conf-path": 1,
    "--no-conf": 0,
    "--cleanup": 1,
    "--local-tmp-dir": 1,
    "--num-cores": 1,
    "--step-output-dir": 1,
    "--hadoop-version": 1,
    "--libjars": 1,
    "--partitioner": 1,
    "--no-read-logs": 0,
    "--read-logs": 0,
    "--strict-protocols": 0,
}
_SHORT = {"--conf-path": "-c"}
#: Options that would change what a job sees, and that Sluice cannot honour: what to do instead.
_REFUSED: dict[str, str] = {
    "--setup": "a task runs Python only; add packages to requirements.txt",
    "--bootstrap": "a task runs Python only; add packages to requirements.txt",
}
#: What is passed on to tasks though the job's own class did not ask for it.
CARRIED = frozenset({"upload_files", "upload_dirs", "upload_archives", "py_files", "cmdenv", "jobconf"})


class _Refuse(Action):
    def __call__(self, parser: ArgumentParser, *_: Any) -> None:
        parser.error(f"{self.option_strings[-1]} is not supported: {self.metavar}")


class _Setting(Action):
    """NAME=VALUE, any number of them, into a dict."""

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, given: Any, _: str | None = None
    ) -> None:
        name, sign, value = str(given).partition("=")
        if not sign or not name:
            parser.error(f"{'/'.join(self.option_strings)}: expected NAME=VALUE, got {given!r}")
        setattr(namespace, self.dest, {**getattr(namespace, self.dest), name: value})


class _Ignore(Action):
    def __call__(self, *_: Any) -> None:
        log.warning("%s is ignored: it sets up Hadoop or mrjob's own runners", self.option_strings[-1])


def _runner(name: str) -> str:
    if name in _ELSEWHERE:
        raise UserError(
            f"-r {name}: expected one of {', '.join(RUNNERS)}; on AWS, jobs run as Lambda functions"
        )
    return name


def add_options(parser: ArgumentParser) -> None:
    """The options every job has."""
    parser.add_argument(
        "args", metavar="INPUT", nargs="*", help="files, folders or patterns; - or none: stdin"
    )
    add = parser.add_argument
    add(
        "-r",
        "--runner",
        type=_runner,
        choices=RUNNERS,
        help="where to run (default: inline, in this process)",
    )
    add("-o", "--output-dir", metavar="DIR", help="a new or empty folder for the parts of the output")
    add("--cat-output", dest="cat_output", action="store_true", default=None, help="print the output")
    add(
        "--no-output",
        "--no-cat-output",
        dest="cat_output",
        action="store_false",
        help="do not print the output",
    )
    for name, dest, shown in (
        ("--files", "upload_files", "side files"),
        ("--dirs", "upload_dirs", "side folders"),
        ("--archives", "upload_archives", "tar or zip files that tasks find unpacked"),
        ("--py-files", "py_files", "modules or zip files of them that tasks can import"),
    ):
        add(name, dest=dest, metavar="PATH[#NAME][,PATH]", action="append", default=[], help=shown)
    for flags, dest, shown in (
        (["--cmdenv"], "cmdenv", "a variable of the tasks' environment"),
        (["-D", "--jobconf"], "jobconf", "a setting, for jobconf_from_env; there is no Hadoop to configure"),
    ):
        add(*flags, dest=dest, metavar="NAME=VALUE", action=_Setting, default={}, help=shown)
    add(
        "--buckets", metavar="PREFIX", help="with -r lambda, for a job without a YAML: PREFIX-in, -work, -out"
    )
    add("-q", "--quiet", action="store_true", help="no messages but errors")
    add("-v", "--verbose", action="store_true", help="more messages")
    add("-h", "--help", action="store_true", help="show this and stop")
    task = parser.add_argument_group("running one task over stdin")
    for role in ("mapper", "combiner", "reducer"):
        task.add_argument(f"--{role}", dest=f"run_{role}", action="store_true")
    task.add_argument("--step-num", type=int, default=0)
    hidden = parser.add_argument_group("not supported")
    for name, count in _IGNORED.items():
        flags = [_SHORT[name], name] if name in _SHORT else [name]
        hidden.add_argument(*flags, action=_Ignore, nargs=count or 0, dest="ignored", help="ignored")
    for name, advice in _REFUSED.items():
        hidden.add_argument(name, action=_Refuse, nargs="?", dest="refused", metavar=advice, help="refused")


def parse(parser: ArgumentParser, args: Sequence[str]) -> Namespace:
    """Options and inputs, in any order. Ends the process with the help if that was asked for."""
    options = parser.parse_intermixed_args(list(args))
    if options.help:
        parser.print_help()
        parser.exit()
    return options


def passed_through(parser: ArgumentParser, names: set[str], args: Sequence[str]) -> list[str]:
    """The part of a command line that gives the options called `names`, as written, for the tasks of a run."""
    found: list[str] = []

    class Keep(Action):
        def __call__(self, _: ArgumentParser, __: Namespace, values: Any, option: str | None = None) -> None:
            if self.dest not in names or option is None:
                return
            given = [] if values is None else values if isinstance(values, list) else [values]
            if len(given) == 1 and given[0].startswith("-"):
                found.append(f"{option}={given[0]}")
            else:
                found.extend([option, *given])

    shadow = ArgumentParser(add_help=False)
    for action in parser._actions:
        if action.option_strings:
            shadow.add_argument(*action.option_strings, dest=action.dest, nargs=action.nargs, action=Keep)
    shadow.add_argument("args", nargs="*")
    shadow.parse_intermixed_args(list(args))
    return found


def task_args(params: dict[str, Any]) -> list[str]:
    """`params.args`: a list, or text as for a shell. Raises ConfigError for anything else."""
    given = params.get("args", [])
    if isinstance(given, str):
        return shlex.split(given)
    if isinstance(given, list):
        return list(map(str, given))
    raise ConfigError(f"params.args: expected the job's options as text or a list, got {given!r}")
