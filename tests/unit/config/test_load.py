"""Configuration: every layer, every mistake, and where each value came from; real files throughout."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from chalicelib.config import schema, units
from chalicelib.config.layers import EXEMPT
from chalicelib.config.load import PLACEHOLDERS, LoadedJob, job_names, load_job
from chalicelib.config.show import format_config
from chalicelib.core.errors import ConfigError
from chalicelib.core.spec import JobSpec

REPOSITORY = Path(__file__).resolve().parents[3]
JOB = """\
job: wordcount:WordCount
input:  {url: "s3://demo-in/wordcount/", format: text}
work:   {url: "s3://demo-work/"}
output: {url: "s3://demo-out/wordcount/", format: tsv}
"""
PLAIN: dict[str, Any] = {
    "job": "wordcount:WordCount",
    "input": {"url": "s3://demo-in/wordcount/"},
    "work": {"url": "s3://demo-work/"},
    "output": {"url": "s3://demo-out/wordcount/"},
}

Load = Callable[..., LoadedJob]


class Project:
    """A folder with jobs/wordcount.yml and perhaps sluice.yml."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "jobs").mkdir(exist_ok=True)

    def load(
        self,
        more: str | bytes = "",
        *,
        base: str = JOB,
        project: str | None = None,
        overrides: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
        cloud: bool = True,
    ) -> LoadedJob:
        text = more if isinstance(more, bytes) else (base + more).encode()
        (self.root / "jobs" / "wordcount.yml").write_bytes(text)
        (self.root / "sluice.yml").unlink(missing_ok=True)
        if project is not None:
            (self.root / "sluice.yml").write_text(project, encoding="utf-8")
        return load_job(
            "wordcount", root=self.root, overrides=overrides, environ=environ or {}, require_cloud=cloud
        )

    def problems(self, *args: Any, **options: Any) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            self.load(*args, **options)
        return str(caught.value).splitlines()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


# What is read


def test_a_plain_job_has_the_defaults_of_the_schema(project: Project) -> None:
    loaded = project.load()
    assert loaded.spec == msgspec.convert(PLAIN, JobSpec)
    assert loaded.name == "wordcount"
    assert loaded.path == project.root / "jobs" / "wordcount.yml"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64MiB", 64 << 20),
        ("1GB", 10**9),
        ("512 KiB", 512 << 10),
        ("1.5GiB", 3 << 29),
        ("1.3GiB", 1_395_864_371),  # a third of a byte is nobody's business
        ("1TiB", 1 << 40),
        ("10kb", 10_000),
        ("1000", 1000),
        ("1_000", 1000),
        ("7B", 7),
        ('"64MiB"', 64 << 20),
    ],
)
def test_sizes(project: Project, text: str, size: int) -> None:
    assert project.load(f"split_size: {text}\n").spec.split_size == size


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("15m", 900), ("1.5m", 90), ("60", 60)])
def test_durations(project: Project, text: str, seconds: int) -> None:
    assert project.load(f"timeout: {{mapper: {text}}}\n").spec.timeout.mapper == seconds


@pytest.mark.parametrize(
    "text", ["64 M", "MiB", "-1MiB", "0", "0.5", "1e6", "64MiBs", "1..5GB", "9" * 20 + "GB"]
)
def test_what_is_no_size(project: Project, text: str) -> None:
    (problem,) = project.problems(f"split_size: {text}\n")
    expected = "expected a size from 1 byte up, such as 64MiB, 1.5GB or a number of bytes, or null, got "
    assert problem.startswith(f"jobs/wordcount.yml:5: split_size: {expected}")
    assert text in problem


@pytest.mark.parametrize("text", ["0s", "901", "2h", "1.5s", "15 minutes"])
def test_what_is_no_duration(project: Project, text: str) -> None:
    (problem,) = project.problems(f"timeout:\n  reducer: {text}\n")
    assert problem.startswith(
        "jobs/wordcount.yml:6: timeout.reducer: expected a duration from 1s to 900s, such"
    )


