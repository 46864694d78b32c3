"""Forecasts: series and their time are found, windows imitate the test, MASE and OWA are scaled by the train part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlestar.errors import TaskError
from mlestar.tasks.infer import understand
from mlestar.tasks.prepared import Prepared, prepare
from mlestar.tasks.source import Source

TOLD = "# Series\n\n## Metric\nMASE: errors are divided by the mean absolute difference at lag 4.\n"
LENGTHS = {"a": 60, "b": 44, "c": 80}


def panel(folder: Path, *, dated: bool = False, told: str = TOLD, toml: str = "", **lengths: int) -> Path:
    """A task of series that the test continues for four steps, with a column that counts them."""
    folder.mkdir(parents=True)
    rows = []
    for number, (name, length) in enumerate((lengths or LENGTHS).items()):
        for t in range(length + 4):
            ahead = t - length + 1 if t >= length else 0
            rows.append((name, t, ahead, round(10 + number + 3 * (t % 4) + 0.01 * t * t % 7, 3)))
    whole = pd.DataFrame(rows, columns=["shop", "day", "h", "sales"])
    if dated:
        last = whole.groupby("shop")["day"].transform("max")
        whole["day"] = (pd.Timestamp("2022-03-01") + pd.to_timedelta(whole["day"] - last, unit="D")).dt.strftime(
            "%Y-%m-%d"
        )
    future = whole[whole["h"] > 0].reset_index(drop=True)
    future.insert(0, "id", [f"{shop}_{h}" for shop, h in zip(future["shop"], future["h"], strict=True)])
    whole[whole["h"] == 0].drop(columns="h").to_csv(folder / "train.csv", index=False)
    future.drop(columns="sales").to_csv(folder / "test.csv", index=False)
    future[["id", "sales"]].assign(sales=0.5).to_csv(folder / "sample_submission.csv", index=False)
    (folder / "description.md").write_text(told)
    if toml:
        (folder / "task.toml").write_text(toml)
    return folder


def opened(tmp_path: Path, **more: object) -> Prepared:
    return prepare(panel(tmp_path / "task", **more), tmp_path / "run", 0)  # type: ignore[arg-type]


def test_series_and_their_time_are_found(tmp_path: Path) -> None:
    found = understand(panel(tmp_path / "task"))
    assert (found.kind, found.split, found.series, found.time) == ("forecast", "horizon", ("shop",), "day")
    assert found.season == 4
    assert "lag 4" in " ".join(found.evidence)


def test_two_columns_may_name_a_series(tmp_path: Path) -> None:
    days = pd.date_range("2021-01-01", periods=50).strftime("%Y-%m-%d")
    keys = [(shop, item) for shop in "ab" for item in "xyz"]
    whole = pd.DataFrame([(s, i, d, n % 9 + k / 7) for k, (s, i) in enumerate(keys) for n, d in enumerate(days)],
                         columns=["shop", "item", "date", "y"])  # fmt: skip
    later = whole["date"] > days[44]
    whole[~later].to_csv(tmp_path / "train.csv", index=False)
    test = whole[later].drop(columns="y").reset_index(names="id")
    test.to_csv(tmp_path / "test.csv", index=False)
    test[["id"]].assign(y=0.5).to_csv(tmp_path / "sample_submission.csv", index=False)
    found = understand(tmp_path)
    assert (found.split, found.series, found.time) == ("horizon", ("shop", "item"), "date")


def test_one_series_of_even_dates_is_a_forecast_and_of_odd_ones_is_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, gaps, split in (("even", np.ones(80), "horizon"), ("odd", rng.exponential(50, 80) + 1, "time:date")):
        folder = tmp_path / name
        folder.mkdir()
        dates = (pd.Timestamp("2020-01-01") + pd.to_timedelta(np.cumsum(gaps).astype(int), unit="D")).strftime(
            "%Y-%m-%d"
        )
        whole = pd.DataFrame({"date": dates, "y": rng.normal(size=80).round(3)})
        whole[:70].to_csv(folder / "train.csv", index=False)
        test = whole[["date"]][70:].reset_index(names="id")
        test.to_csv(folder / "test.csv", index=False)
        test[["id"]].assign(y=0.5).to_csv(folder / "sample_submission.csv", index=False)
        found = understand(folder)
        assert (found.split, found.series, found.time) == (split, (), "date" if name == "even" else "")


@pytest.mark.parametrize("dated", [False, True])
def test_windows_imitate_the_test_the_latest_first(tmp_path: Path, dated: bool) -> None:
    task = opened(tmp_path, dated=dated)
    cut, frame = task.cut, task.source.train.frame
    age = frame.groupby("shop").cumcount(ascending=False).to_numpy()
    for k, fold in enumerate(cut.folds):
        assert sorted(age[fold]) == sorted(list(range(4 * k, 4 * k + 4)) * 3)
        assert age[cut.train(k)].min() == 4 * (k + 1)


def test_short_series_are_held_where_they_can_be(tmp_path: Path) -> None:
    task = opened(tmp_path, a=60, b=14, c=80)
    shops = task.source.train.frame["shop"].to_numpy()
    held = [set(shops[fold]) for fold in task.cut.folds]
    assert held == [{"a", "b", "c"}, {"a", "b", "c"}, *[{"a", "c"}] * 3]


def test_where_all_series_are_short_windows_are(tmp_path: Path) -> None:
    task = opened(tmp_path, a=16, b=17)
    assert [len(fold) for fold in task.cut.folds] == [4] * 5


def test_a_column_that_counts_steps_counts_them_in_folds_too(tmp_path: Path) -> None:
    task = opened(tmp_path)
    view = pd.read_csv(task.view("fold-1") / "test.csv")
    assert (view.groupby("shop")["h"].agg(list).map(sorted) == [[1, 2, 3, 4]] * 3).all()
    assert (view["day"] - view["h"] + 1 == view["shop"].map({s: n - 8 for s, n in LENGTHS.items()})).all()
    assert view["day"].groupby(view["shop"]).is_monotonic_increasing.all()


def test_mase_is_scaled_by_the_naive_step_of_the_train_part(tmp_path: Path) -> None:
    task = opened(tmp_path)
    side = task.side("fold-0")
    known = task.source.train.frame.iloc[side.train].astype({"sales": float})
    steps = known.groupby("shop")["sales"].apply(lambda v: np.abs(v.to_numpy()[4:] - v.to_numpy()[:-4]).mean())
    assert side.truth is not None
    shops = task.source.train.frame["shop"].iloc[task.views.held("fold-0")]
    assert task.score("fold-0", side.truth + 1.0) == pytest.approx(float(np.mean(1 / steps[shops])))
    assert task.score("fold-0", side.truth) == 0


def test_owa_takes_the_reference_that_is_told_or_makes_one(tmp_path: Path) -> None:
    told = "# Series\n\n## Metric\nOWA = 0.5 * (sMAPE / 10.5 + MASE / 2.25), MASE at lag 4.\n"
    task = opened(tmp_path, told=told)
    assert task.side("fold-0").reference == (10.5, 2.25)
    bare = prepare(panel(tmp_path / "bare", told="## Metric\nOverall weighted average (OWA).\n"), tmp_path / "run2", 0)
    reference = bare.side("fold-0").reference
    assert reference is not None
    assert min(reference) > 0
    truth = bare.side("fold-0").truth
    assert truth is not None
    assert bare.score("fold-0", truth) == 0


def test_a_series_that_is_constant_counts_by_the_others(tmp_path: Path) -> None:
    folder = panel(tmp_path / "task")
    frame = pd.read_csv(folder / "train.csv")
    frame.loc[frame["shop"] == "a", "sales"] = 7.0
    frame.to_csv(folder / "train.csv", index=False)
    scale = prepare(folder, tmp_path / "run", 0).side("fold-0").scale
    assert scale is not None
    assert (scale > 0).all()


def test_dates_with_gaps_are_no_time_of_series(tmp_path: Path) -> None:
    folder = panel(tmp_path / "task", dated=True)
    frame = pd.read_csv(folder / "train.csv")
    frame.loc[3, "day"] = ""
    frame.to_csv(folder / "train.csv", index=False)
    assert understand(folder).kind == "table"


def test_task_toml_names_series_time_and_season(tmp_path: Path) -> None:
    toml = '[task]\nsplit = "horizon"\nseries = ["shop"]\ntime = "day"\nseason = 2\n'
    found: Source = understand(panel(tmp_path / "task", toml=toml))
    assert (found.series, found.time, found.season) == (("shop",), "day", 2)
    with pytest.raises(TaskError, match="'hour' names series or their time"):
        understand(panel(tmp_path / "other", toml='[task]\ntime = "hour"\n'))
