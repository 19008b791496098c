"""`scripts/quarantine.py`: what was set aside is shown once each, and a re-drive makes up for what was missing."""

from __future__ import annotations

import gzip
import io
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.core.errors import CorruptData, UserError
from chalicelib.core.keys import RunKeys
from chalicelib.core.ports import Loc
from chalicelib.core.spec import BadRecordsSpec
from chalicelib.local import LocalRun, run_local
from chalicelib.local.inputs import find_inputs
from chalicelib.run.events import event_for
from chalicelib.run.status.runs import list_runs
from chalicelib.stores.memory import MemoryStore
from scripts import quarantine
from scripts.console import terminal
from scripts.redriving.redrive import packed
from scripts.runs.world import World, open_store
from tests.worlds.simulation import WORK, Simulation, spec

LENIENT = BadRecordsSpec(policy="quarantine", max=1000, max_fraction=1.0)
BODY = b"".join(
    b"good %d\n" % n if n % 10 else b"poison p%d" % n + (b"\r\n" if n % 20 else b"\n") for n in range(60)
)


class Fragile(Job):
    """Raises on poison until it is mended."""

    mended = False

    def mapper(self, _: Any, record: Any) -> Any:
        words = record.split() if isinstance(record, str) else list(record.values())
        if "poison" in words and not self.mended:
            raise ValueError(f"cannot take {words[-1]}")
        for word in words:
            yield word, 1

    reducer = Sum()


class Mended(Fragile):
    mended = True


class Whole(Job):
    def mapper(self, key: str, text: str) -> Any:
        yield len(text), 1


class Clock:
    def now(self) -> float:
        return 1_795_232_664.0

    def pause(self, seconds: float) -> None:
        raise AssertionError("nothing here waits")


def script(root: Path, store: MemoryStore | None, *argv: str) -> tuple[int, str]:
    out = io.StringIO()
    world = World(
        root=root,
        environ={},
        screen=terminal.Screen(out, terminal=False),
        clock=Clock(),
        open_store=(lambda work, runs: store) if store else open_store,
    )
    code = quarantine.main(argv, world)
    return code, out.getvalue()


def simulate(tmp_path: Path, drops: dict[str, bytes], job: type[Job] = Fragile, **figures: Any) -> Simulation:
    simulation = Simulation(job, spec(split_size=100, bad_records=LENIENT, **figures), tmp_path)
    for key, body in drops.items():
        simulation.drop(key, body)
    simulation.run()
    return simulation


def runs_of(simulation: Simulation) -> list[RunKeys]:
    return list_runs(simulation.memory, WORK)


def counts(simulation: Simulation, run: str) -> Counter[str]:
    parts = simulation.memory.list(Loc("out", f"{run}/part-"))
    rows = b"".join(simulation.memory.get(Loc("out", info.key)) for info in parts).decode().splitlines()
    return Counter({word: int(number) for word, number in (row.split("\t") for row in rows)})


def deliver_new(simulation: Simulation, before: set[str]) -> list[str]:
    """Tell the coordinator of the objects that were put since, as S3 does; their keys."""
    new = [info.key for info in simulation.memory.list(Loc("in", "")) if info.key not in before]
    for number, key in enumerate(new):
        event = event_for(Loc("in", key))
        event["Records"][0] |= {"eventTime": f"2026-11-22T00:00:0{number}.000Z"}
        simulation.deliver("coordinator", event)
    simulation._job = Mended
    simulation.run()
    return new


def inputs(simulation: Simulation) -> set[str]:
    return {info.key for info in simulation.memory.list(Loc("in", ""))}


def test_shows_each_record_once_with_object_byte_error_and_text(tmp_path: Path) -> None:
    simulation = simulate(tmp_path, {"a.txt": BODY})
    (keys,) = runs_of(simulation)
    kept = next(simulation.memory.list(keys.quarantined))
    # What an attempt left that was killed before it could clean up.
    body = simulation.memory.get(Loc("work", kept.key))
    simulation.memory.put(keys.quarantine("map", 0, 3, "dead"), body)
    code, shown = script(tmp_path, simulation.memory, "job", "latest", "--work", "s3://work/", "--show", "2")
    assert code == 0
    assert f"job {keys.run}: 6 bad records: 6 ValueError" in shown
    assert "s3://in/data/a.txt, byte 0, line 1: ValueError: cannot take p0" in shown
    assert "    poison p0\n" in shown
    assert f"byte {BODY.index(b'poison p10')}" in shown
    assert "in mapper" in shown
    assert "p20" not in shown
    assert "... and 4 more; --show 6 shows all" in shown
    assert shown.count("byte 0,") == 1


