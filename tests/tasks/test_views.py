from __future__ import annotations

import os
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlestar.errors import TaskError
from mlestar.tasks import names, tables
from mlestar.tasks.source import Source
from mlestar.tasks.splits import cut
from mlestar.tasks.views import NAMES, Views

FIVE = NAMES[:5]


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Text and time of every file, by its path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {p.relative_to(folder).as_posix(): (p.read_bytes(), p.stat().st_mtime_ns) for p in paths}


def table(task: Source, folder: Path, part: str) -> pd.DataFrame:
    return tables.read(folder / getattr(task, part).name, folder).frame


def with_train(task: Source, frame: pd.DataFrame) -> Source:
    return replace(task, train=replace(task.train, frame=frame))


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(20, 60), st.randoms(use_true_random=False), st.sampled_from(["csv", "tsv", "json"]), st.booleans())
def test_held_labels_and_train_only_values_never_reach_the_test_side(
    folders: Any, rows: int, shuffler: Any, suffix: str, with_files: bool
) -> None:
    with tempfile.TemporaryDirectory() as there:
        root = Path(there)
        train, test = folders.frames(rows)
        train["only_train"] = [f"secret {n}" for n in range(rows)]
        task = folders.source(root / "task", train, test, suffix=suffix, train_only=("only_train",))
        if with_files:
            task = replace(task, assets=folders.row_files(root / "task", train, test))
        made = cut(task, 4)
        held = made.folds[2]
        changed = task.train.frame.copy()
        for column in ("y", "only_train"):
            values = changed[column].iloc[held].tolist()
            shuffler.shuffle(values)
            changed.loc[held, column] = values
        one, two = Views(task, made, root / "one", 4), Views(with_train(task, changed), made, root / "two", 4)
        assert files(one.folder("fold-2")) == files(two.folder("fold-2"))
        assert list(table(task, one.folder("fold-2"), "test").columns) == list(test.columns)


