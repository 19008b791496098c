"""A job's configuration, read from its layers and checked, every value with where it came from.

Strongest first: `--set KEY=VALUE`, `SLUICE_*` environment, the job's YAML, `sluice.yml`, the defaults of
`spec`. Names, ranges and units all come from `spec.JobSpec`: a field added there can be set everywhere.

Scalars are read by what the schema expects, not by how YAML 1.1 would guess: `suffix: .5` is text, and a
quoted number is a number. Only `params`, which has no schema, goes by YAML's own types, as far as JSON has
them; what YAML 1.1 reads in a way that surprises (`yes`, `0777`, `1:30`) is refused there.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import yaml
from msgspec import NODEFAULT

from . import lint, schema, units, yamldoc
from .errors import ConfigError
from .spec import TAG, JobSpec
from .yamldoc import BadValue

JOBS = "jobs"
PROJECT_FILE = "sluice.yml"
#: Variables of Sluice that are no configuration of a job.
EXEMPT = frozenset({"SLUICE_NAME", "SLUICE_ROOT", "SLUICE_MINISTACK"})
#: Where the local engine's jobs point before the command line has said where: nothing can be written below
#: /dev/null, so a run that forgot to set its places fails instead of writing somewhere.
PLACEHOLDERS = {f"{place}.url": f"/dev/null/{place}" for place in ("input", "work", "output")}

DEFAULT, PLACEHOLDER = "default", "placeholder for the command line's"
_JOB_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_PARAM_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True, kw_only=True)
class LoadedJob:
    """A job as configured: `provenance` says for each dotted key where its value came from."""

    name: str
    spec: JobSpec
    path: Path
    provenance: dict[str, str]


#: A value and where it came from.
_Value = tuple[Any, str]


# Layers


@dataclass
class _Layer:
    """What one source says: by dotted key the value and its origin, and what is wrong with it."""

    values: dict[str, _Value] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    #: Keys that were meant to be given, be it wrongly: they need no second complaint.
    tried: set[str] = field(default_factory=set)
    #: Of a list of inputs the tags, in order, and the line each is in.
    tags: dict[str, int] = field(default_factory=dict)

    def put(self, key: str, node: yaml.Node, origin: str, label: str) -> None:
        self.tried.add(key)
        leaf = schema.leaf_of(key)
        try:
            self.values[key] = (leaf.read(node) if leaf else yamldoc.free(node), origin)
        except BadValue as error:
            self.problems.append(f"{label}: {error}")

    def unknown(self, name: str, section: str, label: str) -> None:
        """Note a key that is none, with the one that was probably meant."""
        names = schema.children(section if section in ("", *schema.SECTIONS) else schema.INPUT)
        near = difflib.get_close_matches(name.lower(), names, n=1)
        full = [f"{section}.{near[0]}" if section else near[0]] if near else []
        full = full or [key for key in schema.LEAVES if key.rpartition(".")[2] == name.rpartition(".")[2]]
        full = full or difflib.get_close_matches(name.lower(), list(schema.LEAVES), n=1)
        self.tried.update(full[:1])
        hint = f"did you mean {full[0]!r}?" if full else f"expected one of {', '.join(names)}"
        self.problems.append(f"{label}: unknown key; {hint}")


def _file_layer(path: Path, shown: str, *, may_be_empty: bool) -> _Layer:
    layer = _Layer()
    try:
        tree = yamldoc.compose(yamldoc.read_text(path, shown), shown)
        if tree is None and not may_be_empty:
            raise ConfigError(f"{shown}: the file is empty; expected at least `job: module:Class`")
        if tree is not None and not isinstance(tree, yaml.MappingNode):
            line = tree.start_mark.line + 1
            raise ConfigError(
                f"{shown}:{line}: expected `key: value` lines at the top, got {yamldoc.shown(tree)}"
            )
    except ConfigError as error:
        layer.problems.append(str(error))
        layer.tried.update(schema.KEYS)
        return layer
    if tree is not None:
        _read_mapping(layer, tree, "", shown)
    return layer


def _read_mapping(layer: _Layer, node: yaml.MappingNode, section: str, shown: str) -> None:
    """Read a section, `""` being the top, into `layer`."""
    seen: dict[str, int] = {}
    for key_node, value in node.value:
        line = key_node.start_mark.line + 1
        origin = f"{shown}:{line}"
        try:
            name = yamldoc.key_text(key_node)
        except BadValue as error:
            layer.problems.append(f"{origin}: {error}")
            continue
        key = f"{section}.{name}" if section else name
        label = f"{origin}: {key}" if key.isprintable() else f"{origin}: {key!a}"
        if name in seen:
            layer.problems.append(f"{label}: given twice; the first is in line {seen[name]}")
            continue
        seen[name] = line
        if section in schema.MAPS and not _PARAM_NAME.fullmatch(name):
            layer.problems.append(f"{label}: expected a name of letters, digits, _ and -, got {name!a}")
        elif section in schema.MAPS or schema.leaf_of(key):
            layer.put(key, value, origin, label)
        elif key not in schema.SECTIONS | schema.MAPS:
            layer.unknown(name, section, label)
        elif isinstance(value, yaml.MappingNode) and yamldoc.is_standard(value):
            _read_mapping(layer, value, key, shown)
        elif key == schema.INPUT and isinstance(value, yaml.SequenceNode):
            _read_inputs(layer, value, shown)
        elif value.tag != f"{yamldoc.TAG}null":  # a section with every line commented out is an empty one
            layer.tried.add(key)
            names = f" of {', '.join(schema.children(key))}" if key in schema.SECTIONS else ""
            layer.problems.append(f"{label}: expected a mapping{names}, got {yamldoc.shown(value)}")


def _read_inputs(layer: _Layer, node: yaml.SequenceNode, shown: str) -> None:
    """Read a list of inputs: the keys of each begin with its tag, `input.left.url`."""
    for number, entry in enumerate(node.value, start=1):
        line = entry.start_mark.line + 1
        label = f"{shown}:{line}: input, entry {number}"
        layer.tried.update((schema.INPUT, f"{schema.INPUT}.url"))
        if not isinstance(entry, yaml.MappingNode):
            layer.problems.append(f"{label}: expected a mapping with tag and url, got {yamldoc.shown(entry)}")
            continue
        tags = [value for key, value in entry.value if getattr(key, "value", None) == "tag"]
        tag = tags[0].value if tags and isinstance(tags[0], yaml.ScalarNode) else ""
        problem = _bad_tag(tag, layer.tags) if tags else "missing; expected a word that names this input"
        if problem:
            layer.problems.append(f"{label}: tag: {problem}")
            continue
        layer.tags[tag] = line
        _read_mapping(layer, entry, f"{schema.INPUT}.{tag}", shown)
    if not node.value:
        layer.problems.append(f"{shown}:{node.start_mark.line + 1}: input: expected at least one entry")


def _bad_tag(tag: str, others: Mapping[str, int]) -> str:
    """Why `tag` cannot name an input; empty if it can."""
    if not re.fullmatch(TAG, tag):
        return f"expected a word of up to 32 of a-z, 0-9 and _, starting with a letter, got {tag!a}"
    if tag in others:
        return f"{tag} is also the tag of the input in line {others[tag]}; expected another for each"
    # SLUICE_INPUT_MAX_RECORD_BYTES is about all inputs, and must not also be about one tagged `max`.
    like = [name for name in schema.children(schema.INPUT) if f"{name}_".startswith(f"{tag}_")]
    if like:
        return f"{tag} cannot be told from the setting input.{like[0]}; expected another word"
    near = [other for other in others if f"{other}_".startswith(f"{tag}_") or tag.startswith(f"{other}_")]
    return f"{tag} and {near[0]} begin alike; expected words of which none begins another" if near else ""


def _env_layer(environ: Mapping[str, str], more: Iterable[str]) -> _Layer:
    """`more` are keys beside the schema's: variables have no lower case of their own."""
    layer = _Layer()
    known = {schema.env_name(key): key for key in (*schema.LEAVES, *more)}
    for variable in sorted(environ):
        if not variable.startswith(schema.ENV_PREFIX) or variable in EXEMPT:
            continue
        key = known.get(variable)
        for free in schema.MAPS:
            name = variable.removeprefix(schema.env_name(free) + "_").lower()
            if (
                key is None
                and variable.startswith(schema.env_name(free) + "_")
                and _PARAM_NAME.fullmatch(name)
            ):
                key = f"{free}.{name}"
        if key:
            layer.put(key, yamldoc.scalar(environ[variable]), variable, variable)
            continue
        near = difflib.get_close_matches(variable, [*known, *EXEMPT], n=1)
        hint = f"did you mean {near[0]}?" if near else "variables are named like SLUICE_MEMORY_MAPPER"
        layer.problems.append(f"{variable}: unknown variable; {hint}")
    return layer