def test_a_run_without_bad_records(tmp_path: Path) -> None:
    simulation = simulate(tmp_path, {"a.txt": b"good\n"})
    code, shown = script(tmp_path, simulation.memory, "job", "latest", "--work", "s3://work/", "--redrive")
    assert (code, inputs(simulation)) == (0, {"data/a.txt"})
    assert "no bad records" in shown


def test_a_run_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"s3://work/runs/job/x/: no run 'x'"):
        script(tmp_path, MemoryStore(), "job", "x", "--work", "s3://work/")


def test_a_damaged_list_is_named(tmp_path: Path) -> None:
    simulation = simulate(tmp_path, {"a.txt": BODY})
    (keys,) = runs_of(simulation)
    kept = next(simulation.memory.list(keys.quarantined))
    simulation.memory.put(Loc("work", kept.key), b'{"phase": 7}\n')
    with pytest.raises(CorruptData, match=r"quarantine/.*jsonl, line 1"):
        script(tmp_path, simulation.memory, "job", "latest", "--work", "s3://work/")


@pytest.mark.parametrize("suffix", ["", ".txt", ".txt.gz", ".log.bz2", ".xz", ".zst"])
def test_a_redrive_makes_up_for_what_was_missing(suffix: str, tmp_path: Path) -> None:
    body = packed(f"a{suffix}", BODY)
    simulation = simulate(tmp_path, {f"a{suffix}": body}, input={"suffix": suffix})
    (keys,) = runs_of(simulation)
    before = inputs(simulation)
    code, shown = script(tmp_path, simulation.memory, "job", keys.run, "--work", "s3://work/", "--redrive")
    assert code == 0
    (key,) = deliver_new(simulation, before)
    assert key.startswith("data/redrive/bad-records-of-" + keys.run)
    assert f"s3://in/{key}  6 records" in shown
    assert "stand alone" in shown
    (second,) = [other for other in runs_of(simulation) if other != keys]
    missing = counts(simulation, second.run)
    assert missing == Counter(
        word for line in BODY.decode().splitlines() if "poison" in line for word in line.split()
    )
    assert missing + counts(simulation, keys.run) == Counter(BODY.decode().split())


def test_a_redrive_of_a_marker_job_is_one_run_over_a_manifest(tmp_path: Path) -> None:
    simulation = Simulation(Fragile, spec(bad_records=LENIENT, trigger="marker"), tmp_path)
    simulation.add("a.txt", BODY)
    simulation.add("b.gz", b"never compressed")
    simulation.drop("_READY", b"")
    simulation.run()
    (keys,) = runs_of(simulation)
    before = inputs(simulation)
    code, shown = script(tmp_path, simulation.memory, "job", keys.run, "--work", "s3://work/", "--redrive")
    assert code == 0
    simulation.add("b.gz", gzip.compress(b"now it is\n"))
    new = deliver_new(simulation, before)
    assert [key for key in new if key.endswith(".manifest")] == [
        key for key in new if key.startswith("data/_submit/")
    ]
    (second,) = [other for other in runs_of(simulation) if other != keys]
    expected = Counter(
        word for line in BODY.decode().splitlines() if "poison" in line for word in line.split()
    )
    assert counts(simulation, second.run) == expected + Counter(["now", "it", "is"])
    assert "6 records and 1 whole object stand alone" in shown


@pytest.mark.parametrize("trigger", ["marker", "success"])
def test_no_later_marker_reads_what_a_redrive_wrote(trigger: str, tmp_path: Path) -> None:
    simulation = Simulation(Fragile, spec(bad_records=LENIENT, trigger=trigger), tmp_path)
    simulation.add("a.txt", BODY)
    simulation.drop("_READY", b"")
    simulation.run()
    (keys,) = runs_of(simulation)
    before = inputs(simulation)
    script(tmp_path, simulation.memory, "job", keys.run, "--work", "s3://work/", "--redrive")
    deliver_new(simulation, before)
    known = {other.run for other in runs_of(simulation)}
    assert len(known) == 2
    simulation.drop("_READY", b"")
    simulation.run()
    (third,) = {other.run for other in runs_of(simulation)} - known
    assert counts(simulation, third) == Counter(BODY.decode().split())


