"""The Python API: two runs of one small table, one of a file with a hostile name, one of a frame, in a thread."""

import html
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

import mlestar
from mlestar import notebook
from mlestar.errors import RunError, SettingsError, TaskError
from mlestar.records import Progress

HOSTILE = "<script>alert(1)<b onmouseover=x>"
QUICK = {"brain": "none", "seed": 4, "jobs": 1, "judging.folds": 1, "bag": 1}  # the first solution alone


@pytest.fixture(scope="module")
def table(task: Path) -> pd.DataFrame:
    return pd.read_csv(task / "train.csv").drop(columns="id")


@pytest.fixture(scope="module")
def run(table: pd.DataFrame, tmp_path_factory) -> mlestar.Run:
    """A finished run of a csv file whose name is hostile."""
    folder = tmp_path_factory.mktemp("python")
    table.to_csv(folder / f"{HOSTILE}.csv", index=False)
    begun = mlestar.solve(
        folder / f"{HOSTILE}.csv", target="buys", metric="accuracy", out=folder / "run", progress=False, **QUICK
    )
    assert begun.state == "open"
    assert begun.score is not None
    assert begun.score.what == "search"
    return begun.finish(progress=False)


@pytest.fixture
def new(task: Path) -> pd.DataFrame:
    """Rows to predict, with an index of their own."""
    return pd.read_csv(task / "test.csv").drop(columns="id").head(20).set_axis(range(100, 120))


def test_a_run_tells_its_score_and_what_kind_of_score_it_is(run):
    assert run.state == "done"
    assert run.score.what == "estimate"
    assert 0.6 < float(run.score) < 1
    assert str(run.score).startswith("accuracy 0.")
    assert "higher is better" in repr(run.score)
    assert repr(run).startswith(f"Run({str(run.folder)!r}: done, accuracy 0.")


def test_the_best_solution_is_a_script_in_a_file(run):
    compile(run.best.script, str(run.best.path), "exec")
    assert run.best.path.read_text(encoding="utf-8") == run.best.script
    assert run.best.script not in repr(run.best)


def test_the_submission_has_the_rows_that_were_held_out(run, table):
    submitted = pd.read_csv(run.submission)
    assert list(submitted) == ["buys"]
    assert len(submitted) == round(0.2 * len(table))
    assert set(submitted["buys"]) == {"yes", "no"}


def test_the_leaderboard_has_the_best_first(run):
    board = run.leaderboard()
    assert {"quick", "blend"} == set(board["kind"])
    assert board["score"].is_monotonic_decreasing
    assert list(board.columns[:5]) == ["address", "name", "kind", "state", "score"]


def test_predictions_follow_their_rows(run, new):
    found = run.predict(new)
    assert list(found) == ["buys"]
    assert found["buys"].nunique() == 2
    assert list(found.index) == list(new.index)
    turned = new.iloc[::-1, ::-1]
    pd.testing.assert_frame_equal(run.predict(turned), found.iloc[::-1])


def test_new_rows_that_do_not_fit_are_refused_by_the_name_of_the_column(run, new):
    with pytest.raises(TaskError, match="visits"):
        run.predict(new.drop(columns="visits"))
    with pytest.raises(TaskError, match="has no rows"):
        run.predict(new.head(0))


def test_the_report_is_markdown(run):
    report = run.report()
    assert report.startswith("# ")
    assert report._repr_markdown_() == report
    assert "accuracy" in report


def test_a_notebook_shows_a_hostile_name_as_text(run):
    assert run.summary.task == HOSTILE
    shown = run._repr_html_()
    assert html.escape(HOSTILE) in shown
    assert "<script" not in shown
    assert "<b " not in shown


def test_a_notebook_follows_a_run_in_one_output_as_text(monkeypatch):
    shown: list[str] = []
    handle = SimpleNamespace(update=shown.append)  # what IPython.display has, as far as it is used
    display = SimpleNamespace(HTML=str, display=lambda first, display_id: shown.append(first) or handle)
    kernel = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    with notebook.watching(True) as watch:
        watch(Progress("refine", HOSTILE, None, "", 3, 2.0, None, warning=HOSTILE))
        watch(Progress("refine", "the next", None, "", 3, 2.0, None))
        watch(Progress("refine", "the next", None, "", 4, 2.9, None))
    assert len(shown) == 3, "too soon after the one before is left out"
    assert shown[1].count(html.escape(HOSTILE)) == 2
    assert html.escape(HOSTILE) in shown[2], "a warning stays"
    assert "<script" not in "".join(shown)


