from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlestar.errors import RunError, TaskError
from mlestar.executors.service import Service
from mlestar.ports import Task
from mlestar.tasks.prepared import Prepared, prepare, reopen


@pytest.fixture
def folder(folders: Any, tmp_path: Path) -> Path:
    """2500 rows, a binary label, the metric named in the description."""
    train, test = folders.frames(2500, tests=40)
    folders.source(tmp_path / "task", train, test)
    (tmp_path / "task" / "description.md").write_text("Predict y. Submissions are scored by accuracy.\n")
    return tmp_path / "task"


@pytest.fixture
def blobs() -> dict[str, bytes]:
    return {}


@pytest.fixture
def save(blobs: dict[str, bytes]) -> Callable[[bytes], str]:
    def keep(data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return digest

    return keep


def answers(task: Prepared, view: str) -> pd.Series[str]:
    """The true labels of a view's test rows, read from the user's file by id."""
    train = pd.read_csv(task.source.folder / "train.csv", dtype=str).set_index("id")["y"]
    return train.loc[pd.read_csv(task.view(view) / "test.csv", dtype=str)["id"]]


def submit(folder: Path, labels: pd.Series[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    labels.rename_axis("id").rename("y").reset_index().to_csv(folder / "submission.csv", index=False)
    return folder


def test_a_perfect_submission_is_perfect_in_any_order_and_the_sample_is_not(
    folder: Path, tmp_path: Path, save: Callable[[bytes], str], blobs: dict[str, bytes]
) -> None:
    task: Task = (prepared := prepare(folder, tmp_path / "run", 3))
    assert prepared.has_sealed
    assert sum(prepared.folds) + len(prepared.cut.sealed) == 2500
    for view in ("fold-0", "fold-4", "rehearsal"):
        known = answers(prepared, view)
        judged = task.judge(view, submit(tmp_path / "job", known), save)
        assert (judged.reason, judged.value, judged.rows) == (None, 1.0, task.rows(view))
        again = task.judge(view, submit(tmp_path / "job", known.iloc[::-1]), save)
        assert again == judged
        assert blobs[judged.members[0].blob]
        shutil.copyfile(task.view(view) / "sample_submission.csv", tmp_path / "job" / "submission.csv")
        sample = task.judge(view, tmp_path / "job", save)
        assert sample.reason is None
        assert sample.value == pytest.approx((known == "0").mean())


def test_score_and_replicates_are_those_of_the_judge(
    folder: Path, tmp_path: Path, save: Callable[[bytes], str]
) -> None:
    task = prepare(folder, tmp_path / "run", 3)
    known = answers(task, "fold-1")
    wrong = known.where(np.arange(len(known)) % 3 != 0, "0")
    judged = task.judge("fold-1", submit(tmp_path / "job", wrong), save)
    soft = np.column_stack([wrong == "0", wrong == "1"]).astype(float)
    assert task.score("fold-1", soft) == judged.value
    assert task.judged("fold-1", soft) == replace(judged, members=(), notes=())
    right = np.flatnonzero((wrong == known).to_numpy())
    assert task.score("fold-1", soft, right) == 1.0


def test_few_groups_are_scored_by_name(folders: Any, tmp_path: Path, save: Callable[[bytes], str]) -> None:
    train, test = folders.frames(400, tests=40, who=lambda n: ("ann", "bob", "carl")[n // 5 % 3])
    folders.source(tmp_path / "task", train, test.assign(who="dora"))
    (tmp_path / "task" / "description.md").write_text("Predict y for new persons, by accuracy.\n")
    (tmp_path / "task" / "task.toml").write_text('[task]\nsplit = "group:who"\n')
    task = prepare(tmp_path / "task", tmp_path / "run", 3)
    assert len(task.folds) == 3
    found = {}
    for view in ("fold-0", "fold-1", "fold-2"):
        known = answers(task, view)
        judged = task.judge(view, submit(tmp_path / "job", known.where(np.arange(len(known)) % 4 != 0, "0")), save)
        assert judged.replicates == ()
        found |= {name: (value, judged.value) for name, value in judged.groups}
    assert set(found) == {"ann", "bob", "carl"}
    assert all(value == whole < 1 for value, whole in found.values())
    with pytest.raises(KeyError, match="fold-2 and"):
        task.view("fold-3")


def test_the_real_view_is_only_checked_and_delivered_in_the_samples_order(
    folder: Path, tmp_path: Path, save: Callable[[bytes], str]
) -> None:
    task = prepare(folder, tmp_path / "run", 3)
    sample = pd.read_csv(folder / "sample_submission.csv", dtype=str)
    labels = pd.Series(["1", "0"] * 20, index=sample["id"])
    job = submit(tmp_path / "job", labels.iloc[::-1])
    judged = task.judge("real", job, save)
    assert (judged.reason, judged.value, judged.members) == (None, None, ())
    made = pd.read_csv(io.BytesIO(task.deliver(job)), dtype=str)
    assert made["id"].tolist() == sample["id"].tolist()
    assert made["y"].tolist() == ["1", "0"] * 20
    assert task.judge("real", submit(tmp_path / "job", labels.iloc[1:]), save).reason is not None


def test_reopen_gives_the_same_task(folder: Path, tmp_path: Path) -> None:
    first = prepare(folder, tmp_path / "run", 3, search_rows=600)
    before = {p.name: p.read_bytes() for p in first.view("fold-2").iterdir()}
    again = reopen(tmp_path / "run")
    assert again.profile == first.profile
    assert (again.folds, again.split_evidence, again.evidence) == (first.folds, first.split_evidence, first.evidence)
    shutil.rmtree(tmp_path / "run" / "views")
    assert {p.name: p.read_bytes() for p in again.view("fold-2").iterdir()} == before
    assert len(pd.read_csv(again.view("fold-2") / "train.csv")) == 600
    assert again.growth == len(pd.read_csv(folder / "train.csv")) / 600


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda task, run: (task / "train.csv").write_text("id,x,y\n"), "train.csv has changed"),
        (lambda task, run: (task / "extra.csv").write_text("a\n1\n"), "extra.csv is new"),
        (lambda task, run: (task / "test.csv").unlink(), "test.csv is missing"),
        (lambda task, run: shutil.rmtree(task), "is gone"),
        (lambda task, run: (run / "task/cut.json").write_text("{"), "damaged"),
        (lambda task, run: (run / "task/cut.json").unlink(), "is no run folder"),
    ],
)
def test_reopen_refuses_what_changed_and_names_it(
    folder: Path, tmp_path: Path, harm: Callable[[Path, Path], Any], message: str
) -> None:
    prepare(folder, tmp_path / "run", 3)
    harm(folder, tmp_path / "run")
    with pytest.raises(RunError, match=message):
        reopen(tmp_path / "run")


def test_an_altered_cut_is_noticed(folder: Path, tmp_path: Path) -> None:
    prepare(folder, tmp_path / "run", 3)
    place = tmp_path / "run/task/cut.json"
    content = json.loads(place.read_text())
    content["sealed"] = content["sealed"][1:]
    place.write_text(json.dumps(content))
    with pytest.raises(RunError, match="was altered"):
        reopen(tmp_path / "run")


def test_prepare_refuses_a_used_run_folder_and_one_inside_the_task(folder: Path, tmp_path: Path) -> None:
    prepare(folder, tmp_path / "run", 3)
    with pytest.raises(RunError, match="holds a run already"):
        prepare(folder, tmp_path / "run", 3)
    with pytest.raises(RunError, match="inside the task folder"):
        prepare(folder, folder / "run", 3)
    assert not (folder / "run").exists()


def test_sealed_labels_change_neither_profile_nor_cut(folder: Path, tmp_path: Path) -> None:
    first = prepare(folder, tmp_path / "one", 3)
    train = pd.read_csv(folder / "train.csv", dtype=str)
    values = train["y"].iloc[first.cut.sealed].to_numpy()
    train.loc[first.cut.sealed, "y"] = values[::-1]
    assert (values != values[::-1]).any()
    train.to_csv(folder / "train.csv", index=False)
    second = prepare(folder, tmp_path / "two", 3)
    assert second.profile == first.profile
    assert second.evidence == first.evidence
    assert all(np.array_equal(a, b) for a, b in zip(first.cut.folds, second.cut.folds, strict=True))


def test_blocks_cover_the_rows_once(folder: Path, tmp_path: Path) -> None:
    task = prepare(folder, tmp_path / "run", 3)
    blocks = task.blocks("fold-0", 4)
    assert sorted(np.concatenate(blocks).tolist()) == list(range(task.rows("fold-0")))
    shares = [(answers(task, "fold-0").iloc[block] == "1").mean() for block in blocks]
    assert max(shares) - min(shares) < 0.02


def test_level_two_views_hold_predictions_truth_and_a_sample_that_is_judged(
    folder: Path, tmp_path: Path, save: Callable[[bytes], str]
) -> None:
    task = prepare(folder, tmp_path / "run", 3)
    views = [f"fold-{k}" for k in range(5)]
    perfect = {v: np.column_stack([answers(task, v) == "0", answers(task, v) == "1"]).astype(float) for v in views}
    every = {v: np.arange(task.rows(v)) for v in views}
    train, test = [(v, every[v]) for v in views[:2]], [("fold-2", every["fold-2"])]
    built = task.level_two("blend-ab/fold-2", train, test, {"m": perfect, "other": perfect})
    learned, asked = (pd.read_parquet(built / f"{part}.parquet") for part in ("train", "test"))
    assert list(asked.columns) == ["m::0", "m::1", "other::0", "other::1"]
    assert list(learned.columns) == [*asked.columns, "truth"]
    assert (learned["m::1"] == learned["truth"]).all()
    assert len(asked) == task.rows("fold-2") == task.rows("blend-ab/fold-2")
    sample = (built / "sample_submission.csv").read_bytes()
    assert sample == (task.view("fold-2") / "sample_submission.csv").read_bytes()
    assert task.score("blend-ab/fold-2", asked[["m::0", "m::1"]].to_numpy()) == 1.0
    job = submit(tmp_path / "job", answers(task, "fold-2"))
    for prepared in (task, reopen(tmp_path / "run")):
        assert prepared.judge("blend-ab/fold-2", job, save).value == 1.0
        assert prepared.view("blend-ab/fold-2") == built
    half = task.level_two("blend-ab/fold-2", train, [("fold-2", np.arange(7))], {"m": perfect})
    assert len(pd.read_parquet(half / "test.parquet")) == 7 == task.rows("blend-ab/fold-2")
    with pytest.raises(ValueError, match="learns from folds only"):
        task.level_two("x", [("rehearsal", np.arange(3))], test, {"m": perfect})
    with pytest.raises(KeyError, match="no view is called"):
        task.view("nothing")


def test_several_numeric_targets_and_a_metric_of_the_users_own(folders: Any, tmp_path: Path) -> None:
    train, test = folders.frames(60)
    train["y"] = [str(n / 7) for n in range(60)]
    train["z"] = [str(n * 2) for n in range(60)]
    folders.source(tmp_path / "task", train, test, target=("y", "z"))
    (tmp_path / "task" / "metric.py").write_text(
        "def score(truth, prediction, train):\n"
        "    assert len(train) == 48\n"
        "    return float((truth[['y', 'z']] - prediction[['y', 'z']]).abs().to_numpy().max())\n"
    )
    (tmp_path / "task" / "task.toml").write_text('[task]\nmetric = "metric.py:score"\ndirection = "min"\n')
    with pytest.raises(TaskError, match="nothing to run it in"):
        prepare(tmp_path / "task", tmp_path / "run", 0)
    task = prepare(tmp_path / "task", tmp_path / "run", 0, serve=lambda program, files: Service(program, files).ask)
    assert not task.has_sealed
    with pytest.raises(ValueError, match="nothing is sealed"):
        task.view("rehearsal")
    rows = task.views.held("fold-0")
    known = np.column_stack([rows / 7, rows * 2])
    assert task.score("fold-0", known) == pytest.approx(0)
    assert task.score("fold-0", known + np.array([0, 3])) == pytest.approx(3)
    assert not (task.view("fold-0") / "metric.py").exists()
    every = {f"fold-{k}": np.zeros((task.rows(f"fold-{k}"), 2)) for k in range(5)}
    built = task.level_two("b", [("fold-1", np.arange(4))], [("fold-0", np.arange(3))], {"m": every})
    learned = pd.read_parquet(built / "train.parquet")
    assert list(learned.columns) == ["m::y", "m::z", "truth::y", "truth::z"]
    assert learned["truth::z"].tolist() == (task.views.held("fold-1")[:4] * 2).tolist()
