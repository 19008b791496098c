"""`scripts/install.py`, and the lists of requirements that it and deployments read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from chalicelib.config.load import load_job
from chalicelib.core.errors import ConfigError, UserError
from scripts.deployment import requirements
from scripts.deployment.target import DeployError
from scripts.install import main
from scripts.projects.where import HOME
from tests.unit.scripts.deployment.world import target, write_job

Write = Callable[[str, str], None]


class Pip:
    """Notes what it is to install."""

    def __init__(self, code: int = 0) -> None:
        self.code = code
        self.lists: list[str] = []

    def __call__(self, words: Sequence[str]) -> tuple[int, str]:
        assert list(words[::2]) == ["-r"] * (len(words) // 2)
        self.lists += [Path(word).read_text() for word in words[1::2]]
        return self.code, "no such version"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a job with `requirements` into a project that has some of its own."""
    (tmp_path / "jobs").mkdir()
    (tmp_path / "sluice.yml").touch()
    (tmp_path / "requirements.txt").write_text("msgspec==1.0\n")
    monkeypatch.setenv("SLUICE_PROJECT", str(tmp_path))

    def job(name: str, wanted: str) -> None:
        write_job(tmp_path, name, "in")
        with (tmp_path / f"jobs/{name}.yml").open("a") as file:
            file.write(f"requirements: {wanted}\n")

    return job


def test_each_list_is_installed_once(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write("one", "[colour==1.0, shade==2.0]")
    write("other", "other.txt")
    write("same", "colour==1.0, shade==2.0")
    write("none", "")
    (tmp_path / "jobs/other.txt").write_text("# why\ntint==3.0")
    run = Pip()
    assert main([], run) == 0
    assert run.lists == ["msgspec==1.0\n", "colour==1.0\nshade==2.0\n", "# why\ntint==3.0\n"]
    assert capsys.readouterr().out.endswith(": msgspec==1.0, colour==1.0, shade==2.0, tint==3.0\n")
    run = Pip()
    assert main(["other"], run) == 0
    assert run.lists == ["# why\ntint==3.0\n"]
    assert main(["none"], Pip(1)) == 0
    assert "nothing to install" in capsys.readouterr().out


def test_what_pip_says_is_told(write: Write) -> None:
    write("one", "colour==1.0")
    with pytest.raises(UserError, match=r"(?s)pip could not install.*no such version"):
        main(["one"], Pip(1))


def test_a_deployment_downloads_the_project_s_and_then_the_job_s(write: Write, tmp_path: Path) -> None:
    spec = target(requirements="colour==1.0, list.txt").spec
    with pytest.raises(DeployError, match=r"requirements: list\.txt: no such file in .*jobs: put it beside"):
        requirements.lists(tmp_path, spec)
    (tmp_path / "jobs/list.txt").write_text("shade==2.0 --hash=sha256:0\n")
    assert requirements.lists(tmp_path, spec) == (
        "msgspec==1.0\n",
        "colour==1.0\nshade==2.0 --hash=sha256:0\n",
    )
    assert requirements.lists(tmp_path, target().spec) == ("msgspec==1.0\n",)
    sql = (HOME / "requirements-sql.txt").read_text()
    assert requirements.lists(tmp_path, target(read="parquet").spec) == ("msgspec==1.0\n", sql)


@pytest.mark.parametrize(
    "entry", ["colour", "colour>=1.0", "../list.txt", "/list.txt", "-r list.txt", "a==1 b==2"]
)
def test_what_could_change_from_one_deployment_to_the_next_is_refused(
    entry: str, write: Write, tmp_path: Path
) -> None:
    write("one", f"['{entry}']")
    with pytest.raises(ConfigError, match=r"jobs/one\.yml:5: requirements: expected name==version"):
        load_job("one", root=tmp_path, require_cloud=False)
    write("one", "['colour[all]==1.0.post1', list.txt]")
    assert load_job("one", root=tmp_path, require_cloud=False).spec.package_lists == ("list.txt",)
