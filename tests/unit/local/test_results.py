"""`local.results`: a folder of results changes whole, at the end, or not at all, wherever a run is stopped."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from chalicelib.core.errors import UserError
from chalicelib.core.messages import encode
from chalicelib.core.outcome import Manifest
from chalicelib.core.tasks import Part
from chalicelib.local.results import Claim, claimed

Tree = dict[str, str]

OLD = {"part-00000.tsv": "old", "x=1/part-00000.tsv": "old", "x=2/part-00000.tsv": "old"}
NEW = {"part-00000.tsv": "new", "part-00001.tsv": "new", "x=2/part-00000.tsv": "new"}
SET_ASIDE = "_quarantine/r/map-000000.0.ab.jsonl"
MINE = {"mine.txt": "mine", "x=1/notes.txt": "mine", "y=1/part.txt": "mine"}


def write(folder: Path, parts: Tree, *, outcome: str = "success", more: Tree | None = None) -> None:
    """Write results as a run does."""
    listed = tuple(Part(key=name, bytes=3, records=1) for name in parts)
    manifest = Manifest(job="j", run="r", outcome=outcome, parts=listed)  # type: ignore[arg-type]
    marker = "_SUCCESS" if outcome == "success" else "_FAILED"
    files = {**parts, **(more or {}), "_manifest.json": encode(manifest).decode(), marker: ""}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def tree(folder: Path) -> Tree:
    """All files by name; manifests aside."""
    found = {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}
    return {name: text for name, text in sorted(found.items()) if name != "_manifest.json"}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    out = tmp_path / "out"
    write(out, OLD, more={**MINE, "_totals.json": "old", SET_ASIDE: "old"})
    return out


BEFORE = {**OLD, **MINE, "_totals.json": "old", SET_ASIDE: "old", "_SUCCESS": ""}
AFTER = {**NEW, **MINE, "_SUCCESS": ""}


def run(out: Path, parts: Tree = NEW, *, force: bool = True, **options: str) -> None:
    with claimed(out, "run-2", force=force) as claim:
        write(claim.results, parts, **options)  # type: ignore[arg-type]
        claim.publish()


def test_new_results_replace_the_old_ones_and_nothing_else(out: Path) -> None:
    run(out)
    assert tree(out) == dict(sorted(AFTER.items()))
    assert sorted(p.name for p in out.iterdir() if p.name.startswith(".")) == []
    run(out, {"part-00000.tsv": "third"})
    assert tree(out) == dict(sorted({**MINE, "part-00000.tsv": "third", "_SUCCESS": ""}.items()))
    assert not (out / "x=2").exists()


def test_a_run_that_does_not_publish_changes_nothing(out: Path) -> None:
    with suppress(KeyboardInterrupt), claimed(out, "run-2", force=True) as claim:
        write(claim.results, NEW)
        (claim.work / "big").write_text("spill")
        raise KeyboardInterrupt
    assert tree(out) == dict(sorted(BEFORE.items()))


def test_a_failed_run_leaves_earlier_results_and_replaces_an_earlier_failure(
    out: Path, tmp_path: Path
) -> None:
    with claimed(out, "run-2", force=True) as claim:
        write(claim.results, {}, outcome="failed", more={"_quarantine/run-2/map-000000.0.ab.jsonl": "bad"})
        claim.publish_failure()
    assert tree(out) == dict(sorted({**BEFORE, "_quarantine/run-2/map-000000.0.ab.jsonl": "bad"}.items()))
    for _ in range(2):
        with claimed(tmp_path / "fresh", "run-3", force=True) as claim:
            write(claim.results, {}, outcome="failed")
            (claim.results / "part-00000.tsv").write_text("of a run that failed")
            claim.publish_failure()
        assert tree(tmp_path / "fresh") == {"_FAILED": ""}


def in_child(work: Callable[[], None]) -> int:
    """Do it in a process of its own; the exit code."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


#: What changes files, as Python's audit events name it.
EFFECTS = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "open", "shutil.rmtree")


def stopped_at(number: int, out: Path, stop: Callable[[], None]) -> int:
    """Run with `stop` called at the effect of this number; the exit code, 0 when there are fewer."""
    seen = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event in EFFECTS and "out" in str(arguments[0]):
            seen += 1
            if seen == number:
                stop()

    def work() -> None:
        sys.addaudithook(hook)
        run(out)

    return in_child(work)


def killed() -> None:
    os._exit(9)


def interrupted() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("stop", [killed, interrupted])
@pytest.mark.slow
def test_wherever_a_run_is_stopped_the_old_results_are_whole_or_the_new_ones(
    stop: Callable[[], None], tmp_path: Path
) -> None:
    outcomes = []
    for number in range(1, 1000):
        out = tmp_path / str(number) / "out"
        write(out, OLD, more={**MINE, "_totals.json": "old", SET_ASIDE: "old"})
        if stopped_at(number, out, stop) == 0:
            break
        found = {name: text for name, text in tree(out).items() if not name.startswith(".")}
        if "_SUCCESS" in found:  # whoever looks now sees a whole result
            assert found in (dict(sorted(BEFORE.items())), dict(sorted(AFTER.items()))), number
        else:
            assert (out / ".sluice-swap").is_dir()
        with claimed(out, "run-3", force=True):
            pass
        assert tree(out) in (dict(sorted(BEFORE.items())), dict(sorted(AFTER.items()))), number
        outcomes.append("part-00001.tsv" in tree(out))
    assert number > 40
    assert outcomes == sorted(outcomes)
    assert {*outcomes} == {False, True}


