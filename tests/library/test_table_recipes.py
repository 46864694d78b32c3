"""Every recipe for tables runs in a whole script, on a small mixed table, and learns something."""

from __future__ import annotations

import importlib
import json
import re
import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from mlestar import scripts
from mlestar.records import Recipe
from mlestar.search.library import read_recipe, shipped

RECIPES = {
    p.stem: read_recipe(p) for folder in ("table", "skeleton") for p in sorted((shipped() / folder).glob("*.md"))
}
MODELS = [name for name, recipe in RECIPES.items() if recipe.cell == "model"]
APART = ("model", "load", "skeleton", "target", "post", "sounds", "pictures")  # the last two: where files are made
FEATURES = [name for name, recipe in RECIPES.items() if recipe.cell not in APART]
POSTS = [name for name, recipe in RECIPES.items() if recipe.cell in ("target", "post")]
COLUMNS = {
    "NUMBERS": ["a", "b", "size_1", "size_2"], "CATEGORIES": ["kind"], "BOOLEANS": ["open"], "DATES": ["day"],
    "TEXTS": ["note"], "LISTS": ["tags"], "CODES": ["code"],
}  # fmt: skip
LABELS = ["low", "NA", "high", "once", "never"]  # `once` stands in one row, `never` in none
ROWS = 160
ORDER = ("setup", "load", "features", "target", "model", "predict", "blend", "post", "submit")
Script = Callable[..., dict[str, Any]]


def table(rows: int, seed: int, odd: str) -> tuple[pd.DataFrame, pd.Series]:
    """A mixed table of texts, with gaps and one category that only this table has; and what is to be learned."""
    rng = np.random.default_rng(seed)
    a, b, kind = rng.normal(size=rows), rng.gamma(1.0, 3.0, rows), rng.choice(["x", "y", "z"], rows)
    truth = 2 * a + 3 * (kind == "x") + 0.1 * b + rng.normal(0, 0.2, rows)
    days = pd.Timestamp("2021-01-01") + pd.to_timedelta(rng.integers(0, 700 * 24, rows), unit="h")
    words = [["red", "green", "blue"][i] for i in rng.integers(0, 3, rows)]
    cells = {
        "id": [f"{i // 3:04d}_{i % 3:02d}" for i in range(rows)],
        "a": a.round(3), "b": np.where(rng.random(rows) < 0.1, np.nan, b.round(3)),
        "size_1": np.where(rng.random(rows) < 0.4, 0, rng.integers(1, 900, rows)), "size_2": rng.integers(0, 4, rows),
        "kind": np.where(rng.random(rows) < 0.03, odd, kind), "open": rng.choice(["True", "False", ""], rows),
        "day": [str(day) if i % 9 else "" for i, day in enumerate(days)],
        "note": [f"the {word} one, {word} and round" for word in words],
        "tags": [json.dumps([word, "all"]) for word in words],
        "code": [f"{word[0].upper()}/{i % 40}/P" if i % 7 else "" for i, word in enumerate(words)],
    }  # fmt: skip
    return pd.DataFrame(cells), pd.Series(truth)