def test_a_bad_object_is_copied_where_it_starts_a_run(tmp_path: Path) -> None:
    simulation = simulate(tmp_path, {"b.gz": b"never compressed"})
    (keys,) = runs_of(simulation)
    simulation.add("b.gz", gzip.compress(b"now it is\n"))
    before = inputs(simulation)
    _, shown = script(tmp_path, simulation.memory, "job", keys.run, "--work", "s3://work/", "--redrive")
    (key,) = deliver_new(simulation, before)
    assert "a copy of s3://in/data/b.gz" in shown
    assert key.endswith("/b.gz")
    (second,) = [other for other in runs_of(simulation) if other != keys]
    assert counts(simulation, second.run) == Counter(["now", "it", "is"])


def test_rows_go_again_with_the_header_they_were_read_with(tmp_path: Path) -> None:
    fields = {"format": "csv", "header": True}
    simulation = Simulation(Fragile, spec(bad_records=LENIENT, trigger="marker", input=fields), tmp_path)
    simulation.add("a.csv", b"x,y\n1,poison\n2,fine\n")
    simulation.add("b.csv", b"only\npoison\nfine\n")
    simulation.drop("_READY", b"")
    simulation.run()
    (keys,) = runs_of(simulation)
    before = inputs(simulation)
    script(tmp_path, simulation.memory, "job", keys.run, "--work", "s3://work/", "--redrive")
    bodies = sorted(
        simulation.memory.get(Loc("in", key)) for key in inputs(simulation) - before if "redrive" in key
    )
    assert bodies == [b"only\npoison\n", b"x,y\n1,poison\n"]
    deliver_new(simulation, before)
    (second,) = [other for other in runs_of(simulation) if other != keys]
    assert counts(simulation, second.run) == {"1": 1, "poison": 2}


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_rows_of_several_lines_go_again_whole(suffix: str, tmp_path: Path) -> None:
    fields = {"format": "csv", "header": True, "suffix": suffix, "comment": "#"}
    simulation = Simulation(Fragile, spec(bad_records=LENIENT, input=fields), tmp_path)
    body = b'\xef\xbb\xbf#of today\nx,y\n1,fine\n2,"a\nb"\n3,poison\n'
    simulation.drop(f"a{suffix}", packed(f"a{suffix}", body))
    simulation.run()
    (keys,) = runs_of(simulation)
    assert counts(simulation, keys.run) == {"1": 1, "fine": 1}
    before = inputs(simulation)
    script(tmp_path, simulation.memory, "job", keys.run, "--work", "s3://work/", "--redrive")
    (key,) = inputs(simulation) - before
    written = simulation.memory.get(Loc("in", key))
    rows = gzip.decompress(written) if suffix.endswith(".gz") else written
    assert rows == b'x,y\n2,"a\nb"\n3,poison\n'


def test_a_record_that_was_not_kept_whole_is_left_out_and_named(tmp_path: Path) -> None:
    body = b"poison " + b"x" * (1 << 20) + b"\ngood\n"
    simulation = Simulation(Fragile, spec(bad_records=LENIENT), tmp_path)
    simulation.drop("a.txt", body)
    simulation.run()
    before = inputs(simulation)
    _, shown = script(tmp_path, simulation.memory, "job", "latest", "--work", "s3://work/", "--redrive")
    assert "s3://in/data/a.txt, byte 0: only the first 1.0 MiB of it were kept" in shown
    assert "nothing was re-driven" in shown
    assert inputs(simulation) == before


def test_for_the_local_engine_there_is_a_file_to_run_on(tmp_path: Path) -> None:
    source, work = tmp_path / "a.txt", tmp_path / "work"
    source.write_bytes(BODY)

    def run(job: type[Job], names: list[str], number: int) -> Counter[str]:
        output = tmp_path / f"out{number}"
        for folder in (output, work):
            folder.mkdir(exist_ok=True)
        run_local(
            LocalRun(
                name="job", spec=spec(split_size=100, bad_records=LENIENT), run=f"run-{number}",
                inputs=find_inputs(names), source="a", output=output, work=work, workers=2,
                load_job=lambda _: job,
            )
        )  # fmt: skip
        rows = b"".join(part.read_bytes() for part in sorted(output.glob("part-*"))).decode().splitlines()
        return Counter({word: int(number) for word, number in (row.split("\t") for row in rows)})

    first = run(Fragile, [str(source)], 1)
    code, shown = script(tmp_path, None, "job", "run-1", "--work", str(work), "--redrive")
    assert code == 0
    (command,) = [line for line in shown.splitlines() if line.startswith("  scripts/run.py")]
    _, name, *files, option, _ = command.split()
    assert (name, option) == ("job", "--output")
    assert first + run(Mended, files, 2) == Counter(BODY.decode().split())