def _set_layer(overrides: Sequence[str], tags: Iterable[str]) -> _Layer:
    layer = _Layer()
    known = {*schema.LEAVES, *schema.tagged(tags)}
    for override in overrides:
        key, equals, text = override.partition("=")
        key = key.strip()
        section, _, name = key.rpartition(".")
        label = f"--set {key}" if key.isprintable() else f"--set {key!a}"
        if not equals or not key:
            layer.problems.append(f"--set {override!a}: expected KEY=VALUE, such as memory.mapper=1024")
        elif key in known or (section in schema.MAPS and _PARAM_NAME.fullmatch(name)):
            layer.put(key, yamldoc.scalar(text), label, label)
        elif key in schema.SECTIONS:
            names = ", ".join(f"{key}.{child}" for child in schema.children(key))
            layer.problems.append(f"{label}: expected one key of the section: {names}")
        elif key.partition(".")[0] in schema.MAPS:
            section = key.partition(".")[0]
            layer.problems.append(f"{label}: expected {section}.NAME, a name of letters, digits, _ and -")
        else:
            layer.unknown(key, "", label)
    return layer


# Jobs


def job_names(root: Path) -> list[str]:
    """The jobs below `root`, sorted."""
    return sorted(path.stem for path in (root / JOBS).glob("*.yml"))


