"""Recipes for tasks that ask for text, run for real: whole scripts as the playbook makes them, on small made pairs."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlestar import composing, scripts, votes
from mlestar.brains.playbook.assemble import assemble, changed, skeleton_recipe
from mlestar.brains.playbook.shelf import Shelf
from mlestar.brains.playbook.starting import by_family, quickest
from mlestar.records import Column, Profile
from mlestar.search.library import Library, shipped
from mlestar.search.recipes import read_recipe
from mlestar.tasks.samples_texts import inflected, pieces

RECIPES = [read_recipe(path) for path in sorted((shipped() / "sequence").glob("*.md"))]
MODELS = [recipe.name for recipe in RECIPES if recipe.cell == "model"]
INSTALLED = frozenset({"pandas", "pyarrow", "sklearn", "scipy", "numpy", "lightgbm"})
WHAT = {
    "kind": "table", "description": "", "train": "train.csv", "test": "test.csv", "sample": "sample.csv",
    "metric": "exact_match", "direction": "max", "split": "random", "classes": (), "predicts": "text",
}  # fmt: skip


def profile_of(train: pd.DataFrame, target: list[str], within: str = "") -> Profile:
    columns = tuple(Column(name, "text", 0.0, 9) for name in train.columns.drop(["id", *target]))
    return Profile(
        name="made", id=("id",), target=tuple(target), prediction_columns=tuple(target), rows=len(train), test_rows=9,
        columns=columns, target_within=within, **WHAT,  # type: ignore[arg-type]
    )  # fmt: skip


def prepared(place: Path, train: pd.DataFrame, test: pd.DataFrame, target: list[str]) -> Path:
    (place / "input").mkdir()
    train.to_csv(place / "input" / "train.csv", index=False)
    test.drop(columns=target).to_csv(place / "input" / "test.csv", index=False)
    return place


def run(place: Path, name: str, train: pd.DataFrame, test: pd.DataFrame, target: list[str], patch: Any) -> pd.DataFrame:
    """The submission of a recipe's script, cells as texts."""
    prepared(place, train, test, target)
    shelf = Shelf(Library().recipes(), INSTALLED, profile_of(train, target, "text" if name.startswith("span") else ""))
    recipe = shelf.named(name, "model")
    assert recipe is not None
    (place / "solution.py").write_text(assemble(shelf, recipe))
    patch.chdir(place)
    runpy.run_path("solution.py", run_name="__main__")
    found = pd.read_csv(place / "submission.csv", dtype=str, keep_default_na=False)
    assert found["id"].tolist() == [str(name) for name in test["id"]]
    return found


@pytest.mark.parametrize(("name", "least"), [("rules-quick", 0.7), ("rules-ranked", 0.85), ("rules-boosted", 0.85),
                                             ("rules-members", 0.85), ("letters-tagged", 0.5)])  # fmt: skip
def test_inflection_is_learned(name, least, tmp_path, monkeypatch):
    cells, aims = inflected(400)
    table = cells.assign(form=aims)
    found = run(tmp_path, name, table[:300], table[300:], ["form"], monkeypatch)
    assert (found["form"] == table["form"][300:].to_numpy()).mean() >= least


def test_pieces_are_found_as_they_are_written(tmp_path, monkeypatch):
    cells, aims = pieces(400)
    table = cells.assign(part=aims)
    found = run(tmp_path, "span-linear", table[:300], table[300:], ["part"], monkeypatch)
    assert (found["part"] == table["part"][300:].to_numpy()).mean() >= 0.8
    assert all(part in text for part, text in zip(found["part"], table["text"][300:], strict=True))