@settings(max_examples=3)
@given(st.randoms(use_true_random=False), st.sampled_from(["random", "stratified", "group:g"]))
def test_sealed_labels_influence_neither_cut_nor_fold_views(folders: Any, shuffler: Any, split: str) -> None:
    with tempfile.TemporaryDirectory() as there:
        train, test = folders.frames(2100, g=lambda n: n // 2)
        task = folders.source(Path(there) / "task", train, test, split=split)
        made = cut(task, 0)
        changed = task.train.frame.copy()
        values = changed["y"].iloc[made.sealed].tolist()
        shuffler.shuffle(values)
        changed.loc[made.sealed, "y"] = values
        other = with_train(task, changed)
        again = cut(other, 0)
        assert len(made.sealed) >= 300
        assert all(np.array_equal(a, b) for a, b in zip(made.folds, again.folds, strict=True))
        one, two = Views(task, made, Path(there) / "one", 0, 500), Views(other, again, Path(there) / "two", 0, 500)
        for name in FIVE:
            assert files(one.folder(name)) == files(two.folder(name))
            assert not set(tables.texts(task.train.frame["id"].iloc[made.sealed])) & set(
                table(task, one.folder(name), "train")["id"]
            )


def test_views_divide_the_rows_and_keep_cells_as_they_are(folders: Any, tmp_path: Path) -> None:
    train, test = folders.frames(40, odd=lambda n: ["007", "1.10", "NA", 'say "é", ok', ""][n % 5])
    task = folders.source(tmp_path / "task", train, test)
    views = Views(task, cut(task, 0), tmp_path / "views", 0)
    known = train.set_index("id")
    seen: list[str] = []
    for name in FIVE:
        held, learned = (table(task, views.folder(name), part) for part in ("test", "train"))
        assert not set(held["id"]) & set(learned["id"])
        assert len(held) + len(learned) == 40
        assert held["odd"].tolist() == known.loc[held["id"], "odd"].tolist()
        assert learned["y"].tolist() == known.loc[learned["id"], "y"].tolist()
        assert held["id"].tolist() == train["id"].iloc[views.held(name)].tolist()
        assert held["id"].tolist() != sorted(held["id"], key=train["id"].tolist().index)
        sample = table(task, views.folder(name), "sample")
        assert sample["id"].tolist() == held["id"].tolist()
        assert set(sample["y"]) == {"0"}
        seen += held["id"].tolist()
    assert sorted(seen) == sorted(train["id"])
    assert (views.folder("real") / "test.csv").read_bytes() == (tmp_path / "task" / "test.csv").read_bytes()


def test_a_view_is_the_same_when_built_again_and_nothing_half_built_is_left(folders: Any, tmp_path: Path) -> None:
    train, test = folders.frames(40)
    task = folders.source(tmp_path / "task", train, test)
    task = replace(task, assets=folders.row_files(tmp_path / "task", train, test))
    made = cut(task, 0)
    one, two = Views(task, made, tmp_path / "one", 5), Views(task, made, tmp_path / "two", 5)
    (tmp_path / "two" / ".fold-1.building" / "rubbish").mkdir(parents=True)
    assert files(one.folder("fold-1")) == files(two.folder("fold-1"))
    assert not list((tmp_path / "two").glob("*.building"))
    assert all(not os.access(path, os.W_OK) or os.geteuid() == 0 for path in one.folder("fold-1").rglob("*.txt"))


def test_row_files_follow_their_rows_under_neutral_names_and_are_never_the_users(folders: Any, tmp_path: Path) -> None:
    train, test = folders.frames(40)
    train["id"], test["id"] = [str(n + 1) for n in range(40)], [str(n + 1) for n in range(12)]
    task = folders.source(tmp_path / "task", train, test)
    task = replace(task, assets=folders.row_files(tmp_path / "task", train, test))
    (tmp_path / "task" / "train" / "7" / "hint.txt").write_text("only row 7 has this")
    views = Views(task, cut(task, 0), tmp_path / "views", 0)
    users = {path.stat().st_ino for path in (tmp_path / "task").rglob("*")}
    for name in FIVE:
        folder = views.folder(name)
        held, learned = table(task, folder, "test"), table(task, folder, "train")
        assert held["id"].tolist() == [str(n + 1) for n in range(len(held))]
        assert {path.name for path in (folder / "test").iterdir()} == set(held["id"])
        assert {path.name for path in (folder / "train").iterdir()} == set(learned["id"])
        inodes = [(folder / "test" / i / "note.txt").stat().st_ino for i in held["id"]]
        assert sorted(inodes) != inodes  # copies were made in another order than rows are named
        for part, frame in (("test", held), ("train", learned)):
            texts = [(folder / part / i / "note.txt").read_text().strip() for i in frame["id"]]
            assert texts == frame["x"].tolist()
        assert list(folder.rglob("hint.txt")) == [folder / "train/7/hint.txt"] * ("7" in set(learned["id"]))
        assert len({path.stat().st_mtime for path in [folder, *folder.rglob("*")]}) == 1
        assert not users & {path.stat().st_ino for path in folder.rglob("*")}
    assert not users & {path.stat().st_ino for path in views.folder("real").rglob("*")}


def test_side_tables_give_held_rows_only_what_real_test_rows_have(folders: Any, tmp_path: Path) -> None:
    train, test = folders.frames(40)
    task = folders.source(tmp_path / "task", train, test)
    both = pd.concat([train["id"], test["id"]], ignore_index=True)
    for name, ids in (
        ("notes", both),
        ("origin", train["id"]),
        ("visits_train", train["id"]),
        ("visits_test", test["id"]),
    ):
        ids.to_frame().assign(v=ids.str[1:]).to_csv(tmp_path / "task" / f"{name}.csv", index=False)
    (tmp_path / "task" / "lookup.csv").write_text("k,v\n1,2\n")
    (tmp_path / "task" / "task.toml").write_text("")
    views = Views(task, cut(task, 0), tmp_path / "views", 0)
    folder = views.folder("fold-3")
    held, learned = (set(table(task, folder, part)["id"]) for part in ("test", "train"))
    side = {p.stem: pd.read_csv(p, dtype=str) for p in folder.glob("*.csv")}
    assert set(side["notes"]["id"]) == held | learned
    assert set(side["origin"]["id"]) == learned == set(side["visits_train"]["id"])
    assert set(side["visits_test"]["id"]) == held
    assert side["visits_test"]["v"].tolist() == side["visits_test"]["id"].str[1:].tolist()
    assert side["visits_test"]["id"].tolist() == table(task, folder, "test")["id"].tolist()
    assert (folder / "lookup.csv").read_text() == "k,v\n1,2\n"
    assert not (folder / "task.toml").exists()
    assert not (views.folder("real") / "task.toml").exists()


def test_a_missing_id_is_made_in_the_tests_shape_and_tells_nothing_of_the_row(folders: Any, tmp_path: Path) -> None:
    train, test = folders.frames(60)
    test["id"] = [f"test_{n * 37 % 9000:04d}" for n in range(12)]
    for start, frame in (("absent", train.drop(columns="id")), ("other", train)):
        task = folders.source(tmp_path / start, frame, test)
        views = Views(task, cut(task, 0), tmp_path / f"{start}-views", 0)
        held = table(task, views.folder("fold-0"), "test")
        assert held["id"].str.fullmatch(r"test_\d{4}").all()
        assert held["id"].is_unique
        assert not set(held["id"]) & set(test["id"])
        turned = Views(
            with_train(task, task.train.frame.iloc[::-1].reset_index(drop=True)),
            cut(task, 0),
            tmp_path / f"{start}-2",
            0,
        )
        assert table(task, turned.folder("fold-0"), "test")["id"].tolist() == held["id"].tolist()


def test_a_test_column_without_a_rule_is_refused(folders: Any, tmp_path: Path) -> None:
    train, test = folders.frames(40)
    task = folders.source(tmp_path / "a", train, test.assign(place=[str(n) for n in range(12)], year="2020"))
    held = table(task, Views(task, cut(task, 0), tmp_path / "va", 0).folder("fold-0"), "test")
    assert held["place"].tolist() == [str(n) for n in range(len(held))]
    assert set(held["year"]) == {"2020"}
    task = folders.source(tmp_path / "b", train, test.assign(price=[str(n * n + 3) for n in range(12)]))
    with pytest.raises(TaskError, match="'price' is missing from the training table"):
        Views(task, cut(task, 0), tmp_path / "vb", 0).folder("fold-0")


def test_an_empty_target_column_of_the_test_stays_empty_for_held_rows(folders: Any, tmp_path: Path) -> None:
    train, test = folders.frames(40)
    task = folders.source(tmp_path / "a", train, test.assign(y=""))
    held = table(task, Views(task, cut(task, 0), tmp_path / "v", 0).folder("fold-0"), "test")
    assert set(held["y"]) == {""}


def test_held_rows_stay_in_time_order_if_the_test_is(folders: Any, tmp_path: Path) -> None:
    train, test = folders.frames(80, day=lambda n: f"2020-{1 + n // 28:02d}-{1 + n % 28:02d}")
    task = folders.source(tmp_path / "a", train.iloc[::-1].reset_index(drop=True), test, split="time:day")
    views = Views(task, cut(task, 0), tmp_path / "v", 0)
    assert all(table(task, views.folder(name), "test")["day"].is_monotonic_increasing for name in FIVE)
    task = folders.source(tmp_path / "b", train, test.iloc[::-1].reset_index(drop=True), split="time:day")
    views = Views(task, cut(task, 0), tmp_path / "w", 0)
    assert not all(table(task, views.folder(name), "test")["day"].is_monotonic_increasing for name in FIVE)


def test_search_rows_bounds_the_training_rows_and_keeps_class_shares(folders: Any, tmp_path: Path) -> None:
    train, test = folders.frames(400)
    task = folders.source(tmp_path / "a", train, test)
    views = Views(task, cut(task, 0), tmp_path / "v", 0, search_rows=100)
    learned = table(task, views.folder("fold-0"), "train")
    assert len(learned) == 100
    whole = train["y"].drop(views.held("fold-0"))
    assert abs((learned["y"] == "1").mean() - (whole == "1").mean()) < 0.02


def test_a_part_of_a_fold_has_its_test_side_and_fewer_training_rows(folders: Any, tmp_path: Path) -> None:
    train, test = folders.frames(400)
    task = folders.source(tmp_path / "task", train, test)
    views = Views(task, cut(task, 4), tmp_path / "views", 4)
    whole, (eighth, quarter) = views.folder("fold-1"), (views.folder(f"fold-1-of-{n}") for n in (8, 4))
    known = table(task, whole, "train")
    for part, share in ((eighth, 8), (quarter, 4)):
        rows = table(task, part, "train")
        assert len(rows) == len(known) // share
        assert set(rows["id"]) <= set(known["id"])
        assert (part / task.test.name).read_bytes() == (whole / task.test.name).read_bytes()
        assert (part / task.sample.name).read_bytes() == (whole / task.sample.name).read_bytes()


def test_an_empty_sample_is_filled_from_training_rows(folders: Any, tmp_path: Path) -> None:
    train, test = folders.frames(40)
    task = folders.source(tmp_path / "a", train, test)
    task = replace(task, sample=replace(task.sample, frame=task.sample.frame.assign(y="")))
    views = Views(task, cut(task, 0), tmp_path / "v", 0)
    known = train["y"].iloc[views.train("fold-0")]
    assert set(views.sample("fold-0")["y"]) == {known.mode().iloc[0]}


@pytest.mark.parametrize(
    ("like", "pattern"),
    [
        (["4", "1", "3", "2"], r"[1-5]"),
        (["id27251", "id00951", "id19526"], r"id\d{5}"),
        (["1461", "1462", "2919"], r"\d+"),
        (["a1f-03.png", "99e-7b.png", "c0d-11.png"], r"[0-9a-f]{3}-[0-9a-f]{2}\.png"),
        (["Xy", "Qr", "Zz"], r"[A-Z][a-z]"),
    ],
)
def test_fresh_names_have_the_shape_of_real_ones(like: list[str], pattern: str) -> None:
    made = names.fresh(like, 5, set(like), np.random.default_rng(0))
    assert len(set(made)) == 5
    assert all(re.fullmatch(pattern, name) for name in made)


def test_ids_are_kept_where_they_look_like_the_tests(folders: Any, tmp_path: Path) -> None:
    train, test = folders.frames(40)
    assert names.renamed(folders.source(tmp_path / "a", train, test)) == {}
    train["id"] = [f"train/{name}" for name in train["id"]]
    assert "look unlike" in names.renamed(folders.source(tmp_path / "b", train, test))["id"]
