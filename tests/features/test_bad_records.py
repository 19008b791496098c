"""Bad records under `quarantine`: the rest is exact, each is listed once, and there is a limit."""

from __future__ import annotations

import base64
import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Range, Sum
from chalicelib.core.ports import Loc
from chalicelib.core.spec import BadRecordsSpec
from chalicelib.job.job import Each
from tests.worlds.simulation import Simulation, spec


class Halves(Job):
    """Emits, then raises on poison: what it emitted for that record must not count."""

    def mapper(self, _: Any, line: str) -> Any:
        yield "lines", 1
        for word in line.split():
            if word == "poison":
                raise ValueError(f"cannot take {line!r}")
            yield word, 1

    reducer = Sum()


class Chunks(Job):
    def mapper_chunk(self, text: str) -> Any:
        if "poison" in text:
            raise ValueError("poisoned")
        return Each(text.split(), 1)

    reducer = Sum()


class Amounts(Job):
    def mapper(self, _: Any, record: Any) -> Any:
        yield record["name"], record["n"]

    reducer = Sum()


LENIENT = BadRecordsSpec(policy="quarantine", max=1000, max_fraction=0.6)


def text(lines: int = 600) -> tuple[bytes, list[int]]:
    """Lines of which one in a hundred is poisoned, and the offsets of those."""
    body, bad = b"", []
    for number in range(lines):
        if number % 100 == 37:
            bad.append(len(body))
            body += f"a b poison {number}\n".encode()
        else:
            body += f"a b{number % 5} ü\n".encode()
    return body, bad


def listed(simulation: Simulation) -> list[dict[str, Any]]:
    """What the manifest's quarantine objects hold."""
    manifest = json.loads(simulation.output()["_manifest.json"])
    found = [
        json.loads(line)
        for key in manifest["quarantine"]
        for line in simulation.memory.get(Loc("work", key)).splitlines()
    ]
    assert len(found) == manifest["bad"]
    return found


def counts(simulation: Simulation) -> dict[str, int]:
    rows = (line.split("\t") for line in simulation.text().decode().splitlines())
    return {word: int(count) for word, count in rows}


@pytest.mark.parametrize("split_size", [64, 1000, 1 << 20])
@pytest.mark.parametrize("seed", [None, 3])
def test_the_rest_is_exact_and_each_bad_record_is_listed_once(
    split_size: int, seed: int | None, tmp_path: Path
) -> None:
    body, bad = text()
    simulation = Simulation(
        Halves,
        spec(split_size=split_size, bad_records=LENIENT),
        tmp_path,
        seed=seed,
        duplicates=seed is not None,
        kill_at=(50, 90) if seed else (),
    )
    simulation.drop("a.txt", body)
    simulation.run()
    assert "_SUCCESS" in simulation.output()
    good = [line for line in body.decode().splitlines() if "poison" not in line]
    expected = Counter(word for line in good for word in line.split())
    assert counts(simulation) == expected | {"lines": len(good)}
    found = listed(simulation)
    assert sorted(record["offset"] for record in found) == bad
    for record in found:
        line = base64.b64decode(record["record"])
        assert body[record["offset"] :].startswith(line)
        assert "cannot take" in record["error"]
        assert "ValueError" in record["traceback"]
        assert record["source"] == "s3://in/data/a.txt"


def test_of_a_bad_chunk_only_the_bad_lines_are_lost(tmp_path: Path) -> None:
    body, bad = text()
    simulation = Simulation(Chunks, spec(split_size=3000, bad_records=LENIENT), tmp_path)
    simulation.drop("a.txt", body)
    simulation.run()
    good = [line for line in body.decode().splitlines() if "poison" not in line]
    assert counts(simulation) == Counter(word for line in good for word in line.split())
    assert sorted(record["offset"] for record in listed(simulation)) == bad


def test_of_rows_with_newlines_in_quotes_the_bad_are_set_aside(tmp_path: Path) -> None:
    rows = [["a", 1], ["b\nc", 2], ["bad", None], ["a", 3], ["d\n", None]]
    body = "name,n\n" + "".join(f'"{name}",{"" if n is None else n}\n' for name, n in rows)

    class Numbers(Job):
        def mapper(self, _: Any, row: Any) -> Any:
            yield "rows", 1
            yield row["name"], int(row["n"])

        reducer = Sum()

    fields = {"format": "csv", "header": True, "multiline": True}
    simulation = Simulation(
        Numbers, spec(input=fields, bad_records=LENIENT, output={"format": "jsonl"}), tmp_path
    )
    simulation.drop("a.csv", body.encode())
    simulation.run()
    found = {row["key"]: row["value"] for row in map(json.loads, simulation.text().splitlines())}
    assert found == {"rows": 3, "a": 4, "b\nc": 2}
    assert [(record["source"], record["offset"], record["text"]) for record in listed(simulation)] == [
        ("s3://in/data/a.csv", None, repr({"name": name, "n": ""})) for name, n in rows if n is None
    ]


