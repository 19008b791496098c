"""Readers of a job's own: records of any shape, each once, wherever objects are cut and however often time runs out."""

from __future__ import annotations

import gzip
import struct
import sys
from collections.abc import Iterator
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import IO, Any
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from chalicelib import Job, Sum
from chalicelib.config.check import problems
from chalicelib.core.errors import ConfigError, InputError
from chalicelib.core.keys import parse_continuation
from chalicelib.core.ports import Loc
from chalicelib.core.spec import InputSpec, JobSpec, SqlSpec, TimeoutSpec
from chalicelib.mapreduce.map import own_records
from chalicelib.run.job_code import check
from chalicelib.testing import run_job
from tests.features.io.runs import failed, job_spec, run
from tests.features.steps.test_local import Folder
from tests.strategies import examples
from tests.unit.mapreduce.map.opened import Opened
from tests.worlds.simulation import Simulation

SYNC = b"\x00SYNC\xff"


def frames(stream: IO[bytes]) -> Iterator[bytes]:
    """Length and bytes, one after the other: nobody can begin in the middle."""
    while head := stream.read(4):
        (size,) = struct.unpack(">I", head)
        yield stream.read(size)


def framed(records: list[bytes]) -> bytes:
    return b"".join(struct.pack(">I", len(record)) + record for record in records)


class Fasta:
    """A line with a name, then lines with a sequence."""

    def sync(self, stream: Any) -> None:
        if stream.tell():
            stream.seek(-1, 1)
            stream.readline()
        while stream.peek(1)[:1] not in (b">", b""):
            stream.readline()

    def read(self, stream: Any) -> Iterator[tuple[str, str]]:
        while name := stream.readline():
            if not name.startswith(b">"):
                raise ValueError(f"expected > and a name, got {name!r}")
            lines = []
            while stream.peek(1)[:1] not in (b">", b""):
                lines.append(stream.readline().strip())
            if b"!" in lines:
                raise ValueError("a sequence of one !")
            yield name[1:].strip().decode(), b"".join(lines).decode()


class Blocks:
    """A header, then blocks of records with a mark behind each, as Avro's files are: the mark is the header."""

    def sync(self, stream: Any) -> None:
        at = stream.tell()
        stream.seek(0)
        self.mark = stream.read(len(SYNC))
        stream.seek(max(at - len(self.mark), 0))
        base, held = stream.tell(), b""
        while (found := held.find(self.mark)) < 0:
            more = stream.read(7)
            if not more:
                return  # at the object's end
            held += more
        stream.seek(base + found + len(self.mark))

    def read_blocks(self, stream: Any) -> Iterator[list[bytes]]:
        while head := stream.read(4):
            (size,) = struct.unpack(">I", head)
            records = list(frames(BytesIO(stream.read(size))))
            assert stream.read(len(SYNC)) == self.mark
            yield records


def blocked(blocks: list[list[bytes]]) -> bytes:
    body = SYNC
    for records in blocks:
        data = framed(records)
        body += struct.pack(">I", len(data)) + data + SYNC
    return body


def members(stream: Any) -> Iterator[tuple[str, bytes]]:
    """The files of a zip archive, whose index is at its end."""
    with ZipFile(stream) as archive:
        for name in archive.namelist():
            yield name, archive.read(name)


class Same(Job):
    """Each record and the byte at which it begins."""

    def mapper(self, _: None, record: Any) -> Iterator[Any]:
        if record in (b"refuse", ("refuse", "x")):
            raise ValueError("no")
        yield record, self.input.offset

    reducer = Sum()


class Plain(Job):
    def mapper(self, _: None, record: Any) -> list[Any]:
        return [(record, 1)]


class Seen(Job):
    def mapper(self, _: None, record: Any) -> Iterator[Any]:
        yield record, 1

    reducer = Sum()


# -- exactly once ----------------------------------------------------------------------------------------

sequences = st.lists(
    st.tuples(st.text("abc", min_size=1, max_size=3), st.lists(st.text("ACGT", max_size=5), max_size=3)),
    max_size=8,
)


