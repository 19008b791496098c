"""The local engine: right, the same as the simulated cloud, and clear about mistakes and accidents."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.config.load import load_job
from chalicelib.core.errors import LimitMet, RunFailed, UserError
from chalicelib.core.outcome import Manifest
from chalicelib.core.spec import InputSpec
from chalicelib.job.load_class import job_loader
from chalicelib.local import LocalRun, run_local
from chalicelib.local.inputs import find_inputs
from tests.worlds.simulation import Simulation, spec

ROOT = Path(__file__).resolve().parents[2]
JOBS = ROOT / "tests" / "jobs"

ONE = "The quick brown Fox\njumps over the lazy dog\r\n\nthe end of häß & ßtraße\n"
TWO = "fox Fox FOX\nA tab\there, a back\\slash there\nno newline at the end"


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_bytes(ONE.encode())
    (folder / "b.txt").write_bytes(TWO.encode())
    return folder


class Local:
    """Runs jobs of tests/jobs in this process's children; remembers what came out."""

    def __init__(self, folder: Path) -> None:
        self.output = folder / "out"
        self.output.mkdir()
        self.work = folder / "work"
        self.work.mkdir()
        self.manifest: Manifest | None = None

    def run(self, job: str, *inputs: Path | str, workers: int = 2, sets: Sequence[str] = ()) -> bytes:
        loaded = load_job(JOBS / f"{job}.yml", root=ROOT, overrides=sets, environ={}, require_cloud=False)
        self.manifest = run_local(
            LocalRun(
                name=loaded.name,
                spec=loaded.spec,
                run="20261121T032424-0123456789ab",
                inputs=find_inputs(list(map(str, inputs))),
                source="test",
                output=self.output,
                work=self.work,
                workers=workers,
                load_job=job_loader(JOBS),
            )
        )
        assert (self.output / "_SUCCESS").is_file()
        assert not (self.output / "_FAILED").exists()
        return b"".join(path.read_bytes() for path in sorted(self.output.glob("part-*")))


@pytest.fixture
def local(tmp_path: Path) -> Local:
    return Local(tmp_path)


# ---------------------------------------------------------------------------------------------------
# What each tiny job promises, in plain Python

Rows = list[tuple[Any, Any]]


def words(texts: list[str]) -> list[str]:
    return [word for text in texts for word in text.split()]


def lines(texts: list[str]) -> list[str]:
    return [
        line
        for text in texts
        for line in text.replace("\r\n", "\n").split("\n")[: None if text[-1] != "\n" else -1]
    ]


