"""Every text recipe, run for real: whole scripts on small made texts and lists."""

from __future__ import annotations

import importlib.util
import json
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from assemble import assemble, execute

from mlestar import scripts
from mlestar.records import Recipe
from mlestar.search.library import Library, shipped
from mlestar.search.recipes import read_recipe

TEXT = [read_recipe(path) for path in sorted((shipped() / "text").glob("*.md"))]
MODELS = [r for r in TEXT if r.cell == "model"]
CLASSES = ["ant", "bee", "NA"]
LIBRARY = Library()
STEMS = [
    f"{a}{b}{c}" for a in ("bra", "ko", "stri", "pel") for b in ("mi", "tor", "lun", "gas") for c in ("n", "ka", "do")
]


def texts(rows: int, seed: int) -> pd.DataFrame:
    """Texts whose words are drawn with odds that differ by class, with capitals and marks."""
    rng = np.random.default_rng(seed)
    odds = np.random.default_rng(99).dirichlet(np.full(len(STEMS), 0.6), size=len(CLASSES))
    label = np.append(np.arange(len(CLASSES)), rng.integers(0, len(CLASSES), rows - len(CLASSES)))
    drawn = [list(rng.choice(STEMS, rng.integers(6, 30), p=odds[k])) for k in label]
    return pd.DataFrame({
        "id": [f"r{i}" for i in range(rows)], "title": [words[0].title() for words in drawn],
        "body": [" ".join(words) + rng.choice([".", "!", ", no?"]) for words in drawn],
        "parts": drawn, "label": [CLASSES[k] for k in label],
        "amount": [len(words) / 8 + 5.0 * k for words, k in zip(drawn, label, strict=True)],
    })  # fmt: skip


def folder(place: Path, lists: bool) -> tuple[Path, pd.DataFrame]:
    """A view of made texts (csv) or lists (json), and the test rows with their truth."""
    train, test = texts(330, 0), texts(120, 1)
    (place / "input").mkdir()
    shown = test.drop(columns=["label", "amount"])
    if lists:
        for name, table in (("train", train), ("test", shown)):
            (place / "input" / f"{name}.json").write_text(json.dumps(table.to_dict("records")))
    else:
        train.drop(columns="parts").to_csv(place / "input" / "train.csv", index=False)
        shown.drop(columns="parts").to_csv(place / "input" / "test.csv", index=False)
    return place, test


def script_of(recipes: list[Recipe], lists: bool, skeleton: str = "table-probabilities") -> str:
    kind = "json" if lists else "csv"
    constants: dict[str, object] = {
        "TRAIN": f"train.{kind}", "TEST": f"test.{kind}", "ID": ["id"], "SEEDS": [0],
        "TEXTS": [] if lists else ["title", "body"], "LISTS": ["parts"] if lists else [],
    }  # fmt: skip
    if skeleton == "table-values":
        constants |= {"TARGET": ["amount"], "OUTPUT": ["amount"], "CLASSES": []}
    else:
        constants |= {
            "TARGET": ["label"],
            "OUTPUT": ["label"] if skeleton == "table-label" else CLASSES,
            "CLASSES": CLASSES,
        }
    return assemble(LIBRARY, skeleton, f"load-{kind}", recipes, constants)