def _find(name_or_path: str | Path, root: Path) -> tuple[str, Path]:
    """(name, path) of a job. Raises ConfigError."""
    asked = str(name_or_path)
    is_path = asked.endswith((".yml", ".yaml"))
    path = Path(asked) if is_path else root / JOBS / f"{asked}.yml"
    name = path.stem if is_path else asked
    well_named = _JOB_NAME.fullmatch(name)
    if well_named and path.is_file():
        return name, path
    names = job_names(root)
    near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.7)
    hint = f"did you mean {near[0]!r}?" if near and near[0] != name else ""
    if not well_named:
        rule = "a job's name is up to 32 of a-z, 0-9, _ and -, starting with a letter"
        raise ConfigError(f"{asked}: no job: {rule}{'; ' + hint if hint else ''}")
    there = f"{root / JOBS} has {', '.join(names) or 'no jobs'}"
    raise ConfigError(f"{asked}: no such {'file' if is_path else 'job'}; {hint or there}")


def _display(path: Path, root: Path) -> str:
    """`path` as it is shown: from `root`, if it is below it."""
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
    """Read and check a job: `jobs/<name>.yml` below `root`, or the file a path ending in .yml names.

    `overrides` are `KEY=VALUE` texts, later ones winning. Without `require_cloud` urls may be missing (they
    become `PLACEHOLDERS`) or be no S3 places. Raises ConfigError with all problems found, one a line.
    """
    name, path = _find(name_or_path, root)
    shown = _display(path, root)
    layers = _layers(path, shown, root, environ or {}, overrides)
    tags = [tag for layer in layers for tag in layer.tags]
    values: dict[str, _Value] = {}
    for layer in layers:
        # What a layer says of one input wins over what it says of all.
        for key in sorted(layer.values, key=lambda key: key != schema.plain(key)):
            values.update(dict.fromkeys(schema.spread(key, tags), layer.values[key]))
    problems = [text for layer in reversed(layers) for text in layer.problems]
    tried = {key for layer in layers for key in layer.tried}
    problems += _fill(values, tried, shown, require_cloud, tags)
    if problems:
        raise ConfigError("\n".join(problems))
    spec = _build(values, shown, tags)
    provenance = {key: origin for key, (_, origin) in values.items()}
    for problem in lint.problems(spec, name, places=require_cloud):
        origin = provenance.get(problem.key, DEFAULT)
        where = shown if origin in (DEFAULT, PLACEHOLDER) else origin
        problems.append(f"{where}: {problem.key}: {problem.text}")
    if problems:
        raise ConfigError("\n".join(problems))
    return LoadedJob(name=name, spec=spec, path=path, provenance=provenance)


def _layers(
    path: Path, shown: str, root: Path, environ: Mapping[str, str], overrides: Sequence[str]
) -> list[_Layer]:
    """All layers above the defaults, the weakest first."""
    files = [_file_layer(path, shown, may_be_empty=False)]
    if (root / PROJECT_FILE).exists():
        project = _file_layer(root / PROJECT_FILE, PROJECT_FILE, may_be_empty=True)
        if "job" in project.values:
            where = project.values.pop("job")[1]
            project.problems.append(
                f"{where}: job: not allowed here; each job names its class in its own file"
            )
            project.tried.discard("job")
        if project.tags:
            where = f"{PROJECT_FILE}:{min(project.tags.values())}"
            project.problems.append(f"{where}: input: expected a mapping, the default of all inputs, no list")
            project.tags.clear()
        files.insert(0, project)
    params = [key for layer in files for key in layer.values if not schema.leaf_of(key)]
    tags = [tag for layer in files for tag in layer.tags]
    return [*files, _env_layer(environ, [*params, *schema.tagged(tags)]), _set_layer(overrides, tags)]


