"""What strangers write: events, trigger manifests, job files, keys, and the lines of the input itself."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import Job
from chalicelib.config import yaml_text
from chalicelib.config.load import load_job
from chalicelib.config.triggers import Trigger
from chalicelib.core.errors import ConfigError, Forbidden, InputError, StoreError, UserError
from chalicelib.core.keys import (
    parse_continuation,
    parse_done,
    parse_failed,
    parse_quarantined,
    parse_run_key,
)
from chalicelib.core.plan import Split
from chalicelib.core.ports import Loc
from chalicelib.core.spec import InputSpec
from chalicelib.functions import run_inputs
from chalicelib.mapreduce.input.blocks import TextBlock
from chalicelib.mapreduce.input.records import record_reader
from chalicelib.mapreduce.input.rows import rows_of_stream
from chalicelib.run.events import Created, created, event_for, run_id
from chalicelib.stores.folder import FolderStore
from chalicelib.stores.memory import MemoryStore
from tests.fuzz.damage import damaged, json_values, or_refused, twisted
from tests.strategies import examples
from tests.worlds.simulation import Simulation, spec

EVENT = event_for(Loc("in", "data/a b+c.txt"))
EVENT["Records"][0] |= {"eventTime": "2026-11-21T03:24:24.000Z"}
EVENT["Records"][0]["s3"]["object"] |= {"eTag": "e", "sequencer": "0", "versionId": None, "size": 5}


class Lines(Job):
    def mapper(self, _: Any, line: Any) -> Any:
        yield str(line), 1


@given(st.one_of(json_values, twisted(json.dumps(EVENT).encode()).map(json.loads)))
@examples(400)
def test_events_give_whole_objects_or_nothing(event: Any) -> None:
    for item in created(event):
        assert isinstance(item, Created)
        assert isinstance(item.loc.bucket, str)
        assert isinstance(item.loc.key, str)
        assert type(item.hops) is int
        name = run_id("job", item)
        assert parse_run_key("work", f"runs/job/{name}/plan.json") is not None


@given(st.text(max_size=60))
@examples(200)
def test_keys_of_any_text(key: str) -> None:
    """A run that is parsed from a key stands in it; other keys are passed over."""
    found = parse_run_key("work", f"runs/{key}/map/000001.done")
    if found:
        assert found[0].root.key + found[1] == f"runs/{key}/map/000001.done"
        assert ".." not in found[0].job
    for parse in (parse_done, parse_failed, parse_continuation, parse_quarantined):
        parse(key)  # no error is what there is to show


LISTED = b"# what to read\ns3://in/data/a.txt\ndata/b.txt\n\ndata/more/\n"


@given(st.one_of(damaged(LISTED), st.binary(max_size=80)))
@examples(300)
def test_a_trigger_manifest_names_places_or_is_refused(body: bytes) -> None:
    class Runtime:
        store = MemoryStore()

    place = Loc("in", "data/x.manifest")
    Runtime.store.put(place, body)
    found = or_refused(lambda: list(run_inputs._manifest_lines(Runtime, place)), place.url, UserError)  # type: ignore[arg-type]
    for number, loc in found or ():
        assert 1 <= number <= body.count(b"\n") + body.count(b"\r") + 30
        assert loc.url


@given(st.one_of(damaged(LISTED), st.binary(max_size=80)))
@examples(60)
def test_a_run_by_any_manifest_ends(tmp_path_factory: pytest.TempPathFactory, body: bytes) -> None:
    simulation = Simulation(Lines, spec(trigger="marker"), tmp_path_factory.getbasetemp())
    for name in ("a.txt", "b.txt", "more/c.txt"):
        simulation.add(name, b"line\n")
    simulation.drop("x.manifest", body)
    simulation.run()
    assert {"_SUCCESS", "_FAILED"} & simulation.output().keys()
    assert simulation.errors == []


YAML = b"""\
job: words:Words
input: {url: "s3://demo-in/data/", format: text, errors: strict}
work: {url: "s3://demo-work/"}
output: {url: "s3://demo-out/"}
split_size: 64MiB
bad_records: {policy: quarantine, max: 7, max_fraction: 1e-3}
params: {a: 1, b: [x, {c: 2.5}]}
"""


@given(
    st.one_of(
        damaged(YAML),
        st.binary(max_size=80),
        st.text(max_size=80).map(lambda text: text.encode("utf-8", "surrogatepass")),
    )
)
@examples(300)
def test_a_job_file_is_read_or_refused_with_its_name(
    tmp_path_factory: pytest.TempPathFactory, body: bytes
) -> None:
    root = tmp_path_factory.getbasetemp()
    path = root / "fuzzed.yml"
    path.write_bytes(body)
    loaded = or_refused(
        lambda: load_job(path, root=root, environ={}, require_cloud=True), "fuzzed.yml", ConfigError
    )
    if loaded is not None:
        assert json.dumps(loaded.spec.params) is not None
        assert loaded.spec.input.url.startswith("s3://")


@pytest.mark.parametrize(
    "text",
    [
        "a: &x [1]\nb: *x\n",
        "job: !!python/object/apply:os.system ['true']\n",
        "a: " + "[" * 5000,
        "a: " + "{b: " * 5000,
        "? " * 5000,
        "a: !!binary aGVsbG8=\n",
        "- " * 100_000,
    ],
)
def test_what_yaml_can_do_and_a_job_file_may_not(text: str, tmp_path: Path) -> None:
    (tmp_path / "bad.yml").write_text(text)
    with pytest.raises(ConfigError, match=r"bad\.yml"):
        load_job(tmp_path / "bad.yml", root=tmp_path, environ={}, require_cloud=True)


@given(st.text(max_size=40))
@examples(200)
def test_values_of_variables_and_options(text: str) -> None:
    node = yaml_text.scalar(text)
    with contextlib.suppress(yaml_text.BadValue):
        json.dumps(yaml_text.free(node)).encode()


FORMATS = [
    {"format": "text"},
    {"format": "csv"},
    {"format": "csv", "header": True},
    {"format": "tsv", "comment": "#"},
    {"format": "jsonl"},
    {"format": "text", "errors": "replace"},
]
GOOD = b'a,"b, c",3\n{"x": [1, 2]}\n# no\n\n\xc3\xa4\tb\r\n"open\n'


@pytest.mark.parametrize("fields", FORMATS, ids=str)
@given(body=st.one_of(damaged(GOOD), st.binary(min_size=1, max_size=60), st.just(b'{"a":' * 5000 + b"\n")))
@examples(150)
def test_input_of_any_bytes(fields: dict[str, Any], body: bytes) -> None:
    """Records, or an error that names object and byte; each record begins inside the block."""
    store, loc = MemoryStore(), Loc("in", "k")
    etag = store.put(loc, body)
    split = Split(bucket="in", key="k", etag=etag, start=0, stop=len(body), size=len(body))
    block = TextBlock(0, body)

    def read() -> list[Any]:
        reader = record_reader(InputSpec(url="s3://in/", **fields), None, store, split)
        records = reader.records(block)
        starts = [reader.start_of(block, number) for number in range(len(records))]
        assert starts == sorted(starts)
        assert list(reader.starts(block))[: len(records)] == starts
        assert all(0 <= start < len(body) for start in starts)
        return records

    found = or_refused(read, "s3://in/k: ", InputError)
    assert found is None or isinstance(found, list)


@given(body=st.one_of(damaged(GOOD), st.binary(max_size=60)), chunk=st.integers(1, 30))
@examples(150)
def test_multiline_rows_of_any_bytes(body: bytes, chunk: int) -> None:
    fields = InputSpec(url="s3://in/", format="csv", multiline=True, header=True)
    chunks = (body[at : at + chunk] for at in range(0, len(body), chunk))
    found = or_refused(lambda: list(rows_of_stream(fields, chunks, "s3://in/k")), "s3://in/k: ", InputError)
    assert found is None or all(isinstance(row, dict) for rows in found for row in rows)


@given(
    st.one_of(
        st.text(max_size=20),
        st.lists(st.sampled_from(["..", ".", "a", "", "\0", "~", "x" * 300]), max_size=6).map("/".join),
    )
)
@examples(300)
def test_no_key_leads_out_of_its_folder(tmp_path_factory: pytest.TempPathFactory, key: str) -> None:
    """Whatever the key, what is written lies below the root, and what is read was put there."""
    base = tmp_path_factory.mktemp("roots")
    root = base / "root"
    root.mkdir()
    (base / "secret").write_bytes(b"secret")
    store = FolderStore([root])
    loc = Loc(str(root), key)
    with contextlib.suppress(Forbidden, StoreError, UnicodeEncodeError):
        store.put(loc, b"x")
        assert store.get(loc) == b"x"
    with contextlib.suppress(Forbidden, StoreError, UnicodeEncodeError):
        store.delete(str(root), [key])
    assert (base / "secret").read_bytes() == b"secret"
    assert sorted(path.name for path in base.iterdir()) == ["root", "secret"]


def test_the_trigger_of_a_key_is_what_the_bucket_is_told() -> None:
    assert Trigger("b", "p/", "").prefix == "p/"