def test_units_only_where_the_schema_says_so(project: Project) -> None:
    assert project.problems("memory: {mapper: 1GB}\n") == [
        "jobs/wordcount.yml:5: memory.mapper: expected an integer from 128 to 10240, got '1GB'"
    ]


@given(st.integers(1, 2**63 - 1))
def test_sizes_round_trip(size: int) -> None:
    assert units.parse(units.format_size(size), "bytes") == size


@given(st.integers(1, 900))
def test_durations_round_trip(seconds: int) -> None:
    assert units.parse(units.format_duration(seconds), "seconds") == seconds


@given(st.text())
def test_any_text_is_a_quantity_or_none(text: str) -> None:
    found = units.parse(text, "bytes")
    assert found is None or (found >= 0 and text.strip()[:1].isdigit())


def test_text_is_taken_as_it_stands(project: Project) -> None:
    spec = project.load('partitions: "16"\n', overrides=["input.suffix=.5"]).spec
    assert (spec.partitions, spec.input.suffix) == (16, ".5")
    spec = project.load(base=JOB.replace("format: text", "suffix: no")).spec
    assert spec.input.suffix == "no"


def test_null_is_the_default_of_optional_keys_and_of_empty_sections(project: Project) -> None:
    loaded = project.load("partitions: null\nmemory:\n#  mapper: 1\nparams:\n", project="partitions: 64\n")
    assert loaded.spec.partitions is None
    assert loaded.provenance["partitions"] == "jobs/wordcount.yml:5"
    assert loaded.spec == msgspec.convert(PLAIN, JobSpec)


def test_params_have_the_types_of_json(project: Project) -> None:
    more = """\
params:
  n: 3
  x: 1e-3
  y: 2.5
  yes-or-no: true
  none:
  day: 2024-02-30
  words: [a, 1, "no", {deep: [null]}]
"""
    assert project.load(more).spec.params == {
        "n": 3,
        "x": 0.001,
        "y": 2.5,
        "yes-or-no": True,
        "none": None,
        "day": "2024-02-30",
        "words": ["a", 1, "no", {"deep": [None]}],
    }


@pytest.mark.parametrize(
    "value",
    [
        "no",
        "0777",
        "1:30",
        ".inf",
        ".nan",
        "1.0e+999",
        "99999999999999999999",
        "!!binary aGk=",
        "!!python/name:os.system x",
        "!mine x",
        "!!set {a}",
        "!!float 1.2.3",
        "{a: 1, a: 2}",
        "[[1], {? [x] : y}]",
    ],
)
def test_params_that_json_has_not_or_that_could_mean_two_things(project: Project, value: str) -> None:
    (problem,) = project.problems(f"params:\n  ok: 1\n  odd: {value}\n")
    assert problem.startswith("jobs/wordcount.yml:7: params.odd: ")


# Layers

LAYERS = ("default", "sluice.yml:1", "jobs/wordcount.yml:5", "SLUICE_MAX_ATTEMPTS", "--set max_attempts")


@pytest.mark.parametrize("top", range(5))
def test_every_layer_beats_all_below(project: Project, top: int) -> None:
    loaded = project.load(
        "max_attempts: 7\n" if top >= 2 else "",
        project="max_attempts: 6\n" if top >= 1 else None,
        environ={"SLUICE_MAX_ATTEMPTS": "8"} if top >= 3 else {},
        overrides=["max_attempts=9"] if top >= 4 else [],
    )
    assert loaded.spec.max_attempts == (4, 6, 7, 8, 9)[top]
    assert loaded.provenance["max_attempts"] == LAYERS[top]


