"""What the benchmarks' figures rest on: answers are told apart, and use is counted where it happens."""

import os
import sys
from pathlib import Path

import pytest

from benchmarks import answers, formats, generate, goals, seeds
from benchmarks.measure import Usage, measure
from benchmarks.runner import Judge, Timing
from benchmarks.workloads import PROGRAMS

MIB = 1 << 20
HOME = b'1\t{"n": %d, "mean": %b, "lo": 1, "hi": 2, "q": %b}\n'
MACHINE = {
    "date": "2026-11-28", "commit": "c", "cpu": "one", "cores": 2, "memory": 1 << 30, "kernel": "Linux",
    "python": "3.11", "load": 0.1,
}  # fmt: skip
HOLD = "import time; held = bytearray(%d << 20); time.sleep(%s)"


def write(folder: Path, **files: bytes) -> Path:
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_bytes(content)
    return folder / "out"


def difference(folder: Path, workload: str, expected: bytes, got: bytes) -> str:
    left, right = folder / "left", folder / "right"
    for place, content in ((left, expected), (right, got)):
        place.mkdir()
        write(place, out=content)
    read = [answers.read(workload, place / "out") for place in (left, right)]
    return answers.difference(*read)


@pytest.mark.parametrize(
    ("workload", "expected", "got"),
    [
        ("w1", b"a\t1\nb\t2\n", b"b\t2\na\t1\n"),
        ("w4", b"10.0.0.1,0.50000000\n", b"10.0.0.1,0.50000004\n"),
        ("w5", b"10.0.0.1,10.0,3.00000000\n", b"10.0.0.1,10.0,3.00000010\n"),
        ("w6", b"a\nb\n", b"a\nb\n"),
        ("w7", b"x,y,3\n", b"x,y,3\n"),
        ("w8", HOME % (3, b"1.50", b"1.5"), HOME % (3, b"1.5", b"1.505")),
        ("w9", b'["u", 3]\t[2, 7]\n', b'["u",3]\t[2,7]\n'),
        ("w11", b'd\t[[0.25, "a"]]\n', b'd\t[[0.250000001,"a"]]\n'),
    ],
)
def test_answers_that_differ_in_order_or_the_last_digits_are_the_same(tmp_path, workload, expected, got):
    assert difference(tmp_path, workload, expected, got) == ""


@pytest.mark.parametrize(
    ("workload", "expected", "got", "named"),
    [
        ("w1", b"a\t1\nb\t2\n", b"a\t1\nb\t3\n", "b'b'"),
        ("w1", b"a\t1\nb\t2\n", b"a\t1\n", "got None"),
        ("w1", b"a\t1\n", b"a\t1\nb\t2\n", "expected None"),
        (
            "w2",
            b"A|F|1.00|1.00|1.00|1.00|1.00|1.00|1.00|7\n",
            b"A|F|1.00|1.00|1.00|1.00|1.00|1.00|1.00|8\n",
            "AF",
        ),
        ("w4", b"10.0.0.1,0.5\n", b"10.0.0.1,0.50001\n", "10.0.0.1"),
        ("w6", b"a\nb\n", b"b\na\n", "digest"),
        ("w8", HOME % (3, b"1.5", b"1.5"), HOME % (4, b"1.5", b"1.5"), "b'1'"),
        ("w8", HOME % (3, b"1.5", b"1.5"), HOME % (3, b"1.501", b"1.5"), "b'1'"),
        ("w8", HOME % (3, b"1.5", b"1.5"), HOME % (3, b"1.5", b"1.52"), "b'1'"),
        ("w11", b'd\t[[0.25, "a"]]\n', b'd\t[[0.25,"b"]]\n', "b'd'"),
    ],
)
def test_wrong_answers_are_named(tmp_path, workload, expected, got, named):
    assert named in difference(tmp_path, workload, expected, got)


