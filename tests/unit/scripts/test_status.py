"""`scripts/status.py`: what a user sees of runs, in memory and for real."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from chalicelib.core.keys import OutputKeys
from chalicelib.core.messages import encode
from chalicelib.core.outcome import Manifest
from chalicelib.core.ports import Loc
from chalicelib.core.tasks import Failure
from chalicelib.run.status.price_list import whose
from scripts import status
from scripts.console import terminal
from tests.unit.scripts.user import (
    BOOM,
    OLDER,
    ROOT,
    RUN,
    User,
    begin,
    finish,
    local_run,
    results,
    run_keys,
    run_script,
)


def test_lists_the_runs_of_a_job_one_line_each_newest_last(user: User) -> None:
    user.job()
    for run in (RUN, OLDER):
        begin(user.store, run_keys(run), results(run))
    finish(user.store, run_keys(OLDER), results(OLDER))
    assert user.status("wordcount") == 0
    older, newer = user.lines
    assert older.split()[:2] == [OLDER, "succeeded"]
    assert "1,234 records" in older
    assert newer.split()[:2] == [RUN, "shuffling"]


def test_lists_the_runs_of_all_jobs_and_names_what_it_cannot_read(user: User) -> None:
    user.job("one")
    user.job("two")
    (user.root / "jobs/broken.yml").write_text("job: 7 8\nwork: []\n")
    begin(user.store, run_keys(job="one"), results(job="one"))
    begin(user.store, run_keys(OLDER, job="two"), results(OLDER, job="two"))
    assert user.status() == 0
    assert [line.split()[:2] for line in user.lines[:2]] == [["two", OLDER], ["one", RUN]]
    assert any("broken.yml" in line for line in user.lines[2:])


def test_old_runs_are_counted_not_shown(user: User) -> None:
    user.job()
    for number in range(5):
        begin(user.store, run_keys(f"2026-{number}"), results(f"2026-{number}"))
    user.status("wordcount", "--last", "2")
    assert [line.split()[0] for line in user.lines[:2]] == ["2026-3", "2026-4"]
    assert user.lines[2] == "... and 3 older; --last 5 shows all"


def test_no_runs_yet_says_where_and_what_to_do(user: User) -> None:
    user.job()
    assert user.status("wordcount") == 0
    (line,) = user.lines
    assert "s3://demo-work/runs/wordcount/" in line
    assert "scripts/submit.py wordcount" in line


@pytest.mark.parametrize(
    ("trigger", "key"),
    [("each", "new.txt"), ("marker", "_submit/20261121T034424.000000Z-0123456789ab.manifest")],
)
def test_what_was_submitted_and_has_begun_no_run_is_told(user: User, trigger: str, key: str) -> None:
    user.job(trigger=trigger)
    begin(user.store, run_keys(OLDER), results(OLDER))
    finish(user.store, run_keys(OLDER), results(OLDER))
    user.store.put(Loc("demo-in", f"wordcount/{key}"), b"x")
    user.clock.time += 2
    told = f"s3://demo-in/wordcount/{key} was put 2.0s ago, and its run has not begun yet"
    user.status("wordcount")
    assert user.lines[-1] == told
    user.out.truncate(0)
    user.status("wordcount", "latest")
    assert user.out.getvalue().lstrip("\0").startswith(f"{told}; this is the run before it:\n")
    user.out.truncate(0)
    its = "20261121T034424-0123456789ab"  # T0
    begin(user.store, run_keys(its), results(its))
    user.status("wordcount", "latest")
    user.status("wordcount")
    assert "not begun" not in user.out.getvalue()


def test_an_old_object_or_a_large_input_place_is_no_news(user: User) -> None:
    user.job()
    user.store.put(Loc("demo-in", "wordcount/_hidden"), b"x")
    user.status("wordcount")
    user.store.put(Loc("demo-in", "wordcount/old"), b"x")
    user.clock.time += 7200
    user.status("wordcount")
    assert "not begun" not in user.out.getvalue()


def test_a_refused_run_is_listed_though_the_work_place_has_nothing_of_it(user: User) -> None:
    user.job()
    failure = Failure(phase="plan", task=0, attempt=0, error="InputError", message="gone")
    manifest = Manifest(job="wordcount", run=RUN, outcome="failed", reason="gone", failures=(failure,))
    user.store.put(OutputKeys(results()).manifest, encode(manifest))
    user.store.put(OutputKeys(results()).failure, b"")
    user.status("wordcount")
    assert user.lines[0].split()[:2] == [RUN, "failed"]


def test_the_full_picture_of_a_failed_run(user: User) -> None:
    user.job()
    begin(user.store, run_keys(), results())
    finish(user.store, run_keys(), results(), BOOM)
    assert user.status("wordcount", "latest") == 0
    text = user.out.getvalue()
    assert user.lines[0] == f"wordcount  {RUN}  failed after 12s"
    assert f"s3://demo-out/wordcount/{RUN}/" in text
    assert "why it failed: no number: 'x'" in text
    assert 'File "jobs/wordcount.py", line 7, in mapper' in text
    assert "about $0.00" in text
    assert "\x1b" not in text  # neither ours nor the user's


def test_a_run_of_which_only_the_results_are_left_has_its_price(user: User) -> None:
    user.job()
    finish(user.store, run_keys(), results())
    user.store.delete("demo-work", [run_keys().run_done.key])
    user.status("wordcount", RUN)
    assert "its plan and markers are gone" in user.out.getvalue()
    assert "on AWS" in user.out.getvalue()


@pytest.mark.parametrize(
    ("environ", "configured", "region", "priced"),
    [
        ({}, "", "", "us-east-1"),
        ({}, "sa-east-1", "sa-east-1", "sa-east-1"),
        ({"AWS_REGION": "eu-west-1"}, "sa-east-1", "eu-west-1", "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "xx-west-9", "AWS_REGION": "eu-west-1"}, "", "xx-west-9", "us-east-1"),
    ],
)
def test_the_price_is_that_of_the_region_of_the_functions(
    user: User, environ: dict[str, str], configured: str, region: str, priced: str
) -> None:
    user.job()
    begin(user.store, run_keys(), results())
    finish(user.store, run_keys(), results())
    world = status.World(
        root=user.root, environ=environ, screen=user.screen(), clock=user.clock,
        open_store=lambda work, runs: user.store, configured_region=lambda: configured,
    )  # fmt: skip
    status.main(["wordcount", "latest"], world)
    assert whose(region, priced) in user.out.getvalue()
    user.out.truncate(0)
    user.out.seek(0)
    status.main(["wordcount", "latest", "--json"], world)
    one = json.loads(user.out.getvalue())
    assert (one["region"], one["cost_region"]) == (region, priced)
    assert sum(one["cost_parts"].values()) == pytest.approx(one["cost"], rel=1e-12)
    assert one["cost_parts"]["requests"] > 0


def test_json_of_a_run_and_of_a_list(user: User) -> None:
    user.job()
    begin(user.store, run_keys(), results())
    finish(user.store, run_keys(), results(), BOOM)
    user.status("wordcount", RUN, "--json")
    one = json.loads(user.out.getvalue())
    assert (one["phase"], one["failures"][0]["detail"]) == ("failed", BOOM.detail)
    user.out.truncate(0)
    user.out.seek(0)
    user.status("wordcount", "--json")
    many = json.loads(user.out.getvalue())
    assert many["errors"] == []
    assert [run["run"] for run in many["runs"]] == [RUN]


@pytest.mark.parametrize(("failure", "code"), [(None, 0), (BOOM, 1)])
def test_watch_follows_to_the_end_and_says_how_it_ended(
    user: User, failure: Failure | None, code: int
) -> None:
    user.job()
    begin(user.store, run_keys(), results())
    user.clock.steps = [lambda: None, lambda: finish(user.store, run_keys(), results(), failure)]
    assert user.status("wordcount", RUN, "--watch") == code
    news = [line.split()[2] for line in user.lines if line.startswith("wordcount")]
    assert news == ["shuffling", "failed" if failure else "succeeded", "failed" if failure else "succeeded"]
    assert user.clock.steps == []


def test_watch_of_a_list_ignores_how_older_runs_ended(user: User) -> None:
    user.job()
    begin(user.store, run_keys(OLDER), results(OLDER))
    finish(user.store, run_keys(OLDER), results(OLDER), BOOM)
    begin(user.store, run_keys(), results())
    user.clock.steps = [lambda: finish(user.store, run_keys(), results())]
    assert user.status("wordcount", "--watch") == 0


def test_watch_as_json_gives_an_object_a_change(user: User) -> None:
    user.job()
    begin(user.store, run_keys(), results())
    user.clock.steps = [lambda: None, lambda: finish(user.store, run_keys(), results())]
    assert user.status("wordcount", "latest", "--watch", "--json") == 0
    assert [json.loads(line)["phase"] for line in user.lines] == ["shuffling", "succeeded"]


def test_a_terminal_is_redrawn_with_colours(user: User) -> None:
    user.job()
    user.terminal = True
    begin(user.store, run_keys(), results())
    user.clock.steps = [lambda: finish(user.store, run_keys(), results())]
    assert user.status("wordcount", "latest", "--watch") == 0
    text = user.out.getvalue()
    assert "\x1b[" in text
    assert "━" in text
    # The last picture is whole, however narrow the screen.
    assert f"s3://demo-out/wordcount/{RUN}/  1 part, 1,234 records" in text


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["nojob"], "nojob"),
        (["wordcount", "20990101T000000-000000000000"], "s3://demo-work/runs/wordcount/20990101T000000"),
        (["wordcount", "latest"], "there is no run of wordcount yet"),
        (["wordcount", "../../etc"], "expected a run's id"),
        (["--work", "/no/such/folder"], "no such folder"),
        (["--work", "s3://"], "expected s3://BUCKET/PREFIX/"),
    ],
)
def test_mistakes_are_one_clear_block(user: User, argv: list[str], told: str) -> None:
    user.job()
    err = io.StringIO()
    assert terminal.run_main(lambda: user.status(*argv), err) == 1
    assert told in err.getvalue()
    assert err.getvalue().startswith("error: ")
    assert "Traceback" not in err.getvalue()


def test_the_script_reads_a_local_work_folder_from_anywhere(tmp_path: Path) -> None:
    local_run(tmp_path)
    script = str(ROOT / "scripts/status.py")
    done = run_script(script, "wordcount", "latest", "--work", "work", "--watch", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"output    {tmp_path}/results/  1 part, 1,234 records" in done.stdout
    listed = run_script(script, "--work", str(tmp_path / "work"))
    assert listed.stdout.split()[:3] == ["wordcount", RUN, "succeeded"]


def test_the_script_without_credentials_says_so_in_one_sentence() -> None:
    done = run_script("scripts/status.py", "--work", "s3://bucket/", AWS_DEFAULT_REGION="us-east-1")
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "AWS_PROFILE" in done.stderr