def test_sections_merge_key_by_key(project: Project) -> None:
    loaded = project.load(
        "memory: {reducer: 302}\nparams: {b: job, c: job}\n",
        project="memory: {mapper: 201, reducer: 202, supervisor: 203}\nparams: {a: all, b: all}\n",
        environ={"SLUICE_MEMORY_SUPERVISOR": "403", "SLUICE_PARAMS_C": "env", "SLUICE_PARAMS_NEW_ONE": "1"},
        overrides=["memory.coordinator=504", "params.d=x=y", "params.d=last"],
    )
    memory = loaded.spec.memory
    assert (memory.mapper, memory.reducer, memory.supervisor, memory.coordinator) == (201, 302, 403, 504)
    assert loaded.spec.params == {"a": "all", "b": "job", "c": "env", "new_one": 1, "d": "last"}
    origins = {
        key: origin for key, origin in loaded.provenance.items() if key.startswith(("memory.", "params."))
    }
    assert origins == {
        "memory.mapper": "sluice.yml:1",
        "memory.reducer": "jobs/wordcount.yml:5",
        "memory.supervisor": "SLUICE_MEMORY_SUPERVISOR",
        "memory.coordinator": "--set memory.coordinator",
        "memory.scheduler": "default",
        "memory.auditor": "default",
        "params.a": "sluice.yml:2",
        "params.b": "jobs/wordcount.yml:6",
        "params.c": "SLUICE_PARAMS_C",
        "params.new_one": "SLUICE_PARAMS_NEW_ONE",
        "params.d": "--set params.d",
    }


def test_a_variable_finds_the_parameter_whatever_its_case(project: Project) -> None:
    more = "params: {minLength: 1, top-n: 2}\n"
    environ = {"SLUICE_PARAMS_MINLENGTH": "5", "SLUICE_PARAMS_TOP_N": "6"}
    assert project.load(more, environ=environ).spec.params == {"minLength": 5, "top-n": 6}


def test_urls_may_come_from_any_layer(project: Project) -> None:
    loaded = project.load(
        base="job: a:B\ninput: {suffix: .txt}\n",
        project="work: {url: s3://all-work/}\n",
        environ={"SLUICE_OUTPUT_URL": "s3://env-out/x/"},
        overrides=["input.url=s3://set-in/y"],
    )
    assert [loaded.spec.input.url, loaded.spec.work.url, loaded.spec.output.url] == [
        "s3://set-in/y",
        "s3://all-work/",
        "s3://env-out/x/",
    ]


def test_every_key_of_the_schema_can_be_set_everywhere(project: Project) -> None:
    """The variables' names are distinct, and each default is accepted as option and variable."""
    names = {schema.env_name(key): key for key in schema.LEAVES}
    assert len(names) == len(schema.LEAVES)
    assert names["SLUICE_SPLIT_SIZE"] == "split_size"
    base = project.load()
    for variable, key in names.items():
        value: Any = msgspec.to_builtins(base.spec)
        for part in key.split("."):
            value = value[part]
        text = "null" if value is None else str(value)
        loaded = project.load(environ={variable: text})
        assert (loaded.spec, loaded.provenance[key]) == (base.spec, variable)
        loaded = project.load(overrides=[f"{key}={text}"])
        assert (loaded.spec, loaded.provenance[key]) == (base.spec, f"--set {key}")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("true", True),
        ("2.5", 2.5),
        ("", None),
        ("'3'", "3"),
        ('"a\\tb"', "a\tb"),
        ("[a-z]+", "[a-z]+"),
        ("a: b", "a: b"),
        ("*", "*"),
        ("#", "#"),
        (" x ", " x "),
        ("'", "'"),
        ("'a'b'", "'a'b'"),
        ("2024-01-01", "2024-01-01"),
    ],
)
def test_options_and_variables_are_yaml_scalars(project: Project, text: str, value: object) -> None:
    assert project.load(overrides=[f"params.x={text}"]).spec.params == {"x": value}
    assert project.load(environ={"SLUICE_PARAMS_X": text}).spec.params == {"x": value}


def test_the_local_engine_needs_no_places(project: Project) -> None:
    loaded = project.load(base="job: wordcount:WordCount\n", cloud=False)
    assert {key: loaded.provenance[key] for key in PLACEHOLDERS} == dict.fromkeys(
        PLACEHOLDERS, "placeholder for the command line's"
    )
    for place in (loaded.spec.input, loaded.spec.work, loaded.spec.output):
        with pytest.raises(NotADirectoryError):
            Path(place.url).mkdir(parents=True)
    assert project.load(cloud=False).spec == project.load().spec


