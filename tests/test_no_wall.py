"""Without a wall: what came with mle-star still runs, with a warning; all other code only when asked to."""

import json
import shutil
from pathlib import Path

import pytest

from mlestar.search import library

from .conftest import LONG

SCRIPT = (
    "import pandas as pd\ntest = pd.read_csv('input/test.csv')\ntest['buys'] = 'no'\n"
    "test[['id', 'buys']].to_csv('submission.csv', index=False)\n"
)
METRIC = "def score(truth, prediction, train):\n    return float((truth['buys'] == prediction['buys']).mean())\n"


@pytest.fixture
def script(tmp_path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(SCRIPT)
    return path


def test_a_script_of_the_users_own(task, mle_star, script):
    done = mle_star("try", task, script, "--set", "wall=none")
    assert done.returncode == 2
    assert "--unsafe" in done.stderr
    assert "apt install bubblewrap" in done.stderr
    done = mle_star("try", task, script, "--set", "wall=none", "--unsafe", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["wall"] == "none"


def test_a_metric_of_the_users_own(task, mle_star, script, tmp_path):
    own = tmp_path / "task"
    shutil.copytree(task, own)
    (own / "metric.py").write_text(METRIC)
    (own / "task.toml").write_text('[task]\nmetric = "metric.py:score"\ndirection = "max"\n')
    done = mle_star("run", own, "--out", tmp_path / "run", "--set", "wall=none")
    assert done.returncode == 2
    assert "the task's own metric" in done.stderr
    assert not (tmp_path / "run").exists()
    done = mle_star("try", own, script, "--json")
    assert done.returncode == 0, done.stderr
    assert 0.3 < json.loads(done.stdout)["scored"]["score"]["value"] < 0.8


def test_a_library_of_the_users_own(task, mle_star, tmp_path):
    folder = tmp_path / "recipes"
    folder.mkdir()
    shutil.copy(
        Path(library.__file__).parents[1] / "library" / "table" / "lightgbm-native-classes.md", folder / "own.md"
    )
    done = mle_star("run", task, "--out", tmp_path / "run", "--set", "wall=none", "--set", f"library={folder}")
    assert done.returncode == 2
    assert "--unsafe" in done.stderr
    assert not (tmp_path / "run").exists()


def test_the_shipped_recipes_run_with_a_warning(task, mle_star, tmp_path):
    run = tmp_path / "run"
    done = mle_star("run", task, "--out", run, "--set", "wall=none", "--budget", "12s")
    assert done.returncode == 0, done.stderr
    assert "warning: no wall: scripts run as you" in done.stderr
    shown = json.loads(mle_star("show", run, "--json").stdout)
    assert shown["sandbox"] == "none"
    assert any("no wall" in warning for warning in shown["warnings"])
    assert "wall: none" in mle_star("report", run).stdout


def test_doctor_names_the_wall_and_a_wrong_one_is_refused(mle_star, task, tmp_path):
    assert "bubblewrap" in mle_star("doctor").stdout
    done = mle_star("run", task, "--out", tmp_path / "run", "--set", "wall=brick")
    assert done.returncode == 2
    assert "wall" in done.stderr
    assert not (tmp_path / "run").exists()


@LONG
def test_scripts_that_are_handed_in_and_what_a_brain_in_words_writes(task, mle_star, script, tmp_path):
    small = ["--set", "wall=none", "--set", "judging.folds=2"]
    for brain in ("relay", "cli:cat", "openai:any"):
        done = mle_star("run", task, "--out", tmp_path / "no", "--brain", brain, *small, OPENAI_API_KEY="sk-none-1234")
        assert done.returncode == 2
        assert "--unsafe" in done.stderr
    run = tmp_path / "run"
    assert mle_star("run", task, "--out", run, "--brain", "none", *small).returncode == 0
    for arguments in (["add", run, script], ["look", run, script], ["hint", run, "--cell", "post", "--from", script]):
        done = mle_star(*arguments)
        assert done.returncode == 2, arguments
        assert "--unsafe" in done.stderr