@pytest.mark.parametrize("name", MODELS)
def test_odd_texts_and_two_targets(name, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    odd = ["", "a", 'say "x", y', "two\nlines", "ärger ⛵ \U0001f600", "NA", " padded ", "x" * 3000, "007"]
    text = [f"{odd[i % 9]}{i // 9 % 4}" if i % 3 else odd[i % 9] for i in range(120)]
    other = [str(rng.integers(0, 1000)) for _ in text]
    table = pd.DataFrame({"id": range(120), "text": text, "other": other, "y": [t[1:] + "!" for t in text],
                          "z": [f"unrelated {i % 2}" for i in range(120)]})  # fmt: skip
    found = run(tmp_path, name, table[:90], table[90:], ["y", "z"], monkeypatch)
    assert list(found) == ["id", "y", "z"]
    if not name.startswith("span"):
        assert found["z"].str.startswith("unrelated").mean() > 0.5 or name == "letters-tagged"


def test_a_shared_cell_is_the_same_everywhere():
    seen: dict[str, str] = {}
    for recipe in RECIPES:
        for name, source in recipe.cells:
            if name in ("edits", "rules", "ranking", "chances") or (
                name == "clues" and "ranking" in dict(recipe.cells)
            ):
                assert seen.setdefault(name, source) == source, f"`{name}` of {recipe.name}"


def test_the_playbook_takes_them_up_for_text_only():
    table, _ = inflected(50)
    profile = profile_of(table.assign(form=""), ["form"])
    shelf = Shelf(Library().recipes(), INSTALLED, profile)
    assert skeleton_recipe(profile) == "table-text"
    assert quickest(shelf).name == "rules-quick"
    assert by_family(shelf, 0, 0)[0].name == "rules-members"
    assert {r.kind for r in shelf.usable} == {"sequence"}
    assert "span-linear" not in {r.name for r in shelf.models}
    spans = Shelf(Library().recipes(), INSTALLED, profile_of(table.assign(form=""), ["form"], "lemma"))
    assert by_family(spans, 0, 0)[0].name == "span-linear"


def test_another_model_does_not_keep_the_way_in_which_the_former_joined_its_members(tmp_path, monkeypatch):
    cells, aims = inflected(300)
    table = cells.assign(form=aims)
    place = prepared(tmp_path, table[:200], table[200:], ["form"])
    shelf = Shelf(Library().recipes(), INSTALLED, profile_of(table, ["form"]))
    first, then = (shelf.named(name, "model") or shelf.models[0] for name in ("rules-members", "rules-quick"))
    (place / "solution.py").write_text(changed(shelf, assemble(shelf, first), "model", then))
    monkeypatch.chdir(place)
    runpy.run_path("solution.py", run_name="__main__")
    found = pd.read_csv("submission.csv", dtype=str, keep_default_na=False)
    assert (found["form"] == table["form"][200:].to_numpy()).mean() >= 0.6


def test_a_blend_of_texts_is_one_script_that_votes(tmp_path, monkeypatch):
    cells, aims = inflected(300)
    table = cells.assign(form=aims)
    shelf = Shelf(Library().recipes(), INSTALLED, profile_of(table, ["form"]))
    members = {"rules-quick": "model", "rules-members": "boosted", "letters-tagged": "model"}
    parts = [
        composing.Part(name, assemble(shelf, shelf.named(name, "model") or shelf.models[0]), {member: name})
        for name, member in members.items()
    ]
    joint = {"blend": composing.WEIGHTED_VOTE, "weights": composing.weights_cell(dict.fromkeys(members, 1 / 3))}
    script = composing.compose(parts, joint, "Three that vote.")
    assert not scripts.problems(script)
    assert script.count("# %% edits") == script.count("# %% vote") == 1
    place = prepared(tmp_path, table[:200], table[200:], ["form"])
    (place / "solution.py").write_text(script)
    monkeypatch.chdir(place)
    runpy.run_path("solution.py", run_name="__main__")
    found = pd.read_parquet("members.parquet")
    arrays = [found[[f"{name}::form"]].to_numpy(object) for name in members]
    assert found["submission::form"].tolist() == votes.elected(arrays, [1 / 3] * 3)[:, 0].tolist()