def test_without_a_project_file_and_with_an_empty_one(project: Project) -> None:
    assert project.load(project=None).spec == project.load(project="# nothing\n").spec


# What is refused


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("memory:\n  mapper: lots\n", "6: memory.mapper: expected an integer from 128 to 10240, got 'lots'"),
        ("memory: {mapper: 127}\n", "5: memory.mapper: expected an integer from 128 to 10240, got 127"),
        ("memory: {mapper: 1024.0}\n", "5: memory.mapper: expected an integer from 128 to 10240, got 1024.0"),
        ("memory: {mapper: 0777}\n", "5: memory.mapper: expected an integer from 128 to 10240, got 0777"),
        ("memory: {mapper: }\n", "5: memory.mapper: expected an integer from 128 to 10240, got nothing"),
        ("memory: {mapper: [1]}\n", "5: memory.mapper: expected an integer from 128 to 10240, got a list"),
        (
            "memory: {mapper: !!python/int 9}\n",
            "5: memory.mapper: expected an integer from 128 to 10240, got the tag !!python/int",
        ),
        ("partitions: 4097\n", "5: partitions: expected an integer from 1 to 4096, or null, got 4097"),
        ("partitions: many\n", "5: partitions: expected an integer from 1 to 4096, or null, got 'many'"),
        (
            "trigger: on\n",
            "5: trigger: expected each or marker or success, or every and whole minutes up to 7d, such as every 15m,"
            " got on",
        ),
        ("output: 1\n", "5: output: given twice; the first is in line 4"),
        (
            "memory: 1024\n",
            "5: memory: expected a mapping of mapper, reducer, supervisor, coordinator, scheduler, auditor, got 1024",
        ),
        ("params: [a]\n", "5: params: expected a mapping, got a list"),
        ("inptu: {}\n", "5: inptu: unknown key; did you mean 'input'?"),
        ("mapper: 1024\n", "5: mapper: unknown key; did you mean 'memory.mapper'?"),
        ("memory: {maper: 1024}\n", "5: memory.maper: unknown key; did you mean 'memory.mapper'?"),
        (
            "timeout: {zzz: 1}\n",
            "5: timeout.zzz: unknown key; expected one of mapper, reducer, supervisor, coordinator, scheduler, auditor",
        ),
        ("max_attempts: 2\n\nmax_attempts: 3\n", "7: max_attempts: given twice; the first is in line 5"),
        ("params: {a: 1, 'a': 2}\n", "5: params.a: given twice; the first is in line 5"),
        ("params: {a.b: 1}\n", "5: params.a.b: expected a name of letters, digits, _ and -, got 'a.b'"),
        ("? [a]\n: 1\n", "5: expected a name as a key, got a list"),
        ("params: {a: &x 1, b: *x}\n", "5: *x: aliases are not supported; repeat the value"),
        ("params:\n  a: &x [*x]\n", "6: *x: aliases are not supported; repeat the value"),
        ("memory:\n\tmapper: 1\n", "6: a tab in the indentation; use spaces"),
        ("params: " + "[" * 99 + "]" * 99 + "\n", "5: nested more than 32 deep"),
        (
            "---\na: 1\n",
            "5: not valid YAML: but found another document expected a single document in the stream",
        ),
        ("params: {a: \x01}\n", r"5: the unprintable character '\x01' is not allowed in YAML"),
        ("job\n", None),
        ("params: {a: 1\n", None),
        ("a: b: c\n", None),
        ("x: @y\n", None),
    ],
)
def test_one_sentence_with_line_key_and_what_was_expected(
    project: Project, more: str, problem: str | None
) -> None:
    (found,) = project.problems(more)
    if problem is not None:
        assert found == f"jobs/wordcount.yml:{problem}"
    else:  # the library's words, our place
        assert found.startswith(
            ("jobs/wordcount.yml:5: not valid YAML: ", "jobs/wordcount.yml:6: not valid YAML: ")
        )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "jobs/wordcount.yml: the file is empty; expected at least `job: module:Class`"),
        (b"# later\n", "jobs/wordcount.yml: the file is empty; expected at least `job: module:Class`"),
        (b"- a\n", "jobs/wordcount.yml:1: expected `key: value` lines at the top, got a list"),
        (b"\nlots\n", "jobs/wordcount.yml:2: expected `key: value` lines at the top, got 'lots'"),
        (b"job: a:B\n# caf\xe9\n", "jobs/wordcount.yml:2: byte 0xe9 is not UTF-8; save the file as UTF-8"),
        ("job: a:B".encode("utf-16"), "jobs/wordcount.yml:1: byte 0xff is not UTF-8; save the file as UTF-8"),
    ],
)
def test_files_that_are_no_configuration(project: Project, text: bytes, problem: str) -> None:
    assert project.problems(text) == [problem]


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(project: Project) -> None:
    text = b"\xef\xbb\xbf" + JOB.replace("\n", "\r\n").encode()
    assert project.load(text).spec == project.load().spec