@pytest.mark.parametrize("split_size", [40, 1 << 20])
def test_lines_that_do_not_parse_are_set_aside(split_size: int, tmp_path: Path) -> None:
    lines = [
        b'{"name":"a","n":1}',
        b"not json",
        b"",
        b'{"name":"b","n":2}',
        b"{",
        b'{"name":"a","n":3}',
        b"\xff\xfe",
    ]
    body = b"\n".join(lines)
    simulation = Simulation(
        Amounts, spec(split_size=split_size, bad_records=LENIENT, input={"format": "jsonl"}), tmp_path
    )
    simulation.drop("a.jsonl", body)
    simulation.run()
    assert counts(simulation) == {"a": 4, "b": 2}
    found = listed(simulation)
    assert [base64.b64decode(record["record"]).rstrip(b"\n") for record in found] == [
        b"not json",
        b"{",
        b"\xff\xfe",
    ]
    assert all(body[record["offset"] :].startswith(base64.b64decode(record["record"])) for record in found)


class ByName(Job):
    """Trusts that a name is text."""

    def mapper(self, _: Any, document: Any) -> Any:
        yield "documents", 1
        yield document["name"], 1

    reducer = Sum()


@pytest.mark.parametrize("split_size", [20, 1 << 20])
def test_a_record_of_whose_key_no_table_can_be_made_is_set_aside(split_size: int, tmp_path: Path) -> None:
    """Else one line of somebody else's would fail the run, whatever the policy."""
    lines = [b'{"name": "a"}', b'{"name": ["a"]}', b'{"name": {}}', b'{"name": "b"}']
    figures = {"split_size": split_size, "bad_records": LENIENT, "input": {"format": "jsonl"}}
    simulation = Simulation(ByName, spec(**figures), tmp_path)
    simulation.drop("a.jsonl", b"\n".join(lines))
    simulation.run()
    assert counts(simulation) == {"documents": 2, "a": 1, "b": 1}
    assert [record["offset"] for record in listed(simulation)] == [14, 30]
    assert (
        "key ['a']: expected None, bool, int, float, str, bytes or tuples" in listed(simulation)[0]["error"]
    )


class RowsByName(ByName):
    """Its rows go straight to a part, whatever their keys are."""

    shuffle = False
    reducer = None


def test_without_a_shuffle_any_key_will_do(tmp_path: Path) -> None:
    figures = {"bad_records": LENIENT, "input": {"format": "jsonl"}, "output": {"format": "jsonl"}}
    simulation = Simulation(RowsByName, spec(**figures), tmp_path)
    simulation.drop("a.jsonl", b'{"name": ["a"]}')
    simulation.run()
    assert b'{"key":["a"],"value":1}' in simulation.text()


def test_text_that_is_no_text(tmp_path: Path) -> None:
    simulation = Simulation(Halves, spec(bad_records=LENIENT), tmp_path)
    simulation.drop("a.txt", b"fine\n\xff\xff bad\nalso fine\n")
    simulation.run()
    assert counts(simulation) == {"lines": 2, "fine": 2, "also": 1}
    assert [record["offset"] for record in listed(simulation)] == [5]


def test_a_whole_object_that_is_damaged(tmp_path: Path) -> None:
    simulation = Simulation(Halves, spec(bad_records=LENIENT, trigger="marker"), tmp_path)
    whole = gzip.compress(b"fine words\n" * 10)
    simulation.memory.put(Loc("in", "data/good.gz"), whole)
    simulation.memory.put(Loc("in", "data/bad.gz"), b"this was never compressed")
    simulation.drop("_READY", b"")
    simulation.run()
    assert counts(simulation) == {"lines": 10, "fine": 10, "words": 10}
    (record,) = listed(simulation)
    assert record["source"] == "s3://in/data/bad.gz"


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"max": 3, "max_fraction": 1.0}, "bad_records.max"),
        ({"max": 100, "max_fraction": 0.005}, "max_fraction"),
    ],
)
@pytest.mark.parametrize("split_size", [500, 1 << 20])
def test_too_many_bad_records_fail_the_run(
    limits: dict[str, Any], reason: str, split_size: int, tmp_path: Path
) -> None:
    body, _ = text()
    bad = BadRecordsSpec(policy="quarantine", **limits)
    simulation = Simulation(Halves, spec(split_size=split_size, bad_records=bad), tmp_path)
    simulation.drop("a.txt", body)
    simulation.run()
    output = simulation.output()
    assert "_SUCCESS" not in output
    assert reason in output["_FAILED"].decode()