def classes_of(truth: pd.Series) -> list[str]:
    return list(np.select([truth < 0, truth < 2], LABELS[:2], LABELS[2]))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task folder: the truth of the test rows stands beside it in `truth.csv`."""
    folder = tmp_path_factory.mktemp("task")
    (folder / "input").mkdir()
    for name, rows, seed in (("train", ROWS, 1), ("test", 90, 2)):
        cells, truth = table(rows, seed, odd=f"only {name}")
        answers = pd.DataFrame({"y": np.exp(truth / 3).round(4), "z": truth.round(3), "label": classes_of(truth)})
        answers["one"], answers["two"] = (truth > 0).astype(int), (truth > 2).astype(int)
        if name == "train":
            answers.loc[5, "label"] = "once"
        whole = pd.concat([cells, answers], axis=1) if name == "train" else cells
        whole.to_csv(folder / "input" / f"{name}.csv", index=False)
        whole.to_csv(folder / "input" / f"{name}.tsv.gz", index=False, sep="\t")
        native = whole.assign(tags=whole["tags"].map(json.loads))
        native.to_parquet(folder / "input" / f"{name}.parquet")
        native.to_json(folder / "input" / f"{name}.json", orient="records")
        native.to_json(folder / "input" / f"{name}.jsonl", orient="records", lines=True)
        answers.to_csv(folder / f"{name}_truth.csv", index=False)
        _row_files(folder / "input", cells["id"], name)
    return folder


def _row_files(folder: Path, keys: pd.Series, side: str) -> None:
    (folder / side).mkdir()
    rng = np.random.default_rng(3)
    for key in keys:
        box = "".join(f"edge {' '.join(map(str, row))}\n" for row in np.eye(3) * 5)
        points = "".join(
            f"p {x:.3f} {y:.3f} {z:.3f} {k}\n" for (x, y, z), k in zip(rng.random((6, 3)) * 5, "AABBAB", strict=True)
        )
        (folder / side / f"{key}.txt").write_text(f"# points\n{box}{points}")


@pytest.fixture
def execute(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    """Assemble a script from a skeleton, a load recipe and further recipes, run it, and give its globals."""
    (tmp_path / "input").symlink_to(data / "input")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def run(skeleton: str, *names: str, load: str = "load-csv", **constants: object) -> dict[str, Any]:
        text = assembled([RECIPES[n] for n in (f"table-{skeleton}", load, *names)], task(skeleton, **constants))
        assert scripts.problems(text) == []
        Path("script.py").write_text(text)
        for library in ("lightgbm", "xgboost", "catboost", "sklearn.ensemble"):
            importlib.import_module(library)  # their thread pools can be limited once they are there
        with threadpool_limits(1):
            return runpy.run_path("script.py", run_name="__main__")

    return run


def assembled(recipes: list[Recipe], constants: Mapping[str, object]) -> str:
    """Later recipes' cells replace earlier ones; a companion counts only where the script has its cell."""
    cells: dict[str, str] = {}
    for recipe in recipes:
        own = {k: v for k, v in recipe.cells if recipe.cell in ("skeleton", k) or k in (*cells, "predict")}
        own |= {k: v for k, v in recipe.cells if any(scripts.defined(v) & scripts.used(o) for o in own.values())}
        cells |= {name: source for name, source in own.items() if name != "setup"}
    setup = scripts.merge_setup([dict(r.cells).get("setup", "") for r in recipes])
    setup += "\n" + "\n".join(f"{name} = {value!r}" for name, value in constants.items())
    own_cells = [name for name in cells if name not in ORDER]
    listed = f"FEATURES = [{', '.join(n for n in own_cells if '(train, test, files)' in cells[n])}]"
    cells = cells | {"setup": setup, "features": re.sub(r"FEATURES = .*", listed, cells["features"])}
    order = ["setup", "load", *own_cells, *ORDER[2:]]
    return scripts.Notebook("", tuple(scripts.Cell(name, cells[name]) for name in order)).text()


def task(skeleton: str, **constants: object) -> dict[str, object]:
    """The constants that the playbook writes for this form."""
    target = {"values": ["y", "z"], "multilabel": ["one", "two"], "probability": ["two"]}.get(skeleton, ["label"])
    classes = {"values": [], "multilabel": [], "probability": ["0", "1"]}.get(skeleton, LABELS)
    output = [f"p_{c}" for c in LABELS] if skeleton == "probabilities" else target
    base = {"TRAIN": "train.csv", "TEST": "test.csv", "ID": ["id"], "TARGET": target, "OUTPUT": output, "TOP": 2}
    files = {"train": "train/{id}.txt", "test": "test/{id}.txt"}
    return base | {"CLASSES": classes, "SEEDS": [0], "ROW_FILES": files} | COLUMNS | constants