def test_what_is_missing_is_named(project: Project) -> None:
    assert project.problems(base="input: {format: text}\n") == [
        "jobs/wordcount.yml: job: missing; expected `module:Class`, a class in jobs/module.py",
        "jobs/wordcount.yml: input.url: missing; expected the place to watch, such as s3://bucket/prefix/",
        "jobs/wordcount.yml: work.url: missing; expected a place for plans and run files, such as s3://bucket/prefix/",
        "jobs/wordcount.yml: output.url: missing; expected a place for results, such as s3://bucket/prefix/",
    ]
    assert project.problems(base="{}\n", cloud=False) == [
        "jobs/wordcount.yml: job: missing; expected `module:Class`, a class in jobs/module.py"
    ]


def test_a_misspelt_section_is_not_reported_as_missing_too(project: Project) -> None:
    assert project.problems(base=JOB.replace("input:", "inptu:")) == [
        "jobs/wordcount.yml:2: inptu: unknown key; did you mean 'input'?"
    ]


def test_all_problems_of_all_layers_at_once(project: Project) -> None:
    assert project.problems(
        "max_attempts: 0\n",
        project="job: a:B\nmemory: {reducer: 1}\n",
        environ={"SLUICE_SPLIT_SIZE": "big", "SLUICE_MEMORY_MAPER": "1", "HOME": "/"},
        overrides=[
            "memory.mapper=lots",
            "max_atempts=1",
            "split_size",
            "memory=1",
            "params=1",
            "params.a.b=1",
        ],
    ) == [
        "--set memory.mapper: expected an integer from 128 to 10240, got 'lots'",
        "--set max_atempts: unknown key; did you mean 'max_attempts'?",
        "--set 'split_size': expected KEY=VALUE, such as memory.mapper=1024",
        "--set memory: expected one key of the section: memory.mapper, memory.reducer, memory.supervisor, "
        "memory.coordinator, memory.scheduler, memory.auditor",
        "--set params: expected params.NAME, a name of letters, digits, _ and -",
        "--set params.a.b: expected params.NAME, a name of letters, digits, _ and -",
        "SLUICE_MEMORY_MAPER: unknown variable; did you mean SLUICE_MEMORY_MAPPER?",
        "SLUICE_SPLIT_SIZE: expected a size from 1 byte up, such as 64MiB, 1.5GB or a number of bytes, or null, "
        "got 'big'",
        "jobs/wordcount.yml:5: max_attempts: expected an integer from 1 to 20, got 0",
        "sluice.yml:2: memory.reducer: expected an integer from 128 to 10240, got 1",
        "sluice.yml:1: job: not allowed here; each job names its class in its own file",
    ]


STAGES = """
memory: {mapper: 1024, reducer: 1024}
params: {days: 7, table: small}
stages:
  dev: {limits: {dollars: 1}}
  prod:
    output: {url: "s3://prod-out/"}
    memory: {mapper: 4096}
    params: {table: large}
"""