def _fill(
    values: dict[str, _Value], tried: set[str], shown: str, require_cloud: bool, tags: Sequence[str]
) -> list[str]:
    """Add the defaults to `values`; what is missing without having been tried is a problem."""
    problems = []
    for key in (one for plain in schema.LEAVES for one in schema.spread(plain, tags)):
        leaf = schema.LEAVES[schema.plain(key)]
        if key in values:
            continue
        if key == "job" and "sql.map" not in values:
            if not tried & {"job", "sql", "sql.map"}:
                problems.append(f"{shown}: job: missing; expected {_MISSING[key]}")
        elif not require_cloud and schema.plain(key) in PLACEHOLDERS:
            values[key] = (PLACEHOLDERS[schema.plain(key)], PLACEHOLDER)
        elif leaf.default is not NODEFAULT:
            values[key] = (leaf.default, DEFAULT)
        elif key not in tried and (key != schema.plain(key) or key.partition(".")[0] not in tried):
            wanted = _MISSING.get(schema.plain(key), leaf.expected)
            problems.append(f"{shown}: {key}: missing; expected {wanted}")
    return problems


_MISSING = {
    "job": "`module:Class`, a class in jobs/module.py",
    "input.url": "the place to watch, such as s3://bucket/prefix/",
    "work.url": "a place for plans and run files, such as s3://bucket/prefix/",
    "output.url": "a place for results, such as s3://bucket/prefix/",
}


def _build(merged: Mapping[str, _Value], shown: str, tags: Sequence[str]) -> JobSpec:
    tree: dict[str, Any] = {}
    for key, (value, _) in merged.items():
        section, _, name = key.rpartition(".")
        (tree.setdefault(section, {}) if section else tree)[name] = value
    if tags:
        entries = [{**tree.pop(f"{schema.INPUT}.{tag}"), "tag": tag} for tag in tags]
        tree |= {schema.INPUT: entries[0], "more_inputs": entries[1:]}
    try:
        return msgspec.convert(tree, JobSpec)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{shown}: {error}") from error


def format_config(loaded: LoadedJob) -> str:
    """The whole configuration as YAML that could be a job's file, each value with its origin."""
    tree = msgspec.to_builtins(loaded.spec)
    of_list = f"{schema.INPUT}.{loaded.spec.input.tag}.url" in loaded.provenance
    tags = [given.tag for given in loaded.spec.inputs] if of_list else []
    rows: list[tuple[str, str]] = []
    opened = ""
    for key, leaf in schema.KEYS.items():
        section, _, name = key.rpartition(".")
        if section and section != opened:
            rows.append((f"{section}:", ""))
            if section == schema.INPUT:
                for tag, given in zip(tags, (tree["input"], *tree["more_inputs"]), strict=False):
                    rows += _input_rows(tag, given, loaded.provenance)
        opened = section
        if section == schema.INPUT and tags:
            continue
        value = tree[section][name] if section else tree[name]
        if leaf:
            text = f"{'  ' if section else ''}{name}: {_written(leaf, value)}"
            rows.append((text, loaded.provenance[key]))
        elif not value:
            rows.append((f"{key}: {{}}", DEFAULT))
        else:
            rows.append((f"{key}:", ""))
            rows += [
                (f"  {k}: {yamldoc.one_line(v)}", loaded.provenance[f"{key}.{k}"]) for k, v in value.items()
            ]
    width = min(48, max(len(left) for left, _ in rows))
    return "".join(f"{left:<{width}}   # {right}\n" if right else f"{left}\n" for left, right in rows)


def _input_rows(tag: str, given: Mapping[str, Any], provenance: Mapping[str, str]) -> list[tuple[str, str]]:
    """One entry of a list of inputs."""
    rows = [(f"  - tag: {tag}", "")]
    for key in schema.tagged([tag]):
        leaf, name = schema.LEAVES[schema.plain(key)], key.rpartition(".")[2]
        rows.append((f"    {name}: {_written(leaf, given[name])}", provenance[key]))
    return rows


def _written(leaf: schema.Leaf, value: Any) -> str:
    shown = {"bytes": units.format_size, "seconds": units.format_duration}.get(leaf.kind)
    return yamldoc.one_line(shown(value) if shown and value is not None else value)
