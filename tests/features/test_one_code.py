"""One run is of one code: a deployment in mid-run ends the run by name, and never mixes what two codes make.

The jobs are files in a folder, as they are deployed; a deployment is another folder, from which every invocation that
begins later loads its code.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.core.ports import Loc
from chalicelib.job.load_class import job_loader
from chalicelib.local import LocalRun, run_local
from chalicelib.local.inputs import find_inputs
from tests.strategies import places
from tests.worlds.simulation import SCRATCH, Simulation, spec

WORDS = [f"w{number * number % 23}" for number in range(60)]
TEXT = "\n".join(WORDS).encode()

#: By kind of job: its module, where CODE stands for the code.
JOBS = {
    "mapper and reducer": """
from chalicelib import Job
class Tagged(Job):
    def mapper(self, _, word):
        yield word, "CODE"
    def reducer(self, word, tags):
        tags = list(tags)
        yield f"{word} CODE", " ".join([str(len(tags)), *sorted(set(tags))])
""",
    "mapper alone": """
from chalicelib import Job
class Tagged(Job):
    shuffle = False
    def mapper(self, _, word):
        yield f"{word} CODE", "CODE"
""",
    "two steps": """
from chalicelib import Job
class One(Job):
    def mapper(self, _, word):
        yield word, "CODE"
    def reducer(self, word, tags):
        yield word, list(tags)
class Two(Job):
    def mapper(self, word, tags):
        yield f"{word} CODE", " ".join(sorted(set(tags)))
class Tagged(Job):
    steps = (One, Two)
""",
    "totals": """
from chalicelib import Job, Distinct
class Tagged(Job):
    def mapper(self, _, word):
        yield word, "CODE"
    reducer = Distinct()
""",
    "a module beside it": """
from chalicelib import Job
from helper import TAG
class Tagged(Job):
    def mapper(self, _, word):
        yield f"{word} {TAG}", TAG
""",
    "a file beside it": """
from chalicelib import Job
class Tagged(Job):
    def mapper_init(self):
        self.tag = self.file("tag.txt").read_text()
    def mapper(self, _, word):
        yield f"{word} {self.tag}", self.tag
    def reducer(self, word, tags):
        yield word, f"{sorted(set(tags))} {self.file('tag.txt').read_text()}"
""",
}
FIGURES: dict[str, dict[str, Any]] = {
    "totals": {"accumulate": True},
    "a file beside it": {"files": "tag.txt"},
}


def checkout(folder: Path, kind: str, code: str) -> Any:
    """The loader of what a deployment of this code ships."""
    place = folder / code
    if not place.exists():
        place.mkdir()
        (place / "tagged.py").write_text(JOBS[kind].replace("CODE", code))
        (place / "helper.py").write_text(f"TAG = '{code}'\n")
        (place / "tag.txt").write_text(code)
        (place / "another_job.py").write_text(f"# {code}\n")
    return Loader(place)


class Loader:
    """`job_loader` as a process of its own has it: nothing that another deployment has loaded is in the way."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def __call__(self, name: str) -> type[Any]:
        sys.modules.pop("helper", None)
        sys.path[:] = [path for path in sys.path if Path(path).parent != self._place.parent]
        return job_loader(self._place)(name)


def simulate(loader: Any, kind: str, **how: Any) -> Simulation:
    figures = {"split_size": 60, "partitions": 3, "reduce_size": 1, **FIGURES.get(kind, {})}
    simulation = Simulation(object, spec("tagged:Tagged", **figures), SCRATCH, **how)
    simulation.load_job = loader
    simulation.drop("a.txt", TEXT)
    return simulation


def rows(simulation: Simulation) -> list[bytes]:
    return sorted(simulation.text().splitlines())


@pytest.fixture(autouse=True)
def _nothing_stays_loaded() -> Iterator[None]:
    path, names = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in sys.modules.keys() - names:
        if name == "helper" or name.startswith("sluice_job_"):
            del sys.modules[name]


@pytest.mark.parametrize("seed", [None, 1])
@pytest.mark.parametrize("kind", JOBS)
def test_a_deployment_at_any_call_ends_the_run_or_makes_no_difference(
    kind: str, seed: int | None, tmp_path: Path
) -> None:
    whole = {}
    for code in ("old", "new"):
        calm = simulate(checkout(tmp_path, kind, code), kind, seed=seed)
        calm.run()
        assert "_SUCCESS" in calm.output(), calm.output().get("_FAILED")
        assert all(code.encode() in row for row in rows(calm))
        whole[code] = rows(calm)
    ends: Counter[str] = Counter()
    for number in places(calm.calls, 5 if seed is None else 13):
        simulation = simulate(checkout(tmp_path, kind, "old"), kind, seed=seed)

        def deploy(simulation: Simulation = simulation) -> None:
            simulation.load_job = checkout(tmp_path, kind, "new")

        simulation.at_call(number, deploy)
        simulation.run()
        assert simulation.errors == []
        output = simulation.output()
        if "_SUCCESS" in output:
            assert "_FAILED" not in output
            assert rows(simulation) in whole.values(), number
            ends["old" if rows(simulation) == whole["old"] else "new"] += 1
            continue
        told = output["_FAILED"].decode()
        assert "job job was deployed again while run 20261121T032424-" in told, number
        assert "scripts/submit.py" in told
        ends["failed"] += 1
    assert ends["old"]
    assert ends["failed"] > 2
    print(f"{kind}: {dict(ends)}")


