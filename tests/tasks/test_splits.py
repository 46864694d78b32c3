from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mlestar.errors import TaskError
from mlestar.records import Asset
from mlestar.tasks.source import Source, Table
from mlestar.tasks.splits import FOLDS, Cut, cut
from mlestar.tasks.times import moments


def source(train: dict[str, Any], test: dict[str, Any], split: str, classes: tuple[str, ...] = ("0", "1")) -> Source:
    """A Source in memory: cutting reads no file."""
    tables = [Table(f"{n}.csv", pd.DataFrame(f, dtype="str"), "csv") for n, f in (("train", train), ("test", test))]
    return Source(
        Path(), "table", "", tables[0], tables[1], tables[1], ("id",), ("y",), "label", ("y",), (), classes,
        "accuracy", "max", split, (), (), (), (), (),
    )  # fmt: skip


def columns(rows: int, **more: Any) -> dict[str, Any]:
    return {"id": [f"i{n}" for n in range(rows)], "x": [f"{n * 37 % 1009}.{n}" for n in range(rows)], **more}


def held_once(made: Cut) -> bool:
    rows = np.concatenate([made.sealed, *made.folds])
    return sorted(rows.tolist()) == list(range(len(made.owners)))


@settings(max_examples=40)
@given(st.integers(12, 900), st.integers(0, 99), st.sampled_from(["random", "stratified", "group:g"]))
def test_every_search_row_is_held_exactly_once(rows: int, seed: int, split: str) -> None:
    labels = [str(n * 7 % 3) for n in range(rows)]
    made = cut(source(columns(rows, g=[str(n // 2) for n in range(rows)], y=labels), columns(5), split), seed)
    assert held_once(made)
    for k in range(FOLDS):
        assert len(made.folds[k]) > 0
        assert not set(made.folds[k]) & set(made.train(k))
        assert not set(made.sealed) & set(made.train(k))
    if split == "group:g":
        for part in (made.sealed, *made.folds):
            inside = set(made.owners[part])
            assert not inside & set(np.delete(made.owners, part))


@settings(max_examples=25)
@given(st.lists(st.integers(0, 60), min_size=40, max_size=900), st.integers(0, 9))
def test_time_folds_train_only_on_the_past(times: list[int], seed: int) -> None:
    days = [f"2020-{1 + t // 28:02d}-{1 + t % 28:02d}" for t in times]
    task = source(columns(len(times), day=days, y=["0"] * len(times)), columns(5), "time:day")
    assume(len(set(times)) >= 8)
    made = cut(task, seed)
    when = np.array(times)
    for k in range(FOLDS):
        assert when[made.train(k)].max() < when[made.folds[k]].min()
        assert k == 0 or when[made.folds[k - 1]].max() < when[made.folds[k]].min()
    if len(made.sealed):
        assert when[made.search].max() < when[made.sealed].min()


def test_time_seals_the_last_window() -> None:
    rows = 4000
    made = cut(source(columns(rows, t=[str(n) for n in range(rows)], y=["0"] * rows), columns(5), "time:t"), 0)
    assert made.sealed.tolist() == list(range(3400, 4000))
    assert len(np.unique(made.owners[made.sealed])) >= 10


@pytest.mark.parametrize(("rows", "sealed"), [(1900, 0), (2100, 315), (80_000, 10_000)])
def test_sealed_is_fifteen_percent_within_its_bounds(rows: int, sealed: int) -> None:
    made = cut(source(columns(rows, y=["0", "1"] * (rows // 2)), columns(5), "random"), 3)
    assert len(made.sealed) == sealed
    assert not len(cut(source(columns(rows, y=["0", "1"] * (rows // 2)), columns(5), "random"), 3, seal=False).sealed)


def test_sealed_labels_do_not_influence_the_cut() -> None:
    rows = 2500
    labels = np.array([str(n * n % 5 % 2) for n in range(rows)])
    before = cut(source(columns(rows, y=labels), columns(5), "stratified"), 1)
    changed = labels.copy()
    changed[before.sealed] = changed[before.sealed][::-1]
    after = cut(source(columns(rows, y=changed), columns(5), "stratified"), 1)
    assert (changed != labels).any()
    assert all(np.array_equal(a, b) for a, b in zip(before.folds, after.folds, strict=True))
    assert np.array_equal(before.sealed, after.sealed)


def test_stratified_spreads_classes_and_takes_a_class_with_one_row() -> None:
    labels = ["a"] * 70 + ["b"] * 29 + ["once"]
    made = cut(source(columns(100, y=labels), columns(5), "stratified", ("a", "b", "once")), 0)
    counts = [sum(labels[i] == "a" for i in fold) for fold in made.folds]
    assert set(counts) == {14}
    assert {len(fold) for fold in made.folds} == {20}
    assert held_once(made)


def test_twins_stay_together_only_if_the_test_has_none_in_train() -> None:
    x = [str(n // 2) for n in range(400)]
    train = {"id": [f"i{n}" for n in range(400)], "x": x, "y": ["0", "1"] * 200}
    apart = cut(source(train, {"id": ["t1", "t2"], "x": ["-1", "-2"]}, "random"), 0)
    assert all(np.bincount(apart.owners[fold])[apart.owners[fold]].min() == 2 for fold in apart.folds)
    assert "twins stay together" in apart.evidence
    usual = cut(source(train, {"id": ["t1", "t2"], "x": ["3", "4"]}, "random"), 0)
    assert len(np.unique(usual.owners)) == 400


def test_blocks_hold_the_ends_of_training_runs_as_long_as_test_runs() -> None:
    days = [(month, day) for month in range(20) for day in range(30)]
    time = {part: [str(m * 30 + d) for m, d in days if (d >= 22) == (part == "test")] for part in ("train", "test")}
    train = columns(len(time["train"]), t=time["train"], y=["0"] * len(time["train"]))
    made = cut(source(train, columns(len(time["test"]), t=time["test"]), "blocks:t"), 0)
    for fold in made.folds:
        assert {int(time["train"][row]) % 30 for row in fold} == set(range(14, 22))
        assert len(fold) == 4 * 8
    assert len(set(np.concatenate(made.folds))) == 20 * 8
    assert (np.diff(made.train(0)) > 0).all()


@pytest.mark.parametrize("groups", [2, 4, 5, 7])
def test_few_groups_make_as_many_folds(groups: int) -> None:
    owner = [f"who-{n * 31 % groups}" for n in range(400)]
    task = source(columns(400, g=owner, y=[str(n % 3) for n in range(400)]), columns(20), "group:g")
    made = cut(task, 0)
    assert len(made.folds) == min(groups, 5)
    assert not len(made.sealed)  # one of so few would be missed
    assert sorted(np.concatenate(made.folds)) == list(range(400))
    for k, fold in enumerate(made.folds):
        assert {owner[row] for row in fold}.isdisjoint(owner[row] for row in made.train(k))
        assert groups > 5 or len({owner[row] for row in fold}) == 1


@pytest.mark.parametrize(
    ("split", "rows", "g", "message"),
    [
        ("random", 5, lambda n: n, "5 rows"),
        ("group:g", 50, lambda n: 7, "1 distinct"),
        ("time:g", 50, lambda n: n % 4, "4 distinct times"),
        ("group:none", 50, lambda n: n, "no column 'none'"),
        ("horizon", 50, lambda n: n, "cannot be cut"),
        ("time:id", 50, lambda n: n, "does not hold times"),
    ],
)
def test_what_cannot_be_cut_says_why(split: str, rows: int, g: Any, message: str) -> None:
    task = source(columns(rows, g=[str(g(n)) for n in range(rows)], y=["0"] * rows), columns(5), split)
    with pytest.raises(TaskError, match=message):
        cut(task, 0)


def test_moments_sort_numbers_and_dates_and_put_gaps_first() -> None:
    assert moments(pd.Series(["10", "9", "", "11"])).argsort().tolist() == [2, 1, 0, 3]
    dates = pd.Series(["2021-03-01", "2020-12-31 23:00", "2021-02-28"])
    assert moments(dates).argsort().tolist() == [1, 2, 0]


def test_row_files_are_features_so_equal_tables_are_no_twins() -> None:
    task = source({"id": [f"i{n}" for n in range(50)], "x": ["1"] * 50, "y": ["0"] * 50}, columns(5), "random")
    made = cut(replace(task, assets=(Asset("a/{id}.png", "b/{id}.png", ".png", "image"),)), 0)
    assert len(np.unique(made.owners)) == 50
