"""Every blend learns sensible weights, at every size, and runs in the level-two script."""

from __future__ import annotations

import json
import runpy
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlestar import leveltwo
from mlestar.ports import Array
from mlestar.records import Recipe
from mlestar.search.library import shipped
from mlestar.search.recipes import read_recipe

STACK = [read_recipe(path) for path in sorted((shipped() / "stack").glob("*.md"))]
BLENDS = [r for r in STACK if r.cell == "blend"]
CLASSES = [r for r in BLENDS if r.form == "classes"]
VALUES = [r for r in BLENDS if r.form == "values"]


def functions(recipe: Recipe) -> dict[str, Any]:
    space: dict[str, Any] = {}
    for _, source in recipe.cells:
        exec(source, space)
    return space


def guesses(n: int, members: int, classes: int, seed: int = 0) -> tuple[dict[str, Array], Array]:
    """Members that see the truth through noise of their own, some of them much too sure."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    known = {}
    for i in range(members):
        scores = rng.normal(size=(n, classes))
        scores[np.arange(n), y] += 0.5 + (i % 3)
        scores = np.exp((1 + i % 2) * scores)
        known[f"branch-1/init::m{i}"] = scores / scores.sum(axis=1, keepdims=True)
    return known, y


def measures(n: int, members: int, targets: int) -> tuple[dict[str, Array], Array]:
    rng = np.random.default_rng(1)
    y = rng.lognormal(size=(n, targets))
    return {f"a::m{i}": np.abs(y + rng.normal(size=y.shape) * (0.3 + 0.2 * i)) for i in range(members)}, y


def parts_of(known: dict[str, Array], rows: Array) -> dict[str, Array]:
    return {name: part[rows] for name, part in known.items()}


def log_loss(chance: Array, y: Array) -> float:
    return float(-np.log(chance[np.arange(len(y)), y].clip(1e-9)).mean())


def learned(recipe: Recipe, known: dict[str, Array], y: Array, held: Array) -> Array:
    space = functions(recipe)
    space["WEIGHTS"] = json.loads(json.dumps(space["learn"](parts_of(known, ~held), y[~held], 0)))
    found: Array = space["blend"](parts_of(known, held))
    return found


@pytest.mark.parametrize("recipe", [r for r in CLASSES if r.name != "stack-ranks"], ids=lambda r: r.name)
@pytest.mark.parametrize(("n", "members", "classes"), [(400, 5, 3), (400, 40, 2), (2000, 6, 8)])
def test_class_blends_beat_the_plain_mean(recipe: Recipe, n: int, members: int, classes: int) -> None:
    known, y = guesses(n, members, classes)
    held = np.arange(n) % 2 == 0
    blended = learned(recipe, known, y, held)
    assert np.allclose(blended.sum(axis=1), 1)
    assert log_loss(blended, y[held]) < log_loss(np.mean(list(parts_of(known, held).values()), axis=0), y[held])


@pytest.mark.parametrize("recipe", CLASSES, ids=lambda r: r.name)
def test_one_member_stays_about_what_it_is(recipe: Recipe) -> None:
    known, y = guesses(300, 1, 2)
    held = np.arange(300) % 2 == 0
    blended, alone = learned(recipe, known, y, held), next(iter(known.values()))[held]
    assert blended.shape == alone.shape
    assert (blended.argmax(axis=1) == alone.argmax(axis=1)).mean() > 0.75


@pytest.mark.parametrize("recipe", CLASSES, ids=lambda r: r.name)
def test_a_lone_probability_column_is_the_second_class(recipe: Recipe) -> None:
    known, y = guesses(1000, 4, 2)
    held = np.arange(1000) % 2 == 0
    lone = learned(recipe, {name: part[:, 1:] for name, part in known.items()}, y, held)
    assert lone.shape == (500, 1)
    assert np.allclose(lone, learned(recipe, known, y, held)[:, 1:], atol=1e-3)


@pytest.mark.parametrize("recipe", VALUES, ids=lambda r: r.name)
@pytest.mark.parametrize(("n", "members", "targets"), [(200, 1, 1), (200, 40, 2), (2000, 5, 3)])
def test_value_blends_are_no_worse_than_the_plain_mean(recipe: Recipe, n: int, members: int, targets: int) -> None:
    known, y = measures(n, members, targets)
    held = np.arange(n) % 2 == 0
    blended = learned(recipe, known, y, held)
    mean = np.mean(list(parts_of(known, held).values()), axis=0)
    assert blended.shape == y[held].shape
    assert (
        np.abs(np.log1p(blended.clip(0)) - np.log1p(y[held])).mean()
        <= 1.05 * np.abs(np.log1p(mean) - np.log1p(y[held])).mean()
    )


@pytest.mark.parametrize("recipe", [r for r in VALUES if "squares" in dict(r.cells)["learn"]], ids=lambda r: r.name)
def test_weights_of_means_sum_to_one_and_favour_the_better(recipe: Recipe) -> None:
    known, y = measures(2000, 4, 1)
    weights = functions(recipe)["learn"](known, y, 0)
    table = np.array([weights[name] for name in known])
    assert np.allclose(table.sum(axis=0), 1, atol=1e-3)
    assert (table >= 0).all()
    assert table[0, 0] == table.max()


@pytest.mark.parametrize("recipe", CLASSES, ids=lambda r: r.name)
def test_learning_from_many_rows_takes_seconds(recipe: Recipe) -> None:
    known, y = guesses(5000, 20, 2 if recipe.name == "stack-ranks" else 10)
    began = time.process_time()
    functions(recipe)["learn"](known, y, 0)
    assert time.process_time() - began < 10


@pytest.mark.parametrize("recipe", BLENDS, ids=lambda r: r.name)
def test_the_level_two_script_learns_writes_its_weights_and_blends(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classes = recipe.form == "classes"
    known, y = guesses(300, 3, 2) if classes else measures(300, 3, 2)
    names = ["no", "yes"]
    table = pd.DataFrame({f"{m}::{c}": part[:, i] for m, part in known.items() for i, c in enumerate(names)})
    truth = pd.DataFrame({"truth": y} if classes else {f"truth::{c}": y[:, i] for i, c in enumerate(names)})
    view = tmp_path / "input"
    view.mkdir()
    pd.concat([table, truth], axis=1)[:200].to_parquet(view / "train.parquet")
    table[200:].to_parquet(view / "test.parquet")
    pd.DataFrame({"id": [f"0{i}" for i in range(100)], "no": 0, "yes": 0}).to_csv(view / "sample.csv", index=False)
    script = leveltwo.script(dict(recipe.cells), "sample.csv", names)
    (tmp_path / "script.py").write_text(script)
    monkeypatch.chdir(tmp_path)
    runpy.run_path("script.py", run_name="__main__")
    weights = json.loads((tmp_path / "weights.json").read_text())
    assert set(known) <= set(weights) or recipe.name == "stack-median-values"
    submission = pd.read_csv(tmp_path / "submission.csv", dtype={"id": str})
    assert list(submission.id)[:2] == ["00", "01"]
    member = pd.read_parquet(tmp_path / "members.parquet")
    assert np.allclose(member[["submission::no", "submission::yes"]], submission[names])