def run(place: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """Run a script in this process (imports are shared between tests); its members."""
    (place / "script.py").write_text(script)
    monkeypatch.chdir(place)
    runpy.run_path(str(place / "script.py"), run_name="__main__")
    return pd.read_parquet(place / "members.parquet")


def log_loss(members: pd.DataFrame, name: str, truth: pd.Series) -> float:
    columns = [f"{name}::{label}" for label in CLASSES]
    chance = members[columns].to_numpy()
    assert np.allclose(chance.sum(axis=1), 1, atol=1e-3)
    return float(-np.log(chance[np.arange(len(truth)), [CLASSES.index(t) for t in truth]].clip(1e-9)).mean())


def names(members: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(column.split("::")[0] for column in members))


@pytest.mark.parametrize("recipe", [r for r in MODELS if r.form == "classes"], ids=lambda r: r.name)
@pytest.mark.parametrize("lists", [False, True], ids=["texts", "lists"])
def test_every_class_model_learns(recipe: Recipe, lists: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if lists and "texts" in recipe.when:
        return
    if any(importlib.util.find_spec(need) is None for need in recipe.needs):
        pytest.skip(f"{recipe.needs} not installed")
    place, test = folder(tmp_path, lists)
    members = run(place, script_of([recipe], lists), monkeypatch)
    losses = {name: log_loss(members, name, test.label) for name in names(members)}
    assert max(losses.values()) < 0.75, losses  # guessing costs 1.1
    submission = pd.read_csv(place / "submission.csv", keep_default_na=False)
    assert list(submission.columns) == ["id", *CLASSES]
    assert list(submission.id) == list(test.id)


@pytest.mark.parametrize("recipe", [r for r in MODELS if r.form == "values"], ids=lambda r: r.name)
def test_every_value_model_learns(recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, test = folder(tmp_path, lists=False)
    members = run(place, script_of([recipe], False, "table-values"), monkeypatch)
    error = float(np.mean((members["submission::amount"] - test.amount) ** 2))
    assert error < 0.6 * test.amount.var()


@pytest.mark.parametrize("recipe", [r for r in TEXT if r.cell == "features"], ids=lambda r: r.name)
def test_every_representation_serves_a_linear_model(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, test = folder(tmp_path, lists=False)
    members = run(place, script_of([LIBRARY.named("text-nb-svm"), recipe], False), monkeypatch)
    assert log_loss(members, "submission", test.label) < 0.75


@pytest.mark.parametrize("recipe", [r for r in TEXT if r.neutral], ids=lambda r: r.name)
def test_every_neutral_form_runs_and_changes_the_prediction(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, _ = folder(tmp_path, lists=False)
    skeleton = "table-values" if recipe.form == "values" else "table-probabilities"
    base = [recipe] if recipe.cell == "model" else [LIBRARY.named("text-ridge"), recipe]
    script = script_of(base, False, skeleton)
    before = run(place, script, monkeypatch)
    for cell, source in recipe.neutral:
        after = run(place, scripts.replace(script, {cell: source}), monkeypatch)
        column = next(c for c in after if c.startswith("submission::"))
        assert not np.allclose(before[column], after[column], atol=1e-4), cell


@pytest.mark.parametrize("recipe", MODELS, ids=lambda r: r.name)
def test_every_script_can_be_composed_and_reads_well(recipe: Recipe) -> None:
    script = script_of([recipe], False, "table-values" if recipe.form == "values" else "table-probabilities")
    assert scripts.problems(script) == []
    for cell, source in recipe.cells:
        assert max(map(len, source.splitlines())) <= 120, cell
        assert source.count("def ") == source.count('"""') // 2, f"{cell}: a line of docstring per function"


def test_cells_of_one_name_are_equal_in_all_text_recipes() -> None:
    for shared in ("documents", "calibrate", "likelihoods", "learners"):
        assert len({source for r in TEXT for name, source in r.cells if name == shared}) == 1, shared


def test_a_class_seen_once_and_one_never_seen_do_no_harm(tmp_path: Path) -> None:
    place, test = folder(tmp_path, lists=False)
    train = pd.read_csv(place / "input" / "train.csv", dtype=str, keep_default_na=False)
    rare = train[train.label == "NA"].index
    train.drop(index=rare[1:]).to_csv(place / "input" / "train.csv", index=False)
    script = script_of([LIBRARY.named("text-members")], False, "table-label")
    execute(place, script.replace(repr(CLASSES), repr([*CLASSES, "wasp"])))
    submission = pd.read_csv(place / "submission.csv", dtype=str, keep_default_na=False)
    seen = test.label != "NA"
    assert (submission.label == test.label)[seen].mean() > 0.8
    assert np.isfinite(pd.read_parquet(place / "members.parquet").to_numpy()).all()


def test_lists_written_as_text_are_the_same_lists(tmp_path: Path) -> None:
    space: dict[str, object] = {"TEXTS": [], "LISTS": ["x"]}
    exec("import re\n" + dict(LIBRARY.named("text-quick").cells)["documents"], space)
    documents = space["documents"]
    assert callable(documents)
    table = pd.DataFrame({"x": [["red pepper", "salt"], "red pepper|salt", "red pepper;salt"]})
    assert len({text.strip() for text in documents(table)}) == 1
