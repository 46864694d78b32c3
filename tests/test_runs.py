"""The main job from the command line: a whole run, and everything that may interrupt it."""

import csv
import json
import os
import shutil
import subprocess
import sys
from operator import attrgetter
from unittest.mock import MagicMock

import pytest

from mlestar import algorithm, overview, scripts
from mlestar.journal import queries
from mlestar.records import Attempt, Breadths, Plan

from .conftest import SMALL, launches


@pytest.fixture(scope="module")
def unbroken(task, noted, tmp_path_factory):
    """One whole small run, and how many jobs it launched."""
    folder = tmp_path_factory.mktemp("unbroken")
    run, log = folder / "run", folder / "log"
    done = noted(log, "run", task, "--out", run, *SMALL)
    assert done.returncode == 0, done.stderr
    return run, launches(log)


def test_a_run_ends_with_a_valid_submission_and_an_honest_estimate(unbroken, task):
    run, _ = unbroken
    summary = overview.show(run)
    assert summary.state == "done"
    assert summary.metric == "accuracy"
    assert summary.search_score is not None
    assert 0.6 < summary.search_score <= 1
    assert summary.search_stderr is not None
    assert summary.estimate is not None
    assert summary.estimate <= summary.search_score
    with (run / "best" / "submission.csv").open() as file, (task / "sample_submission.csv").open() as sample:
        rows, wanted = list(csv.DictReader(file)), list(csv.DictReader(sample))
    assert [row["id"] for row in rows] == [row["id"] for row in wanted]
    assert {row["buys"] for row in rows} == {"yes", "no"}


def test_the_solution_runs_by_itself_and_writes_the_same(unbroken, task, tmp_path):
    run, _ = unbroken
    shutil.copytree(task, tmp_path / "input")
    shutil.copy(run / "best" / "solution.py", tmp_path)
    subprocess.run([sys.executable, "solution.py"], cwd=tmp_path, check=True, timeout=900)
    with (tmp_path / "submission.csv").open() as ours, (run / "best" / "submission.csv").open() as theirs:
        assert list(csv.DictReader(ours)) == list(csv.DictReader(theirs))


def test_the_solution_is_composable_and_names_no_path(unbroken):
    text = (unbroken[0] / "best" / "solution.py").read_text()
    assert scripts.problems(text) == []
    assert str(unbroken[0]) not in text


def test_replaying_a_finished_run_pays_for_nothing(unbroken, noted):
    run, _ = unbroken
    score, log = overview.show(run).search_score, run.parent / "replay"
    done = noted(log, "resume", run)
    assert done.returncode == 0, done.stderr
    assert log.read_text() == ""
    assert overview.show(run).search_score == score
    assert overview.show(run).sealed_seen <= 1


def test_every_execution_is_one_step(unbroken):
    run, count = unbroken
    rows = [row for row in queries.steps(run) if row.verb == "execute"]
    assert len(rows) >= count, "a script that was run on a view before is not launched again"
    assert all(row.state == "ok" for row in rows)


def test_a_fork_keeps_what_came_before_and_redoes_the_rest(unbroken, noted, tmp_path):
    run, count = unbroken
    done = noted(tmp_path / "log", "fork", run, "--from", "finalise", "--out", tmp_path / "fork")
    assert done.returncode == 0, done.stderr
    assert 0 < launches(tmp_path / "log") < count
    assert overview.show(tmp_path / "fork").search_score == overview.show(run).search_score