def test_a_key_in_two_rows_is_no_answer(tmp_path):
    out = write(tmp_path, out_0=b"a\t1\n", out_1=b"a\t2\n")
    with pytest.raises(ValueError, match="2 rows, of only 1 keys"):
        answers.read("w1", out)


def test_sluice_rows_are_read_without_their_escapes(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "part-00000.tsv").write_bytes(b"a\\\\n\t1\nb\\tc\\n\t2\n")
    assert answers.read("w1", out, "pairs") == {b"a\\n": (1,), b"b\tc\n": (2,)}


def test_files_that_were_right_are_known_by_their_bytes_and_others_are_read(tmp_path):
    judge = Judge("w1", {b"a": (1,), b"b": (2,)})
    out = write(tmp_path, out=b"a\t1\nb\t2\n")
    assert judge.problem(out, "plain") == judge.problem(out, "plain") == ""
    write(tmp_path, out=b"b\t2\na\t1\n")
    assert judge.problem(out, "plain") == ""
    write(tmp_path, out=b"a\t1\nb\t3\n")
    assert "wrong answer: b'b'" in judge.problem(out, "plain")
    write(tmp_path, out=b"a\t1\nb\tmany\n")
    assert "unreadable answer" in judge.problem(out, "plain")


def test_another_seed_gives_other_data_of_the_same_size(tmp_path):
    for name, files_of in generate.SEEDED.items():
        sizes = []
        for seed in (42, 43):
            files = files_of(tmp_path, 0.002, seed)
            sizes.append(sum(path.stat().st_size for path in files))
            assert f"seed {seed}" in generate.source_of(files)
        ours, other = (b"".join(f.read_bytes() for f in files_of(tmp_path, 0.002, s)) for s in (42, 43))
        assert ours != other, name
        assert sizes[1] == pytest.approx(sizes[0], rel=0.1), name


def timing(wall: float, processor: float) -> dict:
    usage = Usage(wall, processor, 0.0, MIB, MIB, MIB, 0)
    return Timing([usage]).to_json()


def test_goals_compare_what_they_say_and_tell_what_is_missing():
    how = {"machine": MACHINE, "scale": 1.0, "rounds": 5}
    text = goals.goals_text(
        {
            "w9": how | {"times": {"sluice-record": timing(0.5, 1.4), "plain": timing(1.0, 1.0)}},
            "w6": how | {"scale": 0.3, "times": {"sluice-blocks": timing(0.8, 9.0), "gnu": timing(1.0, 1.0)}},
            "local": how | {"seconds": {"start": [0.1], "one step": [0.1, 0.1], "five steps": [0.2, 0.4]}},
            "emulator": how | {"missing": "no emulator here"},
        }
    )
    rows = [
        "|".join(cell.strip() for cell in line.split("|")[1:-1]) for line in text.splitlines() if "|" in line
    ]
    assert rows[2:] == [
        "W6 Sluice, sort by blocks / GNU sort, mawk, 0.3 of the data|0.8|0.80|yes|0.80|1.00|time|5",
        "W9 Sluice, per record / plain Python|1.3|1.40|no|1.40|1.00|processor|5",
        "a step more, tiny data, local|0.03 s|0.050 s|no|||time|2",
        "local start on 1 KB|0.15 s|0.100 s|yes|||time|1",
    ]
    assert "* EMULATOR: no emulator here" in text
    assert "not measured: W8, W8Q, W10" in text


