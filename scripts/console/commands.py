"""All commands, by what people want to do, and how they are called. Pure; `sluice.py` prints it, docs/commands.md
shows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple


class Command(NamedTuple):
    """A script, what it does in a few words, and how it is called."""

    name: str
    does: str
    example: str


TOPICS: dict[str, tuple[Command, ...]] = {
    "Write a job and try it": (
        Command("init", "make a project for jobs of your own", "init ~/visits"),
        Command("new_job", "write the files of a new job", "new_job visits"),
        Command("install", "install the packages that jobs need here", "install visits"),
        Command("run", "run a job on this machine", "run visits logs/ --output counts/"),
        Command("plan", "say what a run will take, before it runs", "plan visits --size 1TB"),
    ),
    "Put it on AWS": (
        Command("deploy", "deploy a job, or delete it", "deploy visits --dry-run"),
        Command("cloud", "keep an emulated AWS running to play with", "cloud up"),
    ),
    "Run it there": (
        Command("submit", "upload files, or run over what is there", "submit visits log.txt --wait"),
        Command("get", "get the results of a run", "get visits latest -o counts/"),
        Command("stop", "end a run", "stop visits latest"),
        Command("audit", "find what has no run or has failed, and mend it", "audit visits --mend"),
    ),
    "See what happens": (
        Command("status", "show how runs stand", "status visits latest --watch"),
        Command("dashboard", "watch runs in a browser, drop files, stop and start runs", "dashboard --open"),
        Command("logs", "show what a run has logged", "logs visits --follow"),
        Command("report", "write a run as a page", "report visits -o report.html"),
        Command("cost", "show what runs have cost, and what would cost less", "cost visits --since 30d"),
    ),
    "Tidy up": (
        Command("quarantine", "show bad records, and run them again", "quarantine visits latest --redrive"),
        Command("clean", "delete the work objects of runs that have ended", "clean --older-than 7d"),
    ),
    "Look around": (Command("demo", "count words on an emulated AWS", "demo"),),
}
COMMANDS = {command.name: command for commands in TOPICS.values() for command in commands}


#: A command as our texts name it, and no file of anybody's with such a name.
_CALL = re.compile(
    rf"(?<![\w/.-])(?:\.venv/bin/python )?(?:scripts/)?({'|'.join(COMMANDS)}|sluice)\.py\b(?!:\d)"
)


#: How a checkout gets what is missing, and how the package does.
_INSTALLS = {
    "pip install -r requirements-sql.txt": "pip install 'sluice-mapreduce[sql]'",
    "run `make setup`": "pip install 'sluice-mapreduce[deploy]'",
}


def as_typed(text: str, *, installed: bool) -> str:
    """`text`, in which commands are those of a checkout, as who has Sluice installed types them.

    >>> as_typed("scripts/status.py visits shows it", installed=True)
    'sluice status visits shows it'
    """
    if not installed:
        return text
    for ours, theirs in _INSTALLS.items():
        text = text.replace(ours, theirs)
    return _CALL.sub(lambda call: "sluice" if call[1] == "sluice" else f"sluice {call[1]}", text)


def overview() -> Iterator[str]:
    """The commands by topic, a line each, with examples."""
    width = max(map(len, COMMANDS))
    for topic, commands in TOPICS.items():
        yield f"{topic}:"
        for command in commands:
            yield f"  {command.name:{width}}  {command.does}"
            yield f"  {'':{width}}    sluice.py {command.example}"
        yield ""


def likely(name: str) -> str:
    """The command that somebody who wrote `name` is likely to have meant; empty if there is none."""
    import difflib  # most names are right

    near = difflib.get_close_matches(name.replace("-", "_").removesuffix(".py"), COMMANDS, n=1)
    return near[0] if near else ""
