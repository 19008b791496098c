"""`scripts/init.py`: what a new project holds, and that nothing of its owner's is ever replaced."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from chalicelib.config.load import load_job
from chalicelib.core.errors import UserError
from scripts.init import main
from scripts.new_job import scaffold
from scripts.projects import files, vendor
from scripts.projects.renew import changes, sealed, untouched, with_block, without_hashes
from scripts.projects.where import HOME, LIBRARY


def nobody() -> str:
    raise UserError("no credentials")


def no_wheel() -> None:
    return None


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    root = tmp_path / "mine"
    assert main([str(root)], nobody, no_wheel) == 0
    capsys.readouterr()
    return root


def contents(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): path.read_text()
        for path in root.rglob("*")
        if path.is_file() and path.suffix != ".whl" and path.relative_to(root).parts[0] != "vendor"
    }


def test_a_new_project_has_a_job_and_its_test(project: Path) -> None:
    assert sorted(contents(project)) == [
        ".chalice/config.json", ".github/workflows/test.yml", ".gitignore", "Makefile", "app.py",
        "jobs/wordcount.py", "jobs/wordcount.yml", "pytest.ini", "requirements-dev.txt", "requirements.txt",
        "sluice.yml", "tests/test_wordcount.py",
    ]  # fmt: skip
    job = load_job("wordcount", root=project, require_cloud=True)
    assert job.spec.input.url == "s3://sluice-demo-in/wordcount/"


def test_its_app_is_the_one_of_this_checkout(project: Path) -> None:
    assert files.template("app.py") == (HOME / "app.py").read_text()
    assert (project / "app.py").read_text().endswith((HOME / "app.py").read_text())


def test_chalice_ships_the_jobs_and_the_library_by_links(project: Path) -> None:
    assert {path.name: path.resolve() for path in (project / "vendor").iterdir()} == {
        "jobs": project / "jobs", "sluice.yml": project / "sluice.yml", "chalicelib": LIBRARY,
    }  # fmt: skip
    (project / "vendor" / "chalicelib").unlink()
    (project / "vendor" / "chalicelib").symlink_to(project.parent)  # where Sluice was before
    (project / "sluice.yml").unlink()
    vendor.link(project)
    assert (project / "vendor" / "chalicelib").resolve() == LIBRARY
    assert not (project / "vendor" / "sluice.yml").is_symlink()


def test_the_workflow_runs_what_the_makefile_has(project: Path) -> None:
    steps = yaml.safe_load((project / ".github/workflows/test.yml").read_text())["jobs"]["test"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == ["make test"]
    assert "\ntest: " in (project / "Makefile").read_text()


def test_a_job_of_ones_own_gets_a_test(project: Path) -> None:
    assert "tests/test_click_count.py" in scaffold(project, "click-count", "acme").paths
    assert "from click_count import ClickCount" in (project / "tests/test_click_count.py").read_text()


def test_doing_it_again_changes_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(project)
    for options in ([], ["--upgrade"]):
        assert main([str(project), *options], nobody, no_wheel) == 0
        assert capsys.readouterr().out == ""
    assert contents(project) == before


def test_what_was_deleted_comes_back_but_for_the_owner_s(project: Path) -> None:
    before = contents(project)
    for name in ("app.py", "Makefile", ".chalice/config.json", "tests/test_wordcount.py", "sluice.yml"):
        (project / name).unlink()
    assert main([str(project)], nobody, no_wheel) == 0
    gone = {"tests/test_wordcount.py", "sluice.yml"}
    assert contents(project) == {name: text for name, text in before.items() if name not in gone}


def test_what_its_owner_changed_stays_and_that_is_said(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = {
        "app.py": (project / "app.py").read_text() + "# mine\n",
        "Makefile": "test:\n\ttrue\n",
        ".chalice/config.json": '{"mine": 1}',
        "jobs/wordcount.py": "mine",
        "requirements.txt": "mine==1\n" + (project / "requirements.txt").read_text() + "more==2\n",
    }
    for name, text in mine.items():
        (project / name).write_text(text)
    assert main([str(project), "--upgrade"], nobody, no_wheel) == 0
    assert {name: contents(project)[name] for name in mine} == mine
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in said] == [
        "  left as it is  app.py",
        "  left as it is  Makefile",
    ]
    assert all("it is yours" in line for line in said)


def test_an_upgrade_renews_what_nobody_changed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(project)
    (project / "app.py").write_text(sealed("# of an older version\n"))
    old = before["requirements.txt"].replace("msgspec==", "msgspec==0.")
    (project / "requirements.txt").write_text(old + "mine==1\n")
    main([str(project)], nobody, no_wheel)
    said = capsys.readouterr().out
    assert said.count("left as it is") == said.count("`sluice init --upgrade` renews") == 2
    assert "of an older version" in (project / "app.py").read_text()
    main([str(project), "--upgrade"], nobody, no_wheel)
    assert capsys.readouterr().out == "  renewed  app.py\n  renewed  requirements.txt\n"
    assert contents(project) == before | {"requirements.txt": before["requirements.txt"] + "mine==1\n"}


def test_a_seal_is_of_the_whole_file() -> None:
    text = sealed("a\nb\n")
    assert untouched(text)
    for changed in (text + "c\n", text.replace("b", "c"), "a\nb\n", "", text[1:]):
        assert not untouched(changed)
    (change,) = changes({"a": "new\n"}, {"a": text}, upgrade=True)
    assert (change.action, change.text) == ("renew", sealed("new\n"))


def test_a_project_keeps_its_wheel_until_it_is_upgraded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = (tmp_path / f"sluice_mapreduce-{version}-py3-none-any.whl" for version in ("0.0.9", "0.1.0"))
    old.write_bytes(b"old")
    new.write_bytes(b"new")
    root, listed = tmp_path / "mine", tmp_path / "mine" / "requirements-dev.txt"

    def init(wheel: Path | None, *options: str) -> str:
        assert main([str(root), *options], nobody, lambda: wheel) == 0
        return capsys.readouterr().out

    assert f"  wrote  wheels/{old.name}\n" in init(old)
    assert f"\n./wheels/{old.name}[deploy,test]\n" in listed.read_text()
    assert init(new) == init(None) == ""
    assert init(new, "--upgrade").splitlines() == [
        f"  wrote  wheels/{new.name}",
        f"  left as it is  wheels/{old.name}: nothing needs it any more, so it can be deleted",
        "  renewed  requirements-dev.txt",
    ]
    assert f"\n./wheels/{new.name}[deploy,test]\n" in listed.read_text()
    old.unlink()
    (root / "wheels" / old.name).unlink()
    new.write_bytes(b"built anew")
    assert init(new, "--upgrade") == f"  renewed  wheels/{new.name}\n"
    assert (root / "wheels" / new.name).read_bytes() == b"built anew"


def test_without_a_wheel_this_version_is_asked_for_by_name(project: Path) -> None:
    assert "\nsluice-mapreduce[deploy,test]==" in (project / "requirements-dev.txt").read_text()


def test_pins_are_kept_in_their_own_lines() -> None:
    pins = without_hashes("# why\na==1 \\\n    --hash=sha256:0 \\\n    --hash=sha256:1\n\nb==2 ; x\n")
    assert pins == "a==1\nb==2 ; x\n"
    text = with_block("# mine\nc==3\n", pins)
    assert text.startswith("# mine\nc==3\n\n# sluice: begin")
    assert with_block(text + "d==4\n", "a==9\n") == text.replace(pins, "a==9\n") + "d==4\n"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda root: root.write_text(""), "is a file"),
        (lambda root: (root / "chalicelib").mkdir(parents=True), "Chalice would ship this folder"),
    ],
)
def test_a_folder_that_cannot_be_a_project_is_refused(make, sentence: str, tmp_path: Path) -> None:
    root = tmp_path / "mine"
    make(root)
    with pytest.raises(UserError, match=sentence):
        main([str(root)], nobody, no_wheel)
    assert not (root / "app.py").exists()
    with pytest.raises(UserError, match="Sluice's own checkout"):
        main([str(HOME)], nobody, no_wheel)
