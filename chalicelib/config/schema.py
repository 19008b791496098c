"""The schema of `spec.JobSpec` as a flat table: dotted key, what it may hold, its default.

Names, ranges, choices and units are read from the Structs, so a field added there can be set everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import yaml
from msgspec import Struct, inspect

from ..core.spec import JobSpec
from . import units, yaml_text
from .yaml_text import BadValue

ENV_PREFIX = "SLUICE_"
#: The spec's field for the second input and those after it. It has no key: theirs are `input.TAG.NAME`.
_MORE = "more_inputs"
INPUT = "input"
_MAX_INT = 2**63 - 1
#: A number of something, or a share of it.
_SHARE = {inspect.IntType, inspect.FloatType}


class Leaf(Struct, frozen=True, kw_only=True):
    """A key of the schema that holds one value."""

    key: str
    kind: Literal[
        "text",
        "choice",
        "switch",
        "integer",
        "number",
        "share",
        "bytes",
        "seconds",
        "names",
        "columns",
        "trigger",
    ]
    default: Any
    low: int = -_MAX_INT
    high: int = _MAX_INT
    choices: tuple[str, ...] = ()
    optional: bool = False

    @property
    def expected(self) -> str:
        if self.kind == "integer":
            bounds = f"an integer from {self.low} to {self.high}"
            what = f"an integer >= {self.low}" if self.high == _MAX_INT else bounds
        elif self.kind == "number":
            what = f"a number from {self.low} to {self.high}"
        elif self.kind == "share":
            what = "a whole number from 0 up, or a share such as 2% or 0.02"
        elif self.kind == "bytes":
            what = f"a size from {self.low} byte up, such as 64MiB, 1.5GB or a number of bytes"
        elif self.kind == "switch":
            what = "true or false"
        elif self.kind == "names":
            what = "names, as a list or with commas between them"
        elif self.kind == "columns":
            what = "columns such as `a BIGINT, b VARCHAR`, a mapping of names to types, or a list of names"
        elif self.kind == "trigger":
            what = "each or marker or success, or every and whole minutes up to 7d, such as every 15m"
        elif self.kind == "seconds":
            what = f"a duration from {self.low}s to {self.high}s, such as 90s, 15m or a number of seconds"
        else:
            what = " or ".join(self.choices) if self.kind == "choice" else "text"
        return f"{what}, or null" if self.optional else what

    def read(self, node: yaml.Node) -> Any:
        """The node's value. Raises BadValue."""
        if self.kind in ("names", "columns"):
            return self._read_list(node)
        if not isinstance(node, yaml.ScalarNode) or not yaml_text.is_standard(node):
            raise BadValue(f"expected {self.expected}, got {yaml_text.shown(node)}")
        text: str = node.value
        null = node.tag == f"{yaml_text.TAG}null"
        if null and self.optional:
            return None
        if self.kind == "text" and not (null and text):
            return yaml_text.storable(text)
        value: Any = None
        if self.kind == "choice":
            value = text if text in self.choices else None
        elif self.kind == "trigger":
            value = _trigger(text)
        elif self.kind == "switch":
            value = {"true": True, "false": False}.get(text.lower())
        elif self.kind == "integer":
            value = int(text) if yaml_text.INTEGER.fullmatch(text.strip()) else None
        elif self.kind == "number":
            value = _number(text)
        elif self.kind == "share":
            value = _share(text)
        elif self.kind == "bytes" or self.kind == "seconds":
            value = units.parse(text, self.kind)
        if value is None or (isinstance(value, int | float) and not self.low <= value <= self.high):
            raise BadValue(f"expected {self.expected}, got {yaml_text.shown(node)}")
        return value

    def _read_list(self, node: yaml.Node) -> Any:
        """A list of names, or column definitions, as one text."""
        if isinstance(node, yaml.ScalarNode) and yaml_text.is_standard(node):
            return yaml_text.storable(node.value)
        value = yaml_text.free(node)
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return ", ".join(value if self.kind == "names" else map(_quoted, value))
        if (
            self.kind == "columns"
            and isinstance(value, dict)
            and all(isinstance(kind, str) for kind in value.values())
        ):
            return ", ".join(f"{_quoted(name)} {kind}" for name, kind in value.items())
        raise BadValue(f"expected {self.expected}, got {yaml_text.shown(node)}")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _trigger(text: str) -> str | None:
    """As `Trigger` has it: `every 15m` for `every 900s`; None for what is none."""
    word, _, rest = text.strip().partition(" ")
    if word != "every":
        return word if word in ("each", "marker", "success") and not rest else None
    seconds = units.parse(rest, "seconds") or 0
    return f"every {seconds // 60}m" if seconds % 60 == 0 and 60 <= seconds <= 604_800 else None


