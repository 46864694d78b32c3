"""Fitted models that are kept and taken: the wrapper in real jobs, and a run whose models predict new rows."""

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from mlestar import predicting
from mlestar.executors.local import LocalExecutor
from mlestar.journal import fork, queries
from mlestar.records import Fits, Job, Limits

from .conftest import LEAST, LONG

START = """
import numpy as np, pandas as pd, lightgbm as lgb
from pathlib import Path
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
rng = np.random.default_rng(0)
X = pd.DataFrame(rng.normal(size=(80, 3)), columns=list("abc"))
X["d"] = pd.Categorical(np.where(X.a > 0, "x", "y"))
y = (X.a + X.b > 0).astype(int)
N = X[list("abc")].to_numpy()
said = []
def say(*what):
    said.extend(np.asarray(part, dtype=float).tobytes().hex() for part in what)
"""
END = "\nPath('said').write_text(' '.join(said))\n"
SOUND = """
scale, model = StandardScaler(), LogisticRegression()
pipe = make_pipeline(scale, model).fit(N, y)
say(pipe.predict_proba(N), model.coef_, scale.mean_)
stop = lgb.early_stopping(5, verbose=False)
for half in (slice(0, 40), slice(40, 80)):
    boosted = lgb.LGBMClassifier(n_estimators=30, min_child_samples=3, verbose=-1, n_jobs=1, deterministic=True)
    boosted.fit(X.iloc[half], y.iloc[half], eval_X=X, eval_y=y, callbacks=[stop])
    say(boosted.predict_proba(X), boosted.best_iteration_)
meta = CalibratedClassifierCV(SVC(random_state=1), cv=3, ensemble=False).fit(N, y)
say(meta.predict_proba(N))
"""


@pytest.fixture(scope="module")
def executor():
    return LocalExecutor(sys.executable, 1)


@pytest.fixture
def play(executor, tmp_path):
    """Run a script that keeps or takes models; what it said, and what became of its fits."""
    (tmp_path / "view").mkdir(mode=0o755)

    def call(script: str, keep: bool = False, disk_mb: int = 200) -> tuple[str, Fits | None]:
        models = str(tmp_path / "models")
        limits = Limits(60, 2048, disk_mb=disk_mb)
        job = Job("x", START + script + END, str(tmp_path / "view"), str(tmp_path / "job"), limits,
                  models * keep, models * (not keep))  # fmt: skip
        done = executor.run(job)
        assert done.ok, done.error
        assert done.files == ("said",)
        return (tmp_path / "job" / "said").read_text(), done.fits

    return call


def test_known_fits_are_taken_and_give_the_same(play):
    said, fits = play(SOUND, keep=True)
    assert fits == Fits(5, 0, 5, 0)  # the fifth is the calibration's own, as it predicts
    again, taken = play(SOUND)
    assert taken == Fits(5, 5, 0, 0)
    assert again == said


def test_other_data_settings_or_order_are_fitted_again(play):
    play("say(Ridge().fit(N, y).coef_)", keep=True)
    for other in ("Ridge(alpha=2).fit(N, y)", "Ridge().fit(N[::-1], y)", "Ridge().fit(X[['a', 'b', 'c']], y)",
                  "Ridge().fit(N, y, sample_weight=np.arange(80) + 1)", "LogisticRegression().fit(N, y)"):  # fmt: skip
        assert play(f"say({other}.coef_)")[1] == Fits(1, 0, 0, 0)
    assert play("say(Ridge().fit(N.copy('K'), y=y.copy()).coef_)")[1] == Fits(
        1, 0, 0, 0
    )  # told otherwise: not the same
    assert play("say(Ridge().fit(N.copy('K'), y.copy()).coef_)")[1] == Fits(1, 1, 0, 0)


@pytest.mark.parametrize(
    "script",
    [
        "np.random.seed(0)\nsay(RandomForestClassifier(5).fit(N, y).predict_proba(N), np.random.rand(3))",
        "r = np.random.RandomState(0)\nsay(*(RandomForestClassifier(5, random_state=r).fit(N, y).predict_proba(N)"
        " for _ in 'ab'), r.rand(3))",
        "M = N.copy()\nStandardScaler(copy=False).fit(M)\nStandardScaler(copy=False).fit_transform(M)\nsay(M)",
        "seen = {}\nm = lgb.LGBMClassifier(n_estimators=3, verbose=-1).fit(N, y, eval_X=N, eval_y=y, "
        "callbacks=[lgb.record_evaluation(seen)])\nsay(seen['valid_0']['binary_logloss'])",
        "SIZE = 2.0\ndef f(v):\n    return v * SIZE\np = make_pipeline(FunctionTransformer(f), Ridge()).fit(N, y)\n"
        "say(p.predict(N))",
        "class Mine(Ridge):\n    pass\nsay(Mine().fit(N, y).coef_)",
        "w = RandomForestClassifier(3, warm_start=True, random_state=0).fit(N, y)\nw.n_estimators = 6\n"
        "say(w.fit(N, y).predict_proba(N))",
        "T = TruncatedSVD(2, random_state=0)\nsay(T.fit_transform(N))",
    ],
)
def test_what_is_not_sure_comes_out_the_same(play, script):
    said, _ = play(script, keep=True)
    assert play(script)[0] == said


