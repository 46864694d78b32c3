"""Dates with the day first are dates: in the profile, in splits of time, and in scripts; what is open is told."""

import runpy
from pathlib import Path

import pandas as pd
import pytest

from mlestar.brains.playbook.assemble import assemble
from mlestar.brains.playbook.shelf import Shelf
from mlestar.search.library import Library
from mlestar.tasks.days import day_first, year_first
from mlestar.tasks.infer import understand
from mlestar.tasks.new import new
from mlestar.tasks.prepared import prepare
from mlestar.tasks.source import Table

DATES = pd.date_range("2023-01-01", periods=150)


def table(**columns: list[str]) -> Table:
    return Table("train.csv", pd.DataFrame(columns, dtype="str"), "csv")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("31.01.2024", "2024-01-31"),
        ("1/2/2024 9:00", "2024-2-1 9:00"),
        ("2024-01-31", "2024-01-31"),
        ("NA", "NA"),
        ("31.01.24", "2024-01-31"),
        ("31/1/70 9:00", "1970-1-31 9:00"),
        ("1.2.345", "1.2.345"),
        ("6.1.7601", "6.1.7601"),
    ],
)
def test_what_a_date_says(text: str, meant: str) -> None:
    assert year_first(text) == meant


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        (["01/02/2024", "31/01/2024"], True),
        (["", "31-1-2024 10:30"], True),
        (["01/31/2024", "01/02/2024"], False),
        (["2024-01-31"], False),
        (["31/01/2024", "01/31/2024"], False),  # nobody's dates
        (["32/01/2024"], False),
        (["13/01/2024", "x"], False),
        (["13/01/2024", "2024-02-01"], True),
        (["13/01/24"], False),  # perhaps the year is first
        (["24/01/13", "24/01/14"], False),
        (["13/01/24", "14/01/24"], True),
        (["13/01/68", "1/1/2024"], True),
        (["01/14/24", "01/13/24"], False),
        (["10.0.1904", "13.1.1904"], False),  # versions
        (["6.1.7601", "6.3.9600"], False),
        (["10.1.20.5", "13.1.20.5"], False),
    ],
)
def test_what_the_cells_tell(cells: list[str], first: bool) -> None:
    assert day_first([table(a=cells)], ()) == (("a",) if first else (), ())


def test_what_is_open_follows_a_rule_and_is_told() -> None:
    for cells, order in ((["01.02.2024"], "day"), (["01/02/2024"], "month")):
        days, (told,) = day_first([table(a=cells)], ())
        assert bool(days) == (order == "day")
        assert f"'{cells[0]}', leave open" in told
        assert f"the {order} is taken" in told
    days, (told,) = day_first([table(a=["01/02/2024"], b=["31/01/2024"])], ())
    assert days == ("a", "b")
    assert "the day is taken" in told


def test_the_test_is_the_latest_and_a_script_reads_dates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [f"{day:%d/%m/%Y},{day.day_of_year * 2 + 0.5}" for day in DATES]
    (tmp_path / "sales.csv").write_text("\n".join(["sold,price", *rows[75:], *rows[:75], ""]))
    task = prepare(new(tmp_path / "sales.csv", "price", split="time:sold"), tmp_path / "run", 0)
    assert task.source.test.frame["sold"].iloc[0] == "01/05/2023"
    assert [(column.name, column.kind) for column in task.profile.columns] == [("sold", "date")]
    shelf = Shelf(Library().recipes(), frozenset({"sklearn", "pandas", "pyarrow"}), task.profile)
    (tmp_path / "input").symlink_to(task.view("fold-4"))
    script = assemble(shelf, next(m for m in shelf.models if m.name == "quick"))
    assert 'DAY_FIRST = ["sold"]' in script
    assert "COMMAS" not in script  # nor what would read them
    assert "def point(" not in script
    (tmp_path / "script.py").write_text(script)
    monkeypatch.chdir(tmp_path)
    found = runpy.run_path("script.py", run_name="__main__")
    known, later = (found["as_dates"](found[side])["sold"] for side in ("train", "test"))
    assert known.notna().all()
    assert known.max() < later.min()
    assert task.judge("fold-4", tmp_path, lambda data: "blob").reason is None


@pytest.mark.parametrize("written", ["%d.%m.%Y", "%d/%m/%y", "%Y-%m-%d"])
def test_dates_that_are_ids_are_times_too_and_come_back_either_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    folder, days = tmp_path / "task", pd.date_range("2019-01-01", periods=400).strftime(written)
    folder.mkdir()
    rows = pd.DataFrame({"day": days, "sold": [f"{50 + i % 7 + i / 100}" for i in range(400)]})
    rows[:370].to_csv(folder / "train.csv", index=False)
    rows[370:][["day"]].to_csv(folder / "test.csv", index=False)
    rows[370:].assign(sold=0).to_csv(folder / "sample_submission.csv", index=False)
    task = prepare(folder, tmp_path / "run", 0)
    assert (task.source.split, task.source.time) == ("horizon", "day")
    shelf = Shelf(Library().recipes(), frozenset({"sklearn", "pandas", "pyarrow"}), task.profile)
    (tmp_path / "input").symlink_to(task.view("fold-0"))
    (tmp_path / "script.py").write_text(assemble(shelf, next(m for m in shelf.models if m.name == "quick")))
    monkeypatch.chdir(tmp_path)
    runpy.run_path("script.py", run_name="__main__")
    assert task.judge("fold-0", tmp_path, lambda data: "blob").reason is None
    test = pd.read_csv("input/test.csv", dtype=str)
    test.assign(sold=50).to_csv("submission.csv", index=False)
    assert task.judge("fold-0", tmp_path, lambda data: "blob").reason is None


def test_months_may_be_words(tmp_path: Path) -> None:
    rows = [f"{day:%d-%b-%Y},{day.day_of_year + 0.5}" for day in DATES]
    (tmp_path / "sales.csv").write_text("\n".join(["sold,price", *rows[75:], *rows[:75], ""]))
    source = understand(new(tmp_path / "sales.csv", "price", split="time:sold"))
    assert source.test.frame["sold"].iloc[0] == "01-May-2023"


def test_a_series_needs_no_table_of_the_rows_to_predict(tmp_path: Path) -> None:
    rows = pd.DataFrame({"day": DATES.strftime("%d.%m.%Y"), "sold": [f"{50 + i % 7}.5" for i in range(len(DATES))]})
    rows[:130].to_csv(tmp_path / "train.csv", index=False)
    rows[130:].assign(sold=0).to_csv(tmp_path / "sample_submission.csv", index=False)
    assert (understand(tmp_path).split, understand(tmp_path).id) == ("horizon", ("day",))
