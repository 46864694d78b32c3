"""Ordinary and odd task folders are understood, and broken ones are refused with one clear message."""

import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlestar.errors import TaskError
from mlestar.tasks.infer import understand
from mlestar.tasks.manifest import read_manifest

Rows = dict[str, object]


def task(
    folder: Path, train: Rows, test: Rows | None, sample: Rows, metric: str = "Accuracy.", /, **names: str
) -> Path:
    """A task folder; `names` overrides file names, `toml` and `description`."""
    tables = {"train": train, "test": test, "sample": sample}
    usual = {"train": "train.csv", "test": "test.csv", "sample": "sample_submission.csv"}
    for part, columns in tables.items():
        if columns is not None:
            name = names.get(part, usual[part])
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            separator = "\t" if ".tsv" in name else ","
            pd.DataFrame(columns).to_csv(folder / name, index=False, sep=separator)
    (folder / "description.md").write_text(names.get("description", f"# A task\n\n## Metric\n{metric}\n"))
    if "toml" in names:
        (folder / "task.toml").write_text(names["toml"])
    return folder


def rows(n: int, start: int = 0, seed: int = 0) -> Rows:
    return {"id": list(range(start, start + n)), "x": np.random.default_rng(seed).normal(size=n).round(3).tolist()}


def labels(n: int, names: str = "ab") -> list[str]:
    return [names[i % len(names)] for i in range(n)]


def test_labels(tmp_path: Path) -> None:
    found = understand(task(tmp_path, rows(40) | {"y": labels(40)}, rows(9, 40), {"id": range(40, 49), "y": ["a"] * 9}))
    assert (found.id, found.target, found.predicts, found.classes) == (("id",), ("y",), "label", ("a", "b"))
    assert (found.metric, found.direction, found.split, found.kind) == ("accuracy", "max", "stratified", "table")
    assert found.evidence


@pytest.mark.parametrize(
    "names",
    [
        {"train": "trainLabels.csv", "sample": "sampleSubmission.csv"},
        {"train": "data.csv", "sample": "sample_submission_null.csv"},
        {"train": "training.tsv.gz", "test": "testData.tsv", "sample": "gender_submission.csv"},
        {"train": "raw/train.csv", "test": "raw/test.csv"},
    ],
)
def test_names_of_files(tmp_path: Path, names: dict[str, str]) -> None:
    sample = {"id": range(40, 49), "y": ["a"] * 9}
    found = understand(task(tmp_path, rows(40) | {"y": labels(40)}, rows(9, 40), sample, **names))
    assert (found.train.name, found.sample.name) == (names["train"], names.get("sample", "sample_submission.csv"))
    assert found.target == ("y",)


@pytest.mark.parametrize("names", ["0O", ["NA", "b"], ["True", "False"], ["", "x"]])
def test_labels_stay_text(tmp_path: Path, names: list[str]) -> None:
    y = [names[i % 2] for i in range(40)]
    found = understand(task(tmp_path, rows(40) | {"y": y}, rows(9, 40), {"id": range(40, 49), "y": [names[1]] * 9}))
    assert found.predicts == "label"
    assert sorted(found.classes) == sorted(names)


@pytest.mark.parametrize(("prefix", "suffix"), [("", ""), ("Class_", ""), ("p_", "_prob")])
def test_one_probability_column_per_class(tmp_path: Path, prefix: str, suffix: str) -> None:
    sample = {"id": range(40, 49)} | {f"{prefix}{c}{suffix}": [0.3] * 9 for c in "zab"}
    found = understand(task(tmp_path, rows(40) | {"y": labels(40, "abz")}, rows(9, 40), sample, "Log loss."))
    assert (found.target, found.predicts, found.metric) == (("y",), "probability", "log_loss")
    assert found.classes == ("z", "a", "b")
    assert found.prediction_columns == tuple(f"{prefix}{c}{suffix}" for c in "zab")


