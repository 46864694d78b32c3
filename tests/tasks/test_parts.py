"""Tables in parts: answers or features elsewhere, one table of all rows, no sample; and what views show of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlestar.errors import TaskError
from mlestar.tasks import newrows
from mlestar.tasks.infer import understand
from mlestar.tasks.prepared import prepare

ROWS, TESTS = 400, 30
TRAIN = pd.DataFrame({"id": range(ROWS), "x": [f"{i * 37 % 101:03d}" for i in range(ROWS)], "kind": list("abcd") * 100})
TEST = pd.DataFrame({"id": range(900, 900 + TESTS), "x": [f"{i:03d}" for i in range(TESTS)], "kind": ["a"] * TESTS})
ANSWERS = pd.DataFrame({"id": TRAIN.id, "height": [f"7{i:04d}.5" for i in range(ROWS)]})
SAMPLE = pd.DataFrame({"id": TEST.id, "height": 0})
SHUFFLED = ANSWERS.sample(frac=1, random_state=1)
ALL = pd.concat([TRAIN.merge(ANSWERS), TEST], ignore_index=True)
Folder = dict[str, pd.DataFrame]

LAYOUTS: dict[str, Folder] = {
    "values and labels": {"train_values.csv": TRAIN, "train_labels.csv": SHUFFLED, "test_values.csv": TEST,
                          "submission_format.csv": SAMPLE},
    "X and y, by order": {"X_train.csv": TRAIN.drop(columns="id"), "y_train.csv": ANSWERS[["height"]],
                          "X_test.csv": TEST.drop(columns="id")},
    "features of all rows": {"train.csv": SHUFFLED, "test.csv": TEST[["id"]], "sample_submission.csv": SAMPLE,
                             "features.csv": pd.concat([TEST, TRAIN])},
    "labels, features, a sample": {"labels.csv": ANSWERS, "features.csv": pd.concat([TEST, TRAIN]),
                                   "sample_submission.csv": SAMPLE},
    "a table for each half": {"train_1.csv": ALL[:200], "train_2.csv": ALL[200:ROWS][[*ALL][::-1]], "test.csv": TEST,
                              "sample_submission.csv": SAMPLE},
    "one table": {"data.csv": ALL.sample(frac=1, random_state=2), "sample_submission.csv": SAMPLE},
    "one table with a flag": {"data.csv": ALL.assign(part=["train"] * ROWS + ["test"] * TESTS),
                              "sample_submission.csv": SAMPLE},
    "no sample": {"train.csv": TRAIN.merge(ANSWERS), "test.csv": TEST},
}  # fmt: skip


@pytest.fixture
def task(tmp_path: Path) -> Callable[..., Path]:
    def write(tables: Folder, toml: str = "") -> Path:
        folder = tmp_path / "task"
        folder.mkdir()
        for name, frame in tables.items():
            frame.to_csv(folder / name, index=False)
        (folder / "description.md").write_text("# Trees\n\n## Metric\n\nRoot mean squared error (RMSE).\n")
        (folder / "notes.txt").write_text("How trees were measured.\n")
        if toml:
            (folder / "task.toml").write_text(toml)
        return folder

    return write


def everything(view: Path) -> str:
    return "\n".join(path.read_text() for path in sorted(view.rglob("*")) if path.is_file())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rows_have_their_features_and_their_answers(task: Callable[..., Path], layout: str) -> None:
    source = understand(task(LAYOUTS[layout]))
    frame = source.train.frame
    assert (source.target, source.metric, source.predicts) == (("height",), "rmse", "value")
    assert {"x", "kind", "height"} <= {*frame} <= {"id", "x", "kind", "height"}
    right = TRAIN.merge(ANSWERS).astype(str)
    keys = ["x", "kind", "height"]
    assert sorted(map(tuple, frame[keys].to_numpy())) == sorted(map(tuple, right[keys].to_numpy()))
    found = source.test.frame.sort_values("x")
    assert found["x"].tolist() == TEST["x"].tolist()
    assert "height" not in found
    assert "part" not in found


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_view_shows_no_answer_of_a_held_row_and_no_part(
    task: Callable[..., Path], tmp_path: Path, layout: str
) -> None:
    prepared = prepare(task(LAYOUTS[layout]), tmp_path / "run", 0)
    source, views = prepared.source, prepared.views
    shown = everything(prepared.view("fold-0"))
    answers = source.train.frame["height"]
    assert not [answers.iloc[row] for row in views.held("fold-0") if answers.iloc[row] in shown]
    assert all(answers.iloc[row] in shown for row in views.train("fold-0"))
    names = {path.name for path in prepared.view("real").iterdir()}
    plain = {source.train.name, source.test.name, source.sample.name, "description.md", "notes.txt"}
    assert names == plain == {path.name for path in prepared.view("fold-0").iterdir()}
    real = pd.read_csv(prepared.view("real") / source.train.name, dtype=str)
    assert real.equals(source.train.frame.astype(str))


@pytest.mark.parametrize("layout", ["values and labels", "one table", "no sample"])
def test_held_answers_change_nothing_of_a_views_test_side(
    task: Callable[..., Path], tmp_path: Path, layout: str
) -> None:
    folder = task(LAYOUTS[layout])
    before = prepare(folder, tmp_path / "one", 0)
    held = {before.source.train.frame["id"].iloc[row] for row in before.views.held("fold-1")}
    name = next(name for name, frame in LAYOUTS[layout].items() if "height" in frame and name != "sample_submission.csv"
                and name != "submission_format.csv")  # fmt: skip
    frame = pd.read_csv(folder / name, dtype=str)
    mine = frame["id"].isin(held) & frame["height"].notna()
    frame.loc[mine, "height"] = np.roll(frame.loc[mine, "height"].to_numpy(), 1)
    frame.to_csv(folder / name, index=False)
    after = prepare(folder, tmp_path / "two", 0)
    for part in (before.source.test.name, before.source.sample.name, before.source.train.name):
        assert (before.view("fold-1") / part).read_bytes() == (after.view("fold-1") / part).read_bytes()


def test_new_rows_are_predicted_beside_all_that_were_joined(task: Callable[..., Path], tmp_path: Path) -> None:
    prepared = prepare(task(LAYOUTS["values and labels"]), tmp_path / "run", 0)
    new, view = tmp_path / "new.csv", tmp_path / "view"
    TEST.assign(id=range(50, 50 + TESTS)).to_csv(new, index=False)
    view.mkdir()
    newrows.lay(prepared, new, view)
    assert pd.read_csv(view / "train.csv", dtype=str).equals(prepared.source.train.frame.astype(str))
    assert not (view / "train_labels.csv").exists()


def test_what_has_no_partner_is_left_out_and_told(task: Callable[..., Path]) -> None:
    source = understand(task({**LAYOUTS["values and labels"], "train_labels.csv": ANSWERS.iloc[5:]}))
    assert len(source.train.frame) == ROWS - 5
    assert any("left out: 5 rows of train_values.csv" in warning for warning in source.warnings)


def test_a_column_that_only_training_rows_have_is_no_feature(task: Callable[..., Path]) -> None:
    features = pd.concat([TEST.assign(later=""), TRAIN.assign(later=1)])
    source = understand(task({**LAYOUTS["features of all rows"], "features.csv": features}))
    assert "later" not in source.train.frame


def test_tables_that_share_rows_are_not_put_together(task: Callable[..., Path]) -> None:
    whole = TRAIN.merge(ANSWERS)
    tables = {"train.csv": whole, "train_clean.csv": whole[:300].assign(x="9"), "test.csv": TEST}
    with pytest.raises(TaskError, match=r"2 candidates for train: train\.csv, train_clean\.csv"):
        understand(task(tables))


def test_a_name_that_is_taken_is_not_taken_again(task: Callable[..., Path]) -> None:
    other = pd.DataFrame({"region": ["north"], "area": [3]})
    folder = task({**LAYOUTS["one table"], "test.csv": other}, '[task]\ntrain = "data.csv"\n')
    with pytest.raises(TaskError, match=r"test\.csv"):  # what is called test is taken for the test
        understand(folder)


def test_without_a_sample_the_target_must_be_clear(task: Callable[..., Path]) -> None:
    tables = {"train.csv": TRAIN.merge(ANSWERS).assign(width=3), "test.csv": TEST}
    with pytest.raises(TaskError, match="name the target with `target =`"):
        understand(task(tables))


def test_a_named_target_is_handed_in_by_order_where_no_column_is_an_id(task: Callable[..., Path]) -> None:
    tables = {"train.csv": TRAIN.merge(ANSWERS).assign(width=3).drop(columns="id"), "test.csv": TEST.drop(columns="id")}
    source = understand(task(tables, '[task]\ntarget = "height"\n'))
    assert (source.id, source.prediction_columns, len(source.sample.frame)) == ((), ("height",), TESTS)
    assert source.train_only == ("width",)


def test_answers_in_another_order_are_joined_by_the_id_that_only_training_rows_have(task: Callable[..., Path]) -> None:
    folder = task({"X_train.csv": TRAIN, "y_train.csv": SHUFFLED, "X_test.csv": TEST.drop(columns="id")})
    with pytest.raises(TaskError, match="sample"):
        understand(folder)  # two columns that only train has
    (folder / "task.toml").write_text('[task]\ntarget = "height"\n')
    source = understand(folder)
    assert source.train.frame["height"].tolist() == ANSWERS["height"].tolist()
    assert any("joined by id" in line for line in source.evidence)


def test_answers_beside_the_features_of_all_rows_are_train_s_alone(task: Callable[..., Path]) -> None:
    tables = {
        "all.csv": ALL.sample(frac=1, random_state=3),
        "train_ids.csv": TRAIN[["id"]],
        "test_ids.csv": TEST[["id"]],
    }
    source = understand(task({**tables, "sample_submission.csv": SAMPLE}))
    assert source.target == ("height",)
    assert source.train.frame["height"].tolist() == ANSWERS["height"].tolist()
    assert list(source.test.frame) == ["id", "x", "kind"]


def test_tables_that_repeat_each_other_are_no_parts(task: Callable[..., Path]) -> None:
    whole = ALL[:ROWS].drop(columns="id")
    folder = task({"train.csv": whole, "train2.csv": whole[:150], "test.csv": TEST.drop(columns="id")})
    with pytest.raises(TaskError, match=r"2 candidates for train: train\.csv, train2\.csv"):
        understand(folder)
    whole[150:].to_csv(folder / "train.csv", index=False)
    assert len(understand(folder).train.frame) == ROWS


def test_the_separator_of_parts_stays_and_decides_what_commas_are(task: Callable[..., Path]) -> None:
    folder = task({"X_train.csv": TRAIN, "y_train.csv": ANSWERS, "X_test.csv": TEST, "sample_submission.csv": SAMPLE})
    answers = ANSWERS.assign(height=[f"7,{i:03d}" for i in range(ROWS)])
    for name, frame in {"X_train": TRAIN, "y_train": answers, "X_test": TEST}.items():
        frame.to_csv(folder / f"{name}.csv", index=False, sep=";")
    source = understand(folder)
    assert source.commas == ("height",)
    assert source.train.separator == ";"


def test_a_table_without_rows_to_predict_is_said_to_be_one(task: Callable[..., Path]) -> None:
    with pytest.raises(TaskError, match=r"no rows without height"):
        understand(task({"data.csv": ALL[:ROWS]}, '[task]\ntarget = "height"\n'))


def test_ids_that_no_table_of_features_has_are_told(task: Callable[..., Path]) -> None:
    features = pd.concat([TEST, TRAIN]).assign(id=lambda table: "0" + table.id.astype(str))
    source = understand(task({**LAYOUTS["features of all rows"], "features.csv": features}))
    assert any("share no column but the id 'id'" in text for text in source.warnings)


@pytest.mark.parametrize("ids", [True, False])
def test_a_table_that_holds_the_answers_again_is_in_no_view(
    task: Callable[..., Path], tmp_path: Path, ids: bool
) -> None:
    """Under another id, without one, in another order, or in a format that is not read."""
    whole, kept = TRAIN.merge(ANSWERS), ["id", "x", "kind"] if ids else ["x", "kind"]
    tables = {
        "train.csv": whole,
        "test.csv": TEST.assign(kind="e")[kept],
        "sample_submission.csv": SAMPLE if ids else SAMPLE[["height"]],
    }
    again = whole.rename(columns={"id": "number", "height": "size"}).sample(frac=1, random_state=5)
    more = pd.DataFrame({"height": np.arange(ROWS) + 0.25})  # other trees are welcome
    folder = task({**tables, "backup.csv": again, "more.csv": more})
    (folder / "train.xlsx").write_bytes(b"PK")
    ready = prepare(folder, tmp_path / "run", 0)
    assert any("no script sees backup.csv, train.xlsx" in text for text in ready.warnings)
    assert ready.source.other_files == ("more.csv", "notes.txt")
    for view in ("fold-0", "real"):
        names = {path.name for path in ready.view(view).iterdir()}
        assert names == {"train.csv", "test.csv", "sample_submission.csv", "description.md", "notes.txt", "more.csv"}
