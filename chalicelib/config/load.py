"""A job's configuration, read from its layers and checked, every value with where it came from.

The layers, strongest first: `--set KEY=VALUE`, the environment's `SLUICE_*`, the stage in the job's YAML, the rest of
that, `sluice.yml`, the defaults of `core.spec`. Names, ranges and units all come from `JobSpec`: a field added there
can be set everywhere.

A scalar is read as what the schema expects, not as what YAML 1.1 would guess: `suffix: .5` is text, and a quoted
number is a number. Only `params`, which has no schema, goes by YAML's own types, as far as JSON has them. There,
whatever YAML 1.1 reads in a surprising way (`yes`, `0777`, `1:30`) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import NODEFAULT, Struct
from msgspec.structs import replace

from ..core.errors import ConfigError
from ..core.spec import JobSpec
from . import check, schema
from .layers import STAGES, Layer, Value, environment_layer, file_layer, override_layer

JOBS = "jobs"
PROJECT_FILE = "sluice.yml"
#: The places of a local run until the command line gives others. Nothing can be written below /dev/null, so a run
#: that forgot to set its places fails instead of writing somewhere.
PLACEHOLDERS = {f"{place}.url": f"/dev/null/{place}" for place in ("input", "work", "output")}

DEFAULT, PLACEHOLDER, CHOSEN = "default", "placeholder for the command line's", "chosen for expect"
_JOB_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")


class LoadedJob(Struct, frozen=True, kw_only=True):
    """A job as configured: `provenance` says for each dotted key where its value came from."""

    name: str
    spec: JobSpec
    path: Path
    provenance: dict[str, str]


# Jobs


def job_names(root: Path) -> list[str]:
    """The jobs below `root`, sorted."""
    return sorted(path.stem for path in (root / JOBS).glob("*.yml"))


def job_file(name: str, root: Path) -> Path:
    """The file that a job, or a stage of one, is configured in. Raises ConfigError."""
    return _find(name, root)[1]


def _find(name_or_path: str | Path, root: Path) -> tuple[str, Path, str]:
    """(name, path, stage) of a job; `NAME-STAGE` is a stage of `jobs/NAME.yml`. Raises ConfigError."""
    asked = str(name_or_path)
    is_path = asked.endswith((".yml", ".yaml"))
    path = Path(asked) if is_path else root / JOBS / f"{asked}.yml"
    name = path.stem if is_path else asked
    well_named = _JOB_NAME.fullmatch(name)
    if well_named and path.is_file():
        return name, path, ""
    base, _, stage = name.rpartition("-")
    if well_named and not is_path and base and (stages := stages_of(base, root)):
        if stage not in stages:
            raise ConfigError(f"{asked}: no such job, and the stages of {base} are {', '.join(stages)}")
        return name, root / JOBS / f"{base}.yml", stage
    names = job_names(root)
    import difflib  # most names are right

    near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.7)
    hint = f"did you mean {near[0]!r}?" if near and near[0] != name else ""
    if not well_named:
        rule = "expected up to 32 of a-z, 0-9, _ and -, starting with a letter"
        raise ConfigError(f"{asked}: not a job's name: {rule}{'; ' + hint if hint else ''}")
    there = f"{root / JOBS} has {', '.join(names) or 'no jobs'}"
    raise ConfigError(f"{asked}: no such {'file' if is_path else 'job'}; {hint or there}")


def stages_of(name: str, root: Path) -> list[str]:
    """The stages of a job below `root`; none if there is no such job."""
    path = root / JOBS / f"{name}.yml"
    return sorted(file_layer(path, _display(path, root), may_be_empty=True).stages) if path.is_file() else []


def _display(path: Path, root: Path) -> str:
    """How `path` is shown: relative to `root`, if it lies below it."""
    resolved, base = path.resolve(), root.resolve()
    return str(resolved.relative_to(base)) if resolved.is_relative_to(base) else str(path)


def load_job(
    name_or_path: str | Path,
    *,
    root: Path,
    overrides: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    require_cloud: bool,
) -> LoadedJob:
    """Read and check a job: `jobs/<name>.yml` below `root`, a stage of it (`<name>-<stage>`), or the file of a path.

    `overrides` are `KEY=VALUE` texts, of which later ones win. Without `require_cloud`, urls may be missing (they
    become `PLACEHOLDERS`) or lie outside S3. Raises ConfigError with all problems found, one a line.
    """
    name, path, stage = _find(name_or_path, root)
    shown = _display(path, root)
    layers = _layers(path, shown, root, environ or {}, overrides, stage)
    tags = [tag for layer in layers for tag in layer.tags]
    values: dict[str, Value] = {}
    for layer in layers:
        # What a layer says about one input wins over what it says about all.
        for key in sorted(layer.values, key=lambda key: key != schema.plain(key)):
            values.update(dict.fromkeys(schema.spread(key, tags), layer.values[key]))
    problems = [text for layer in reversed(layers) for text in layer.problems]
    tried = {key for layer in layers for key in layer.tried}
    problems += _fill(values, tried, shown, require_cloud, tags)
    if problems:
        raise ConfigError("\n".join(problems))
    spec = _build(values, shown, tags)
    provenance = {key: origin for key, (_, origin) in values.items()}
    if spec.expect is not None:
        from .chosen import choose  # few jobs say what they expect

        spec, chosen = choose(spec, {key for key, origin in provenance.items() if origin == DEFAULT})
        provenance |= dict.fromkeys(chosen, CHOSEN)
    for problem in check.problems(spec, name, places=require_cloud):
        origin = provenance.get(problem.key, DEFAULT)
        where = shown if origin in (DEFAULT, PLACEHOLDER, CHOSEN) else origin
        problems.append(f"{where}: {problem.key}: {problem.text}")
    if problems:
        raise ConfigError("\n".join(problems))
    return LoadedJob(name=name, spec=spec, path=path, provenance=provenance)


def _layers(
    path: Path, shown: str, root: Path, environ: Mapping[str, str], overrides: Sequence[str], stage: str
) -> list[Layer]:
    """All layers above the defaults, the weakest first."""
    files = [file_layer(path, shown, may_be_empty=False)]
    if stage:
        files.append(replace(files[0].stages[stage], problems=[]))  # the file has told of them
    if (root / PROJECT_FILE).exists():
        project = file_layer(root / PROJECT_FILE, PROJECT_FILE, may_be_empty=True)
        if "job" in project.values:
            where = project.values.pop("job")[1]
            project.problems.append(
                f"{where}: job: not allowed here; each job names its class in its own file"
            )
            project.tried.discard("job")
        if project.stages:
            project.problems.append(f"{PROJECT_FILE}: {STAGES}: not allowed here; each job has its own")
        if project.tags:
            where = f"{PROJECT_FILE}:{min(project.tags.values())}"
            project.problems.append(
                f"{where}: input: expected a mapping, the defaults of all inputs, got a list"
            )
            project.tags.clear()
        files.insert(0, project)
    params = [key for layer in files for key in layer.values if not schema.leaf_of(key)]
    tags = [tag for layer in files for tag in layer.tags]
    return [
        *files,
        environment_layer(environ, [*params, *schema.tagged(tags)]),
        override_layer(overrides, tags),
    ]


def _fill(
    values: dict[str, Value], tried: set[str], shown: str, require_cloud: bool, tags: Sequence[str]
) -> list[str]:
    """Add the defaults to `values`, and return what is missing, unless a layer tried to give it."""
    problems = []
    for key in (one for plain in schema.LEAVES for one in schema.spread(plain, tags)):
        leaf = schema.LEAVES[schema.plain(key)]
        if key in values:
            continue
        if key == "job" and not _SQL & {schema.plain(given) for given in values}:
            if not tried & {"job", "sql", *_SQL}:
                problems.append(f"{shown}: job: missing; expected {_MISSING[key]}")
        elif not require_cloud and schema.plain(key) in PLACEHOLDERS:
            values[key] = (PLACEHOLDERS[schema.plain(key)], PLACEHOLDER)
        elif leaf.default is not NODEFAULT:
            values[key] = (leaf.default, DEFAULT)
        elif key not in tried and (key != schema.plain(key) or key.partition(".")[0] not in tried):
            wanted = _MISSING.get(schema.plain(key), leaf.expected)
            problems.append(f"{shown}: {key}: missing; expected {wanted}")
    return problems


#: Where a job in SQL has its map queries.
_SQL = {"sql.map", "input.map"}
_MISSING = {
    "job": "`module:Class`, a class in jobs/module.py",
    "input.url": "the place to watch, such as s3://bucket/prefix/",
    "work.url": "a place for plans and run files, such as s3://bucket/prefix/",
    "output.url": "a place for results, such as s3://bucket/prefix/",
}


def _build(merged: Mapping[str, Value], shown: str, tags: Sequence[str]) -> JobSpec:
    tree: dict[str, Any] = {}
    for key, (value, _) in merged.items():
        section, _, name = key.rpartition(".")
        (tree.setdefault(section, {}) if section else tree)[name] = value
    if tags:
        entries = [{**tree.pop(f"{schema.INPUT}.{tag}"), "tag": tag} for tag in tags]
        tree |= {schema.INPUT: entries[0], "more_inputs": entries[1:]}
    for section in [name for name in tree if "." in name]:
        parent, _, name = section.partition(".")
        tree.setdefault(parent, {})[name] = tree.pop(section)
    try:
        return msgspec.convert(tree, JobSpec)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{shown}: {error}") from error