def by_initial(items: list[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for item in items:
        groups[item[:1]].append(item)
    return groups


def lengths(texts: list[str], fold: Callable[[list[int]], Any]) -> Rows:
    return [(initial, fold(list(map(len, group)))) for initial, group in by_initial(words(texts)).items()]


def days(texts: list[str]) -> Rows:
    """By the day of each length its words and the first letters of their lines."""
    found: dict[str, set[str]] = defaultdict(set)
    for line in lines(texts):
        for word in line.split():
            found[(date(2026, 2, 27) + timedelta(len(word))).isoformat()] |= {word, line[:3]}
    return [(day, sorted(some)) for day, some in found.items()]


ORACLES: dict[str, Callable[[list[str]], Rows]] = {
    "sums": lambda texts: list(Counter(words(texts)).items()),
    "counts": lambda texts: list(Counter(words(texts)).items()),
    "least": lambda texts: lengths(texts, min),
    "most": lambda texts: lengths(texts, max),
    "mean": lambda texts: lengths(texts, lambda sizes: sum(sizes) / len(sizes)),
    "renamed": lambda texts: list(Counter(map(str.lower, words(texts))).items()),
    "pairs": lambda texts: [(line[:1], line) for line in lines(texts)],
    "in_order": lambda texts: [
        (initial, [*group, None][:2]) for initial, group in by_initial(lines(texts)).items()
    ],
    "blind": lambda texts: [(word, "met") for word in set(words(texts))],
    "chunks": lambda texts: list(Counter(words(texts)).items()),
    "raw": lambda texts: [("objects", len(texts)), ("bytes", sum(len(text.encode()) for text in texts))],
    "edges": lambda texts: [("init", "first"), ("(begun)", 0), ("lines", len(lines(texts))), ("groups", 2)],
    "tuple_keys": lambda texts: [((len(word), word), count) for word, count in Counter(words(texts)).items()],
    "bytes_keys": lambda texts: list(Counter(words(texts)).items()),
    "int_keys": lambda texts: list(
        Counter(len(word.encode().decode()) ** 40 for word in words(texts)).items()
    ),
    "none_keys": lambda texts: [(None, sum(map(len, lines(texts))))],
    "whole_files": lambda texts: [
        (f"{name}.txt", len(text.split())) for name, text in zip("ab", texts, strict=True)
    ],
    "days": lambda texts: days(texts),
    "params": lambda texts: [(initial, len(group)) for initial, group in by_initial(words(texts)).items()],
}


def row(key: Any, value: Any) -> str:
    def cell(item: Any) -> str:
        if isinstance(item, str):
            return item.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
        return json.dumps(item, ensure_ascii=False, separators=(",", ":"))

    return f"{cell(key)}\t{cell(value)}\n"


@pytest.mark.parametrize("job", ORACLES)
@pytest.mark.slow
def test_each_job_keeps_its_promise_on_both_engines(
    job: str, texts: Path, local: Local, tmp_path: Path
) -> None:
    # What init and final yield comes once a task: one task, one partition.
    figures = {"partitions": 1} if job == "edges" else {"split_size": 30, "partitions": 4}
    sets = [f"{key}={value}" for key, value in figures.items()]
    found = local.run(job, texts, sets=sets)
    expected = [row(key, value) for key, value in ORACLES[job]([ONE, TWO])]
    assert sorted(found.decode().splitlines(True)) == sorted(expected)
    assert simulated(job, tmp_path, figures) == found


@pytest.mark.parametrize("job", ["sums", "pairs", "in_order", "tuple_keys", "int_keys", "none_keys", "raw"])
def test_one_partition_is_sorted_from_end_to_end(job: str, texts: Path, local: Local) -> None:
    found = local.run(job, texts, sets=["split_size=30"])
    rows = ORACLES[job]([ONE, TWO])
    keys = rows if job == "none_keys" else sorted(rows, key=lambda pair: pair[0])  # a stable sort
    assert found.decode() == "".join(row(key, value) for key, value in keys)


def simulated(job: str, scratch: Path, figures: dict[str, Any]) -> bytes:
    """The same job over the same two texts in the simulated cloud."""
    loaded = load_job(JOBS / f"{job}.yml", root=ROOT, environ={}, require_cloud=False)
    places = spec()
    job_spec = replace(
        loaded.spec,
        input=InputSpec(
            url=places.input.url, format=loaded.spec.input.format, encoding=loaded.spec.input.encoding
        ),
        work=places.work,
        output=places.output,
        trigger="marker",
        **figures,
    )
    simulation = Simulation(job_loader(JOBS)(loaded.spec.job), job_spec, scratch)
    simulation.add("a.txt", ONE.encode())
    simulation.add("b.txt", TWO.encode())
    simulation.drop("_READY", b"")
    simulation.run()
    return simulation.text()


def test_a_second_level_of_shuffle_can_be_asked_for_here_too(
    texts: Path, local: Local, tmp_path: Path
) -> None:
    sets = ["partitions=4", "split_size=7", "reduce_size=1"]
    found = local.run("in_order", texts, sets=[*sets, "shuffle.levels=2"])
    assert found == simulated("in_order", tmp_path, {"partitions": 4})
    assert local.manifest is not None
    assert local.manifest.exchange_tasks > 1
    assert local.manifest.exchanged.starts == local.manifest.exchange_tasks


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize(
    "figures", [["split_size=7", "reduce_size=1"], ["memory_budget=1"], ["max_attempts=1"]]
)
def test_the_bytes_do_not_depend_on_workers_and_sizes(
    workers: int, figures: list[str], texts: Path, local: Local, tmp_path: Path
) -> None:
    found = local.run("in_order", texts, workers=workers, sets=["partitions=4", *figures])
    assert found == simulated("in_order", tmp_path, {"partitions": 4})


def test_the_manifest_tells_what_was_done(texts: Path, local: Local) -> None:
    local.run("sums", texts, sets=["split_size=40"])
    manifest = local.manifest
    assert manifest is not None
    stored = json.loads((local.output / "_manifest.json").read_bytes())
    assert stored["records"] == manifest.records == len(set(words([ONE, TWO])))
    assert manifest.inputs == 2
    assert manifest.input_bytes == len((ONE + TWO).encode())
    assert manifest.mapped.records_in == len(lines([ONE, TWO]))
    assert manifest.map_tasks > 2
    assert (manifest.mapped.starts, manifest.reduced.starts) == (manifest.map_tasks, manifest.reduce_tasks)
    assert 1 <= manifest.mapped.cold + manifest.reduced.cold <= 2, "no more than there are workers"
    assert manifest.mapped.peak > 10


def test_files_folders_and_patterns_are_inputs(texts: Path, local: Local) -> None:
    deeper = texts / "more"
    deeper.mkdir()
    (deeper / "c.txt").write_text("deep\n")
    (texts / "_hidden").write_text("hidden\n")
    (texts / ".dot").write_text("hidden\n")
    single = texts.parent / "single.log"
    single.write_text("single\n")
    found = local.run("sums", f"{texts}/[ab].txt", deeper, single)
    assert dict(Counter(words([ONE, TWO, "deep", "single"]))) == {
        key.replace("\\\\", "\\"): int(value)
        for key, value in (line.split("\t") for line in found.decode().split("\n")[:-1])
    }


def test_empty_files_are_a_success_without_records(local: Local, tmp_path: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.touch()
    assert local.run("sums", empty) == b""
    assert local.manifest is not None
    assert local.manifest.records == 0
    assert local.manifest.parts == ()


# ---------------------------------------------------------------------------------------------------
# Accidents


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        (
            "limits.input_bytes=100",
            r"limits.input_bytes: the 2 objects of this run have 138 bytes, over .* 100: raise it",
        ),
        (
            "limits.tasks=3",
            r"limits.tasks: this run has \d+ map tasks, over the limit of 3: raise it, or split_size",
        ),
    ],
)
def test_a_run_over_a_limit_is_refused_before_anything_is_started(
    limit: str, told: str, texts: Path, local: Local
) -> None:
    with pytest.raises(LimitMet, match=told):
        local.run("counts", texts, sets=[limit, "split_size=30"])
    assert [path for path in (*local.work.rglob("*"), *local.output.rglob("*")) if path.is_file()] == []
    sets = ["limits.input_bytes=138", "limits.tasks=9", "limits.dollars=0", "split_size=30"]
    assert local.run("counts", texts, sets=sets), "at its limits; and nothing costs anything here"


def test_a_worker_that_is_killed_once_is_survived(texts: Path, local: Local, tmp_path: Path) -> None:
    (tmp_path / "marks").mkdir()
    (texts / "c.txt").write_text("DIE\n")
    sets = [f"params.marks={tmp_path / 'marks'}", "params.times=1", "split_size=30"]
    found = local.run("dies", texts, sets=sets)
    assert len(list((tmp_path / "marks").iterdir())) == 1
    assert sorted(found.decode().splitlines(True)) == sorted(
        row(key, value) for key, value in Counter(words([ONE, TWO, "DIE"])).items()
    )


def test_a_worker_that_always_dies_fails_the_run_and_says_so(
    texts: Path, local: Local, tmp_path: Path
) -> None:
    (tmp_path / "marks").mkdir()
    (texts / "c.txt").write_text("DIE\n")
    sets = [f"params.marks={tmp_path / 'marks'}", "params.times=99", "max_attempts=2"]
    with pytest.raises(RunFailed, match=r"c\.txt, line at byte 0: this record ends .*exit code 9") as failure:
        local.run("dies", texts, sets=sets)
    assert (local.output / "_FAILED").is_file()
    assert not (local.output / "_SUCCESS").exists()
    (first,) = (path for path in (tmp_path / "work").rglob("*.0.failed"))
    assert "its process was killed (exit code 9): out of memory?" in first.read_text()
    assert "out of memory" not in str(failure.value), "a later attempt has found out why"


def test_an_input_overwritten_during_the_run_fails_it(tmp_path: Path, local: Local) -> None:
    """Found by head before the run, another file by the time it is read."""
    path = tmp_path / "input.txt"
    path.write_text("one\n")
    loaded = load_job(JOBS / "sums.yml", root=ROOT, environ={}, require_cloud=False)
    inputs = find_inputs([str(path)])
    path.write_text("another one\n")
    with pytest.raises(
        RunFailed, match=r"input\.txt: was overwritten or deleted while the run was reading it"
    ):
        run_local(
            LocalRun(
                name="sums", spec=loaded.spec, run="r", inputs=inputs, source="test", output=local.output,
                work=local.work, workers=1, load_job=job_loader(JOBS),
            )
        )  # fmt: skip
    assert not (local.output / "_SUCCESS").exists()


BAD_UTF8 = b"fine\n" + b"x" * 20 + b"\n\xff\xfeoops\nmore\n"


def test_invalid_utf8_names_object_and_byte(tmp_path: Path, local: Local) -> None:
    path = tmp_path / "bad.txt"
    path.write_bytes(BAD_UTF8)
    with pytest.raises(RunFailed, match=r"bad\.txt: byte 26: .*not valid utf-8.*errors: replace"):
        local.run("sums", path, sets=["split_size=10"])


def test_invalid_utf8_may_be_replaced_or_read_as_bytes_or_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "bad.txt"
    path.write_bytes(BAD_UTF8)

    def keys(name: str, *sets: str, job: str = "sums") -> set[bytes]:
        (tmp_path / name).mkdir()
        found = Local(tmp_path / name).run(job, path, sets=["split_size=10", *sets])
        return {line.split(b"\t")[0] for line in found.split(b"\n")[:-1]}

    common = {b"fine", b"x" * 20, b"more"}
    assert keys("replace", "input.errors=replace") == common | {"��oops".encode()}
    assert keys("bytes", job="bytes_keys") == common | {b"\xff\xfeoops"}
    assert keys("latin", "input.encoding=latin-1") == common | {"ÿþoops".encode()}


BAD_JOBS = {
    "list key": ("yield [line], 1", r"key \['one'\] .*\blist\b.*tuple"),
    "dict key": ("yield {line: 1}, 1", r"key \{'one': 1\} .*\bdict\b.*tuple"),
    "incomparable keys": ("yield (line,), 1; yield (1,), 1", "do not compare"),
    "two key types": ("yield line, 1; yield 1, 1", r"one type.*'one' \(str\)"),
    "complex value": ("yield line, 1j", "complex is not a type that Sluice carries"),
    "timedelta value": (
        "import datetime; yield line, datetime.timedelta(1)",
        r"datetime\.timedelta is not a type",
    ),
    "no pair": ("yield line", "pairs"),
    "three": ("yield line, 1, 2", "pairs"),
    "nan key": ("yield float('nan'), 1", "NaN"),
    "surrogate": ("yield 'a\\ud800', 1", "surrogate"),
}


@pytest.mark.parametrize(
    ("mistake", "reducer"),
    [
        (mistake, reducer)
        for mistake in BAD_JOBS
        for reducer in ("None", "Sum()", "Count()")
        if not (mistake.endswith("value") and reducer == "Count()")  # a count never looks at its values
    ],
)
@pytest.mark.slow
def test_what_is_not_carried_is_named(mistake: str, reducer: str, local: Local, tmp_path: Path) -> None:
    code, message = BAD_JOBS[mistake]
    if mistake.endswith("value") and reducer == "Sum()":
        message = rf"key 'one' \(str\), value .* \({mistake.split()[0]}\)"
    failed = fails_with(
        local, tmp_path, f"    def mapper(self, _, line):\n        {code}\n    reducer = {reducer}\n"
    )
    assert failed == _Matching(message)
    assert "Traceback" not in failed or "value" in mistake


class _Matching:
    """Equal to any text that a pattern is found in; shows both when it is not."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern

    def __eq__(self, other: object) -> bool:
        return re.search(self._pattern, str(other), re.DOTALL) is not None

    def __repr__(self) -> str:
        return f"a text with {self._pattern!r}"


def fails_with(local: Local, folder: Path, body: str, text: str = "one\ntwo\n", **figures: Any) -> str:
    """The message of a run of a job with this body, which must fail."""
    (folder / "input.txt").write_text(text)
    jobs = folder / "jobs"
    jobs.mkdir()
    (jobs / "bad.py").write_text(f"from chalicelib import *\n\nclass Bad(Job):\n{body}")
    with pytest.raises(RunFailed) as failure:
        run_local(
            LocalRun(
                name="bad", spec=spec("bad:Bad", **figures), run="r", inputs=find_inputs([str(folder / "input.txt")]),
                source="test", output=local.output, work=local.work, workers=1, load_job=job_loader(jobs),
            )
        )  # fmt: skip
    assert not (local.output / "_SUCCESS").exists()
    return str(failure.value)


def test_an_unsupported_value_is_named_with_its_key_and_type(local: Local, tmp_path: Path) -> None:
    failed = fails_with(local, tmp_path, "    def mapper(self, _, line):\n        yield line, 1j\n")
    assert failed == _Matching(r"key 'one'")
    assert failed == _Matching(r"\bcomplex\b")


@pytest.mark.parametrize("size", [3, 1000])
@pytest.mark.parametrize("count", [1, 4])
def test_keys_of_two_types_are_refused_however_the_input_is_cut(
    size: int, count: int, local: Local, tmp_path: Path
) -> None:
    """Whether two lines meet in one task or one partition must not decide whether a job is right."""
    body = "    def mapper(self, _, line):\n        yield (int(line) if line.isdigit() else line), 1\n"
    text = "one\n" * 4 + "1\n" * 4  # of four partitions, text goes to the second and number to the last
    failed = fails_with(local, tmp_path, body, text, split_size=size, partitions=count, max_attempts=1)
    assert failed == _Matching("one type")


# ---------------------------------------------------------------------------------------------------
# The command


def command(*arguments: str | Path, check: bool = False) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SLUICE_")}
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "run.py", *arguments],
        capture_output=True, text=True, env=environment, check=check, timeout=60,
    )  # fmt: skip


def test_the_command_runs_a_job_and_refuses_to_write_over_its_results(texts: Path, tmp_path: Path) -> None:
    out = tmp_path / "results"
    done = command(JOBS / "sums.yml", texts, "--output", out, "--workers", "2", check=True)
    assert sorted(path.name for path in out.iterdir()) == ["_SUCCESS", "_manifest.json", "part-00000.tsv"]
    assert "MiB/s" in done.stdout or "B/s" in done.stdout
    assert done.stderr == ""
    first = (out / "part-00000.tsv").read_bytes()

    (out / "mine.txt").write_text("not a result")
    refused = command(JOBS / "least.yml", texts, "--output", out)
    assert refused.returncode != 0
    assert "is not empty" in refused.stderr
    assert "--force" in refused.stderr
    assert (out / "part-00000.tsv").read_bytes() == first

    command(JOBS / "least.yml", texts, "--output", out, "--force", "--set", "partitions=2", check=True)
    assert (out / "mine.txt").read_text() == "not a result"
    assert (out / "part-00000.tsv").read_bytes() != first


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{jobs}/none_such.yml", "{texts}", "--output", "{out}"], "none_such.yml"),
        (["{jobs}/sums.yml", "{texts}/nothing.txt", "--output", "{out}"], "nothing.txt: no such file"),
        (["{jobs}/sums.yml", "{texts}", "{texts}/a.txt", "--output", "{out}"], "a.txt: named twice"),
        (["{jobs}/sums.yml", "{texts}", "--output", "{texts}/out"], "lies in the input folder"),
        (["{jobs}/sums.yml", "{texts}/a.txt", "--output", "{texts}/b.txt"], "this is a file"),
        (
            ["{jobs}/sums.yml", "{texts}", "--output", "{out}", "--set", "job=nowhere:X"],
            "nowhere.py: no such file",
        ),
        (["{jobs}/sums.yml", "{texts}", "--output", "{out}", "--set", "job=sums:Sumz"], "no class Sumz"),
        (
            ["{jobs}/sums.yml", "{texts}", "--output", "{out}", "--set", "splitsize=1"],
            "did you mean 'split_size'",
        ),
        (["{jobs}/sums.yml", "{texts}", "--output", "{out}", "--set", "partitions=0"], "partitions"),
    ],
    ids=lambda item: item if isinstance(item, str) else "",
)
@pytest.mark.slow
def test_a_user_s_mistake_is_one_clear_block(
    arguments: list[str], message: str, texts: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    filled = [part.format(jobs=JOBS, texts=texts, out=out) for part in arguments]
    done = command(*filled)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not out.exists() or not any(out.iterdir()), "something half-written"
    assert sorted(path.name for path in texts.iterdir()) == ["a.txt", "b.txt"]


def test_a_mistake_in_the_job_s_code_shows_its_own_traceback_and_place(texts: Path, tmp_path: Path) -> None:
    done = command(JOBS / "raises.yml", texts, "--output", tmp_path / "out", "--set", "max_attempts=2")
    assert done.returncode == 1
    assert "map task 0: job raises: " in done.stderr
    assert "tried" not in done.stderr
    empty_line = ONE.encode().index(b"\n\n") + 1
    assert f"a.txt, line at byte {empty_line}" in done.stderr
    assert "yield line, 1 // len(line)" in done.stderr
    assert "ZeroDivisionError" in done.stderr
    assert "chalicelib" not in done.stderr
    assert (tmp_path / "out" / "_FAILED").is_file()
    assert not list((tmp_path / "out").glob("_work*"))


@contextmanager
def group(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A program in a process group of its own, of which nothing is left in the end."""
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        try:
            yield running
        finally:
            with suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)