def test_resuming_with_other_settings_is_refused_by_address(unbroken, mle_star, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(unbroken[0], copy)
    done = mle_star("resume", copy, "--set", "seed=7")
    assert done.returncode == 2
    assert "--from" in done.stderr
    assert "Traceback" not in done.stderr


def test_parts_can_be_switched_off(unbroken, task, mle_star, tmp_path):
    off = ["--set", "refine.variants=0", "--set", "roles.target_chooser=random"]
    done = mle_star("run", task, "--out", tmp_path / "run", *SMALL, *off)
    assert done.returncode == 0, done.stderr
    whole, less = ([row.address for row in queries.steps(run)] for run in (unbroken[0], tmp_path / "run"))
    assert any("/ablate/" in address for address in whole)
    assert not any("/ablate/" in address for address in less)
    chosen = next(row for row in queries.steps(tmp_path / "run") if row.address.endswith("/target-chooser"))
    assert "drawn" in (chosen.result or "")


@pytest.mark.parametrize(("mergers", "tried"), [(None, 3), (0, 0), (2, 2), (9, 3)])
def test_as_many_mergers_as_allowed(mergers, tried):
    """Each merger of these is better than the best before it."""
    lab = MagicMock(better=MagicMock(return_value=True), rank=lambda found: [*found])
    lab.working.return_value = ["best", "second", "third", "fourth"]
    lab.listen.return_value = lab.at.return_value = lab
    algorithm.initialise(lab, MagicMock(), Breadths(mergers=mergers))
    assert lab.evaluate_merged.call_count == tried


@pytest.mark.parametrize("batch", [1, 2])
def test_a_plan_that_is_too_dear_is_known_to_the_next_which_is_tried(batch):
    def fits(cost, like):
        return cost < 5

    def said(start, target, findings, ledger):
        return Plan("cheap" if ledger else "dear", "model", cost=1.0 if ledger else 9.0)

    def drafted(plan, fits):
        return Attempt("", plan.cell, plan, None, None, False, 0.0, None if fits else "too dear")

    lab = MagicMock(time_for=fits, better=MagicMock(return_value=True), draft=drafted)
    lab.side_by_side = lambda calls: [call() for call in calls]
    lab.at.return_value = lab.abreast.return_value = lab.listen.return_value = lab
    lab.plan.side_effect = said
    start = MagicMock(solution=MagicMock(cost=1.0))
    algorithm.explore(lab, start, MagicMock(), (), [], Breadths(inner=2, batch=batch))
    assert [(draft.plan.text, draft.open) for _, draft, _ in map(attrgetter("args"), lab.implement.call_args_list)] == [
        ("dear", False), ("cheap", True),
    ]  # fmt: skip


def test_try_scores_any_script(task, mle_star, tmp_path):
    script = tmp_path / "mine.py"
    script.write_text(
        "import pandas as pd\n"
        "train = pd.read_csv('input/train.csv')\n"
        "test = pd.read_csv('input/test.csv')\n"
        "test['buys'] = train.buys.mode()[0]\n"
        "test[['id', 'buys']].to_csv('submission.csv', index=False)\n"
    )
    done = mle_star("try", task, script, "--json")
    assert done.returncode == 0, done.stderr
    score = json.loads(done.stdout)["scored"]["score"]
    assert 0.4 < score["value"] < 0.7
    assert score["stderr"] > 0
    assert len(score["values"]) == 5


def test_try_says_why_a_script_has_no_score(task, mle_star, tmp_path):
    script = tmp_path / "mine.py"
    script.write_text("raise RuntimeError('no idea')\n")
    done = mle_star("try", task, script)
    assert done.returncode == 1
    assert "RuntimeError: no idea" in done.stdout


def test_a_budget_too_small_for_anything_exits_with_3_or_hands_over_something(task, mle_star, tmp_path):
    done = mle_star("run", task, "--out", tmp_path / "run", "--budget", "1s")
    assert done.returncode in (0, 3), done.stderr
    assert (done.returncode == 0) == (tmp_path / "run" / "best" / "submission.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "refine.outter=3"], "refine.outter"),
        (["--set", "nonsense"], "name=value"),
        (["--budget", "soon"], "soon"),
        (["--brain", "oracle"], "oracle"),
        (["--jobs", "0"], "jobs"),
        (["--set", "interpreter=/no/python"], "/no/python"),
        (["--set", "library=/no/recipes"], "/no/recipes"),
    ],
)
def test_wrong_settings_are_named_and_leave_nothing(task, mle_star, tmp_path, arguments, said):
    done = mle_star("run", task, "--out", tmp_path / "run", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_the_environment_of_the_driver_stays_outside(task, mle_star, tmp_path):
    script = tmp_path / "mine.py"
    script.write_text("import os\nprint(sorted(os.environ))\nraise SystemExit(os.environ.get('SECRET_TOKEN'))\n")
    done = mle_star("try", task, script, SECRET_TOKEN="hunter2")
    assert "hunter2" not in done.stdout + done.stderr
    assert os.environ.get("SECRET_TOKEN") is None