def test_one_run_at_a_time_has_the_folder(out: Path) -> None:
    with claimed(out, "run-2", force=True) as claim:
        with pytest.raises(UserError, match=f"{out}: run run-2 is writing its results here"):
            run(out)
        write(claim.results, NEW)
        claim.publish()
    run(out)


def test_a_claim_ends_with_its_process(out: Path) -> None:
    """Also when its workers live on, if they let go of the lock, as they do."""
    read, wrote = os.pipe()

    def dies() -> None:
        with claimed(out, "run-2", force=True) as claim:
            ready, tells = os.pipe()
            if os.fork() == 0:
                os.close(claim.lock)
                os.close(wrote)
                os.close(tells)
                os.read(read, 1)  # until the test ends
                os._exit(0)
            os.close(tells)
            os.read(ready, 1)  # until the worker has closed its end
            os._exit(9)

    assert in_child(dies) == 9
    run(out)
    os.close(wrote)
    assert tree(out) == dict(sorted(AFTER.items()))


@pytest.mark.parametrize(
    ("prepare", "told"),
    [
        (lambda out: (out / "part-7.tsv").write_text("mine"), ""),
        (lambda out: (out / "part-00007.tsv").write_text("?"), "part-00007.tsv: is none of the parts that"),
        (
            lambda out: (out / "x=1/part-00007.tsv").write_text("?"),
            "x=1/part-00007.tsv: is none of the parts",
        ),
        (
            lambda out: (out / "_manifest.json").write_text("{"),
            "so nobody knows which files are earlier results",
        ),
        (lambda out: (out / "z=1").symlink_to(out.parent / "elsewhere"), "z=1: is a symbolic link"),
    ],
)
def test_what_is_not_ours_is_not_replaced(prepare: Callable[[Path], None], told: str, out: Path) -> None:
    (out.parent / "elsewhere").mkdir()
    (out.parent / "elsewhere/part-00000.tsv").write_text("far away")
    prepare(out)
    before = tree(out)
    if told:
        with pytest.raises(UserError, match=told):
            run(out)
        assert tree(out) == before
    else:
        run(out)
        assert (out / "part-7.tsv").read_text() == "mine"
    assert (out.parent / "elsewhere/part-00000.tsv").read_text() == "far away"


def test_a_manifest_cannot_name_files_elsewhere(out: Path, tmp_path: Path) -> None:
    (tmp_path / "precious.tsv").write_text("mine")
    parts = tuple(Part(key=key, bytes=1, records=1) for key in (*OLD, "../precious.tsv", "mine.txt"))
    (out / "_manifest.json").write_bytes(encode(Manifest(job="j", run="r", outcome="success", parts=parts)))
    run(out)
    assert (tmp_path / "precious.tsv").read_text() == "mine"
    assert (out / "mine.txt").read_text() == "mine"


def test_what_is_in_the_way_is_told_before_anything_changes(out: Path) -> None:
    def publish(claim: Claim) -> None:
        write(claim.results, NEW)
        (out / "part-00001.tsv").mkdir()
        claim.publish()

    with (
        claimed(out, "run-2", force=True) as claim,
        pytest.raises(UserError, match="is in the way of the results"),
    ):
        publish(claim)
    assert tree(out) == dict(sorted(BEFORE.items()))


@pytest.mark.parametrize(
    ("place", "told"),
    [("file", "this is a file"), ("file/out", "Not a directory"), ("/proc/out", "/proc/out: ")],
)
def test_a_place_that_cannot_be_written_to_is_told_in_a_sentence(
    place: str, told: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=told), claimed(tmp_path / place, "run-2", force=False):
        pass


def test_a_damaged_list_is_told_and_nothing_is_touched(out: Path) -> None:
    (out / ".sluice-swap/results").mkdir(parents=True)
    (out / ".sluice-swap/swap.json").write_text('{"goes"')
    with pytest.raises(UserError, match=r"swap\.json.*\n.*by hand, and delete"):
        run(out)
    assert "_SUCCESS" in tree(out)


def test_without_force_nothing_is_replaced_but_leftovers_of_the_dead_do_not_count(out: Path) -> None:
    with pytest.raises(UserError, match=r"is not empty: .* --force"):
        run(out, force=False)
    left = out.parent / "fresh/.sluice-run-dead/work"
    left.mkdir(parents=True)
    run(out.parent / "fresh", force=False)
    assert tree(out.parent / "fresh") == dict(sorted({**NEW, "_SUCCESS": ""}.items()))
