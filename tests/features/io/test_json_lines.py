"""A document is a line, and a line one document, wherever the input is cut."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job
from chalicelib.core.spec import BadRecordsSpec, InputSpec
from tests.features.io.runs import failed, job_spec, run

JSON_LINES = InputSpec(url="s3://in/data/", format="jsonl")


class Documents(Job):
    def mapper(self, _: Any, document: Any) -> Any:
        yield json.dumps(document), None


#: Bodies, the documents of their good lines, and the bytes at which the others begin.
BODIES: list[tuple[bytes, list[Any], list[int]]] = [
    (b'{"a": 1}\n{"a": 2} {"a": 3}\n{"a": 4}\n', [{"a": 1}, {"a": 4}], [9]),
    (b'{"a": 1}{"a": 2}\n', [], [0]),
    (b'{"a":\n1}\n{"b": 2}\n', [{"b": 2}], [0, 6]),
    (b'{"a": 1} {"a": 2}\n{"a":\n3}\n', [], [0, 18, 24]),  # as many documents as lines
    (b"1 2\n[3\n]\n[4]\n", [[4]], [0, 4, 7]),
    (b'[{"a": 1},\n{"b": 2}]\n', [], [0, 11]),
    (b'{"a": [{}\n,{}]}\n', [], [0, 10]),
    (b'\n \n{"a": 1}\r\n\t{"b": 2} \n\r\n3', [{"a": 1}, {"b": 2}, 3], []),
    (b'{"a": "}\\n{"}\n"}{"\n{}\n[]', [{"a": "}\n{"}, "}{", {}, []], []),
]


@pytest.mark.parametrize("split_size", [1, 7, 13, 1000])
@pytest.mark.parametrize(("body", "documents", "bad"), BODIES)
def test_what_is_read_does_not_depend_on_where_it_is_cut(
    body: bytes, documents: list[Any], bad: list[int], split_size: int, tmp_path: Path
) -> None:
    aside = BadRecordsSpec(policy="quarantine", max_fraction=1.0)
    world = run(
        Documents, job_spec(JSON_LINES, split_size=split_size, bad_records=aside), {"a": body}, tmp_path
    )
    found = [row.partition("\t")[0] for row in world.text().decode().splitlines()]
    assert sorted(found) == sorted(_cell(json.dumps(document)) for document in documents)
    listed = json.loads(world.output()["_manifest.json"])["quarantine"]
    records = [json.loads(line) for key in listed for line in world.objects()[f"work/{key}"].splitlines()]
    assert sorted(record["offset"] for record in records) == bad
    if bad:
        message = failed(Documents, job_spec(JSON_LINES, split_size=split_size), {"a": body}, tmp_path)
        assert f"s3://in/data/a: line at byte {bad[0]}: not the JSON that was expected" in message


def _cell(text: str) -> str:
    """Text as a cell of tsv."""
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
