"""Cells of one recipe in a script of another: every name has one meaning, and every call can be made. Nothing runs."""

from __future__ import annotations

import ast
from dataclasses import replace
from functools import cache

import pytest

from mlestar import composing, scripts
from mlestar.brains.playbook import spots
from mlestar.brains.playbook.assemble import assemble, beside, changed
from mlestar.brains.playbook.calls import misfits
from mlestar.brains.playbook.options import suits_part
from mlestar.brains.playbook.shelf import Shelf
from mlestar.records import Asset, Column, Pixels, Profile, Recipe
from mlestar.search.library import Library

ALL = tuple(replace(recipe, when=()) for recipe in Library().recipes())  # whatever the data of the day
INSTALLED = frozenset(need for recipe in ALL for need in recipe.needs)
NUMBERS = (Column("age", "number", 0.1, 80), Column("worth", "number", 0.0, 150), Column("kind", "category", 0.0, 3))
TEXTS = (Column("story", "text", 0.0, 900), Column("tags", "list", 0.0, 90), *NUMBERS)
VALUES = Profile(
    name="made up", kind="table", description="a task", train="train.csv", test="test.csv", sample="sample.csv",
    id=("key",), target=("y",), predicts="value", prediction_columns=("y",), classes=(), metric="rmse",
    direction="min", split="random", rows=900, test_rows=40, columns=NUMBERS,
)  # fmt: skip
CLASSES = replace(
    VALUES, predicts="probability", prediction_columns=("a", "b"), classes=("a", "b"), class_shares=(0.5, 0.5),
    metric="log_loss", direction="max",
)  # fmt: skip
SERIES = replace(VALUES, kind="forecast", series=("shop",), time="day", series_count=5, history=99, horizon=9)
PIXELS = Pixels("a/{image}.png", "b/{image}.png", "c/{image}.png", 1, ("id",), ("{image}_{row}",), 1, False, 1.0)
FORMS = replace(VALUES, predicts="text", metric="exact_match", columns=(Column("lemma", "text", 0.0, 9),))


def with_files(profile: Profile, kind: str, suffix: str) -> Profile:
    pattern = f"train/{{key}}{suffix}"
    return replace(profile, columns=(), assets=(Asset(pattern, pattern, suffix, kind),))  # type: ignore[arg-type]


PROFILES = {
    "table": CLASSES,
    "values": VALUES,
    "texts": replace(CLASSES, columns=TEXTS),
    "values of texts": replace(VALUES, columns=TEXTS),
    "audio": with_files(CLASSES, "audio", ".wav"),
    "image": with_files(CLASSES, "image", ".png"),
    "series": SERIES,
    "pixels": replace(VALUES, kind="pixels", columns=(), pixels=PIXELS, pixel_count=99),
    "sequence": FORMS,
    "pieces": replace(FORMS, target_within="lemma"),
}


@cache
def shape(recipe: Recipe) -> dict[str, tuple[str, str]]:
    """What other cells can see of a recipe: each name that it defines, with the cell and the parameters."""
    return {
        name: (cell, ast.unparse(node.args) if isinstance(node, ast.FunctionDef) else "")
        for cell, source in recipe.cells if cell != "setup"
        for node in scripts.parsed(source).body for name in scripts.bound(node)
    }  # fmt: skip


def different(shelf: Shelf) -> list[Recipe]:
    """One recipe of each shape."""
    fitting = [r for r in reversed(shelf.usable) if r.kind != "stack"]
    return list({(r.kind, r.cell, *sorted(shape(r).items())): r for r in fitting}.values())


def may_clash(one: Recipe, other: Recipe) -> bool:
    """Whether a name of both stands in cells of other names, or takes other arguments."""
    return any(shape(other)[name] != about for name, about in shape(one).items() if name in shape(other))


def wrong(script: str) -> list[str]:
    return [*scripts.problems(script), *misfits(script), *sorted(spots.unknown_names(script))]


