"""Several inputs with a tag each: their configuration, what starts runs over them, how each is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chalicelib import Job
from chalicelib.config.check import lint
from chalicelib.config.load import LoadedJob, load_job
from chalicelib.config.show import format_config
from chalicelib.config.triggers import Trigger, further, triggers
from chalicelib.core.errors import ConfigError, UserError
from chalicelib.core.spec import InputSpec
from chalicelib.local.inputs import tagged_inputs
from scripts.deployment.policies import policies
from scripts.deployment.target import Target
from tests.features.io.runs import failed, job_spec, run, started

PLACES = "work: {url: s3://work/}\noutput: {url: s3://out/}\n"
TWO = f"""job: join:Join
input:
  - tag: left
    url: s3://drop/left/
    format: csv
    header: true
  - {{tag: right, url: s3://drop/right/, format: jsonl}}
{PLACES}"""

Load = Callable[..., LoadedJob]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(
        text: str = TWO, project: str = "", sets: tuple[str, ...] = (), cloud: bool = True, **env: str
    ) -> LoadedJob:
        (tmp_path / "jobs").mkdir(exist_ok=True)
        (tmp_path / "jobs" / "join.yml").write_text(text)
        (tmp_path / "sluice.yml").write_text(project)
        return load_job("join", root=tmp_path, overrides=sets, environ=env, require_cloud=cloud)

    return load


# -- configuration -------------------------------------------------------------------------------------


def test_a_list_of_inputs_is_read_with_its_tags(load: Load) -> None:
    loaded = load()
    left, right = loaded.spec.inputs
    assert left == InputSpec(tag="left", url="s3://drop/left/", format="csv", header=True)
    assert right == InputSpec(tag="right", url="s3://drop/right/", format="jsonl")
    assert loaded.provenance["input.left.header"] == "jobs/join.yml:6"
    assert loaded.provenance["input.right.url"] == "jobs/join.yml:7"
    assert loaded.provenance["input.right.encoding"] == "default"


def test_what_is_said_of_all_inputs_holds_for_each_that_says_nothing_else(load: Load) -> None:
    loaded = load(
        project="input: {encoding: latin-1, header: false}\n",
        sets=("input.max_record_bytes=1KiB", "input.right.comment=#"),
        SLUICE_INPUT_ERRORS="replace",
        SLUICE_INPUT_LEFT_ENCODING="utf-8",
    )
    left, right = loaded.spec.inputs
    assert (left.encoding, right.encoding) == ("utf-8", "latin-1")
    assert (left.errors, right.errors) == ("replace", "replace")
    assert (left.header, right.header) == (True, False)
    assert (left.comment, right.comment) == ("", "#")
    assert {given.max_record_bytes for given in loaded.spec.inputs} == {1024}
    assert loaded.provenance["input.left.encoding"] == "SLUICE_INPUT_LEFT_ENCODING"
    assert loaded.provenance["input.right.max_record_bytes"] == "--set input.max_record_bytes"


def test_a_stronger_layer_about_all_wins_over_a_weaker_one_about_one(load: Load) -> None:
    assert load(sets=("input.format=text", "input.header=false")).spec.input.format == "text"


def test_printed_it_is_a_job_file_that_means_the_same(load: Load, tmp_path: Path) -> None:
    loaded = load(sets=("input.left.suffix=.csv",))
    printed = format_config(loaded)
    assert "  - tag: left\n" in printed
    assert load(printed).spec == loaded.spec
    rows = [line.split("   # ") for line in printed.splitlines()]
    assert ["suffix: .csv", "--set input.left.suffix"] in [[row[0].strip(), row[-1].strip()] for row in rows]


def test_on_this_machine_inputs_need_no_url(load: Load) -> None:
    loaded = load("job: join:Join\ninput: [{tag: a}, {tag: b, format: csv}]\n", cloud=False)
    assert [given.url for given in loaded.spec.inputs] == ["/dev/null/input"] * 2


@pytest.mark.parametrize(
    ("entries", "wanted"),
    [
        ("[]", "jobs/join.yml:2: input: expected at least one entry"),
        ("[a]", "jobs/join.yml:2: input, entry 1: expected a mapping with tag and url, got 'a'"),
        ("[{url: s3://drop/a/}]", "jobs/join.yml:2: input, entry 1: tag: missing; expected a word"),
        ("[{tag: A-b, url: s3://drop/a/}]", "input, entry 1: tag: expected a word of up to 32 of a-z, 0-9 and _"),
        ("[{tag: url, url: s3://drop/a/}]", "tag: url could be mistaken for the setting input.url"),
        ("[{tag: max, url: s3://drop/a/}]", "tag: max could be mistaken for the setting input.max_record_bytes"),
        ("[{tag: a, url: s3://drop/a/}, {tag: a, url: s3://drop/b/}]", "entry 2: tag: a is also the tag of the input"),
        ("[{tag: a, url: s3://drop/a/}, {tag: a_b, url: s3://drop/b/}]", "tag: a_b and a begin alike"),
        ("[{tag: a}, {tag: b, url: s3://drop/b/}]", "jobs/join.yml: input.a.url: missing; expected the place to watch"),
        ("[{tag: a, url: s3://drop/a/, formt: csv}]", "jobs/join.yml:2: input.a.formt: unknown key; did you mean"),
        ("[{tag: a, url: s3://drop/a/, format: xml}]", "jobs/join.yml:2: input.a.format: expected csv or"),
        (
            "[{tag: a, url: s3://drop/a/}, {tag: b, url: s3://drop/a/b/}]",
            "jobs/join.yml:2: input.b.url: s3://drop/a/b/ and s3://drop/a/ of a overlap, so an object could belong",
        ),
        (
            "[{tag: a, url: s3://drop/a/}, {tag: b, url: s3://other/b/}]",
            "join.yml:2: input.b.url: S3's own rules start a job for one bucket; expected a prefix of drop as for a,"
            " or events: eventbridge",
        ),
        ("[{tag: a, url: s3://drop/a/}, {tag: b, url: s3://drop/b*/}]", "input.b.url: S3's event rules may not"),
        ("[{tag: a, url: s3://drop/a/}, {tag: b, url: s3://drop/b/, encoding: x}]", "input.b.encoding: expected"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_line_and_tag(entries: str, wanted: str, load: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        load(f"job: join:Join\ninput: {entries}\n{PLACES}")
    assert wanted in str(caught.value)


@pytest.mark.parametrize(
    ("project", "sets", "env", "wanted"),
    [
        ("input: [{tag: a}]\n", (), {}, "sluice.yml:1: input: expected a mapping, the defaults of all inputs"),
        ("", ("input.middle.format=csv",), {}, "--set input.middle.format: unknown key"),
        ("", ("input.left.tag=x",), {}, "--set input.left.tag: unknown key"),
        ("", (), {"SLUICE_INPUT_MIDDLE_FORMAT": "csv"}, "SLUICE_INPUT_MIDDLE_FORMAT: unknown variable"),
        ("", ("input.left.header=maybe",), {}, "--set input.left.header: expected true or false, got 'maybe'"),
        ("", ("input.left.suffix=.csv", "trigger=marker"), {}, "input.left.suffix: '.csv' would"),
    ],
)  # fmt: skip
def test_mistakes_of_other_layers_are_told(
    project: str, sets: tuple[str, ...], env: dict[str, str], wanted: str, load: Load
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(project=project, sets=sets, **env)
    assert wanted in str(caught.value)


def test_two_jobs_may_not_watch_the_same_place(load: Load) -> None:
    mine = load().spec
    theirs = load(TWO.replace("right/", "left/deep/").replace("left/\n", "other/\n")).spec
    (text, *_) = lint(mine, "mine", {"theirs": theirs})
    assert (
        "mine: input.left.url: watching s3://drop/left/ overlaps with s3://drop/left/deep/, which job theirs"
        in text
    )


# -- deployment ----------------------------------------------------------------------------------------


def test_every_prefix_is_watched_and_may_be_read(load: Load) -> None:
    target = Target(name="join", spec=load().spec, overrides={})
    assert target.rules["coordinator"] == (Trigger("drop", "left/", ""), Trigger("drop", "right/", ""))
    assert triggers("join", target.spec)["coordinator"] == Trigger("drop", "left/", "")
    assert further(target.spec) == (Trigger("drop", "right/", ""),)
    documents = json.dumps({name: policies(target)[name] for name in ("coordinator", "mapper")})
    for prefix in ("left", "right"):
        assert documents.count(f"arn:*:s3:::drop/{prefix}/*") >= 2


# -- runs ----------------------------------------------------------------------------------------------

LEFT = InputSpec(tag="left", url="s3://in/data/left/", format="csv", header=True)
RIGHT = InputSpec(tag="right", url="s3://in/data/right/", format="jsonl")
FILES = {
    "left/a.csv": b"id,name\n1,one\n2,two\n",
    "left/deep/b.csv": b"id,name\n3,three\n",
    "right/a.jsonl": b'{"id": 1, "n": 10}\n{"id": 3, "n": 30}\n',
}


class Both(Job):
    """Which input each record is of, and what the reader made of it."""

    def mapper(self, _: Any, record: Any) -> Any:
        yield int(record["id"]), [self.input.tag, record.get("name", record.get("n"))]


def rows(text: bytes) -> list[Any]:
    return [(int(key), json.loads(value)) for key, value in (line.split(b"\t") for line in text.splitlines())]


ALL = [
    (1, ["left", "one"]),
    (1, ["right", 10]),
    (2, ["left", "two"]),
    (3, ["left", "three"]),
    (3, ["right", 30]),
]


@pytest.mark.parametrize("marker", ["left/_READY", "right/_READY"])
@pytest.mark.parametrize("split_size", [8, 100_000])
def test_a_marker_under_any_input_starts_a_run_over_all(marker: str, split_size: int, tmp_path: Path) -> None:
    spec = job_spec(LEFT, RIGHT, split_size=split_size, partitions=1)
    assert rows(run(Both, spec, FILES, tmp_path, marker).text()) == ALL


def test_a_marker_in_a_folder_means_that_folder_of_every_input(tmp_path: Path) -> None:
    files = {**FILES, "right/deep/c.jsonl": b'{"id": 3, "n": 33}\n'}
    world = run(Both, job_spec(LEFT, RIGHT), files, tmp_path, "right/deep/_READY")
    assert rows(world.text()) == [(3, ["left", "three"]), (3, ["right", 33])]


def test_a_manifest_names_objects_of_several_inputs(tmp_path: Path) -> None:
    world = started(Both, job_spec(LEFT, RIGHT), FILES, tmp_path, "nothing")
    world.drop("left/go.manifest", b"data/right/a.jsonl\ns3://in/data/left/deep/\n")
    world.run()
    assert rows(world.text()) == [(1, ["right", 10]), (3, ["right", 30]), (3, ["left", "three"])]


def test_an_object_of_no_input_is_refused(tmp_path: Path) -> None:
    world = started(Both, job_spec(LEFT, RIGHT), {**FILES, "else/x": b"1\n"}, tmp_path, "nothing")
    world.drop("left/go.manifest", b"data/else/x\n")
    world.run()
    message = world.output()["_FAILED"].decode()
    inputs = "s3://in/data/left/, s3://in/data/right/"
    assert f"go.manifest, line 1: s3://in/data/else/x is outside of the job's input ({inputs})" in message


def test_each_object_starts_a_run_of_its_own(tmp_path: Path) -> None:
    spec = job_spec(msgspec.structs.replace(LEFT, suffix=".csv"), RIGHT, trigger="each")
    world = started(Both, spec, {}, tmp_path, "left/no.txt")
    assert world.output() == {}
    world.drop("right/a.jsonl", FILES["right/a.jsonl"])
    world.run()
    assert rows(world.text()) == [(1, ["right", 10]), (3, ["right", 30])]


class Raises(Both):
    def mapper(self, _: Any, record: Any) -> Any:
        yield None, record["no such"]


def test_a_record_that_cannot_be_read_is_told_as_ever(tmp_path: Path) -> None:
    message = failed(Both, job_spec(LEFT, RIGHT), {**FILES, "right/b.jsonl": b"{}\n{oops\n"}, tmp_path)
    assert "s3://in/data/right/b.jsonl" in message


# -- on this machine -----------------------------------------------------------------------------------


def files_on_disk(folder: Path) -> Path:
    for name, body in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return folder


def test_files_are_named_with_their_tag(tmp_path: Path) -> None:
    folder = files_on_disk(tmp_path)
    names = [f"right={folder}/right", f"left={folder}/left/a.csv", f"left={folder}/left/deep/*"]
    found, tags = tagged_inputs(names, (LEFT, RIGHT))
    assert [Path("/", info.key).name for _, info in found] == ["a.csv", "b.csv", "a.jsonl"]
    assert list(tags.values()) == ["left", "left", "right"]


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["{0}/left/a.csv"], "a.csv: of which input? Expected left=FILES or right=FILES"),
        (["middle={0}/left/a.csv"], "of which input?"),
        (["left={0}/left"], "no files for the input right: expected left=FILES or right=FILES"),
        (["left={0}/left", "right={0}/left"], "named for left and for right: each file is of one input"),
        (["left={0}/gone", "right={0}/right"], "gone: no such file or folder"),
    ],
)
def test_names_that_do_not_fit_are_told(names: list[str], wanted: str, tmp_path: Path) -> None:
    folder = files_on_disk(tmp_path)
    with pytest.raises(UserError) as caught:
        tagged_inputs([name.format(folder) for name in names], (LEFT, RIGHT))
    assert wanted in str(caught.value)


def test_one_input_needs_no_tag_even_if_a_name_looks_like_one(tmp_path: Path) -> None:
    (tmp_path / "left=x").write_bytes(b"")
    found, tags = tagged_inputs([str(tmp_path / "left=x")], (InputSpec(url="s3://in/"),))
    assert [Path(info.key).name for _, info in found] == ["left=x"]
    assert tags == {}
