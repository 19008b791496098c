"""What a task can ask about itself, by the names of Hadoop 2."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .side_files import SideFile


def of_task(run: str, role: str, step: int, task: int, attempt: int) -> dict[str, str]:
    """Its ids, and what it is."""
    mark = f"{run}_{role}_{step:04d}{task}"
    return {
        "mapreduce.job.id": run,
        "mapreduce.task.id": f"task_{mark}",
        "mapreduce.task.attempt.id": f"attempt_{mark}_{attempt}",
        "mapreduce.task.ismap": str(role == "mapper").lower(),
        "mapreduce.task.partition": str(task),
    }


def of_folder(folder: Path, side_files: Mapping[SideFile, str]) -> dict[str, str]:
    """Its working folder, and what lies in it."""
    found = {"mapreduce.job.local.dir": str(folder), "mapreduce.task.output.dir": str(folder)}
    for kind in ("file", "archive"):
        named = [(side.source, name) for side, name in side_files.items() if side.kind == kind]
        found[f"mapreduce.job.cache.{kind}s"] = ",".join(f"{source}#{name}" for source, name in named)
        found[f"mapreduce.job.cache.local.{kind}s"] = ",".join(str(folder / name) for _, name in named)
    return found


def of_input(url: str, start: int, stop: int) -> dict[str, str]:
    """The range of an object that a mapper reads: `s3://...`, or `file://...` on this machine."""
    return {
        "mapreduce.map.input.file": f"file://{url}" if url.startswith("/") else url,
        "mapreduce.map.input.start": str(start),
        "mapreduce.map.input.length": str(stop - start),
    }