def test_a_stage_is_the_job_with_what_differs(project: Project) -> None:
    base = project.load(STAGES)
    prod, dev = (
        load_job(f"wordcount-{stage}", root=project.root, require_cloud=True) for stage in ("prod", "dev")
    )
    assert (prod.name, prod.path) == ("wordcount-prod", base.path)
    assert (base.spec.memory.mapper, prod.spec.memory.mapper, prod.spec.memory.reducer) == (1024, 4096, 1024)
    assert prod.spec.params == {"days": 7, "table": "large"}
    assert prod.spec.output.url == "s3://prod-out/"
    assert (dev.spec.output, dev.spec.params, dev.spec.limits.dollars) == (
        base.spec.output,
        base.spec.params,
        1,
    )
    assert prod.provenance["memory.mapper"] == "jobs/wordcount.yml:12"
    environ = {"SLUICE_MEMORY_MAPPER": "512"}
    told = load_job("wordcount-prod", root=project.root, environ=environ, require_cloud=True)
    assert told.spec.memory.mapper == 512, "variables win over stages, as over files"
    (project.root / "jobs/wordcount-prod.yml").write_text(JOB)
    own = load_job("wordcount-prod", root=project.root, require_cloud=True)
    assert own.path.name == "wordcount-prod.yml", "a file of that name is that job"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (
            "stages: prod",
            "jobs/wordcount.yml:5: stages: expected a mapping from a stage's name to settings, got 'prod'",
        ),
        ("stages: {Prod-1: {}}", "expected a word of a-z and 0-9, starting with a letter, got 'Prod-1'"),
        ("stages: {prod: 5}", "prod: expected settings that differ, got 5"),
        ("stages: {prod: {memry: 1}}", "memry: unknown key; did you mean 'memory'?"),
        ("stages: {prod: {input: [{tag: a, url: s3://x/}]}}", "a stage cannot have a list of inputs"),
        ("stages: {prod: {stages: {dev: {}}}}", "a stage cannot have stages of its own"),
    ],
)
def test_what_is_wrong_with_a_stage_is_told_of_the_job(project: Project, more: str, told: str) -> None:
    assert told in "\n".join(project.problems(more))


def test_a_stage_that_is_not_there_and_stages_of_a_project(project: Project) -> None:
    project.load(STAGES)
    with pytest.raises(
        ConfigError, match="wordcount-test: no such job, and the stages of wordcount are dev, prod"
    ):
        load_job("wordcount-test", root=project.root, require_cloud=True)
    assert project.problems(project="stages: {prod: {}}\n") == [
        "sluice.yml: stages: not allowed here; each job has its own"
    ]


def test_sluices_own_variables_are_no_configuration(project: Project) -> None:
    environ = dict.fromkeys(EXEMPT, "anything")
    assert sorted(EXEMPT) == [
        "SLUICE_MINISTACK",
        "SLUICE_NAME",
        "SLUICE_PACKAGES",
        "SLUICE_PROJECT",
        "SLUICE_TELLS",
    ]
    assert project.load(environ=environ).spec == project.load().spec


def test_rules_beyond_the_types_name_the_line_too(project: Project) -> None:
    (problem,) = project.problems(base=JOB.replace("wordcount:WordCount", "wordcount"))
    assert problem.startswith("jobs/wordcount.yml:1: job: expected `module:Class`")
    (problem,) = project.problems(base=JOB.replace("s3://demo-out/", "s3://demo-in/wordcount/"))
    assert problem.startswith(
        "jobs/wordcount.yml:4: output.url: results in s3://demo-in/wordcount/wordcount/ lie"
    )
    (problem,) = project.problems(overrides=["input.encoding=klingon"], cloud=False)
    assert problem.startswith("--set input.encoding: input.encoding: expected the name of a text codec")


# Which job


