"""The names of `mrjob.compat`: Hadoop's settings, under the names of its two generations.

A task has its settings in its environment, with `_` for `.`: those that JOBCONF, a step or `-D` gave it, and what it
is working on (`tasks.py`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

#: The name of a setting in Hadoop 1, and in Hadoop 2: those that tasks ask for or that jobs set for them.
_RENAMED = (
    ("io.sort.factor", "mapreduce.task.io.sort.factor"),
    ("io.sort.mb", "mapreduce.task.io.sort.mb"),
    ("job.local.dir", "mapreduce.job.local.dir"),
    ("keep.failed.task.files", "mapreduce.task.files.preserve.failedtasks"),
    ("key.value.separator.in.input.line", "mapreduce.input.keyvaluelinerecordreader.key.value.separator"),
    ("map.input.file", "mapreduce.map.input.file"),
    ("map.input.length", "mapreduce.map.input.length"),
    ("map.input.start", "mapreduce.map.input.start"),
    ("map.output.key.field.separator", "mapreduce.map.output.key.field.separator"),
    ("mapred.cache.archives", "mapreduce.job.cache.archives"),
    ("mapred.cache.files", "mapreduce.job.cache.files"),
    ("mapred.cache.localArchives", "mapreduce.job.cache.local.archives"),
    ("mapred.cache.localFiles", "mapreduce.job.cache.local.files"),
    ("mapred.compress.map.output", "mapreduce.map.output.compress"),
    ("mapred.input.dir", "mapreduce.input.fileinputformat.inputdir"),
    ("mapred.job.id", "mapreduce.job.id"),
    ("mapred.job.name", "mapreduce.job.name"),
    ("mapred.job.priority", "mapreduce.job.priority"),
    ("mapred.job.queue.name", "mapreduce.job.queuename"),
    ("mapred.job.reuse.jvm.num.tasks", "mapreduce.job.jvm.numtasks"),
    ("mapred.line.input.format.linespermap", "mapreduce.input.lineinputformat.linespermap"),
    ("mapred.local.dir", "mapreduce.cluster.local.dir"),
    ("mapred.map.max.attempts", "mapreduce.map.maxattempts"),
    ("mapred.map.output.compression.codec", "mapreduce.map.output.compress.codec"),
    ("mapred.map.tasks", "mapreduce.job.maps"),
    ("mapred.map.tasks.speculative.execution", "mapreduce.map.speculative"),
    ("mapred.max.split.size", "mapreduce.input.fileinputformat.split.maxsize"),
    ("mapred.min.split.size", "mapreduce.input.fileinputformat.split.minsize"),
    ("mapred.output.compress", "mapreduce.output.fileoutputformat.compress"),
    ("mapred.output.compression.codec", "mapreduce.output.fileoutputformat.compress.codec"),
    ("mapred.output.dir", "mapreduce.output.fileoutputformat.outputdir"),
    ("mapred.output.key.comparator.class", "mapreduce.job.output.key.comparator.class"),
    ("mapred.reduce.max.attempts", "mapreduce.reduce.maxattempts"),
    ("mapred.reduce.slowstart.completed.maps", "mapreduce.job.reduce.slowstart.completedmaps"),
    ("mapred.reduce.tasks", "mapreduce.job.reduces"),
    ("mapred.reduce.tasks.speculative.execution", "mapreduce.reduce.speculative"),
    ("mapred.skip.on", "mapreduce.job.skiprecords"),
    ("mapred.task.id", "mapreduce.task.attempt.id"),
    ("mapred.task.is.map", "mapreduce.task.ismap"),
    ("mapred.task.partition", "mapreduce.task.partition"),
    ("mapred.task.timeout", "mapreduce.task.timeout"),
    ("mapred.text.key.comparator.options", "mapreduce.partition.keycomparator.options"),
    ("mapred.text.key.partitioner.options", "mapreduce.partition.keypartitioner.options"),
    ("mapred.tip.id", "mapreduce.task.id"),
    ("mapred.work.output.dir", "mapreduce.task.output.dir"),
    ("mapred.working.dir", "mapreduce.job.working.dir"),
    ("session.id", "mapreduce.jobtracker.session.id"),
    ("user.name", "mapreduce.job.user.name"),
)
_BY_NAME: dict[str, dict[str, str]] = {
    name: {"1.0": old, "2.0": new} for old, new in _RENAMED for name in (old, new)
}


def jobconf_from_env(variable: str, default: Any = None) -> Any:
    """A setting of the task, under whichever of its names it was made; `default` if nobody made it.

    `mapreduce.map.input.file` is where the mapper's input lies: `s3://...`, or `file://...` on this machine.
    """
    for name in (variable, *_BY_NAME.get(variable, {}).values()):
        found = os.environ.get(name.replace(".", "_"))
        if found is not None:
            return found
    return default


def jobconf_from_dict(jobconf: Mapping[str, Any], name: str, default: Any = None) -> Any:
    """The same of a dict."""
    for known in (name, *_BY_NAME.get(name, {}).values()):
        if known in jobconf:
            return jobconf[known]
    return default


def map_version(version: str, version_map: Mapping[str, T] | Iterable[tuple[str, T]]) -> T:
    """The value of the latest version that is not after `version`, or else of the first. Raises ValueError for none."""
    pairs = version_map.items() if isinstance(version_map, Mapping) else version_map
    known = sorted(pairs, key=lambda pair: _numbers(pair[0]))
    if not known:
        raise ValueError("version_map: expected at least one version")
    found: T = known[0][1]
    for least, value in known:
        if version_gte(version, least):
            found = value
    return found


def translate_jobconf(variable: str, version: str) -> str:
    """A setting's name in a version of Hadoop; a name that is not known stays."""
    if version is None:
        raise TypeError("version: expected text such as '2.7', got None")
    return map_version(version, _BY_NAME[variable]) if variable in _BY_NAME else variable


def translate_jobconf_for_all_versions(variable: str) -> list[str]:
    """All names of a setting, in the alphabet's order."""
    return sorted({variable, *_BY_NAME.get(variable, {}).values()})


def translate_jobconf_dict(jobconf: Mapping[str, Any], hadoop_version: str | None = None) -> dict[str, Any]:
    """The settings, and beside each its other names, or the one of a version of Hadoop."""
    found = dict(jobconf)
    for name, value in jobconf.items():
        if hadoop_version:
            names = [translate_jobconf(name, hadoop_version)]
        else:
            names = translate_jobconf_for_all_versions(name)
        found |= {other: value for other in names if other not in jobconf}
    return found


def uses_yarn(version: str) -> bool:
    """Whether this Hadoop has YARN: from 2 on, and in the line of 0.23."""
    return version_gte(version, "2") or (version_gte(version, "0.23") and not version_gte(version, "1"))


def version_gte(version: str, cmp_version_str: str) -> bool:
    """Whether a version is this one or later."""
    return _numbers(version) >= _numbers(cmp_version_str)


def _numbers(version: str) -> list[int]:
    if not isinstance(version, str):
        raise TypeError(f"version: expected text such as '2.7', got {version!r}")
    return [int(number) for number in re.findall(r"\d+", version)]