def test_ctrl_c_leaves_no_process_and_no_result(interruptible: None, texts: Path, tmp_path: Path) -> None:
    mark, out = tmp_path / "begun", tmp_path / "out"
    options = ["--workers", "2", "--set", f"params.mark={mark}", "--set", "split_size=30"]
    script = ROOT / "scripts" / "run.py"
    with group(sys.executable, script, JOBS / "sleeps.yml", texts, "--output", out, *options) as running:
        until = time.monotonic() + 30
        while not mark.exists():
            assert running.poll() is None, running.communicate()
            assert time.monotonic() < until
            time.sleep(0.02)
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does it: to the whole group
        _, errors = running.communicate(timeout=30)
        assert running.returncode == 130
        assert "Traceback" not in errors
        assert "interrupted" in errors
        with pytest.raises(ProcessLookupError):
            os.killpg(running.pid, 0)
        assert sorted(path.name for path in out.iterdir()) == ["_FAILED", "_manifest.json"]
        told = (out / "_FAILED").read_text()
        assert re.search(r"failed: stopped by \S+@\S+: interrupted$", told.strip()), told


def test_find_inputs_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name, message in [
        ("none", "no such file"),
        ("*.none", "matches nothing"),
        ("empty", "a folder without files"),
    ]:
        with pytest.raises(UserError, match=message):
            find_inputs([str(tmp_path / name)])