def test_a_path_is_taken_as_it_is(project: Project, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "other-job.yml").write_text(JOB + "max_attempts: 0\n")
    with pytest.raises(ConfigError, match=r"^elsewhere/other-job\.yml:5: max_attempts: "):
        load_job(str(elsewhere / "other-job.yml"), root=tmp_path, require_cloud=True)
    with pytest.raises(ConfigError) as caught:
        load_job(elsewhere / "other-job.yml", root=tmp_path / "jobs", require_cloud=True)
    assert str(caught.value).startswith(f"{elsewhere}/other-job.yml:5: ")
    (elsewhere / "other-job.yml").write_text(JOB)
    loaded = load_job(elsewhere / "other-job.yml", root=tmp_path, require_cloud=True)
    assert (loaded.name, loaded.path) == ("other-job", elsewhere / "other-job.yml")


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("wordcont", "wordcont: no such job; did you mean 'wordcount'?"),
        ("zzz", "zzz: no such job; {jobs} has grep, wordcount"),
        ("jobs/nowhere.yml", "jobs/nowhere.yml: no such file; {jobs} has grep, wordcount"),
        ("WordCount", "WordCount: not a job's name: {rule}; did you mean 'wordcount'?"),
        ("9lives", "9lives: not a job's name: {rule}"),
        ("", ": not a job's name: {rule}"),
        ("a" * 33, "a" * 33 + ": not a job's name: {rule}"),
        ("../etc/passwd", "../etc/passwd: not a job's name: {rule}"),
        ("Bad Name.yml", "Bad Name.yml: not a job's name: {rule}"),
    ],
)
def test_jobs_that_do_not_exist(project: Project, asked: str, sentence: str) -> None:
    for name in ("wordcount", "grep"):
        (project.root / "jobs" / f"{name}.yml").write_text(JOB)
    assert job_names(project.root) == ["grep", "wordcount"]
    rule = "expected up to 32 of a-z, 0-9, _ and -, starting with a letter"
    with pytest.raises(ConfigError) as caught:
        load_job(asked, root=project.root, require_cloud=True)
    assert str(caught.value) == sentence.format(jobs=project.root / "jobs", rule=rule)


def test_a_project_without_jobs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_job("wordcount", root=tmp_path, require_cloud=True)
    assert str(caught.value) == f"wordcount: no such job; {tmp_path}/jobs has no jobs"


def test_a_project_file_that_is_a_folder(project: Project) -> None:
    (project.root / "jobs" / "wordcount.yml").write_text(JOB)
    (project.root / "sluice.yml").mkdir()
    with pytest.raises(ConfigError) as caught:
        load_job("wordcount", root=project.root, require_cloud=True)
    assert str(caught.value) == "sluice.yml: cannot be read: Is a directory"


# Printing


def test_printed_configuration(project: Project) -> None:
    loaded = project.load(
        "split_size: 1.5GiB\nparams: {sep: '#', n: 1}\n",
        project="timeout: {mapper: 90}\n",
        environ={"SLUICE_TRIGGER": "marker"},
        overrides=["memory.mapper=1024"],
    )
    printed = format_config(loaded)
    rows = [line.split("   # ") for line in printed.splitlines()]
    found = {left.strip(): right[0].strip() for left, *right in rows if right}
    assert found["split_size: 1536MiB"] == "jobs/wordcount.yml:5"
    assert found["mapper: 90s"] == "sluice.yml:1"
    assert found["mapper: 1024"] == "--set memory.mapper"
    assert found["trigger: marker"] == "SLUICE_TRIGGER"
    assert found["partitions: null"] == found["reducer: 15m"] == found["encoding: utf-8"] == "default"
    assert found["sep: '#'"] == found["n: 1"] == "jobs/wordcount.yml:6"
    assert sum(len(row) > 1 for row in rows) == len(schema.LEAVES) + len(
        ["sep", "n", "tags", "environment", "outputs"]
    )
    assert yaml.safe_load(printed)["memory"]["mapper"] == 1024
    assert project.load(base=printed).spec == loaded.spec


