"""What looks like a leak is said; what only looks strong is not."""

import numpy as np
import pandas as pd
import pytest

from mlestar.tasks.prepared import prepare

METRIC = "# Task\n\n## Metric\n\nClassification accuracy, higher is better.\n"


def warnings(folder, tmp_path, frame, test):
    folder.mkdir()
    frame.to_csv(folder / "train.csv", index=False)
    test.to_csv(folder / "test.csv", index=False)
    test[["id"]].assign(y="a").to_csv(folder / "sample_submission.csv", index=False)
    (folder / "description.md").write_text(METRIC)
    return [w for w in prepare(folder, tmp_path / "run", 0).profile.warnings if w.startswith("leakage")]


def tables(**columns):
    rng = np.random.default_rng(0)
    size = 400
    y = rng.permutation(np.repeat(["a", "b"], size // 2))
    frame = pd.DataFrame({"id": rng.permutation(size), "strong": (y == "b") + rng.normal(0, 0.4, size)})
    frame = frame.assign(**{name: made(y) for name, made in columns.items()})
    test = frame.head(50).assign(id=range(1000, 1050))
    return frame.assign(y=y), test


def test_a_strong_honest_column_is_no_leak(tmp_path):
    assert warnings(tmp_path / "t", tmp_path, *tables()) == []


@pytest.mark.parametrize("made", [lambda y: (y == "b") * 5 + 1.5, lambda y: np.where(y == "b", "up", "down")])
def test_a_column_that_gives_the_target_away_is_named(tmp_path, made):
    (found,) = warnings(tmp_path / "t", tmp_path, *tables(secret=made))
    assert "'secret' alone nearly gives the target" in found


def test_an_ordered_train_table_is_named(tmp_path):
    frame, test = tables()
    (found,) = warnings(tmp_path / "t", tmp_path, frame.sort_values("y"), test)
    assert "order of the training rows" in found


def test_an_id_that_tells_is_named(tmp_path):
    frame, test = tables()
    order = frame.y.to_numpy().argsort(kind="stable")
    ids = np.empty(len(frame), int)
    ids[order] = np.arange(len(frame))
    (found,) = warnings(tmp_path / "t", tmp_path, frame.assign(id=ids), test)
    assert "the id 'id' tells the target" in found


def test_native_numbers_of_json_are_looked_at_too(tmp_path):
    frame, test = tables(secret=lambda y: (y == "b") * 5 + 1.5)
    folder = tmp_path / "t"
    folder.mkdir()
    frame.to_json(folder / "train.json", orient="records")
    test.to_json(folder / "test.json", orient="records")
    test[["id"]].assign(y="a").to_csv(folder / "sample_submission.csv", index=False)
    (folder / "description.md").write_text(METRIC)
    found = [w for w in prepare(folder, tmp_path / "run", 0).profile.warnings if w.startswith("leakage")]
    assert found == ["leakage: 'secret' alone nearly gives the target"]