def test_other_data_may_cost_little_more_beside_plain_python_and_has_a_budget():
    row = {"workload": "w9", "title": "sessions", "data": "seed 42", "base": None, "problem": ""}
    row |= {"processor": 2.0, "plain": 1.0, "ratio": 2.0, "largest": 50 * MIB}
    cheaper = row | {"data": "seed 43", "ratio": 1.0, "base": 2.0}
    dearer = row | {"data": "seed 44", "ratio": 2.5, "base": 2.0, "worker": 150 * MIB}
    larger = cheaper | {"data": "twice", "worker": 200 * MIB}
    wrong = row | {"data": "seed 45", "ratio": None, "problem": "wrong answer: b'x': expected 1, got 2"}
    assert seeds.missed([row, cheaper, dearer, larger, wrong]) == [
        "w9 seed 44: ratio 2.50, of the published data 2.00",
        "w9 twice: a worker took 200 MiB of a budget of 128",
        "w9 seed 45: wrong answer: b'x': expected 1, got 2",
    ]
    text = seeds.seeds_text([row, cheaper, dearer, wrong], 1, 3, "here")
    (told,) = [line for line in text.splitlines() if "seed 44" in line]
    assert "| 1.25 | no | 50 | 150 (1.17) |" in " ".join(told.split())


ROWS = {
    "text": b"u\ti\t2000-01-01\t0.5\t7\nv\ti\t2000-01-01\t0.25\t1\n",
    "tsv": b'u\t{"ip":"i","day":"d","revenue":0.5,"duration":7}\nv\t{"revenue":0.25,"duration":1}\n',
    "csv": b"u,i,2000-01-01,0.5,7\nv,i,2000-01-01,0.25,1\n",
    "jsonl": b'{"key":"u","value":{"revenue":0.5,"duration":7}}\n{"key":"v","value":{"revenue":0.25,"duration":1}}\n',
}


@pytest.mark.parametrize("name", ROWS)
def test_rows_in_any_format_are_added_up(tmp_path, name):
    (tmp_path / f"part-00000.{name}").write_bytes(ROWS[name])
    found = formats.read_totals(tmp_path, formats.Output(name))
    assert formats.same((2, 8, 0.75), found)
    assert not formats.same((2, 8, 0.7500004), found)
    assert not formats.same((3, 8, 0.75), found)


def test_a_job_is_told_how_many_documents_there_are(tmp_path):
    (documents,) = generate.documents_files(tmp_path, 0.01)
    (ours,) = [program for program in PROGRAMS if program.name == "sluice-record"]
    assert "params.documents=3" in ours.command("w11", tmp_path / "out", [documents])


def test_memory_of_a_grandchild_counts(tmp_path):
    below = (
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOLD % (200, 0.5)!r}], check=True)"
    )
    usage = measure([sys.executable, "-c", below], os.environ, tmp_path, 60)
    assert usage.ok
    assert 200 * MIB <= usage.largest < 260 * MIB
    assert 200 * MIB <= usage.worker < 260 * MIB
    assert usage.together > usage.worker


def test_memory_of_the_one_who_measures_does_not_count(tmp_path):
    held = bytearray(os.urandom(MIB) * 200)
    usage = measure([sys.executable, "-c", "pass"], os.environ, tmp_path, 60)
    assert len(held) == 200 * MIB
    assert usage.largest < 60 * MIB


def test_time_of_a_child_that_was_left_behind_counts_and_the_child_ends(tmp_path):
    pid_file = tmp_path / "pid"
    burn = "import time\nwhile time.process_time() < 0.3: pass\nprint('burnt', flush=True)\ntime.sleep(600)"
    program = (
        "import subprocess, sys, pathlib\n"
        f"child = subprocess.Popen([sys.executable, '-c', {burn!r}], stdout=subprocess.PIPE,"
        " start_new_session=True)\n"
        f"pathlib.Path({str(pid_file)!r}).write_text(str(child.pid))\n"
        "child.stdout.readline()\n"
    )
    usage = measure([sys.executable, "-W", "ignore", "-c", program], os.environ, tmp_path, 60)
    assert usage.ok
    assert usage.user + usage.system >= 0.3
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


def test_a_program_that_fails_or_hangs_is_not_ok(tmp_path):
    assert measure([sys.executable, "-c", "raise SystemExit(3)"], os.environ, tmp_path, 60).code == 3
    assert not measure([sys.executable, "-c", "import time; time.sleep(600)"], os.environ, tmp_path, 0.2).ok
    assert measure(["/nonexistent"], os.environ, tmp_path, 60).code == 127