@pytest.mark.parametrize("kind", JOBS)
def test_what_is_deployed_again_unchanged_makes_no_difference(kind: str, tmp_path: Path) -> None:
    """From another folder, beside another job's file that did change."""
    simulation = simulate(checkout(tmp_path, kind, "old"), kind)
    again = tmp_path / "again"
    again.mkdir()

    def deploy() -> None:
        for file in (tmp_path / "old").iterdir():
            if file.is_file():
                (again / file.name).write_bytes(file.read_bytes())
        (again / "another_job.py").write_text("# changed\n")
        simulation.load_job = Loader(again)

    simulation.at_call(30, deploy)
    simulation.run()
    assert "_SUCCESS" in simulation.output()


def test_a_fatal_end_comes_at_once_and_names_both_codes(tmp_path: Path) -> None:
    kind = "mapper and reducer"
    simulation = simulate(checkout(tmp_path, kind, "old"), kind)
    simulation.when(
        lambda: any(name.endswith("/reduce/plan.json") for name in simulation.names()),
        lambda: setattr(simulation, "load_job", checkout(tmp_path, kind, "new")),
    )
    simulation.run()
    told = simulation.output()["_FAILED"].decode()
    assert "reduce task 0: job job was deployed again while run " in told
    assert len({*re.findall(r"4:[0-9a-f]{12}@3", told.splitlines()[0])}) == 2
    assert "tried" not in told, "nothing is tried again"


@pytest.mark.parametrize("kind", ["mapper and reducer", "two steps", "totals"])
def test_a_run_begun_by_another_python_is_ended_by_name_and_one_of_earlier_versions_goes_on(
    kind: str, tmp_path: Path
) -> None:
    """Another Python finds other things: `str.casefold()` goes by its Unicode, so a key would be two in half of the
    tasks. Digests of earlier versions (3:) say nothing of it, and hold nobody up."""
    own = "@{}.{}".format(*sys.version_info)
    for python in ("@3.99", None):
        simulation = simulate(checkout(tmp_path, kind, "old"), kind)

        def begin_by_other(simulation: Simulation = simulation, python: str | None = python) -> None:
            (loc,) = plans_of(simulation)
            head, _, rest = simulation.memory.get(loc).partition(b"\n")
            (code,) = re.findall(rb'"code":"(4:[^"]+)"', head)
            begun = code.decode().replace(own, python) if python else f"3:{code.decode()[2:14]}"
            head = head.rstrip().replace(code, begun.encode()).ljust(len(head))
            simulation.memory.put(loc, head + b"\n" + rest)

        simulation.when(lambda simulation=simulation: bool(plans_of(simulation)), begin_by_other)
        simulation.run()
        output = simulation.output()
        assert ("_FAILED" in output, "_SUCCESS" in output) == ((True, False) if python else (False, True))
        if python:
            assert "@3.99 -> " in output["_FAILED"].decode()
            assert f": Python 3.99 -> {own[1:]})" in output["_FAILED"].decode()


def plans_of(simulation: Simulation) -> list[Loc]:
    names = [name for name in simulation.names() if re.fullmatch(r"work/runs/job/[^/]+/plan\.json", name)]
    return [Loc(*name.split("/", 1)) for name in names]


def test_a_file_that_is_edited_while_this_machine_runs_it_makes_no_difference(tmp_path: Path) -> None:
    """Workers are forked from a process that has loaded the code: they all have it, whatever the file holds now."""
    jobs, texts = tmp_path / "jobs", tmp_path / "texts"
    jobs.mkdir()
    texts.mkdir()
    (jobs / "edited.py").write_text(
        "from chalicelib import Job, Sum\n"
        "class Edited(Job):\n"
        "    def mapper(self, _, word):\n"
        "        open(__file__, 'a').write('# changed\\n')\n"
        "        yield word, 1\n"
        "    reducer = Sum()\n"
    )
    (texts / "a.txt").write_bytes(TEXT)
    out, work = tmp_path / "out", tmp_path / "work"
    out.mkdir()
    work.mkdir()
    manifest = run_local(
        LocalRun(
            name="edited",
            spec=spec("edited:Edited", split_size=50),
            run="r",
            inputs=find_inputs([str(texts)]),
            source="texts",
            output=out,
            work=work,
            workers=2,
            load_job=job_loader(jobs),
        )
    )
    assert "# changed" in (jobs / "edited.py").read_text()
    assert manifest.outcome == "success"
    assert manifest.mapped.records_in == len(WORDS)
