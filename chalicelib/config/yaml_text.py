"""YAML for job files: from text to a tree that knows its lines, from scalars to plain values, from values to one line.

It is strict where YAML 1.1 has surprises: no aliases (a job file is short, and they can make small files huge),
no language-specific tags, and no guess at `yes`, `0777` or `1:30` in values that have no schema.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from ..core.errors import ConfigError

_MAX_INT = 2**63 - 1
_MAX_DEPTH = 32
#: A decimal integer without leading zeros, short enough that reading it is cheap.
INTEGER = re.compile(r"[+-]?(0|[1-9][0-9]{0,18}(_[0-9]{1,18}){0,6})")
_FLOAT = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_EXPONENT = re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+")
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
TAG = "tag:yaml.org,2002:"
_STANDARD = {"str", "int", "float", "bool", "null", "timestamp", "value", "merge", "map", "seq"}


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Safe loader that also reads `1e-3` as a number, as YAML 1.2 does."""


class _Dumper(yaml.SafeDumper):
    """Writes what `_Loader` reads back unchanged, every value on one line."""


for _tool in (_Loader, _Dumper):
    _tool.add_implicit_resolver(f"{TAG}float", _EXPONENT, list("-+0123456789"))
_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        f"{TAG}str", text, style='"' if len(text.splitlines()) > 1 or text.endswith("\n") else None
    ),
)


class BadValue(ValueError):
    """A value that the schema or JSON cannot hold. Its text says what was expected and what was found, not where."""


# Text to tree


def read_text(path: Path, shown: str) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{shown}: cannot be read: {error.strerror}") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise ConfigError(f"{shown}:{line}: {what}; save the file as UTF-8") from error
    odd = _UNPRINTABLE.search(text)
    if odd:
        line = text.count("\n", 0, odd.start()) + 1
        raise ConfigError(f"{shown}:{line}: the unprintable character {odd[0]!a} is not allowed in YAML")
    return text


def compose(text: str, shown: str) -> yaml.Node | None:
    """The document's tree, no deeper than `_MAX_DEPTH` and without aliases. Raises ConfigError."""
    try:
        depth = 0
        for event in yaml.parse(text, Loader=_Loader):
            line = event.start_mark.line + 1 if event.start_mark else 1
            if isinstance(event, yaml.AliasEvent):
                raise ConfigError(
                    f"{shown}:{line}: *{event.anchor}: aliases are not supported; repeat the value"
                )
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _MAX_DEPTH:
                raise ConfigError(f"{shown}:{line}: nested more than {_MAX_DEPTH} deep")
        return yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        row = mark.line if mark else 0
        lines = text.splitlines()
        if row < len(lines) and re.match(" *\t", lines[row]):
            raise ConfigError(f"{shown}:{row + 1}: a tab in the indentation; use spaces") from error
        why = " ".join(part for part in (error.problem, error.context) if part)
        raise ConfigError(f"{shown}:{row + 1}: not valid YAML: {why}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{shown}: not valid YAML: {' '.join(str(error).split())}") from error


# Nodes to values


def shown(node: yaml.Node) -> str:
    """A node for a message: what was found."""
    if not isinstance(node, yaml.ScalarNode):
        return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"
    if not is_standard(node):
        return f"the tag {node.tag.replace(TAG, '!!')}"
    text = node.value if len(node.value) <= 60 else node.value[:57] + "..."
    if node.tag == f"{TAG}null":
        return "nothing"
    return text if node.tag in (f"{TAG}int", f"{TAG}float", f"{TAG}bool") else repr(text)


def is_standard(node: yaml.Node) -> bool:
    """Whether the node's tag is one that YAML gives by itself, for a type that JSON has as well."""
    return node.tag.startswith(TAG) and node.tag.removeprefix(TAG) in _STANDARD


def storable(text: str) -> str:
    """`text`, if it can be written to a plan. Raises BadValue for lone surrogates."""
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise BadValue(f"expected text, got {text!a}, which no encoding can hold")
    return text


def free(node: yaml.Node) -> Any:
    """A value without a schema, as JSON's types. Raises BadValue."""
    if not is_standard(node):
        raise BadValue(f"expected text, a number, true, false, a list or a mapping, got {shown(node)}")
    if isinstance(node, yaml.SequenceNode):
        return [free(item) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        pairs = [(storable(key_text(key)), free(value)) for key, value in node.value]
        names = [name for name, _ in pairs]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise BadValue(f"{twice!r} is given twice")
        return dict(pairs)
    text: str = node.value
    match node.tag.removeprefix(TAG):
        case "null":
            return None
        case "bool" if text.lower() in ("true", "false"):
            return text.lower() == "true"
        case "bool":
            raise BadValue(f"{text!r} may be text or a truth value; write true or false, or put it in quotes")
        case "int" | "float" as kind:
            number = _number(text, kind)
            if number is None:
                wanted = "a decimal number that JSON can hold (or text in quotes)"
                raise BadValue(f"expected {wanted}, got {shown(node)}")
            return number
    return storable(text)


def _number(text: str, kind: str) -> int | float | None:
    """A plain decimal number in the range of JSON's readers, else None."""
    if kind == "int" and INTEGER.fullmatch(text) and abs(int(text)) <= _MAX_INT:
        return int(text)
    digits = text.replace("_", "")
    if kind == "float" and _FLOAT.fullmatch(digits) and abs(float(digits)) != float("inf"):
        return float(digits)
    return None


def key_text(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise BadValue(f"expected a name as a key, got {shown(node)}")
    text: str = node.value
    return text


def scalar(text: str) -> yaml.Node:
    """The text of a variable or an option as a YAML scalar: plain, unless it is in quotes."""
    if len(text) > 1 and text[0] in "\"'" and text[-1] == text[0]:
        try:
            node = yaml.compose(text, Loader=_Loader)
        except yaml.YAMLError:
            node = None
        if isinstance(node, yaml.ScalarNode):
            return node
    plain = yaml.ScalarNode(_Loader("").resolve(yaml.ScalarNode, text, (True, False)), text)
    return plain if is_standard(plain) else yaml.ScalarNode(f"{TAG}str", text)


def one_line(value: Any) -> str:
    """`value` as YAML that `free` reads back unchanged."""
    text: str = yaml.dump(value, Dumper=_Dumper, default_flow_style=True, width=float("inf"), sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")
