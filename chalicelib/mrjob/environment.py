"""What a task can ask about itself, by Hadoop's names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..job.job import Job

#: The task that this process is working on.
current: Job | None = None

_INPUT_FILE = ("mapreduce.map.input.file", "map.input.file")


def jobconf_from_env(variable: str, default: str | None = None) -> str | None:
    """For `mapreduce.map.input.file`, the URL of what a mapper reads; for other names, the environment's variable."""
    if variable in _INPUT_FILE and current is not None:
        return current.input.url
    return os.environ.get(variable.replace(".", "_"), default)


def folder_of(script: str | None) -> Path:
    """The folder of a job's file, which its FILES are relative to."""
    return Path(script or "job.py").absolute().parent
