"""`scripts/get.py`: the results of a run, in order, whole, from S3, a work folder or a folder of results."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Job, Sum
from chalicelib.core.errors import CorruptData, UserError
from chalicelib.core.ports import Loc
from scripts import get
from scripts.console.terminal import Screen
from scripts.runs.world import World, open_store
from tests.features.steps.test_local import RUN, Folder
from tests.worlds.simulation import Simulation, spec

TEXT = b"".join(b"w%d w%d\n" % (number % 40, number % 7) for number in range(200))


class Words(Job):
    def mapper(self, _: Any, line: str) -> Iterator[Any]:
        if line.startswith("refuse"):
            raise ValueError("no")
        for word in line.split():
            yield word, 1

    def reducer(self, word: str, counts: Iterator[int]) -> Iterator[Any]:
        if word.startswith("w3"):
            yield self.output("threes", word), None
        yield word, sum(counts)


FIGURES: dict[str, Any] = {
    "partitions": 4,
    "reduce_size": 1,
    "outputs": {"threes": {"format": "text"}},
    "output": {"compression": "gz"},
}


class Clock:
    def now(self) -> float:
        return 1_795_232_664.0

    def pause(self, seconds: float) -> None:
        raise AssertionError("nothing here waits")


def script(simulation: Simulation | None, *argv: str, terminal: bool = False) -> tuple[int, bytes]:
    raw = io.BytesIO()
    world = World(
        root=Path(),
        environ={},
        screen=Screen(io.TextIOWrapper(raw, "utf-8"), terminal=terminal),
        clock=Clock(),
        open_store=(lambda _work, _runs: simulation.memory) if simulation else open_store,
    )
    return get.main(argv, world), raw.getvalue()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    simulation = Simulation(Words, spec(**FIGURES), tmp_path_factory.mktemp("scratch"))
    simulation.drop("a.txt", TEXT)
    simulation.run()
    return simulation


def rows() -> dict[bytes, int]:
    counts: dict[bytes, int] = {}
    for word in TEXT.split():
        counts[word] = counts.get(word, 0) + 1
    return counts


AT = ("job", "latest", "--work", "s3://work/")


def test_rows_come_part_after_part_unpacked(world: Simulation) -> None:
    code, out = script(world, *AT)
    assert code == 0
    assert {line.split(b"\t")[0]: int(line.split(b"\t")[1]) for line in out.splitlines()} == rows()
    parts = {name: body for name, body in world.output().items() if name.startswith("part-")}
    assert len(parts) > 1
    assert out == b"".join(gzip.decompress(parts[name]) for name in sorted(parts))
    assert script(world, "job", "--work", "s3://work/") == (0, out), "the newest run, if none is named"


def test_another_output_comes_alone(world: Simulation) -> None:
    assert sorted(script(world, *AT, "--kind", "threes")[1].split()) == sorted(
        word for word in rows() if word.startswith(b"w3")
    )
    with pytest.raises(UserError, match="--kind fours: this run has written nothing to such an output"):
        script(world, *AT, "--kind", "fours")


def test_a_folder_gets_all_objects_as_they_are(world: Simulation, tmp_path: Path) -> None:
    code, out = script(world, *AT, "-o", str(tmp_path / "new"))
    assert code == 0
    files = {
        path.relative_to(tmp_path / "new").as_posix(): path.read_bytes()
        for path in (tmp_path / "new").rglob("*")
        if path.is_file()
    }
    assert files == world.output()
    assert f"{len(files) - 2} objects".encode() in out
    with pytest.raises(UserError, match="is not empty: expected a new or empty folder"):
        script(world, *AT, "-o", str(tmp_path / "new"))
    again = script(None, str(tmp_path / "new"))
    assert again == script(world, *AT), "which is a folder of results itself"


def test_a_list_of_what_there_is(world: Simulation) -> None:
    out = script(world, *AT, "--list")[1].decode()
    manifest = json.loads(world.output()["_manifest.json"])
    assert [line.split()[-1] for line in out.splitlines()] == [
        f"s3://out/{part['key']}" for part in manifest["parts"]
    ]


def test_a_terminal_obeys_nothing(tmp_path: Path) -> None:
    simulation = Simulation(Words, spec(outputs={"threes": {}}), tmp_path)
    simulation.drop("a.txt", b"\x1b[31mred\n")
    simulation.run()
    assert script(simulation, *AT)[1] == b"\x1b[31mred\t1\n"
    assert script(simulation, *AT, terminal=True)[1] == b"\\x1b[31mred\\t1\n"


def test_a_run_without_results_is_told(tmp_path: Path) -> None:
    simulation = Simulation(Words, spec(outputs={"threes": {}}), tmp_path)
    simulation.drop("a.txt", b"refuse\n")
    with pytest.raises(UserError, match="there is no run of job yet"):
        script(simulation, *AT)
    simulation.run()
    with pytest.raises(
        UserError, match=r"job job, run .*: has failed, and left no results: .*ValueError: no"
    ):
        script(simulation, *AT)
    with pytest.raises(UserError, match="no run 'other' of job 'job' here"):
        script(simulation, "job", "other", "--work", "s3://work/")


def test_what_is_not_published_yet_is_no_result(world: Simulation, tmp_path: Path) -> None:
    simulation = Simulation(Words, spec(outputs={"threes": {}}), tmp_path)
    simulation.drop("a.txt", TEXT)
    simulation.run()
    (end,) = [info.key for info in simulation.memory.list(Loc("out", "")) if info.key.endswith("_SUCCESS")]
    simulation.memory.delete("out", [end])
    with pytest.raises(UserError, match="has no results yet at s3://out/"):
        script(simulation, *AT)


@pytest.mark.parametrize("key", ["../../etc/passwd", "out/../part-00000.tsv/x", "part-1.tsv"])
def test_a_manifest_leads_nowhere_else(key: str, tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    manifest = {
        "job": "j",
        "run": "r",
        "outcome": "success",
        "parts": [{"key": key, "bytes": 1, "records": 1}],
    }
    (results / "_manifest.json").write_text(json.dumps(manifest))
    (results / "_SUCCESS").write_bytes(b"")
    with pytest.raises(CorruptData, match="is no part's name"):
        script(None, str(results), "-o", str(tmp_path / "new"))


def test_a_part_of_another_size_is_refused(tmp_path: Path) -> None:
    simulation = Simulation(Words, spec(outputs={"threes": {}}), tmp_path)
    simulation.drop("a.txt", TEXT)
    simulation.run()
    part = next(info.key for info in simulation.memory.list(Loc("out", "")) if "/part-" in info.key)
    simulation.memory.put(Loc("out", part), b"short")
    with pytest.raises(CorruptData, match=r"expected \d+ bytes as in the manifest, got 5"):
        script(simulation, *AT, "-o", str(tmp_path / "new"))


def test_a_run_of_this_machine(tmp_path: Path) -> None:
    class Plain(Words):
        reducer = Sum()  # type: ignore[assignment]

    here = Folder(tmp_path)
    here.run(Plain, TEXT)
    by_run = script(None, "job", RUN, "--work", str(here.work))
    assert by_run == script(None, str(here.output))
    assert by_run[1] == b"".join(path.read_bytes() for path in sorted(here.output.glob("part-*")))
    with pytest.raises(UserError, match="is a folder of one run's results: leave out latest"):
        script(None, str(here.output), "latest")