def read(reader: Any, body: bytes, edges: list[int]) -> list[Any]:
    """The records of all splits between the edges."""
    found: list[Any] = []
    for start, stop in pairwise(sorted({0, len(body), *edges})):
        opened = Opened(Plain, body)
        split = structs.replace(opened.split.split, start=start, stop=stop)
        opened.split = structs.replace(opened.split, split=split, reader=reader)
        found += [record for record, _ in opened.read(own_records.steps)[0]]
    return found


@given(sequences, st.booleans())
@examples(40)
def test_a_reader_that_can_begin_anywhere_reads_each_record_once(
    found: list[tuple[str, list[str]]], ends: bool
) -> None:
    """Of every split size."""
    text = "".join(f">{name}\n" + "".join(f"{line}\n" for line in lines) for name, lines in found)
    body = (text if ends else text.removesuffix("\n")).encode()
    wanted = [(name, "".join(lines)) for name, lines in found]
    for size in range(1, len(body) + 2):
        assert read(Fasta, body, list(range(0, len(body), size))) == wanted


@given(st.lists(st.lists(st.binary(max_size=4), max_size=4), max_size=5))
@examples(20)
def test_records_of_a_block_stay_together(blocks: list[list[bytes]]) -> None:
    body = blocked(blocks)
    for size in range(1, len(body) + 2):
        assert read(Blocks, body, list(range(0, len(body), size))) == [
            record for records in blocks for record in records
        ]


@pytest.mark.parametrize("split_size", [1, 5, 1000])
def test_run_job_cuts_as_runs_do(split_size: int) -> None:
    body = ">a\nAC\nG\n>b\n>a\nACG\n"
    assert run_job(Seen, body, reader=Fasta, split_size=split_size) == [(("a", "ACG"), 2), (("b", ""), 1)]
    blocks = blocked([[b"x", b"y"], [], [b"x"]])
    assert run_job(Seen, blocks, reader=Blocks, split_size=split_size) == [(b"x", 2), (b"y", 1)]


def test_a_function_reads_whole_objects() -> None:
    records = [b"a", b"", b"bcd", b"a"]
    for split_size in (1, 1000):
        assert run_job(Seen, framed(records), reader=frames, split_size=split_size) == [
            (b"", 1),
            (b"a", 2),
            (b"bcd", 1),
        ]
    assert run_job(Same, framed([b"a", b"bc"]), reader=frames) == [(b"a", 0), (b"bc", 5)]


def test_a_library_may_go_to_and_fro_in_the_stream(tmp_path: Path) -> None:
    packed = BytesIO()
    with ZipFile(packed, "w") as archive:
        for number in range(40):
            archive.writestr(f"{number}.txt", str(number) * 9000)
    found = run_job(Seen, packed.getvalue(), reader=members)
    assert found == sorted(((f"{number}.txt", str(number).encode() * 9000), 1) for number in range(40))
    names = {"a.zip.gz": gzip.compress(packed.getvalue()), "b.zip": packed.getvalue()}
    world = run(Seen, job_spec(given_input("members")), names, tmp_path)
    assert [row[-2:] for row in world.text().decode().splitlines()] == ["\t2"] * 40


class Unblocked:
    """Gives the records of a block one by one: those behind the first would be lost at a split's end."""

    def sync(self, stream: Any) -> None:
        Blocks.sync(self, stream)  # type: ignore[arg-type]

    def read(self, stream: Any) -> Iterator[bytes]:
        for records in Blocks.read_blocks(self, stream):  # type: ignore[arg-type]
            yield from records


def test_records_that_would_be_lost_are_an_error() -> None:
    for body in (blocked([[b"a", b"b"]]), blocked([[b"c"], [b"a", b"b"]])):
        with pytest.raises(
            InputError, match=r"input\.reader: Unblocked: gave a record, and the stream stands where"
        ):
            run_job(Seen, body, reader=Unblocked)


# -- runs ------------------------------------------------------------------------------------------------