def test_a_run_in_a_thread_tells_what_happens(table, new, tmp_path):
    run = mlestar.solve(table, target="buys", test=new, out=tmp_path / "run", wait=False, **QUICK)
    with pytest.raises(RunError, match="goes on already"):
        run.resume(progress=False)
    told = list(run.events())
    assert run.wait() is run
    assert [event.kind for event in told].count("done") == 1
    assert told[-1].kind == "done"
    ways = [event.kind for event in told if event.address == "start"]
    assert ways == ["started", "scored", "gained"]
    assert [event.score for event in told if event.kind == "gained"] == [run.score.value]
    assert len(pd.read_csv(run.submission)) == len(new), "the rows that test= gave"

    again = mlestar.open(run.folder).events()
    assert [(event.kind, event.address) for event in again] == [(event.kind, event.address) for event in told]


def bad_calls(table: pd.DataFrame) -> dict[str, tuple[object, dict[str, object], type[Exception], list[str]]]:
    """By what is wrong: the task, the other arguments, the error, and words that it must say."""
    twice = table.set_axis(["spent", "spent", *table.columns[2:]], axis=1)
    return {
        "no target": (table, {"target": None}, SettingsError, ["target="]),
        "no such column": (table, {"target": "bought"}, TaskError, ["'bought'", "'buys'"]),
        "no rows": (table.head(0), {}, TaskError, ["no rows"]),
        "few rows": (table.head(5), {}, TaskError, ["5 rows", "15"]),
        "a name twice": (twice, {}, TaskError, ["'spent'", "rename"]),
        "a name that is a number": (table.rename(columns={"spent": 3}), {}, TaskError, ["3", "map(str)"]),
        "an empty name": (table.rename(columns={"spent": ""}), {}, TaskError, ["empty"]),
        "test rows that lack a column": (table, {"test": table[["spent"]]}, TaskError, ["'colour'", "'visits'"]),
        "no such file": ("nowhere/table.csv", {}, TaskError, ["nowhere/table.csv"]),
        "no such test file": (table, {"test": "nowhere.csv"}, TaskError, ["nowhere.csv"]),
        "a target for a folder": (Path("."), {}, SettingsError, ["target=", "task.toml"]),
        "no such metric": (table, {"metric": "acuracy"}, TaskError, ["acuracy", "accuracy"]),
        "no such setting": (table, {"refine": {"outre": 1}}, SettingsError, ["refine.outre", "settings.md"]),
        "no such section": (table, {"refin.outer": 1}, SettingsError, ["refin"]),
        "no budget": (table, {"budget": "soon"}, SettingsError, ["budget", "soon"]),
    }


BAD = list(bad_calls(pd.DataFrame(columns=["spent", "colour", "visits", "buys"])))


@pytest.mark.parametrize("wrong", BAD)
def test_bad_input_is_one_clear_error_and_leaves_nothing(wrong, table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    task, other, error, words = bad_calls(table)[wrong]
    with pytest.raises(error) as raised:
        mlestar.solve(task, **{"target": "buys", "progress": False, **QUICK, **other})
    message = str(raised.value)
    assert "\n" not in message
    assert [word for word in words if word not in message] == [], message
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_folder_that_is_no_run_or_holds_one_is_refused(run, table, tmp_path):
    with pytest.raises(RunError, match="nothing"):
        mlestar.open(tmp_path / "nothing")
    with pytest.raises(RunError, match="holds a run already"):
        mlestar.solve(table, target="buys", out=run.folder, wait=False)


def test_what_ends_a_run_in_a_thread_is_raised_where_somebody_waits(table, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("no run of yours")
    run = mlestar.solve(table, target="buys", out=tmp_path / "run", wait=False, **QUICK)
    with pytest.raises(RunError, match="run"):
        run.wait()
    with pytest.raises(RunError, match="run"):
        next(run.events())


def test_all_names_are_there_and_no_others():
    assert [name for name in mlestar.__all__ if getattr(mlestar, name).__name__ != name] == []
    assert set(mlestar._PLACES) == set(mlestar.__all__) <= set(dir(mlestar))
    with pytest.raises(AttributeError, match="solver"):
        mlestar.solver  # noqa: B018