@pytest.mark.parametrize(
    ("metric", "values", "shown", "predicts", "name", "classes"),
    [
        ("Area under the ROC curve.", [0, 1], 0.5, "probability", "roc_auc", ("0", "1")),
        ("Log loss.", ["no", "yes"], 0.5, "probability", "log_loss", ("no", "yes")),
        ("Accuracy.", [0, 1], 0, "label", "accuracy", ("0", "1")),
        ("Root mean squared error.", [1, 2, 3], 0, "value", "rmse", ()),
        ("Quadratic weighted kappa.", [1, 2, 10], 1, "label", "quadratic_weighted_kappa", ("1", "2", "10")),
        ("Nobody says.", [0, 1], 0.5, "probability", "roc_auc", ("0", "1")),
        ("Nobody says.", ["u", "v", "w"], "u", "label", "accuracy", ("u", "v", "w")),
        ("Nobody says.", [0.5, 1.25, 3.75], 0, "value", "rmse", ()),
        ("MAP@3.", ["u", "v", "w"], "u v w", "ranking", "map@3", ("u", "v", "w")),
    ],
)
def test_metric_target_and_sample_decide_the_form(
    tmp_path: Path, metric: str, values: list[object], shown: object, predicts: str, name: str, classes: tuple[str, ...]
) -> None:
    y = [values[i % len(values)] for i in range(42)]
    found = understand(
        task(tmp_path, rows(42) | {"y": y}, rows(9, 42), {"id": range(42, 51), "y": [shown] * 9}, metric)
    )
    assert (found.predicts, found.metric, found.classes) == (predicts, name, classes)
    assert any("is assumed" in text for text in found.warnings) == (metric == "Nobody says.")


def test_several_targets(tmp_path: Path) -> None:
    truth = {"u": [i / 7 for i in range(40)], "v": [i * 1.5 for i in range(40)]}
    sample = {"id": range(40, 49), "u": [0] * 9, "v": [0] * 9}
    found = understand(task(tmp_path, rows(40) | truth, rows(9, 40), sample, "Mean column-wise RMSE."))
    assert (found.target, found.predicts, found.metric) == (("u", "v"), "value", "mean_columnwise_rmse")


def test_several_yes_or_no_targets(tmp_path: Path) -> None:
    truth = {"u": labels(40, "01"), "v": labels(40, "001")}
    sample = {"id": range(40, 49), "u": [0.5] * 9, "v": [0.5] * 9}
    found = understand(task(tmp_path, rows(40) | truth, rows(9, 40), sample, "Area under the ROC curve."))
    assert (found.predicts, found.metric, found.classes) == ("probability", "mean_columnwise_roc_auc", ())


def test_no_id_and_a_counter_that_only_the_sample_has(tmp_path: Path) -> None:
    train, test = {"x": range(40), "y": labels(40)}, {"x": range(9)}
    found = understand(task(tmp_path / "a", train, test, {"y": ["a"] * 9}))
    assert (found.id, found.echo_columns) == ((), ())
    found = understand(task(tmp_path / "b", train, test, {"ImageId": range(1, 10), "y": ["a"] * 9}))
    assert (found.id, found.echo_columns, found.prediction_columns) == ((), ("ImageId",), ("y",))
    sample = {"id": range(40, 49), "y": ["a"] * 9}
    found = understand(task(tmp_path / "c", rows(40) | {"y": labels(40)}, {"x": range(9)}, sample))
    assert (found.id, found.target, found.echo_columns) == ((), ("y",), ("id",))


def test_an_id_that_only_the_test_has_and_ids_that_repeat(tmp_path: Path) -> None:
    sample = {"id": range(9), "y": ["a"] * 9}
    found = understand(task(tmp_path / "a", {"x": range(40), "y": labels(40)}, rows(9), sample))
    assert found.id == ("id",)
    found = understand(task(tmp_path / "b", rows(40) | {"y": labels(40)}, rows(9), sample))
    assert any("9 ids occur both" in text for text in found.warnings)


def test_echo_columns(tmp_path: Path) -> None:
    test = rows(9, 40) | {"mood": labels(9, "uv")}
    sample = {"id": range(40, 49), "mood": labels(9, "uv"), "y": ["a"] * 9}
    found = understand(task(tmp_path, rows(40) | {"mood": labels(40, "uvw"), "y": labels(40)}, test, sample))
    assert (found.id, found.echo_columns, found.prediction_columns) == (("id",), ("mood",), ("y",))