def given_input(reader: str, **figures: Any) -> InputSpec:
    return InputSpec(url="s3://in/data/", reader=reader, **figures)


def fasta(count: int) -> bytes:
    return b"".join(b">n%d\n" % number + b"ACGT\n" * (number % 4) for number in range(count))


def rows_of(count: int) -> list[str]:
    return sorted(f'["n{number}","{"ACGT" * (number % 4)}"]\t1' for number in range(count))


class Own(Folder):
    def spec(self, **figures: Any) -> JobSpec:
        spec = super().spec(**figures)
        return structs.replace(spec, input=structs.replace(spec.input, reader="Fasta"))


@pytest.mark.parametrize("split_size", [40, 1 << 20])
def test_in_the_simulated_cloud_and_here(split_size: int, tmp_path: Path) -> None:
    spec = job_spec(given_input("Fasta"), split_size=split_size, partitions=4, reduce_size=1)
    body = fasta(50)
    world = run(Seen, spec, {"a.fa": body}, tmp_path / "s")
    assert sorted(world.text().decode().splitlines()) == rows_of(50)
    here = Own(tmp_path)
    text = here.run(Seen, body, split_size=split_size)
    assert text == world.text()
    if split_size == 40:
        assert here.manifest.map_tasks > 10


def test_a_compressed_object_is_read_from_its_beginning(tmp_path: Path) -> None:
    for reader, body in (("Fasta", fasta(9)), ("frames", framed([b"x", b"y", b"x"]))):
        spec = job_spec(given_input(reader), split_size=5)
        world = run(Seen, spec, {"a.gz": gzip.compress(body)}, tmp_path)
        assert len(world.text().splitlines()) == (9 if reader == "Fasta" else 2)


@pytest.mark.parametrize("reader", ["Fasta", "Blocks", "frames"])
@pytest.mark.parametrize("packed", [False, True])
def test_an_attempt_out_of_time_goes_on_behind_the_last_record(
    reader: str, packed: bool, tmp_path: Path
) -> None:
    place: list[Simulation] = []

    class Slow(Seen):
        def mapper(self, _: None, record: Any) -> Iterator[Any]:
            place[0].time += 1.7
            yield record, 1

    records = [b"r%d" % (number % 20) for number in range(30)]
    bodies = {
        "Fasta": fasta(30),
        "Blocks": blocked([records[:7], records[7:8], [], records[8:]]),
        "frames": framed(records),
    }
    body = bodies[reader]
    spec = job_spec(given_input(reader), timeout=TimeoutSpec(mapper=10))
    files = {"a.gz": gzip.compress(body)} if packed else {"a": body}
    calm = run(Seen, spec, files, tmp_path)
    place.append(Simulation(Slow, spec, tmp_path, lifetime=10.0))
    for name, data in files.items():
        place[0].add(name, data)
    place[0].drop("_READY", b"")
    place[0].run()
    assert place[0].text() == calm.text()
    pieces = [info.key for info in place[0].memory.list(Loc("work", "")) if parse_continuation(info.key)]
    assert len(pieces) >= 30 * 1.7 / 10 - 1


# -- what goes wrong -------------------------------------------------------------------------------------


def test_the_first_error_names_object_byte_and_reader(tmp_path: Path) -> None:
    body = b">a\nA\n>b\n!\n>c\nC\n"
    said = failed(Seen, job_spec(given_input("Fasta")), {"a.fa": body}, tmp_path)
    assert "s3://in/data/a.fa: byte 5: input.reader: Fasta: ValueError: a sequence of one !" in said
    said = failed(Same, job_spec(given_input("Fasta")), {"a.fa": b">a\nA\n>refuse\nx\n"}, tmp_path)
    assert "s3://in/data/a.fa, record at byte 5: ValueError: no" in said


