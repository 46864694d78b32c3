"""`new --split`: the test is what new rows will be; a column that counts the rows is their id; and both are told."""

from pathlib import Path

import pandas as pd
import pytest

from mlestar.errors import TaskError
from mlestar.tasks.check import brief
from mlestar.tasks.infer import understand
from mlestar.tasks.new import new

N = 100


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Rows in no order: a date, groups of different sizes, a day of which one half of all rows has, a number."""
    rows = [i * 37 % N for i in range(N)]
    dates = pd.date_range("2023-01-01", periods=N)
    frame = pd.DataFrame(
        {
            "sold": [dates[i].strftime("%Y-%m-%d") for i in rows],
            "shop": [f"s{min(i * i // 100, 40)}" for i in rows],
            "late": ["2024-01-01" if i < 60 else f"2023-02-{1 + i % 20:02d}" for i in rows],
            "size": [f"{i * 13 % 17}.5" for i in rows],
            "price": [3 * i + 0.25 for i in rows],
        }
    )
    frame.to_csv(tmp_path / "sales.csv", index=False)
    return tmp_path / "sales.csv"


def test_time_holds_the_latest_fifth(file: Path) -> None:
    told: list[str] = []
    found = understand(new(file, "price", split="time:sold", say=told.append))
    assert len(found.test.frame) == N // 5
    assert found.test.frame["sold"].min() > found.train.frame["sold"].max()
    assert found.split == "time:sold"
    assert told == ["test: 20 of 100 rows, the latest by `sold`, from 2023-03-22 on"]
    assert "from 2023-03-22 on" in found.description


def test_equal_times_stay_together(file: Path) -> None:
    frame = pd.read_csv(file).assign(sold=lambda f: f["sold"].str[:7] + "-01")  # 31, 28, 31 and 10 rows
    frame = pd.concat([frame.assign(sold=frame["sold"].str.replace("2023", year)) for year in ("2021", "2022", "2023")])
    frame.to_csv(file, index=False)
    found = understand(new(file, "price", split="time:sold"))
    assert not set(found.test.frame["sold"]) & set(found.train.frame["sold"])
    assert set(found.test.frame["sold"]) == {"2023-02-01", "2023-03-01", "2023-04-01"}, (
        "23 %, and 14 % without February"
    )


def test_group_holds_whole_groups(file: Path) -> None:
    found = understand(new(file, "price", split="group:shop"))
    assert not set(found.test.frame["shop"]) & set(found.train.frame["shop"])
    assert 10 <= len(found.test.frame) <= 25
    other = understand(new(file, "price", file.parent / "other", split="group:shop", seed=1))
    assert set(other.test.frame["shop"]) != set(found.test.frame["shop"])


def test_blocks_holds_ends_of_stretches_and_horizon_the_latest(file: Path) -> None:
    found = understand(new(file, "price", file.parent / "b", split="blocks:sold"))
    assert sorted(found.test.frame["sold"])[:4] == ["2023-01-09", "2023-01-10", "2023-01-19", "2023-01-20"]
    frame = pd.read_csv(file).sort_values("sold").drop(columns=["late", "shop"])
    frame.to_csv(file, index=False)
    found = understand(new(file, "price", file.parent / "h", split="horizon"))
    assert (found.kind, found.time, len(found.test.frame)) == ("forecast", "sold", 20)
    assert found.test.frame["sold"].min() > found.train.frame["sold"].max()


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ("time:late", "60% of all rows have the latest time in 'late'"),
        ("time:shop", "not all cells of 'shop' are dates or numbers, such as 's"),
        ("time:nowhere", "'nowhere' is not a column"),
        ("time:price", "'price' is to be predicted"),
        ("blocks:size", "17 distinct times; 30 are needed"),
        ("horizon", "'sold', 'late' all look like the time"),
        ("weekly", "write random, stratified, group:"),
    ],
)
def test_what_cannot_be_held_is_refused_and_leaves_nothing(file: Path, split: str, words: str) -> None:
    with pytest.raises(TaskError, match=words):
        new(file, "price", split=split)
    assert [path.name for path in file.parent.iterdir()] == ["sales.csv"]


def test_too_few_groups_or_times_are_refused(file: Path) -> None:
    frame = pd.read_csv(file).assign(shop=lambda f: ["a", "b"] * (len(f) // 2), late=[2019 + i % 5 for i in range(N)])
    frame.to_csv(file, index=False)
    with pytest.raises(TaskError, match="'shop' has 2 groups; 3 are needed"):
        new(file, "price", split="group:shop")
    with pytest.raises(TaskError, match="4 distinct times; 6 are needed"):
        new(file, "price", split="time:late")


def test_a_column_that_counts_the_rows_is_the_id_and_may_be_kept(file: Path) -> None:
    frame = pd.read_csv(file)
    frame.insert(1, "nr", range(7, N + 7))
    frame.insert(0, "year", range(1900, N + 1900))
    frame.to_csv(file, index=False)
    told: list[str] = []
    folder = new(file, "price", file.parent / "a", say=told.append)
    assert understand(folder).id == ("nr",)
    assert told[0] == "id: 'nr' counts the rows (7, 8, 9, …), so it is no feature; --id \"\" keeps it as one"
    text = brief(folder, told)
    assert "id         nr: 'nr' counts the rows (7, 8, 9, …)" in text
    for words in ("price: values from 0.25 to ", "rmse, lower is better", "numbers    2: year, size", "20 of 100 rows"):
        assert words in text
    assert understand(new(file, "price", file.parent / "b", id="")).id == ()
    assert understand(new(file, "price", file.parent / "c", split="time:nr")).id == ()


@pytest.mark.parametrize(
    ("name", "step", "id"), [("sale_id", 3, True), ("size", 3, False), ("size", 1, True), ("year", 1, False)]
)
def test_what_is_a_row_number(tmp_path: Path, name: str, step: int, id: bool) -> None:
    table = {name: [2000 + step * i for i in range(N)], "price": [i * 7 % 50 + 0.5 for i in range(N)], "x": [1, 2] * 50}
    pd.DataFrame(table).to_csv(tmp_path / "t.csv", index=False)
    assert understand(new(tmp_path / "t.csv", "price")).id == ((name,) if id else ())


def test_a_column_that_does_not_rise_is_none(tmp_path: Path) -> None:
    table = {"id": [*range(1, N), 1], "price": [i * 7 % 50 + 0.5 for i in range(N)]}
    pd.DataFrame(table).to_csv(tmp_path / "t.csv", index=False)
    assert understand(new(tmp_path / "t.csv", "price")).id == ()
