"""`mle-star library check` and `show`: recipes of a user's own, read, really run, and told about."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlestar import checking, config
from mlestar.checking import Checked
from mlestar.search.library import Library, shipped
from mlestar.search.recipes import read_recipe, text_of
from mlestar.tasks import samples

GOOD = '''---
name: my-trees
kind: table
cell: model
form: classes
when: [numbers]
tags: [woodland]
needs: [sklearn]
cost: 0.3
source: common practice
---

A few random trees.

```python cell=setup
from sklearn.ensemble import ExtraTreesClassifier
```

```python cell=model
def fit_predict(X, y, X_test, seed):
    """Class probabilities of the trees' leaves."""
    model = ExtraTreesClassifier(30, min_samples_leaf=3, random_state=seed).fit(X.fillna(0.0), y)
    return by_class(model.classes_, model.predict_proba(X_test.fillna(0.0)))
```

```python neutral=model
def fit_predict(X, y, X_test, seed):
    """Neutral: the library's own defaults."""
    model = ExtraTreesClassifier(30, random_state=seed).fit(X.fillna(0.0), y)
    return by_class(model.classes_, model.predict_proba(X_test.fillna(0.0)))
```
'''
BLEND = '''---
name: my-mean
kind: stack
cell: blend
form: classes
when: [metric:log_loss]
---

A mean.

```python cell=learn
def learn(known, y, seed):
    """Equal weights, by the members' places."""
    return {i: 1 / len(known) for i in range(len(known))}
```

```python cell=blend
def blend(parts):
    """The weighted mean."""
    return sum(WEIGHTS[i] * part for i, part in enumerate(parts.values()))
```
'''
FEATURE = '''---
name: my-ratios
kind: table
cell: ratios
form: any
when: [numbers, metric:rmse]
---

Quotients of numbers.

```python cell=ratios
def ratios(train, test, files):
    """The first number by each other one."""
    return quotients(train), quotients(test)


def quotients(table):
    """Quotients of the columns NUMBERS."""
    numbers = table[NUMBERS].apply(pd.to_numeric, errors="coerce")
    return pd.DataFrame({f"{c}_ratio": numbers[NUMBERS[0]] / (1 + numbers[c]) for c in NUMBERS[1:]})
```

```python neutral=ratios
def ratios(train, test, files):
    """Neutral: no columns."""
    return pd.DataFrame(index=train.index), pd.DataFrame(index=test.index)