@pytest.mark.parametrize("name", PROFILES)
def test_any_recipe_fits_into_the_script_of_any_other(name: str) -> None:
    """Those that share no name are tried with one other only: of all others they know as little."""
    shelf = Shelf(ALL, INSTALLED, PROFILES[name])
    recipes, pairs = sorted(different(shelf), key=lambda r: r.cell != "model"), 0
    for model in (r for r in recipes if r.cell == "model"):
        text = assemble(shelf, model)
        assert not wrong(text), model.name
        here = spots.part(scripts.parse(text), "model")
        for recipe in recipes:
            matters = model is recipes[0] or recipe is recipes[0] or may_clash(model, recipe)
            if recipe is not model and matters and suits_part(shelf, here, recipe):
                pairs += 1
                assert not wrong(changed(shelf, text, recipe.cell, recipe)), (model.name, recipe.name)
    assert pairs > 2


def test_a_helper_of_two_meanings_keeps_both() -> None:
    """An old cell that is still read reads its own helper, and the new cells read theirs; the other one is gone."""
    old = {
        "numbers": "def numbers(train):\n    return scaled(train, 2)",
        "scales": "def scaled(x, by):\n    return x * by",
        "model": "def fit_predict(X):\n    return sharp(X, X)",
        "sharpen": "def sharp(x, y):\n    return x + y",
        "features": "def features(train):\n    return numbers(train)",
    }
    new = {
        "model": "def fit_predict(X):\n    return sharp(scaled(X))",
        "own": "def scaled(x):\n    return x\n\n\ndef sharp(x):\n    return x",
    }
    joined = beside(old, new)
    assert list(joined) == ["numbers", "scales", "model", "features", "own"]
    assert joined["model"] == "def fit_predict(X):\n    return sharp(scaled_own(X))"
    assert joined["own"] == "def scaled_own(x):\n    return x\n\n\ndef sharp(x):\n    return x"
    assert joined["numbers"] == old["numbers"]


def test_a_part_of_a_composed_script_gets_the_helpers_of_its_new_model() -> None:
    shelf = Shelf(ALL, INSTALLED, PROFILES["texts"])
    names = ("text-members", "text-naive-bayes")
    parts = [composing.Part(n, assemble(shelf, recipe), {"submission": n}) for n in names if (recipe := shelf.named(n))]
    text = composing.compose(parts, {"blend": composing.PLAIN_MEAN}, "two")
    kernel = shelf.named("text-kernel", "model")
    assert kernel is not None
    assert not wrong(text)
    for cell in ("model: text-members", "model: text-naive-bayes"):
        after = changed(shelf, text, cell, kernel)
        assert not wrong(after), cell
        assert "kernel_ridge" in after


CELLS = """# %% tools
def joined(a, b, *, by=1):
    return a

def loose(*parts, **words):
    return parts

# %% model
def fit_predict(X):
    {}
"""


@pytest.mark.parametrize(
    ("call", "what"),
    [
        ("return joined(1, 2, by=3)", ""),
        ("return joined(*X)", ""),
        ("return joined(1, **X)", ""),
        ("return loose(1, 2, a=3)", ""),
        ("return partial(joined, by=2)", ""),
        ("joined = len; return joined(1, 2, 3)", ""),  # a name of its own
        ("return (lambda joined: joined(1))(X)", ""),
        ("return X.joined(1)", ""),
        ("return joined(1)", "without `b`"),
        ("return joined(1, 2, 3)", "with 3 arguments"),
        ("return joined(1, 2, to=3)", "with `to=`"),
        ("return joined(1, 2, a=3)", "with `a=`"),
        ("return partial(joined, to=2)", "with `to=`"),
    ],
)
def test_calls_that_cannot_be_made_are_told(call: str, what: str) -> None:
    found = misfits(CELLS.format(call))
    assert found == ([f"cell `model` calls `joined(a, b, *, by=1)` of cell `tools` {what}"] if what else [])


def test_a_name_of_two_meanings_is_told() -> None:
    same = "# %% a\ndef one(x):\n    return x\n\n# %% b\ndef one(x):\n    # as above\n    return x\n"
    assert misfits(same) == []
    found = misfits(same.replace("as above\n    return x", "another\n    return -x"))
    assert found == ["`one` has other meanings in the cells `a`, `b`: rename one of them"]
