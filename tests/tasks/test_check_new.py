"""`check` tells what it concluded and why; `new` makes a folder that check understands, or nothing."""

from pathlib import Path

import pandas as pd
import pytest

from mlestar.errors import TaskError
from mlestar.tasks.check import check
from mlestar.tasks.infer import understand
from mlestar.tasks.new import new
from mlestar.tasks.tables import read

N = 50


@pytest.fixture
def file(tmp_path: Path) -> Path:
    frame = pd.DataFrame(
        {
            "key": [f"{i:03d}" for i in range(N)],
            "size": [i / 10 for i in range(N)],
            "price": [round(3.5 * i, 2) for i in range(N)],
            "kind": [["NA", "O", "0"][i % 3] for i in range(N)],
        }
    )
    frame.to_csv(tmp_path / "things.csv", index=False)
    return tmp_path / "things.csv"


def test_new_makes_a_task_that_is_understood(file: Path) -> None:
    folder = new(file, "kind", id="key")
    assert folder == file.with_name("things-task")
    found = understand(folder)
    assert (found.id, found.target, found.metric, found.classes) == (("key",), ("kind",), "accuracy", ("0", "NA", "O"))
    assert (len(found.train.frame), len(found.test.frame)) == (40, 10)
    assert "kind" not in found.test.frame
    whole = read(file, file.parent).frame.set_index("key")
    both = pd.concat([found.train.frame, found.test.frame]).set_index("key")
    assert both["size"].to_dict() == whole["size"].to_dict()
    assert found.sample.frame["kind"].nunique() == 1
    assert sorted(p.name for p in file.parent.iterdir()) == ["things-task", "things.csv"]


def test_new_without_an_id_and_with_a_metric(file: Path, tmp_path: Path) -> None:
    folder = new(file, "price", tmp_path / "out", metric="mae", id="")
    found = understand(folder)
    assert (found.id, found.metric, found.predicts) == ((), "mae", "value")
    assert (
        new(file, "price", tmp_path / "again", id="").joinpath("train.csv").read_bytes()
        == (folder / "train.csv").read_bytes()
    )


@pytest.mark.parametrize(
    ("target", "metric", "words"),
    [
        ("q", None, "'q' is not a column"),
        ("kind", "rmse", "does not fit"),
        ("kind", "acuracy", "unknown metric"),
        ("kind", "metric.py:score", "direction"),
    ],
)
def test_new_refuses_and_leaves_nothing(file: Path, target: str, metric: str | None, words: str) -> None:
    with pytest.raises(TaskError, match=words):
        new(file, target, metric=metric)
    assert [path.name for path in file.parent.iterdir()] == ["things.csv"]


@pytest.mark.parametrize("row", range(0, N, 7))
def test_new_tells_the_row_of_the_file_in_which_the_target_is_missing(file: Path, row: int) -> None:
    """Whether it would have become a training row or a test row."""
    frame = pd.read_csv(file, dtype=str, keep_default_na=False)
    frame.loc[row, "price"] = ""
    frame.to_csv(file, index=False)
    with pytest.raises(
        TaskError, match=rf"things.csv: the target 'price' is missing in 1 rows, .* data row {row + 1};"
    ):
        new(file, "price")


def test_a_table_in_a_task_s_place_is_told_the_way(file: Path) -> None:
    with pytest.raises(TaskError, match=r"is a table, not a task: `mle-star new .*things.csv --target COLUMN`"):
        check(file)


def test_new_never_overwrites(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    (out / "keep").write_text("x")
    with pytest.raises(TaskError, match="exists already"):
        new(file, "kind", out)
    assert (out / "keep").read_text() == "x"


def test_check_tells_conclusions_evidence_features_and_warnings(file: Path) -> None:
    folder = new(file, "kind", id="key", metric="balanced_accuracy")
    (folder / "train_extra").mkdir()
    text = check(folder)
    for words in ("balanced_accuracy, higher is better", "'NA', 'O'", "evidence", "size", "train only  train_extra"):
        assert words in text
    assert "metric = balanced_accuracy" in text


def test_check_of_a_broken_folder_is_a_task_error(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="sample"):
        check(tmp_path)