def test_an_id_of_two_columns(tmp_path: Path) -> None:
    keys = {"store": labels(12, "ab"), "day": [i // 2 for i in range(12)]}
    train = {"store": labels(40, "ab"), "day": [100 + i // 2 for i in range(40)], "y": [i * 0.3 for i in range(40)]}
    found = understand(task(tmp_path, train, keys, keys | {"y": [0] * 12}, "RMSE."))
    assert found.id == ("store", "day")


def test_the_sample_calls_the_target_otherwise(tmp_path: Path) -> None:
    sample = {"id": range(40, 49), "Predicted": [0.5] * 9}
    found = understand(task(tmp_path, rows(40) | {"response": labels(40, "01")}, rows(9, 40), sample, "AUC."))
    assert (found.target, found.prediction_columns) == (("response",), ("Predicted",))


def test_json_with_lists(tmp_path: Path) -> None:
    train = [{"id": i, "y": "ab"[i % 2], "parts": ["salt", "oil"][: i % 3]} for i in range(40)]
    test = [{"id": i, "parts": ["oil"]} for i in range(40, 49)]
    task(tmp_path, {}, None, {"id": range(40, 49), "y": ["a"] * 9})
    (tmp_path / "train.csv").unlink()
    (tmp_path / "train.json").write_text(json.dumps(train))
    (tmp_path / "test.json").write_text(json.dumps(test))
    found = understand(tmp_path)
    assert (found.train.format, found.classes, found.id) == ("json", ("a", "b"), ("id",))


def test_free_text(tmp_path: Path) -> None:
    y = [f"form {i} of it" for i in range(60)]
    sample = {"id": range(60, 69), "y": ["x"] * 9}
    found = understand(task(tmp_path, rows(60) | {"y": y}, rows(9, 60), sample, "Exact-match accuracy."))
    assert (found.predicts, found.classes, found.metric) == ("text", (), "exact_match")


def split_of(folder: Path, train: Rows, test: Rows, /, **names: str) -> tuple[str, tuple[str, ...]]:
    n, m = len(pd.DataFrame(train)), len(pd.DataFrame(test))
    train, test = rows(n) | train, rows(m, n, 1) | test
    sample = {"id": range(n, n + m), "y": ["a"] * m}
    found = understand(task(folder, train | {"y": labels(n)}, test, sample, **names))
    return found.split, found.warnings


def test_group_split(tmp_path: Path) -> None:
    split, _ = split_of(tmp_path / "a", {"who": labels(40, "abcdef")}, {"who": labels(20, "uvw")})
    assert split == "group:who"
    split, _ = split_of(tmp_path / "b", {"who": labels(40, "abcdef")}, {"who": labels(20, "abu")})
    assert split == "stratified"


def test_a_group_that_the_description_calls_new(tmp_path: Path) -> None:
    text = "# Voices\nThe test holds speakers that are not in the training data.\n\n## Metric\nAccuracy.\n"
    split, warnings = split_of(tmp_path, {"speaker": labels(40, "abcd")}, {"z": range(20)}, description=text)
    assert split == "group:speaker"
    assert any("'speaker'" in text for text in warnings)


def test_a_long_line_of_a_description_takes_no_longer_than_its_length(tmp_path: Path) -> None:
    text = f"All in one line: {'a speaker, or a speaker that spoke, ' * 3000}. Accuracy is the metric.\n"
    began = time.perf_counter()
    split, _ = split_of(tmp_path, {"speaker": labels(40, "abcd")}, {"z": range(20)}, description=text)
    assert split == "stratified"
    assert time.perf_counter() - began < 5  # squared, it would be minutes


def test_time_split(tmp_path: Path) -> None:
    days = pd.date_range("2020-01-01", periods=60).strftime("%Y-%m-%d").tolist()
    split, _ = split_of(tmp_path / "a", {"when": days[:40]}, {"when": days[40:]})
    assert split == "time:when"
    split, _ = split_of(tmp_path / "b", {"x2": range(40)}, {"x2": range(40, 60)})
    assert split == "stratified", "a number that grows is no time unless its name says so"
    split, _ = split_of(tmp_path / "c", {"year": [1990 + i % 9 for i in range(40)]}, {"year": [2005] * 20})
    assert split == "time:year"


def test_block_split(tmp_path: Path) -> None:
    days = pd.Series(pd.date_range("2020-01-01", periods=240))
    held = days.dt.day > 20
    train, test = {"day": days[~held].astype(str).tolist()}, {"day": days[held].astype(str).tolist()}
    split, _ = split_of(tmp_path, train, test)
    assert split == "blocks:day"


def test_dates_drawn_at_random_are_no_blocks(tmp_path: Path) -> None:
    days = pd.Series(pd.date_range("2020-01-01", periods=240).astype(str))
    held = np.random.default_rng(0).random(240) < 0.3
    split, _ = split_of(tmp_path, {"day": days[~held].tolist()}, {"day": days[held].tolist()})
    assert split == "stratified"


def test_two_splits_that_fit_are_told(tmp_path: Path) -> None:
    days = pd.date_range("2020-01-01", periods=60).strftime("%Y-%m-%d").tolist()
    split, warnings = split_of(
        tmp_path, {"when": days[:40], "who": labels(40, "abcdef")}, {"when": days[40:], "who": labels(20, "uvw")}
    )
    assert split == "time:when"
    assert any("group:who" in text for text in warnings)


def test_series_that_go_on_are_a_forecast(tmp_path: Path) -> None:
    train = {"series": ["a"] * 20 + ["b"] * 30, "t": [*range(20), *range(30)]}
    test = {"series": ["a"] * 5 + ["b"] * 5, "t": [*range(20, 25), *range(30, 35)]}
    split, _ = split_of(tmp_path, train, test)
    assert split == "horizon"


def test_row_files(tmp_path: Path) -> None:
    for side, ids in (("train", range(40)), ("test", range(9))):
        for i in ids:
            place = tmp_path / side / str(i)
            place.mkdir(parents=True)
            (place / "geometry.xyz").write_text("x")
            if side == "train":
                (place / "mask.png").write_text("x")
    found = understand(task(tmp_path, rows(40) | {"y": labels(40)}, rows(9), {"id": range(9), "y": ["a"] * 9}))
    assert [(a.train, a.test, a.kind) for a in found.assets] == [
        ("train/{id}/geometry.xyz", "test/{id}/geometry.xyz", "text")
    ]


def test_one_image_folder_for_both_and_a_column_of_file_names(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "images").mkdir(parents=True)
    for i in range(49):
        (tmp_path / "a/images" / f"{i}.png").write_text("x")
        (tmp_path / "b/images" / f"pic{97 - i}.jpg").write_text("x")
    sample = {"id": range(40, 49), "y": ["a"] * 9}
    found = understand(task(tmp_path / "a", rows(40) | {"y": labels(40)}, rows(9, 40), sample))
    assert [(a.train, a.test, a.suffix) for a in found.assets] == [("images/{id}.png", "images/{id}.png", ".png")]
    files = [f"pic{97 - i}.jpg" for i in range(49)]
    found = understand(
        task(tmp_path / "b", rows(40) | {"f": files[:40], "y": labels(40)}, rows(9, 40) | {"f": files[40:]}, sample)
    )
    assert [(a.train, a.test, a.kind) for a in found.assets] == [("images/{f}", "images/{f}", "image")]


def test_labels_and_files_without_a_test_table(tmp_path: Path) -> None:
    for side, ids in (("train", range(40)), ("test", range(40, 49))):
        (tmp_path / side).mkdir()
        for i in ids:
            (tmp_path / side / f"{i}.Bmp").write_text("x")
    found = understand(
        task(tmp_path, {"ID": range(40), "Class": labels(40)}, None, {"ID": range(40, 49), "Class": ["a"] * 9})
    )
    assert (found.test.name, list(found.test.frame), len(found.test.frame)) == (found.sample.name, ["ID"], 9)
    assert found.assets[0].test == "test/{ID}.Bmp"


def test_what_only_training_rows_have(tmp_path: Path) -> None:
    (tmp_path / "train_cleaned").mkdir()
    (tmp_path / "extra.txt").write_text("x")
    train = rows(40) | {"fold": labels(40), "y": labels(40)}
    found = understand(task(tmp_path, train, rows(9, 40), {"id": range(40, 49), "y": ["a"] * 9}))
    assert found.train_only == ("fold", "train_cleaned")
    assert found.other_files == ("extra.txt",)


def test_task_toml_is_heeded(tmp_path: Path) -> None:
    toml = '[task]\ntarget = "y"\nid = "id"\nmetric = "f1_macro"\nsplit = "group:g"\ntrain = "train_b.csv"\n'
    train = rows(40) | {"g": labels(40, "abcdef"), "y": labels(40)}
    sample = {"id": range(40, 49), "y": ["a"] * 9}
    task(tmp_path, train, rows(9, 40), sample, train="train_a.csv")
    task(tmp_path, train, rows(9, 40), sample, train="train_b.csv", toml=toml)
    found = understand(tmp_path)
    assert (found.train.name, found.metric, found.split) == ("train_b.csv", "f1_macro", "group:g")
    assert ("metric", "f1_macro") in found.settings


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ('[task]\nmetrik = "rmse"\n', "'task.metrik'; did you mean 'metric'"),
        ('target = "y"\n', r"outside of \[task\]"),
        ('[task]\nsplit = "grup:x"\n', "write random, stratified"),
        ('[task]\nsplit = "group:q"\n', "no column 'q'"),
        ("[task\n", "not valid TOML"),
        ('[task]\ntarget = "q"\n', "target 'q' is not a column"),
        ('[task]\nid = "q"\n', "id column 'q'"),
        ('[task]\ntrain = "q.csv"\n', "does not exist"),
        ('[task]\nmetric = "acuracy"\n', "accuracy"),
        ('[task]\nmetric = "rmse"\n', "rmse, which does not fit"),
        ('[task]\nmetric = "accuracy"\ndirection = "min"\n', "direction"),
        ('[task]\nmetric = "metric.py:score"\n', "direction"),
        ('[[assets]]\ntrain = "a"\ntest = "b"\n', "names no column"),
        (
            '[[assets]]\ntrain = "train/{id}/{x.xyz"\ntest = "test/{id}"\n',
            r"task.toml: .*'train/\{id\}/\{x.xyz' are not",
        ),
    ],
)
def test_a_wrong_task_toml_is_one_clear_message(tmp_path: Path, toml: str, words: str) -> None:
    sample = {"id": range(40, 49), "y": ["a"] * 9}
    task(tmp_path, rows(40) | {"y": labels(40)}, rows(9, 40), sample, toml=toml)
    with pytest.raises(TaskError, match=words):
        understand(tmp_path)


def test_an_absent_task_toml_says_nothing(tmp_path: Path) -> None:
    assert read_manifest(tmp_path).settings() == ()


GOOD_SAMPLE: Rows = {"id": range(40, 49), "y": ["a"] * 9}


@pytest.mark.parametrize(
    ("train", "test", "sample", "metric", "words"),
    [
        (rows(40) | {"y": ["a"] * 40}, rows(9, 40), GOOD_SAMPLE, "Accuracy.", "constant"),
        (rows(40), rows(9, 40), GOOD_SAMPLE, "Accuracy.", "neither in train.csv"),
        (rows(40) | {"y": [1.5, 2.5, 3, None] * 10}, rows(9, 40), GOOD_SAMPLE, "RMSE.", "missing in 10 rows"),
        (rows(40) | {"y": [1.5, 2.5, 3, "x"] * 10}, rows(9, 40), GOOD_SAMPLE, "RMSE.", "does not fit"),
        (rows(40) | {"y": labels(40)}, rows(9, 40), GOOD_SAMPLE, "RMSE.", "rmse, which does not fit 'y'"),
        (rows(42) | {"y": labels(42, "abc")}, rows(9, 40), GOOD_SAMPLE, "AUC.", "roc_auc, which does not fit"),
        (rows(40) | {"y": labels(40)}, rows(9, 40), GOOD_SAMPLE | {"q": [1] * 9}, "Accuracy.", "'q'"),
        (rows(40) | {"y": labels(40)}, rows(9, 41), GOOD_SAMPLE, "Accuracy.", "'40'"),
        (rows(40) | {"y": labels(40)}, rows(9, 40) | {"id": [40] * 9}, GOOD_SAMPLE, "Accuracy.", "stands twice"),
        (rows(6) | {"y": labels(6)}, rows(9, 40), GOOD_SAMPLE, "Accuracy.", "at least 10"),
        ({"x": range(40), "y": labels(40)}, {"x": range(8)}, {"y": ["a"] * 9}, "Accuracy.", "cannot be aligned"),
    ],
)
def test_a_broken_task_is_one_clear_message(
    tmp_path: Path, train: Rows, test: Rows, sample: Rows, metric: str, words: str
) -> None:
    task(tmp_path, train, test, sample, metric)
    with pytest.raises(TaskError, match=words) as caught:
        understand(tmp_path)
    assert "\n" not in str(caught.value)


def test_two_candidates_for_train_are_both_named(tmp_path: Path) -> None:
    train = rows(40) | {"y": labels(40)}
    task(tmp_path, train, rows(9, 40), GOOD_SAMPLE, train="train.csv")
    task(tmp_path, train, rows(9, 40), GOOD_SAMPLE, train="train_v2.csv")
    with pytest.raises(TaskError, match=r"train\.csv, train_v2\.csv; .*`train = "):
        understand(tmp_path)


def test_nothing_to_train_on(tmp_path: Path) -> None:
    task(tmp_path, {"a": [1]}, rows(9, 40), GOOD_SAMPLE)
    (tmp_path / "train.csv").unlink()
    with pytest.raises(TaskError, match="nothing to train on"):
        understand(tmp_path)
    with pytest.raises(TaskError, match="no such task folder"):
        understand(tmp_path / "absent")


def test_a_class_with_one_row_is_a_warning(tmp_path: Path) -> None:
    found = understand(task(tmp_path, rows(40) | {"y": [*labels(39), "c"]}, rows(9, 40), GOOD_SAMPLE))
    assert any("single training row: 'c'" in text for text in found.warnings)