def _number(text: str) -> float | None:
    """A plain decimal number, or a percentage; infinities and NaN are refused."""
    if text.rstrip().endswith("%"):
        share = _number(text.rstrip()[:-1])
        return None if share is None else share / 100
    return float(text) if re.fullmatch(r"[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?", text.strip()) else None


def _share(text: str) -> int | float | None:
    """A whole number as it is, or a share, up to 1.0."""
    if yaml_text.INTEGER.fullmatch(text.strip()):
        return int(text)
    share = _number(text)
    return share if share is not None and share <= 1 else None


def _leaf(key: str, schema: inspect.Field) -> Leaf:
    kind, optional = schema.type, False
    if isinstance(kind, inspect.UnionType) and {type(one) for one in kind.types} == _SHARE:
        return Leaf(key=key, kind="share", low=0, default=schema.default)
    if isinstance(kind, inspect.UnionType):
        (kind,) = (one for one in kind.types if not isinstance(one, inspect.NoneType))
        optional = True
    unit = None
    if isinstance(kind, inspect.Metadata):
        unit, kind = (kind.extra or {}).get("unit"), kind.type
    common: dict[str, Any] = {"key": key, "default": schema.default, "optional": optional}
    if isinstance(kind, inspect.BoolType):
        return Leaf(kind="switch", low=0, high=1, **common)
    if isinstance(kind, inspect.FloatType):
        low, high = (
            bound if bound is not None else default for bound, default in ((kind.ge, 0), (kind.le, 1))
        )
        return Leaf(kind="number", low=int(low), high=int(high), **common)
    if isinstance(kind, inspect.IntType):
        low = -_MAX_INT if kind.ge is None else kind.ge
        high = _MAX_INT if kind.le is None else kind.le
        return Leaf(kind=unit or "integer", low=low, high=high, **common)
    if isinstance(kind, inspect.LiteralType):
        return Leaf(kind="choice", choices=tuple(str(value) for value in kind.values), **common)
    if isinstance(kind, inspect.StrType):
        return Leaf(kind=unit or "text", **common)
    raise TypeError(f"chalicelib/core/spec.py: {key}: config cannot read a {type(kind).__name__}")


def _flatten(struct: inspect.StructType, prefix: str = "") -> Iterator[tuple[str, Leaf | None]]:
    """(dotted key, leaf) in the schema's order. The leaf is None for a free mapping such as `params`."""
    for schema in struct.fields:
        key = prefix + schema.encode_name
        if key == _MORE:
            continue
        if isinstance(schema.type, inspect.StructType):
            yield from _flatten(schema.type, f"{key}.")
        else:
            yield key, None if isinstance(schema.type, inspect.DictType) else _leaf(key, schema)


def _schema() -> dict[str, Leaf | None]:
    root = inspect.type_info(JobSpec)
    assert isinstance(root, inspect.StructType)
    return dict(_flatten(root))


KEYS = _schema()
LEAVES = {key: leaf for key, leaf in KEYS.items() if leaf}
MAPS = frozenset(KEYS) - frozenset(LEAVES)
SECTIONS = frozenset(key.rpartition(".")[0] for key in LEAVES) - {""}


def plain(key: str) -> str:
    """The schema's key for that of a tagged input: `input.url` for `input.left.url`. Other keys as they are."""
    section, _, rest = key.partition(".")
    _, dot, name = rest.partition(".")
    return f"{section}.{name}" if section == INPUT and dot else key


def leaf_of(key: str) -> Leaf | None:
    return LEAVES.get(plain(key))


def tagged(tags: Iterable[str]) -> list[str]:
    """The keys that inputs with these tags have."""
    return [f"{INPUT}.{tag}.{name}" for tag in tags for name in children(INPUT) if name != "tag"]


def spread(key: str, tags: Iterable[str]) -> list[str]:
    """The keys that a key sets: `input.url` sets that of every tagged input, any other key itself."""
    section, _, name = key.partition(".")
    every = section == INPUT and key in LEAVES
    return [f"{INPUT}.{tag}.{name}" for tag in tags] or [key] if every else [key]


def children(section: str) -> list[str]:
    """The names that a section may have; `""` is the top level."""
    prefix = f"{section}." if section else ""
    below = (key.removeprefix(prefix) for key in KEYS if key.startswith(prefix))
    return list(dict.fromkeys(name.partition(".")[0] for name in below))


def env_name(key: str) -> str:
    """The variable that sets a dotted key: `memory.mapper` is SLUICE_MEMORY_MAPPER."""
    return ENV_PREFIX + re.sub(r"[.-]", "_", key).upper()