@pytest.mark.parametrize("split_size", [4, 9, 1 << 20])
def test_what_cannot_be_read_is_set_aside_up_to_the_next_record(split_size: int, tmp_path: Path) -> None:
    body = b">a\nA\n>b\n!\n>refuse\nx\n>c\nC\n"
    quarantine = {"policy": "quarantine", "max_fraction": 1.0}
    spec = job_spec(given_input("Fasta"), split_size=split_size, bad_records=quarantine)
    world = run(Same, spec, {"a.fa": body}, tmp_path)
    assert world.text().decode().splitlines() == ['["a","A"]\t0', '["c","C"]\t20']
    aside = [world.memory.get(loc).decode() for loc in _aside(world)]
    assert len(aside) > 0
    listed = "".join(aside)
    assert listed.count("\n") == 2
    assert '"offset":5' in listed
    assert ">b\\n!\\n" in listed


def _aside(world: Any) -> list[Any]:
    return [Loc("work", info.key) for info in world.memory.list(Loc("work", "")) if "quarantine/" in info.key]


def test_a_whole_object_that_breaks_ends_the_run_or_its_rest_is_one_bad_record(tmp_path: Path) -> None:
    def broken(stream: Any) -> Iterator[bytes]:
        yield from frames(BytesIO(stream.read(10)))
        raise ValueError("broken")

    sys.modules[__name__].broken = broken  # type: ignore[attr-defined]
    body = framed([b"a", b"b"]) + b"junk"
    said = failed(Seen, job_spec(given_input("broken")), {"a": body}, tmp_path)
    assert "byte 10: input.reader: broken: ValueError: broken" in said
    quarantine = {"policy": "quarantine", "max_fraction": 1.0}
    world = run(Seen, job_spec(given_input("broken"), bad_records=quarantine), {"a": body}, tmp_path)
    assert world.text() == b"a\t1\nb\t1\n"


class Backwards(Fasta):
    def sync(self, stream: Any) -> None:
        stream.seek(0)


class Neither:
    pass


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        ("Nobody", "expected Nobody in job.py: a function from a stream to records"),
        ("SYNC", "expected SYNC in job.py: a function from a stream"),
        (
            "Neither",
            "expected a class with one of read(self, stream) and read_blocks(self, stream), found neither",
        ),
    ],
)
def test_what_is_no_reader(reader: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        check(lambda _: Seen, "a", job_spec(given_input(reader)))
    assert text in str(caught.value)
    assert text in failed(Seen, job_spec(given_input(reader)), {"a": b"x"}, tmp_path)


def test_sync_goes_forward(tmp_path: Path) -> None:
    said = failed(Seen, job_spec(given_input("Backwards"), split_size=3), {"a": fasta(5)}, tmp_path)
    assert (
        "input.reader: Backwards: sync(stream) went back to byte 0: expected this byte or a later one" in said
    )


def test_only_a_mapper_takes_its_records() -> None:
    class Chunk(Job):
        def mapper_chunk(self, text: str) -> None:
            return None

    Chunk.__module__ = __name__
    with pytest.raises(
        ConfigError, match=r"input\.reader: Fasta makes records, so write mapper\(self, _, record\)"
    ):
        check(lambda _: Chunk, "a", job_spec(given_input("Fasta")))


@pytest.mark.parametrize(
    "figures",
    [{"format": "csv"}, {"header": True}, {"comment": "#"}, {"encoding": "bytes"}, {"record_delimiter": ";"}],
)
def test_a_reader_takes_the_place_of_a_format(figures: dict[str, Any]) -> None:
    (name,) = figures
    found = problems(job_spec(given_input("Fasta", **figures)), "a", places=False)
    text = f"makes records of an object's bytes by itself; leave out input.{name}"
    assert ("input.reader", text) in found


def test_no_lines_and_no_tables() -> None:
    spec = job_spec(given_input("Fasta"), split_lines=2)
    assert [key for key, _ in problems(spec, "a", places=False)] == ["input.reader"]
    sql: JobSpec = job_spec(given_input("Fasta"), sql=SqlSpec(map="SELECT 1"))
    assert ("input.reader", "a job in SQL reads tables; leave it out") in problems(sql, "a", places=False)
