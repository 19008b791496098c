"""`timings`: where a run's time goes, and what is said of it."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from chalicelib import Job, Sum
from chalicelib.core.spec import InputSpec
from chalicelib.local.timings import CALLS, FILES, READS, REST, SORTS, YOURS, Line, Timings, advice, report

ROOT = Path(__file__).resolve().parents[3]


class PerRecord(Job):
    def mapper(self, _: Any, line: str) -> Any:
        yield line, 1

    def reducer(self, key: Any, values: Any) -> Any:
        yield key, sum(values)


class Folded(PerRecord):
    reducer = Sum()


class Chunks(Job):
    def mapper_chunk(self, text: str) -> Any:
        return dict.fromkeys(text.split(), 1)

    reducer = Sum()


def spent(**samples: int) -> Timings:
    """Samples of map tasks by stage."""
    stages = {"reads": READS, "calls": CALLS, "sorts": SORTS, "files": FILES, "yours": YOURS, "rest": REST}
    found = Timings()
    found.stages = Counter({("map", stages[name]): count for name, count in samples.items()})
    found.seconds = 2.0
    return found


def of(format_: Any, **settings: Any) -> list[InputSpec]:
    return [InputSpec(url="in/", format=format_, **settings)]


def test_what_is_of_no_line_of_a_function_counts_for_its_first() -> None:
    found, code = Timings(), PerRecord.mapper.__code__
    frame = SimpleNamespace(f_code=code, f_lineno=None, f_lasti=len(code.co_code), f_back=None)
    found._sample(0, cast("Any", frame))
    assert "def mapper" in "".join(report(found, ROOT))


def test_what_would_be_faster_is_told_where_it_takes_the_time() -> None:
    shuffled = spent(sorts=40, files=30, calls=25, rest=5)
    texts = advice(shuffled, of("text"), [PerRecord])
    assert [text.partition(" ")[0] for text in texts] == ["70%", "25%"]
    assert "an aggregator" in texts[0]
    assert "mapper_chunk" in texts[1]
    assert ["mapper_chunk" in text for text in advice(shuffled, of("text"), [Folded])] == [True]
    assert advice(shuffled, of("text"), [Chunks]) == []
    assert advice(spent(sorts=10, rest=90), of("text"), [PerRecord]) == []


def test_reading_documents_and_rows() -> None:
    reading = spent(reads=60, rest=40)
    assert ["input.type" in text for text in advice(reading, of("jsonl"), [Folded])] == [True]
    assert advice(reading, of("jsonl", type="Row"), [Folded]) == []
    assert ["SQL" in text for text in advice(reading, of("csv", header=True), [Folded])] == [True]
    assert advice(reading, of("csv"), [Folded]) == []


def test_the_report_has_stages_and_lines_by_their_time() -> None:
    found = spent(yours=75, reads=24, rest=0)
    found.stages["", REST] = 1
    found.lines[Line(__file__, 1)] = 25
    rows = report(found, ROOT)
    assert rows[0] == "2.00 s of processor time in one process:"
    assert [row.split()[0] for row in rows[1:4]] == ["75%", "24%", "1%"]
    assert rows[-1].startswith('   25%     0.50 s  tests/unit/local/test_timings.py:1: """`timings`')


def test_a_line_of_the_job_gets_the_time_that_it_takes() -> None:
    with Timings() as found:
        until = time.process_time() + 0.2
        while time.process_time() < until:
            sorted(range(1000))
    (line, _), *_ = found.lines.most_common(1)
    assert line.file == __file__
    assert line.text in ("sorted(range(1000))", "while time.process_time() < until:")
    assert found.share(REST) == pytest.approx(1.0) or found.share(YOURS) == pytest.approx(1.0)


class MapWork:
    """Its name is that of the map phase."""

    def run(self, mapper: Any) -> Any:
        return list(mapper(0))


def test_what_c_made_for_a_call_is_not_the_calls_own() -> None:
    """As if the clock rang when the mapper begins, and when it is at work."""
    found = Timings()

    def mapper(number: int) -> Any:
        yield number

    def trace(frame: Any, event: str, _: Any) -> Any:
        if frame.f_code is mapper.__code__ and event in ("call", "line"):
            found._sample(0, frame)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        MapWork().run(mapper)
    finally:
        sys.settrace(before)
    assert found.stages["map", READS] >= 1
    assert found.stages["map", YOURS] >= 1
    assert {line.text for line in found.lines} == {"yield number"}


def test_run_py_says_where_the_time_goes(tmp_path: Path) -> None:
    (tmp_path / "busy.py").write_text(
        "from chalicelib import Job\n\n\nclass Busy(Job):\n    def mapper(self, _, line):\n"
        "        yield line, sum(range(2_000_000))  # here\n"
    )
    (tmp_path / "busy.yml").write_text("job: busy:Busy\ninput: [{tag: few}, {tag: more}]\n")
    (tmp_path / "in.txt").write_text("a\nb\n")
    (tmp_path / "more.txt").write_text("c\n")
    inputs = [f"few={tmp_path}/in.txt", f"more={tmp_path}/more.txt"]
    command = [sys.executable, "scripts/run.py", str(tmp_path / "busy.yml"), *inputs]
    done = subprocess.run(
        [*command, "--output", str(tmp_path / "out"), "--timings"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    lines = done.stdout.splitlines()
    assert lines[0].endswith("s of processor time in one process:")
    at = lines.index("of it, by line of your code (what it calls included):")
    assert lines[at + 1].endswith("busy.py:6: yield line, sum(range(2_000_000))  # here")
    assert sorted((tmp_path / "out").glob("part-*"))[0].read_text().startswith("a\t1999999000000\n")
    assert any(re.fullmatch(r" *\d+% +[\d.]+ s  map    your code", line) for line in lines[1:at])
    assert (tmp_path / "out/_SUCCESS").exists()
