"""Numbers with decimal commas, and tables in other separators and encodings: found, told, learned from and judged."""

import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlestar.brains.playbook.assemble import assemble
from mlestar.brains.playbook.shelf import Shelf
from mlestar.errors import TaskError
from mlestar.search.library import Library
from mlestar.tasks.new import new
from mlestar.tasks.newrows import lay
from mlestar.tasks.numerals import decimal_commas, point
from mlestar.tasks.prepared import Prepared, prepare
from mlestar.tasks.source import Table

N = 200


def table(separator: str = ",", **columns: list[str]) -> Table:
    return Table("train.csv", pd.DataFrame(columns, dtype="str"), "csv", separator)


@pytest.mark.parametrize(
    ("text", "meant"),
    [("3,5", "3.5"), ("1.234,5", "1234.5"), ("1 234 567,5", "1234567.5"), ("1\u202f234", "1234"), ("-0,125", "-0.125"),
     (",5", ".5"), ("12", "12"), ("3.25", "3.25"), ("NA", "NA")],
)  # fmt: skip
def test_what_a_number_says(text: str, meant: str) -> None:
    assert point(text) == meant


@pytest.mark.parametrize(
    "cells",
    [["3,5", "4", "NA"], ["1,234", "0,125"], ["1,234", "1234,567"], ["1.234,56", "7"], ["1 234,5", ""], ["-1,2e3"]],
)  # fmt: skip
def test_sure_decimal_commas(cells: list[str]) -> None:
    assert decimal_commas([table(x=cells)], (), ("x",)) == (("x",), ())


@pytest.mark.parametrize(
    "cells",
    [["1.5", "2"], ["1", "2"], ["3,5", "a"], ["1,2,3", "4,5"], ["192.168.1.1"], ["a, b", "c"], ["", "NA"], ["1.234"]],
)  # fmt: skip
def test_no_decimal_commas(cells: list[str]) -> None:
    assert decimal_commas([table(x=cells)], (), ()) == ((), ())


def test_commas_beside_decimal_points_are_told() -> None:
    lists = {"tags": ["1,2", "3"], "x": ["0.5", "2"]}
    commas, (told,) = decimal_commas([table(**lists)], (), ())
    assert commas == ("tags",)
    assert "'tags', such as '1,2', are read as decimal commas, though 'x' has decimal points" in told
    assert decimal_commas([table(";", **lists)], (), ()) == (("tags",), ())


def test_what_nobody_can_decide_is_told_and_refused_as_a_target() -> None:
    for cells, words in ((["1,234", "56"], "write 1.234 or 1234"), (["1,234.5", "1,234"], "between thousands")):
        commas, (told,) = decimal_commas([table(x=cells)], (), ())
        assert commas == ()
        assert words in told
        with pytest.raises(TaskError, match=f"the target 'x' has .*{words}"):
            decimal_commas([table(x=cells)], (), ("x",))


def test_other_columns_or_the_separator_decide_and_that_is_told() -> None:
    commas, told = decimal_commas([table(a=["1,234", "5"], b=["0,5", "1"], c=["1.234", "2"])], (), ())
    assert commas == ("a", "b", "c")
    assert "decimal commas, as those of 'b'" in told[0]
    assert "'c', such as '1.234'" in told[1]
    commas, (said,) = decimal_commas([table(";", a=["1,234", "5"])], (), ())
    assert commas == ("a",)
    assert "; stands between cells" in said
    assert decimal_commas([table(";", a=["1,234", "5"], b=["0.5", "1"])], (), ())[0] == ()


def test_the_test_table_decides_too() -> None:
    assert decimal_commas([table(a=["1,234"]), table(a=["0,5"])], (), ())[0] == ("a",)
    assert decimal_commas([table(a=["0,5"]), table(a=["none of it"])], (), ())[0] == ()


def european(number: float) -> str:
    return f"{number:,.2f}".translate(str.maketrans(",.", ".,"))


@pytest.fixture
def task(tmp_path: Path) -> Prepared:
    """`;` between cells, latin-1, and a target of thousands with decimal commas that follows from a feature."""
    rng = np.random.default_rng(0)
    rows = [(european(size), city, european(400 * size)) for size, city in
            zip(rng.uniform(0, 9, N), rng.choice(["Köln", "Bonn"], N), strict=True)]  # fmt: skip
    lines = ["Größe;Ort;Preis", *map(";".join, rows)]
    (tmp_path / "houses.csv").write_bytes("\n".join([*lines, ""]).encode("latin-1"))
    return prepare(new(tmp_path / "houses.csv", "Preis"), tmp_path / "run", 0)


def test_profile_and_truth_are_numbers(task: Prepared) -> None:
    kinds = {column.name: column.kind for column in task.profile.columns}
    assert kinds == {"Größe": "number", "Ort": "category"}
    assert (task.profile.predicts, task.profile.metric, task.profile.commas) == ("value", "rmse", ("Größe", "Preis"))
    assert task.profile.target_maximum is not None
    assert 2_000 < task.profile.target_maximum < 3_700
    lines = (task.view("fold-0") / "train.csv").read_text("latin-1").splitlines()
    home = (task.view("real") / "train.csv").read_text("latin-1").splitlines()
    assert lines[0] == "Größe;Ort;Preis"
    assert set(lines) <= set(home), "no cell's text changes"


def test_a_script_learns_from_them_and_is_judged(task: Prepared, tmp_path: Path, monkeypatch) -> None:
    recipes = Library().recipes()
    shelf = Shelf(recipes, frozenset({"sklearn", "pandas", "pyarrow"}), task.profile)
    script = assemble(shelf, next(m for m in shelf.models if m.name == "quick"))
    assert 'NUMBERS = ["Größe"]' in script
    assert 'COMMAS = ["Größe", "Preis"]' in script
    (tmp_path / "input").symlink_to(task.view("fold-0"))
    (tmp_path / "script.py").write_text(script)
    monkeypatch.chdir(tmp_path)
    runpy.run_path("script.py", run_name="__main__")
    judged = task.judge("fold-0", tmp_path, lambda data: "blob")
    assert judged.reason is None
    assert judged.value is not None
    assert judged.value < 500


def test_new_rows_may_have_decimal_points(task: Prepared, tmp_path: Path) -> None:
    both = {"Größe,Ort\n3.5,Bonn\n1.234,Köln\n": 0, "Größe,Ort\n1.234,Bonn\n": 1}
    for number, (rows, said) in enumerate(both.items()):
        (tmp_path / "rows.csv").write_text(rows)
        view = tmp_path / f"view-{number}"
        view.mkdir()
        made = lay(task, tmp_path / "rows.csv", view)
        cells = (view / "test.csv").read_bytes().decode("latin-1").splitlines()[1:]
        assert cells == (["1.234;Bonn"] if said else ["3,5;Bonn", "1,234;Köln"])
        assert len(made.notes) == said
