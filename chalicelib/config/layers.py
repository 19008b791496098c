"""The layers of a configuration, one for each source: a YAML file, the environment, `--set`.

A layer has the values that its source gives, and what is wrong with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct, field

from ..core.errors import ConfigError
from ..core.spec import TAG
from . import schema, yaml_text
from .yaml_text import BadValue

#: Variables of Sluice that do not configure a job.
EXEMPT = frozenset({"SLUICE_NAME", "SLUICE_PROJECT", "SLUICE_MINISTACK", "SLUICE_TELLS", "SLUICE_PACKAGES"})
#: The key of a job's file under which its stages are, and what one may be called.
STAGES, STAGE = "stages", r"[a-z][a-z0-9]{0,15}"
_PARAM_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")

#: A value and where it came from.
Value = tuple[Any, str]


class Layer(Struct):
    """What one source says: by dotted key the value and its origin, and what is wrong with it."""

    values: dict[str, Value] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    #: Keys that the source tried to give, even if wrongly: they are not reported as missing, too.
    tried: set[str] = field(default_factory=set)
    #: The tags of a list of inputs, in order, each with its line.
    tags: dict[str, int] = field(default_factory=dict)
    #: What a job's file says of each of its stages, which wins over the rest of the file.
    stages: dict[str, Layer] = field(default_factory=dict)

    def put(self, key: str, node: yaml.Node, origin: str, label: str) -> None:
        self.tried.add(key)
        leaf = schema.leaf_of(key)
        try:
            self.values[key] = (leaf.read(node) if leaf else yaml_text.free(node), origin)
        except BadValue as error:
            self.problems.append(f"{label}: {error}")

    def unknown(self, name: str, section: str, label: str) -> None:
        """Report an unknown key, with the likeliest correction."""
        names = schema.children(section if section in ("", *schema.SECTIONS) else schema.INPUT)
        import difflib  # most files have no mistakes

        near = difflib.get_close_matches(name.lower(), names, n=1)
        full = [f"{section}.{near[0]}" if section else near[0]] if near else []
        full = full or [key for key in schema.LEAVES if key.rpartition(".")[2] == name.rpartition(".")[2]]
        full = full or difflib.get_close_matches(name.lower(), list(schema.LEAVES), n=1)
        self.tried.update(full[:1])
        hint = f"did you mean {full[0]!r}?" if full else f"expected one of {', '.join(names)}"
        self.problems.append(f"{label}: unknown key; {hint}")


def file_layer(path: Path, shown: str, *, may_be_empty: bool) -> Layer:
    layer = Layer()
    try:
        tree = yaml_text.compose(yaml_text.read_text(path, shown), shown)
        if tree is None and not may_be_empty:
            raise ConfigError(f"{shown}: the file is empty; expected at least `job: module:Class`")
        if tree is not None and not isinstance(tree, yaml.MappingNode):
            line = tree.start_mark.line + 1
            raise ConfigError(
                f"{shown}:{line}: expected `key: value` lines at the top, got {yaml_text.shown(tree)}"
            )
    except ConfigError as error:
        layer.problems.append(str(error))
        layer.tried.update(schema.KEYS)
        return layer
    if tree is not None:
        _read_mapping(layer, tree, "", shown)
    return layer


def _read_mapping(layer: Layer, node: yaml.MappingNode, section: str, shown: str) -> None:
    """Read a section into `layer`; `""` is the top level."""
    seen: dict[str, int] = {}
    for key_node, value in node.value:
        line = key_node.start_mark.line + 1
        origin = f"{shown}:{line}"
        try:
            name = yaml_text.key_text(key_node)
        except BadValue as error:
            layer.problems.append(f"{origin}: {error}")
            continue
        key = f"{section}.{name}" if section else name
        label = f"{origin}: {key}" if key.isprintable() else f"{origin}: {key!a}"
        if name in seen:
            layer.problems.append(f"{label}: given twice; the first is in line {seen[name]}")
            continue
        seen[name] = line
        if key == STAGES:
            _read_stages(layer, value, shown)
        elif section in schema.MAPS and not _PARAM_NAME.fullmatch(name):
            layer.problems.append(f"{label}: expected a name of letters, digits, _ and -, got {name!a}")
        elif section in schema.MAPS or schema.leaf_of(key):
            layer.put(key, value, origin, label)
        elif key not in schema.SECTIONS | schema.MAPS:
            layer.unknown(name, section, label)
        elif isinstance(value, yaml.MappingNode) and yaml_text.is_standard(value):
            _read_mapping(layer, value, key, shown)
        elif key == schema.INPUT and isinstance(value, yaml.SequenceNode):
            _read_inputs(layer, value, shown)
        elif value.tag != f"{yaml_text.TAG}null":  # a section may be empty, with every line commented out
            layer.tried.add(key)
            names = f" of {', '.join(schema.children(key))}" if key in schema.SECTIONS else ""
            layer.problems.append(f"{label}: expected a mapping{names}, got {yaml_text.shown(value)}")


def _read_stages(layer: Layer, node: yaml.Node, shown: str) -> None:
    """Read the stages of a job. What is wrong with one is told of the file, whichever is asked for."""
    label = f"{shown}:{node.start_mark.line + 1}: {STAGES}"
    if not isinstance(node, yaml.MappingNode):
        layer.problems.append(
            f"{label}: expected a mapping from a stage's name to settings, got {yaml_text.shown(node)}"
        )
        return
    for key_node, value in node.value:
        name, where = str(key_node.value), f"{shown}:{key_node.start_mark.line + 1}: {STAGES}"
        if not re.fullmatch(STAGE, name):
            layer.problems.append(
                f"{where}: expected a word of a-z and 0-9, starting with a letter, got {name!a}"
            )
            continue
        if name in layer.stages:
            layer.problems.append(f"{where}: {name}: given twice")
        stage = layer.stages[name] = Layer()
        if isinstance(value, yaml.MappingNode):
            _read_mapping(stage, value, "", shown)
        else:
            stage.problems.append(
                f"{where}: {name}: expected settings that differ, got {yaml_text.shown(value)}"
            )
        if stage.tags or stage.stages:
            what = "a list of inputs" if stage.tags else "stages of its own"
            stage.problems.append(f"{where}: {name}: a stage cannot have {what}; only settings that differ")
        layer.problems += stage.problems


def _read_inputs(layer: Layer, node: yaml.SequenceNode, shown: str) -> None:
    """Read a list of inputs. The keys of an entry contain its tag: `input.left.url`."""
    for number, entry in enumerate(node.value, start=1):
        line = entry.start_mark.line + 1
        label = f"{shown}:{line}: input, entry {number}"
        layer.tried.update((schema.INPUT, f"{schema.INPUT}.url"))
        if not isinstance(entry, yaml.MappingNode):
            layer.problems.append(
                f"{label}: expected a mapping with tag and url, got {yaml_text.shown(entry)}"
            )
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
        return f"{tag} is also the tag of the input in line {others[tag]}; give each its own"
    # SLUICE_INPUT_MAX_RECORD_BYTES is about all inputs, and must not also be about one tagged `max`.
    like = [name for name in schema.children(schema.INPUT) if f"{name}_".startswith(f"{tag}_")]
    if like:
        return f"{tag} could be mistaken for the setting input.{like[0]}; choose another word"
    near = [other for other in others if f"{other}_".startswith(f"{tag}_") or tag.startswith(f"{other}_")]
    return f"{tag} and {near[0]} begin alike; choose words that do not begin with one another" if near else ""


def environment_layer(environ: Mapping[str, str], more: Iterable[str]) -> Layer:
    """`more` are keys that only the files know: a variable alone does not tell `maxRows` from `maxrows`."""
    layer = Layer()
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
            layer.put(key, yaml_text.scalar(environ[variable]), variable, variable)
            continue
        import difflib  # most files have no mistakes

        near = difflib.get_close_matches(variable, [*known, *EXEMPT], n=1)
        hint = f"did you mean {near[0]}?" if near else "variables are named like SLUICE_MEMORY_MAPPER"
        layer.problems.append(f"{variable}: unknown variable; {hint}")
    return layer


def override_layer(overrides: Sequence[str], tags: Iterable[str]) -> Layer:
    layer = Layer()
    known = {*schema.LEAVES, *schema.tagged(tags)}
    for override in overrides:
        key, equals, text = override.partition("=")
        key = key.strip()
        section, _, name = key.rpartition(".")
        label = f"--set {key}" if key.isprintable() else f"--set {key!a}"
        if not equals or not key:
            layer.problems.append(f"--set {override!a}: expected KEY=VALUE, such as memory.mapper=1024")
        elif key in known or (section in schema.MAPS and _PARAM_NAME.fullmatch(name)):
            layer.put(key, yaml_text.scalar(text), label, label)
        elif key in schema.SECTIONS:
            names = ", ".join(f"{key}.{child}" for child in schema.children(key))
            layer.problems.append(f"{label}: expected one key of the section: {names}")
        elif key.partition(".")[0] in schema.MAPS:
            section = key.partition(".")[0]
            layer.problems.append(f"{label}: expected {section}.NAME, a name of letters, digits, _ and -")
        else:
            layer.unknown(key, "", label)
    return layer
