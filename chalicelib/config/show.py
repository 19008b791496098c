"""A job's whole configuration as YAML, with where each value came from. `run.py --print-config` prints it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from . import schema, units, yaml_text
from .load import DEFAULT, LoadedJob


def format_config(loaded: LoadedJob) -> str:
    """The configuration as YAML that could be the job's file, with the origin of each value as a comment."""
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
        else:
            rows += _map_rows(key, value, loaded.provenance)
    width = min(48, max(len(left) for left, _ in rows))
    return "".join(f"{left:<{width}}   # {right}\n" if right else f"{left}\n" for left, right in rows)


def _map_rows(key: str, value: Mapping[str, Any], provenance: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """A mapping whose names are the user's own."""
    section, _, name = key.rpartition(".")
    indent = "  " if section else ""
    if not value:
        yield f"{indent}{name}: {{}}", DEFAULT
        return
    yield f"{indent}{name}:", ""
    for own, item in value.items():
        yield f"{indent}  {own}: {yaml_text.one_line(item)}", provenance[f"{key}.{own}"]


def _input_rows(tag: str, given: Mapping[str, Any], provenance: Mapping[str, str]) -> list[tuple[str, str]]:
    """One entry of a list of inputs."""
    rows = [(f"  - tag: {tag}", "")]
    for key in schema.tagged([tag]):
        leaf, name = schema.LEAVES[schema.plain(key)], key.rpartition(".")[2]
        rows.append((f"    {name}: {_written(leaf, given[name])}", provenance[key]))
    return rows


def _written(leaf: schema.Leaf, value: Any) -> str:
    shown = {"bytes": units.format_size, "seconds": units.format_duration}.get(leaf.kind)
    return yaml_text.one_line(shown(value) if shown and value is not None else value)