words = st.text(st.characters(exclude_categories=["Cs"]))
numbers = st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
param_names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,9}", fullmatch=True)
same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@same_folder
@given(
    params=st.dictionaries(param_names, json_values, max_size=3),
    suffix=st.text("abyesno01.~='\"#: -", max_size=5),
)
@example(
    params={"a": "1e5", "b": "yes", "c": "2024-01-01", "d": "a\nb\n", "e": 1e20, "f": "0x1F", "g": "1:30"},
    suffix="~",
)
def test_printed_configuration_reads_back_as_the_same(
    project: Project, params: dict[str, Any], suffix: str
) -> None:
    text = msgspec.json.encode(PLAIN | {"params": params, "input": {**PLAIN["input"], "suffix": suffix}})
    expected = msgspec.json.decode(text, type=JobSpec)
    loaded = LoadedJob(
        name="wordcount",
        spec=expected,
        path=project.root,
        provenance=dict.fromkeys([*schema.LEAVES, *(f"params.{name}" for name in params)], "a test"),
    )
    assert project.load(base=format_config(loaded), cloud=False).spec == expected


# Whatever is in the file

BITS = (
    "job input url memory params mapper : - [ ] { } , &a *a !!int !!float !!bool !x << | > ' \" # ? --- ..."
)
MORE = [
    "\n",
    "\n  ",
    ": ",
    "- ",
    " ",
    "\t",
    "1",
    "1_",
    "._",
    "0x",
    "64MiB",
    "1.5e",
    "null",
    "~",
    "yes",
    "=",
    "é",
]
ODD = ["\u2028", "\x85", "\ufeff", "\\", "\\ud800", "%YAML 1.1"]
yaml_bits = st.lists(st.sampled_from([*BITS.split(), *MORE, *ODD]), max_size=25).map("".join)
any_bytes = st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace"))


@same_folder
@given(
    text=any_bytes | yaml_bits.map(str.encode) | yaml_bits.map(lambda bits: f"{JOB}params: {bits}".encode())
)
@example(text=b"params: {a: !!float 1._}\njob: a:B")
@example(text=b'params: {a: "\\ud800"}\njob: a:B')
@example(text=b"params: {a: 1__.0}\njob: a:B")
@example(text=b"<<: {job: a:B}\n")
@example(text=b"params: {=: 1, ? {} : 2}")
@example(text=JOB.encode() + b"params: {a: 1, b: [x, {c: 1e3}]}")
@example(text=b"[" * 5000)
@example(text=b"a: " * 5000)
@example(text=b"%TAG ! !\n--- !x\na: b")
def test_any_bytes_are_a_job_or_a_config_error(project: Project, text: bytes) -> None:
    try:
        loaded = project.load(text, cloud=False)
    except ConfigError as error:
        message = str(error)
    else:
        # What was accepted can be written into a plan and read back.
        assert msgspec.json.decode(msgspec.json.encode(loaded.spec), type=JobSpec) == loaded.spec
        return
    assert all(line.startswith("jobs/wordcount.yml:") for line in message.splitlines())


@same_folder
@given(
    key=st.sampled_from([*schema.KEYS, "params.x"]),
    text=st.text(st.characters(exclude_characters="\0"), max_size=20),
)
@example(key="split_size", text="9" * 5000)
@example(key="partitions", text="٣")
@example(key="params.x", text="\ud800")
def test_any_option_and_variable_is_taken_or_refused(project: Project, key: str, text: str) -> None:
    outcomes = []
    for layer in ({"overrides": [f"{key}={text}"]}, {"environ": {schema.env_name(key): text}}):
        try:
            outcomes.append(str(project.load(**layer, cloud=False).spec))  # type: ignore[arg-type]
        except ConfigError as error:
            outcomes.append(type(error).__name__)
    assert outcomes[0] == outcomes[1]


# Keeping light


def test_configuration_needs_no_cloud_library() -> None:
    code = (
        "import sys, chalicelib.config.load; print(sorted({'boto3', 'botocore', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_repositorys_own_defaults_are_valid(tmp_path: Path) -> None:
    text = (REPOSITORY / "sluice.yml").read_text()
    loaded = Project(tmp_path).load(project=text)
    assert any(origin.startswith("sluice.yml:") for origin in loaded.provenance.values())