@pytest.mark.parametrize("split_size", [64, 1000, 1 << 20])
@pytest.mark.parametrize("seed", [None, 1, 2])
def test_under_fail_the_first_is_named(split_size: int, seed: int | None, tmp_path: Path) -> None:
    """At once. Of tasks in any order, of which several fail at once, the first of the input that had failed."""
    body, bad = text()
    simulation = Simulation(
        Halves, spec(split_size=split_size), tmp_path, seed=seed, duplicates=seed is not None
    )
    simulation.drop("a.txt", body)
    simulation.run()
    reason, *_ = simulation.output()["_FAILED"].decode().splitlines()
    told = json.loads(simulation.output()["_manifest.json"])
    failures = [failure["message"] for failure in told["failures"]]
    if seed is None:
        assert f"line at byte {bad[0]}:" in reason
    named = [f"job job: s3://in/data/a.txt, line at byte {offset}: ValueError: cannot take" for offset in bad]
    first = next(offset for offset, text in enumerate(named) if any(text in failure for failure in failures))
    assert named[first] in reason
    assert "tried" not in reason
    assert simulation.memory.head(Loc("in", "data/a.txt")).size == len(body)


def test_each_is_listed_once_wherever_an_attempt_was_killed(tmp_path: Path) -> None:
    """Lambda delivers nothing again here: a task whose function dies is found lost and tried anew."""
    body, bad = text(300)
    attempts, left_behind = set(), 0
    for place in range(4, 50):
        simulation = Simulation(
            Halves,
            spec(split_size=1000, bad_records=LENIENT),
            tmp_path,
            retries=0,
            kill_at=[place],
        )
        simulation.drop("a.txt", body)
        simulation.run()
        if "_SUCCESS" not in simulation.output():
            assert simulation.killed[0] in ("coordinator", "supervisor"), "no event is left that could go on"
            continue
        attempts |= {call["attempt"] for function, call in simulation.delivered if function == "mapper"}
        assert sorted(record["offset"] for record in listed(simulation)) == bad
        good = [line for line in body.decode().splitlines() if "poison" not in line]
        expected = Counter(word for line in good for word in line.split())
        assert counts(simulation) == expected | {"lines": len(good)}
        kept = [key for key in simulation.work() if "/quarantine/" in key]
        left_behind += len(kept) > len(json.loads(simulation.output()["_manifest.json"])["quarantine"])
    assert attempts == {0, 1}
    assert left_behind, "some attempt died between its bad records and its marker"


class Ordered(Halves):
    """In total order, for which the coordinator maps a sample of the records."""

    partitioner = Range()


def test_a_total_order_is_found_although_the_sample_has_bad_records(tmp_path: Path) -> None:
    body, bad = text()
    simulation = Simulation(Ordered, spec(split_size=1000, partitions=4, bad_records=LENIENT), tmp_path)
    simulation.drop("a.txt", body)
    simulation.run()
    good = [line for line in body.decode().splitlines() if "poison" not in line]
    expected = Counter(word for line in good for word in line.split()) | {"lines": len(good)}
    assert counts(simulation) == expected
    assert list(counts(simulation)) == sorted(expected)
    assert sorted(record["offset"] for record in listed(simulation)) == bad


class NeverBegins(Ordered):
    def mapper_init(self) -> Any:
        raise ValueError("no table to look up in")


@pytest.mark.parametrize("job", [Ordered, NeverBegins])
def test_under_fail_a_total_order_fails_with_the_reason_and_not_in_silence(
    job: type[Job], tmp_path: Path
) -> None:
    body, bad = text()
    simulation = Simulation(job, spec(split_size=1000, partitions=4), tmp_path)
    simulation.drop("a.txt", body)
    simulation.run()
    told = simulation.output()["_FAILED"].decode()
    wanted = f"s3://in/data/a.txt, line at byte {bad[0]}" if job is Ordered else "no table to look up in"
    assert wanted in told
