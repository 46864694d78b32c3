"""Every recipe for forecasts makes a whole script that forecasts small made series better than a constant."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from mlestar import scripts
from mlestar.brains.playbook.assemble import assemble, changed
from mlestar.brains.playbook.neutral import ablate
from mlestar.brains.playbook.shelf import Shelf
from mlestar.brains.playbook.starting import by_family, quickest
from mlestar.roles import Ablate
from mlestar.search.library import read_recipe, shipped
from mlestar.tasks import samples, samples_held
from mlestar.tasks.prepared import Prepared, prepare

ALL = [read_recipe(path) for path in sorted(shipped().rglob("*.md")) if path.name != "README.md"]
INSTALLED = frozenset({"sklearn", "lightgbm", "numpy", "pandas", "pyarrow", "scipy"})
MODELS = [recipe.name for recipe in ALL if recipe.kind == "series" and recipe.cell == "model"]
OTHERS = [recipe.name for recipe in ALL if recipe.kind == "series" and recipe.cell not in ("model", "skeleton")]
SERIES = {sample.name: sample for sample in samples.SAMPLES if sample.about == "series"}


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Prepared]:
    found = {}
    for number, (name, sample) in enumerate(SERIES.items()):
        folder = tmp_path_factory.mktemp("series") / "task"
        samples.write(sample, folder)
        found[name] = prepare(folder, folder.parent / f"run-{number}", 0)
    return found


def shelf_of(task: Prepared) -> Shelf:
    return Shelf(ALL, INSTALLED, task.profile)


def predicted(task: Prepared, text: str, monkeypatch: pytest.MonkeyPatch, view: str = "fold-0") -> np.ndarray:
    """What the script submits for a view; warnings of numpy are errors."""
    monkeypatch.chdir(task.view(view).parent)
    space: dict[str, Any] = {"__name__": "script"}
    exec(compile(text.replace('Path("input")', f'Path("{view}")'), "script.py", "exec"), space)
    with threadpool_limits(1), np.errstate(divide="raise", invalid="raise"):
        parts = space["predict"](*space["load"](), 0)
    return np.asarray(space["post"](space["blend"](parts)))


@pytest.mark.parametrize("data", list(SERIES))
@pytest.mark.parametrize("name", MODELS)
def test_models_forecast(name: str, data: str, tasks: dict[str, Prepared], monkeypatch: pytest.MonkeyPatch) -> None:
    task = tasks[data]
    recipe = shelf_of(task).named(name, "model")
    if recipe is None:
        pytest.skip("its conditions do not hold here")
    text = assemble(shelf_of(task), recipe)
    constant = samples_held.constant(task, "fold-0")
    assert constant is not None
    assert task.score("fold-0", predicted(task, text, monkeypatch)) < 0.6 * constant
    assert np.isfinite(predicted(task, text, monkeypatch, "real")).all()


@pytest.mark.parametrize("name", OTHERS)
def test_other_cells_take_their_place(name: str, tasks: dict[str, Prepared], monkeypatch: pytest.MonkeyPatch) -> None:
    task = tasks["many series"]
    shelf = shelf_of(task)
    recipe = next(r for r in ALL if r.name == name)
    model = next(r for r in shelf.models if r.name == "series-ridge")
    text = changed(shelf, assemble(shelf, model), recipe.cell, recipe)
    constant = samples_held.constant(task, "fold-0")
    assert constant is not None
    assert task.score("fold-0", predicted(task, text, monkeypatch)) < 0.6 * constant


def test_any_model_may_follow_any_other(tasks: dict[str, Prepared], monkeypatch: pytest.MonkeyPatch) -> None:
    """A script drops what its model does not read; the next model brings it back from the skeleton."""
    task = tasks["many series"]
    shelf = shelf_of(task)
    text = assemble(shelf, quickest(shelf))
    for name in MODELS:
        recipe = shelf.named(name, "model")
        assert recipe is not None
        text = changed(shelf, text, "model", recipe)
        assert not scripts.problems(text)
        assert [c.name for c in scripts.parse(text).cells][-1] == "submit"
    assert np.isfinite(predicted(task, text, monkeypatch)).all()


def test_models_of_tables_know_the_lags(tasks: dict[str, Prepared], monkeypatch: pytest.MonkeyPatch) -> None:
    task = tasks["many series"]
    shelf = shelf_of(task)
    text = assemble(shelf, next(r for r in shelf.models if r.name == "quick" and r.kind == "table"))
    assert "lags" in scripts.parse(text).names
    constant = samples_held.constant(task, "fold-0")
    assert constant is not None
    assert task.score("fold-0", predicted(task, text, monkeypatch)) < 0.6 * constant


def test_neutral_forms_are_found_and_run(tasks: dict[str, Prepared], monkeypatch: pytest.MonkeyPatch) -> None:
    task = tasks["many series"]
    shelf = shelf_of(task)
    for name in MODELS:
        recipe = shelf.named(name, "model")
        assert recipe is not None
        text = assemble(shelf, recipe)
        forms = dict(ablate(shelf, Ablate(shelf.profile, 0, script=text)).forms)
        assert "model" in forms
        found = predicted(task, scripts.replace(text, {"model": forms["model"]}), monkeypatch)
        assert np.isfinite(found).all()
        assert not np.allclose(found, predicted(task, text, monkeypatch))


def test_forecasts_begin_with_models_of_series(tasks: dict[str, Prepared]) -> None:
    shelf = shelf_of(tasks["two targets of series"])
    assert quickest(shelf).name == "series-quick"
    assert "series-members" in [r.name for r in by_family(shelf, 0, 0)][:3]


def test_seasons_are_found_by_the_data(tasks: dict[str, Prepared]) -> None:
    skeleton = next(r for r in ALL if r.name == "series-values")
    space: dict[str, Any] = {}
    exec("import warnings\nimport numpy as np\n" + dict(skeleton.cells)["seasons"], space)
    rng, time = np.random.default_rng(0), np.arange(1400)
    week = np.sin(2 * np.pi * time / 24) + 0.8 * ((time // 24) % 7 > 4) * np.cos(2 * np.pi * time / 24)
    assert space["seasons"]((week + rng.normal(0, 0.2, (4, 1400))).cumsum(axis=0)) == [24, 168]
    assert space["seasons"](rng.normal(size=(5, 200)).cumsum(axis=1)) == [1]
    assert space["seasons"](np.full((2, 30), 3.0)) == [1]
    year = 100 + time[:48] + 10 * np.sin(2 * np.pi * time[:48] / 12) + rng.normal(0, 2, 48)
    assert space["seasons"](year[None]) == [12]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (["2020-01-01", "2020-02-01", "2020-03-01", "2020-05-01"], [0, 1, 2, 4]),
        (["2020-03-31", "2020-06-30", "2020-09-30", "2020-12-31"], [0, 1, 2, 3]),
        (["2020-01-01 00:00", "2020-01-01 01:00", "2020-01-01 04:00", "2020-01-01 02:00"], [0, 1, 4, 2]),
        (["10", "20", "30", "50"], [0, 1, 2, 4]),
    ],
)
def test_times_are_steps(times: list[str], expected: list[int]) -> None:
    skeleton = next(r for r in ALL if r.name == "series-values")
    space: dict[str, Any] = {}
    exec("import numpy as np\nimport pandas as pd\n" + dict(skeleton.cells)["features"], space)
    assert space["steps"](pd.Series(times), np.zeros(len(times), int)).tolist() == expected