def test_what_the_script_defines_is_not_told_apart_by_its_name(play):
    script = "SIZE = {}\ndef f(v):\n    return v * SIZE\n"
    script += "say(make_pipeline(FunctionTransformer(f), Ridge()).fit(N, y)[-1].coef_)"
    before, _ = play(script.format(2.0), keep=True)
    assert play(script.format(3.0))[0] != before


def test_a_fit_that_raises_raises_and_the_next_counts(play):
    script = (
        "try:\n    Ridge().fit(N, y[:3])\nexcept ValueError as error:\n    said.append('caught')\nRidge().fit(N, y)"
    )
    said, fits = play(script, keep=True)
    assert said == "caught"
    assert fits == Fits(2, 0, 1, 0)
    assert play(script) == ("caught", Fits(2, 1, 0, 0))


def test_what_has_no_room_is_left(play):
    script = "say(RandomForestClassifier(900, random_state=0).fit(N, y).classes_)\nsay(Ridge().fit(N, y).coef_)"
    assert play(script, keep=True, disk_mb=2)[1] == Fits(2, 0, 1, 1)
    assert play(script)[1] == Fits(2, 1, 0, 0)


def test_models_that_cannot_be_read_are_fitted_again(play, tmp_path):
    said, _ = play(SOUND, keep=True)
    for path in (tmp_path / "models").iterdir():
        path.write_bytes(b"\x80\x05nonsense")
    assert play(SOUND) == (said, Fits(5, 0, 0, 0))


def test_only_plain_files_come_out(play, tmp_path):
    play("Ridge().fit(N, y)\nimport os\nos.symlink('/etc/passwd', 'kept/link')\nos.mkdir('kept/folder')", keep=True)
    left = list((tmp_path / "models").iterdir())
    assert len(left) == 1
    assert left[0].is_file()
    assert not left[0].is_symlink()


def test_a_job_that_fails_over_its_models_runs_without(executor, tmp_path):
    (tmp_path / "view").mkdir(mode=0o755)
    (tmp_path / "models").mkdir(mode=0o755)
    script = "from pathlib import Path\nassert not Path('models').exists()\nPath('said').touch()"
    job = Job("x", script, str(tmp_path / "view"), str(tmp_path / "job"), Limits(60, 1024),
              models=str(tmp_path / "models"))  # fmt: skip
    done = executor.run(job)
    assert done.ok
    assert done.fits is None


@pytest.fixture(scope="module")
def run(task, tool, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "run"
    command = [tool, "run", task, "--out", folder, "--keep-models", *LEAST]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_run_keeps_its_models_and_they_predict_the_same(run, task, tmp_path):
    assert any("fitted models that were kept" in note.text for note in queries.notes(run))
    assert any((run / "models").iterdir())
    bare = tmp_path / "bare"
    shutil.copytree(run, bare, ignore=shutil.ignore_patterns("models", "views"))
    rows = pd.read_csv(task / "test.csv", dtype=str, keep_default_na=False)
    for name, new in (("turned", rows.iloc[::-1]), ("one", rows.iloc[[7]])):
        new.to_csv(tmp_path / f"{name}.csv", index=False)
        quick, slow = (predicting.predict(folder, tmp_path / f"{name}.csv") for folder in (run, bare))
        assert quick.csv == slow.csv
        assert slow.models == ()
        assert "fits were taken from the models that were kept" in quick.models[0]
        assert not quick.models[0].startswith("0 ")
    with (run / "best" / "submission.csv").open(newline="") as file:
        kept = list(csv.DictReader(file))
    assert list(csv.DictReader(predicting.predict(run, task / "test.csv").csv.decode().splitlines())) == kept


@LONG
def test_a_run_without_gets_them_when_asked_for_new_rows_behind_the_other_wall_too(run, task, mle_star, tmp_path):
    bare, walled = tmp_path / "bare", ["--set", "wall=landlock"]
    shutil.copytree(run, bare, ignore=shutil.ignore_patterns("models", "views"))
    first, second = (
        mle_star("predict", bare, task / "test.csv", "--out", tmp_path / f"{i}.csv", "--keep-models", *walled)
        for i in (1, 2)
    )
    assert "fitted models are kept in" in first.stderr
    assert "fits were taken from the models that were kept" in second.stderr
    assert not second.stderr.splitlines()[1].startswith("0 ")
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()
    assert first.stderr.startswith("fitting the solution")


def test_what_is_wrong_is_said_before_anything_is_fitted(run, task, mle_star, tmp_path):
    pd.read_csv(task / "test.csv").drop(columns="visits").to_csv(tmp_path / "less.csv", index=False)
    less = mle_star("predict", run, tmp_path / "less.csv", "--out", "-")
    nowhere = mle_star("predict", run, task / "test.csv", "--out", tmp_path / "no" / "new.csv")
    assert (less.returncode, nowhere.returncode) == (2, 2)
    assert "'visits'" in less.stderr
    assert "there is no folder" in nowhere.stderr
    assert "fitting" not in less.stderr + nowhere.stderr


def test_a_fork_has_none(run, tmp_path):
    fork.fork(run, tmp_path / "fork", "finalise")
    assert not (tmp_path / "fork" / "models").exists()