```
'''
# Changes to GOOD that run into something, by name: what is put in the place of what.
TREES = "ExtraTreesClassifier"
CHANGES: dict[str, list[tuple[str, str]]] = {
    "two-keys": [("cost: 0.3", "price: 3"), ("kind: table", "kind: tables")],
    "condition": [("[metric:log_loss]", "[numbers, sunshine]")],
    "unparsed": [("min_samples_leaf=3", "min_samples_leaf=(")],
    "fails": [
        ("    return by_class(", "    y = y + missing_rows(X)\n    return by_class("),
        ("def fit_predict", "def missing_rows(X):\n    return X['nowhere']\n\n\ndef fit_predict"),
    ],
    "idle": [("min_samples_leaf=3, ", "")],
    "neutral-fails": [("(30, random_state=seed).fit(X.", "(30, random_state=seed).fit(X[['nowhere']].")],
    "constant": [("return by_class(", "return np.full((len(X_test), len(CLASSES)), 1 / len(CLASSES))\n    by_class(")],
    "needs": [("needs: [sklearn]", "needs: [sklearn, crystal_ball]")],
    "unnamed": [("needs: [sklearn]", "needs: []"), (f"import {TREES}", f"import {TREES}\nimport crystal_ball")],
    "unknown": [("min_samples_leaf=3", "min_samples_leaf=FEWEST")],
    "work": [("def fit_predict", "for i in range(3):\n    i\n\n\ndef fit_predict")],
    "three": [("def fit_predict(X, y, X_test, seed)", "def fit_predict(X, y, X_test)")],
    "shape": [("model.predict_proba(X_test.fillna(0.0)))", "model.predict_proba(X_test.fillna(0.0)))[:-1]")],
    "fits-nowhere": [("kind: table", "kind: stack")],
    "large": [("[metric:log_loss]", "[imbalanced, metric:accuracy, rows>=50000]")],
}


def changed(name: str) -> str:
    """GOOD under another name and for one task, with the changes made wherever they are first met."""
    text = GOOD.replace("my-trees", name).replace("[numbers]", "[metric:log_loss]")
    for old, new in CHANGES[name]:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def line_of(text: str, words: str) -> int:
    """The number of the first line with these words, from 1."""
    return next(i for i, line in enumerate(text.splitlines(), 1) if words in line)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Checked]:
    """All recipes of this file, checked as one folder, by name of the file."""
    folder = tmp_path_factory.mktemp("recipes")
    (folder / "README.md").write_text("mine")
    texts = {name: changed(name) for name in CHANGES} | {"good": GOOD, "same": GOOD}
    kept = BLEND.replace("my-mean", "my-kept").replace("{i: 1 / len", "{str(i): 1 / len").replace("TS[i]", "TS[str(i)]")
    texts |= {"ratios": FEATURE, "mean": BLEND, "kept": kept}
    for name, text in texts.items():
        (folder / f"{name}.md").write_text(text)
    results = list(checking.check([folder], config.load(), tmp_path_factory.mktemp("scratch")))
    assert sorted(result.path.stem for result in results) == sorted(texts)
    return {result.path.stem: result for result in results}


def test_a_good_recipe_passes_on_every_task_that_suits_it(found: dict[str, Checked]) -> None:
    good = found["good"]
    assert good.problems == ()
    assert [(one.data, one.metric, one.state) for one in good.tried] == [
        ("three classes", "accuracy", "ok"), ("three probabilities", "log_loss", "ok"),
    ]  # fmt: skip
    accuracy, loss = good.tried
    assert accuracy.score is not None
    assert 0.3 < accuracy.constant < accuracy.score < 1
    assert loss.score is not None
    assert 0 < loss.score < loss.constant < 2
    assert all(one.neutral == (("model", True),) and one.seconds > 0 for one in good.tried)


def test_a_feature_cell_runs_in_the_script_of_the_cheapest_model(found: dict[str, Checked]) -> None:
    assert found["ratios"].problems == ()
    (one,) = found["ratios"].tried
    assert (one.data, one.metric, one.neutral) == ("one value", "rmse", (("ratios", True),))


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"form": "any"}, ["three classes", "three probabilities", "one value", "two values"]),
        ({"form": "values", "kind": "text"}, ["a value of texts"]),
        ({"cell": "post"}, ["three classes"]),
        ({"when": ("metric:f1",)}, ["two classes"]),
        ({"when": ("metric:mcc",)}, ["three classes", "two classes", "many classes"]),
        ({"when": ("metric:unheard_of",)}, ["three classes", "three probabilities"]),
        ({"when": ("many_classes",)}, ["many classes"]),
        ({"form": "values", "when": ("multi_target",)}, ["two values"]),
    ],
)
def test_tasks_are_chosen_by_kind_form_cell_and_conditions(changes: dict[str, Any], names: list[str]) -> None:
    recipe = Library().named("logistic", "classes")
    assert [sample.name for sample in samples.suited(replace(recipe, **changes))] == names


def test_a_task_is_as_long_as_a_recipe_asks_for_within_reason() -> None:
    recipe = Library().named("logistic", "classes")
    for when, rows in (((), 240), (("rows>=500",), 500), (("rows>=500", "rows>=100000"), 2000)):
        assert {sample.rows for sample in samples.suited(replace(recipe, when=when))} == {rows}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("two-keys", ["key 'price': there is no such key", "key 'kind': 'tables' is not one of table, text"]),
        ("condition", ["key 'when': 'sunshine' is not a known condition; known are rows>=N"]),
        ("unparsed", [f"line {line_of(GOOD, 'min_samples')}: the cell `model` is not Python"]),
        ("needs", ["key 'needs': crystal_ball cannot be imported (ModuleNotFoundError", "setting 'interpreter'"]),
        ("unnamed", ["cell `setup`: it imports crystal_ball, which is not in `needs`"]),
        ("unknown", [f"line {line_of(GOOD, 'def fit')}, cell `model`: FEWEST is read here and defined nowhere"]),
        ("work", ["cell `model`: does work at import; put it into a function"]),
        ("three", ["cell `model`: fit_predict must take 4 arguments: fit_predict(X, y, X_test, seed)"]),
        ("fits-nowhere", ["key 'kind': a blend is of kind `stack`", "needs a cell `learn` beside it"]),
        ("same", ["key 'name': 'my-trees' with form 'classes' is also in"]),
    ],
)
def test_what_a_look_finds_is_named_with_file_and_place(found: dict[str, Checked], name: str, said: list[str]) -> None:
    problems = "\n".join(found[name].problems)
    assert all(words in problems for words in said), problems
    assert all(f"{name}.md, " in problem for problem in found[name].problems)
    if name not in ("unknown", "work", "same"):  # these three show in a whole script only
        assert found[name].tried == ()


def test_a_recipe_that_fails_at_run_time_is_told_by_its_own_line(found: dict[str, Checked]) -> None:
    text = changed("fails")
    (one,) = found["fails"].tried
    assert (one.state, one.score) == ("exception", None)
    (told,) = found["fails"].problems
    place = line_of(text, "nowhere")
    assert f"line {place}, cell `model`: on three probabilities, exception: KeyError: 'nowhere'" in told


def test_a_failure_in_the_script_around_it_says_so(found: dict[str, Checked]) -> None:
    assert [one.state for one in found["shape"].tried] == ["exception"]
    assert "in the cell `submit` of the script around it" in found["shape"].problems[0]


def test_a_neutral_form_that_changes_nothing_or_fails_is_a_problem(found: dict[str, Checked]) -> None:
    (idle,) = found["idle"].problems
    assert f"line {line_of(changed('idle'), 'neutral=model') + 1}, neutral=model: it changes no prediction" in idle
    assert [one.neutral for one in found["idle"].tried] == [(("model", False),)]
    fails = found["neutral-fails"]
    assert [one.state for one in fails.tried] == ["neutral fails"]
    place = line_of(changed("neutral-fails"), "'nowhere'")
    assert f"line {place}, neutral=model: on three probabilities, exception: KeyError" in fails.problems[0]


def test_a_model_that_is_no_better_than_a_constant_fails(found: dict[str, Checked]) -> None:
    (one,) = found["constant"].tried
    assert (one.data, one.state, one.ahead) == ("three probabilities", "no better", False)
    assert one.score is not None
    assert one.score == pytest.approx(one.constant)
    assert "cell `model`: its scores are no better than a constant prediction's" in found["constant"].problems[0]


def test_what_a_blend_learns_must_survive_json(found: dict[str, Checked]) -> None:
    assert found["kept"].problems == ()
    assert [one.data for one in found["kept"].tried] == ["blend of three probabilities"]
    assert [one.state for one in found["mean"].tried] == ["not kept"]
    assert (
        "cell `learn`: on blend of three probabilities, what it returns blends otherwise" in found["mean"].problems[0]
    )


def test_a_condition_that_no_built_in_task_meets_is_noted(found: dict[str, Checked]) -> None:
    assert found["large"].problems == ()
    assert any("`rows>=50000` of `when` holds on no built-in task" in note for note in found["large"].notes)


SOME = (
    "skeleton/load-json-files", "skeleton/table-ranking", "stack/stack-ranks", "stack/stack-ridge-values",
    "table/post-round", "table/target-log", "text/text-words",
)  # fmt: skip


def test_shipped_recipes_of_every_sort_pass(tmp_path: Path) -> None:
    """One for each way in which a recipe gets into a script; what they do is tested beside this file."""
    files = [shipped() / f"{name}.md" for name in SOME]
    results = list(checking.check(files, config.load(), tmp_path))
    assert [result.path for result in results] == files
    for result in results:
        assert result.problems == (), checking.told(result)
        assert result.tried
        assert any("takes the place of the shipped recipe" in note for note in result.notes)


def test_every_recipe_as_text_reads_back_equal(tmp_path: Path) -> None:
    known = Library().recipes()
    odd = replace(known[0], why="gradient-boosting " * 30 + "x" * 200 + " end.", cost=1e-6, source="2024-02-03")
    for number, recipe in enumerate([*known, odd]):
        path = tmp_path / f"{number}.md"
        path.write_text(text_of(recipe), encoding="utf-8")
        assert read_recipe(path) == recipe


# --- the command line -----------------------------------------------------------------------------------

Tool = Callable[..., subprocess.CompletedProcess[str]]


def test_check_on_the_command_line(mle_star: Tool, tmp_path: Path) -> None:
    (tmp_path / "good.md").write_text(GOOD)
    done = mle_star("library", "check", tmp_path / "good.md")
    assert done.returncode == 0, done.stderr
    assert "my-trees (table, model, classes) passed" in done.stdout
    assert "three classes" in done.stdout
    assert "neutral=model changes it" in done.stdout
    (tmp_path / "bad.md").write_text(changed("condition"))
    done = mle_star("library", "check", tmp_path / "bad.md", "--json")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "'sunshine' is not a known condition" in json.loads(done.stdout)["problems"][0]


def test_wrong_use_is_one_message(mle_star: Tool, tmp_path: Path) -> None:
    (tmp_path / "good.md").write_text(GOOD)
    (tmp_path / "good.txt").write_text(GOOD)
    (tmp_path / "empty").mkdir()
    for arguments, said in (
        ([tmp_path / "none.md"], "there is no such file or folder"),
        ([tmp_path / "empty"], "there is no recipe"),
        ([tmp_path / "good.txt"], "ends with .md"),
        ([tmp_path / "good.md", "--set", "wall=none"], "--unsafe"),
    ):
        done = mle_star("library", "check", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_without_a_wall_a_recipe_runs_only_when_asked_to(mle_star: Tool, tmp_path: Path) -> None:
    (tmp_path / "good.md").write_text(GOOD)
    done = mle_star("library", "check", tmp_path / "good.md", "--set", "wall=none", "--unsafe")
    assert done.returncode == 0, done.stderr


def test_a_recipe_is_shown_whole_and_a_wrong_name_is_told_its_neighbours(mle_star: Tool, tmp_path: Path) -> None:
    done = mle_star("library", "show", "stack-mean")
    assert done.returncode == 0
    (tmp_path / "shown.md").write_text(done.stdout)
    assert read_recipe(tmp_path / "shown.md") == Library().named("stack-mean", "classes")
    both = mle_star("library", "show", "lightgbm").stdout
    assert "form: values" in both
    assert mle_star("library", "show", "lightgbm", "--form", "values").stdout in both
    for arguments, said in ((["lightbgm"], "did you mean lightgbm"), (["ridge", "--form", "classes"], "is for values")):
        done = mle_star("library", "show", *arguments)
        assert done.returncode == 2
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_words_are_searched_for_as_ever(mle_star: Tool, tmp_path: Path) -> None:
    (tmp_path / "good.md").write_text(GOOD)
    everything = mle_star("library").stdout.splitlines()
    assert len(everything) == len(Library().recipes())
    found = mle_star("library", "boosting", "check").stdout.splitlines()
    assert any(line.startswith("catboost ") for line in found)
    assert len(found) < len(everything)
    for arguments in (["--library", tmp_path, "woodland"], ["woodland", "--library", tmp_path]):
        assert mle_star("library", *arguments).stdout.startswith("my-trees ")