def read(data: Path, output: list[str]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The checked submission, the members, and the truth."""
    submission = pd.read_csv("submission.csv", dtype=str, keep_default_na=False)
    members, truth = pd.read_parquet("members.parquet"), pd.read_csv(data / "test_truth.csv", keep_default_na=False)
    assert list(submission) == ["id", *output]
    assert list(submission["id"]) == list(pd.read_csv("input/test.csv", dtype=str)["id"])
    assert len(members) == len(submission) == 90
    assert np.isfinite(members.to_numpy()).all()
    assert any(name.startswith("submission::") for name in members)
    return submission, members, truth


def rmse(submission: pd.DataFrame, truth: pd.DataFrame, column: str) -> float:
    return float(np.sqrt(np.mean((submission[column].astype(float) - truth[column]) ** 2)))


def goal_of(form: str) -> dict[str, object]:
    """The constants of a small task with two classes, or with one numeric target."""
    if form == "classes":
        return {"TARGET": ["two"], "OUTPUT": ["two"], "CLASSES": ["0", "1"]}
    return {"TARGET": ["z"], "OUTPUT": ["z"]}


@pytest.mark.parametrize("name", MODELS)
def test_model(name: str, execute: Script, data: Path) -> None:
    """Each model beats a constant, with ordinary features or its own companions."""
    form = RECIPES[name].form
    found = execute("label" if form == "classes" else "values", "numbers", "categories", name, **goal_of(form))
    submission, members, truth = read(data, found["OUTPUT"])
    named = {c.partition("::")[0] for c in members} - {"submission"}
    assert len(named) > 4 if "members" in RECIPES[name].tags else named == {"model"}
    assert len(members.columns) == (len(named) + 1) * (2 if form == "classes" else 1)
    if form == "classes":
        assert (submission["two"].astype(int) == truth["two"]).mean() > max(truth["two"].mean(), 0.5) + 0.1
    else:
        assert rmse(submission, truth, "z") < 0.8 * truth["z"].std()


PLAINEST = [name for name in MODELS if RECIPES[name].form == "classes" and "-" not in RECIPES[name].name]


@pytest.mark.filterwarnings("ignore:The least populated class")
@pytest.mark.parametrize("name", [*PLAINEST, "extra-trees-classes", "hist-gradient-boosting-classes"])
def test_rare_classes(name: str, execute: Script, data: Path) -> None:
    """A class of one row does no harm, and one that train lacks gets no probability."""
    execute("label", "numbers", "categories", name)
    submission, members, truth = read(data, ["label"])
    assert (members.filter(regex="::never$") == 0).all(axis=None)
    assert (submission["label"] == truth["label"]).mean() > truth["label"].value_counts(normalize=True).max() + 0.1


@pytest.mark.parametrize("form", ["classes", "values"])
@pytest.mark.parametrize("name", ["lightgbm", "xgboost", "catboost", "hist-gradient-boosting", "quick"])
def test_native_categories(name: str, form: str, execute: Script, data: Path) -> None:
    """Models tagged `native` take categories as they are, those that only the test has included."""
    recipe = RECIPES[f"{name}-{form}"]
    assert "native" in recipe.tags
    skeleton = "label" if form == "classes" else "values"
    found = execute(skeleton, "numbers", f"{name}-{form}", "categories-native", **goal_of(form))
    read(data, found["OUTPUT"])
    X, X_test = found["features"](found["train"], found["test"], {})
    assert list(X.select_dtypes("category")) == list(X_test.select_dtypes("category")) != []


NEUTRALS = {dict(RECIPES[name].neutral)["model"]: name for name in reversed(MODELS)}


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("name", sorted(NEUTRALS.values()))
def test_neutral_model(name: str, execute: Script) -> None:
    """The family's plain default runs in the same script."""
    recipe = RECIPES[name]
    classes = recipe.form == "classes"
    skeleton = "label" if classes else "values"
    found = execute(skeleton, "numbers", "categories", f"quick-{recipe.form}", **goal_of(recipe.form))
    exec(dict(recipe.cells)["setup"] + "\n" + dict(recipe.neutral)["model"], found)
    X, X_test = found["features"](found["train"], found["test"], {})
    y = found["target"](found["train"])
    prediction = found["fit_predict"](X, y if classes else y[:, 0], X_test, 0)
    if "members" in recipe.tags:
        (prediction,) = prediction.values()
    assert prediction.shape == ((90, 2) if classes else (90,))
    assert np.std(prediction, axis=0).max() > 0


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("skeleton", ["label", "values"])
def test_feature(name: str, skeleton: str, execute: Script, data: Path) -> None:
    """Each feature cell gives the same columns for train and test, some of them informative, and a neutral form."""
    cell = RECIPES[name].cell
    found = execute(
        skeleton,
        *{"numbers": 0, name: 0},
        f"quick-{'classes' if skeleton == 'label' else 'values'}",
        load="load-csv-files",
    )
    train, test, files = found["train"], found["test"], found["files"]
    A, B = found[cell](train, test, files)
    assert list(A) == list(B)
    assert (len(A), len(B)) == (ROWS, 90)
    assert list(A.index) == list(train.index)
    assert list(B.index) == list(test.index)
    assert A.nunique().max() > 1
    assert B.nunique().max() > 1
    exec(dict(RECIPES[name].neutral)[cell], found)
    assert [frame.shape for frame in found[cell](train, test, files)] == [(ROWS, 0), (90, 0)]


def test_target_means_never_hold_a_rows_own_target(execute: Script) -> None:
    """A category of one row each tells nothing of its own row: cross-fitted means do not follow the target."""
    found = execute("values", "numbers", "categories-target", "quick-values")
    lone = found["train"].assign(kind=[f"only {i}" for i in range(ROWS)])
    known, _ = found["categories"](lone, found["test"], {})
    y = found["target"](lone)[:, 0]
    assert abs(np.corrcoef(known.iloc[:, 0], y)[0, 1]) < 0.3


@pytest.mark.parametrize("suffix", ["csv", "tsv.gz", "json", "jsonl", "parquet"])
def test_load(suffix: str, execute: Script, data: Path) -> None:
    """Every format gives the same solution, labels such as `NA` verbatim."""
    names = {"TRAIN": f"train.{suffix}", "TEST": f"test.{suffix}"}
    load = f"load-{suffix.split('.')[0]}-files"
    cells = (
        "numbers",
        "categories",
        "booleans",
        "dates",
        "texts",
        "lists",
        "codes",
        "ids",
        "row_files",
        "quick-classes",
    )
    execute("label", *cells, load=load, **names)
    submission, _, truth = read(data, ["label"])
    assert set(submission["label"]) >= {"low", "NA", "high"}
    assert (submission["label"] == truth["label"]).mean() > 0.6


def test_probabilities(execute: Script, data: Path) -> None:
    execute("probabilities", "numbers", "categories", "quick-classes")
    submission, members, truth = read(data, [f"p_{label}" for label in LABELS])
    assert f"model::p_{LABELS[0]}" in members
    likeliest = submission.drop(columns="id").astype(float).idxmax(axis=1).str.removeprefix("p_")
    assert (likeliest == truth["label"]).mean() > 0.6


@pytest.mark.parametrize(("skeleton", "columns"), [("probability", ["two"]), ("multilabel", ["one", "two"])])
def test_columns_of_probability(skeleton: str, columns: list[str], execute: Script, data: Path) -> None:
    execute(skeleton, "numbers", "categories", "neighbours", "quick-classes")
    submission, members, truth = read(data, columns)
    assert list(members) == [f"{member}::{column}" for member in ("model", "submission") for column in columns]
    for column in columns:
        chance = submission[column].astype(float)
        assert chance[truth[column] == 1].mean() > chance[truth[column] == 0].mean() + 0.3


def test_ranking(execute: Script, data: Path) -> None:
    execute("ranking", "numbers", "categories", "quick-classes")
    submission, _, truth = read(data, ["label"])
    lists = submission["label"].str.split(" ")
    assert lists.str.len().eq(2).all()
    assert np.mean([t in best for t, best in zip(truth["label"], lists, strict=True)]) > 0.8


@pytest.mark.parametrize("target", ["", "target-log", "target-root"])
def test_two_values(target: str, execute: Script, data: Path) -> None:
    """Two targets, on their own or a squeezed scale, seeds averaged, never outside the range of train."""
    goals = {"TARGET": ["y", "size_2"], "OUTPUT": ["y", "size_2"], "NUMBERS": ["a", "b"], "SEEDS": [0, 1]}
    execute("values", "numbers", "categories", "quick-values", *filter(None, [target]), **goals)
    submission, _, truth = read(data, ["y", "size_2"])
    assert rmse(submission, truth, "y") < 0.6 * truth["y"].std()
    assert submission["size_2"].astype(float).between(0, 3).all()


@pytest.mark.parametrize("name", [name for name in POSTS if RECIPES[name].cell == "post"])
def test_post(name: str, execute: Script, data: Path) -> None:
    """Post-processing keeps shape and, for classes, is no worse than a constant; its neutral form changes nothing."""
    form = RECIPES[name].form
    skeleton = "label" if form == "classes" else "values"
    found = execute(skeleton, "numbers", "categories", f"quick-{form}", name)
    submission, _, truth = read(data, found["OUTPUT"])
    if form == "classes":
        assert (submission["label"] == truth["label"]).mean() > 0.5
    else:
        assert rmse(submission, truth, "y") < truth["y"].std()
    parts = found["parts"]["model"]
    exec(dict(RECIPES[name].neutral)["post"], found)
    np.testing.assert_array_equal(found["post"](parts), parts)


@pytest.mark.parametrize(("name", "score"), [("post-f1", "f1_score"), ("post-mcc", "matthews_corrcoef")])
def test_threshold_pays(name: str, score: str, execute: Script) -> None:
    """On calibrated probabilities of a rare class the shifted classes score higher than the likeliest ones."""
    import sklearn.metrics

    found = execute("label", "numbers", "quick-classes", name)
    rng = np.random.default_rng(0)
    chance = rng.beta(0.6, 4.0, 4000)
    truth, both = rng.random(4000) < chance, np.column_stack([1 - chance, chance])
    measure = getattr(sklearn.metrics, score)
    assert measure(truth, found["post"](both).argmax(axis=1)) > measure(truth, both.argmax(axis=1)) + 0.02
