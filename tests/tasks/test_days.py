"""Dates with the day first are dates: in the profile, in splits of time, and in scripts; what is open is told."""

import runpy
from pathlib import Path

import pandas as pd
import pytest

from mlestar.brains.playbook.assemble import assemble
from mlestar.brains.playbook.shelf import Shelf
from mlestar.search.library import Library
from mlestar.tasks.days import day_first, year_first
from mlestar.tasks.new import new
from mlestar.tasks.prepared import prepare
from mlestar.tasks.source import Table

DATES = pd.date_range("2023-01-01", periods=150)


def table(**columns: list[str]) -> Table:
    return Table("train.csv", pd.DataFrame(columns, dtype="str"), "csv")


@pytest.mark.parametrize(
    ("text", "meant"),
    [("31.01.2024", "2024-01-31"), ("1/2/2024 9:00", "2024-2-1 9:00"), ("2024-01-31", "2024-01-31"), ("NA", "NA")],
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
        (["13/01/24"], False),
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
    (tmp_path / "script.py").write_text(assemble(shelf, next(m for m in shelf.models if m.name == "quick")))
    monkeypatch.chdir(tmp_path)
    found = runpy.run_path("script.py", run_name="__main__")
    known, later = (found["as_dates"](found[side])["sold"] for side in ("train", "test"))
    assert known.notna().all()
    assert known.max() < later.min()
    assert task.judge("fold-4", tmp_path, lambda data: "blob").reason is None
