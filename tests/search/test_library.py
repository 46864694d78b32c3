"""Reading recipes, the order of folders, and the offline search."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlestar.errors import SettingsError
from mlestar.search.library import Library, read_recipe, shipped

GOOD = """---
name: my-forest
kind: table
cell: model
form: classes
when: [rows>=500, metric:log_loss]
tags: [trees, woodland]
needs: [sklearn]
cost: 2
source: somebody 1999
---

Many trees,
averaged.

```python cell=setup
import numpy as np
```

```python cell=model
def fit_predict(X, y, X_test, seed):
    return np.zeros(len(X_test))
```

```python neutral=model
def fit_predict(X, y, X_test, seed):
    return np.ones(len(X_test))
```
"""


def write(folder: Path, text: str, name: str = "recipe.md") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_recipe_is_read_whole(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, GOOD))
    assert (recipe.name, recipe.kind, recipe.cell, recipe.form) == ("my-forest", "table", "model", "classes")
    assert recipe.why == "Many trees, averaged."
    assert recipe.when == ("rows>=500", "metric:log_loss")
    assert recipe.cost == 2.0
    assert [name for name, _ in recipe.cells] == ["setup", "model"]
    assert dict(recipe.neutral)["model"].endswith("np.ones(len(X_test))")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("cost: 2", "price: 2", "key 'price'"),
        ("kind: table", "kind: tables", "key 'kind'"),
        ("cost: 2", "cost: cheap", "key 'cost'"),
        ("[trees, woodland]", "trees", "key 'tags'"),
        ("rows>=500", "rows > 500", "'rows > 500' is not a known condition"),
        ("form: classes", "form: [a: b", "is not YAML"),
        ("name: my-forest\n", "", "key 'name'"),
        ("cell: model", "cell: features", "the cell `features` is named but not written"),
        ("---\nname", "name", "line 1"),
        ("    return np.ones(len(X_test))\n```", "    return np.ones(len(X_test))", "line 25: the fence opened here"),
        ("return np.zeros(", "return np.zeros((", "line 22: the cell `model` is not Python"),
        ("neutral=model", "neutral=features", "neutral=features has no cell=features"),
        ("python cell=setup", "python", "line 16: open a cell with"),
        ("cell=setup", "cell=model", "line 20: cell=model stands more than once"),
    ],
)
def test_a_bad_recipe_is_refused_with_file_and_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(SettingsError) as caught:
        read_recipe(write(tmp_path, GOOD.replace(old, new, 1), "bad.md"))
    assert "bad.md" in str(caught.value)
    assert said in str(caught.value)


def test_a_folder_of_ones_own_comes_first_and_takes_the_place_of_a_shipped_recipe(tmp_path: Path) -> None:
    write(tmp_path, GOOD, "a.md")
    write(tmp_path, GOOD.replace("my-forest", "text-ridge").replace("kind: table", "kind: text"), "b.md")
    (tmp_path / "README.md").write_text("my recipes")
    library = Library([tmp_path])
    assert library.recipes()[0].name == "my-forest"
    assert library.named("text-ridge", "classes").source == "somebody 1999"
    assert len(library.recipes()) == len(Library().recipes()) + 1


def test_two_recipes_of_one_name_and_form_in_a_folder_are_refused(tmp_path: Path) -> None:
    write(tmp_path, GOOD, "a.md")
    write(tmp_path, GOOD.replace("form: classes", "form: values"), "b.md")
    assert Library([tmp_path]).named("my-forest", "values").form == "values"
    write(tmp_path, GOOD, "c.md")
    with pytest.raises(SettingsError, match=r"c\.md.*a\.md"):
        Library([tmp_path]).recipes()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="nowhere"):
        Library([tmp_path / "nowhere"])


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(SettingsError, match="there is no recipe 'crystal-ball'"):
        Library().named("crystal-ball")


def test_alternatives_fit_kind_cell_and_form() -> None:
    found = Library().alternatives("text", "model", "values")
    assert {r.name for r in found} >= {"text-ridge-values", "text-quick-values"}
    assert all(r.cell == "model" and r.form in ("values", "any") and r.kind in ("text", "any") for r in found)


def test_searching_finds_models_by_what_they_are_called_and_tagged() -> None:
    library = Library()
    assert library.search("NB-SVM", "text", 3)[0].name.startswith("text-nb-svm")
    assert "text-naive-bayes" in [i.name for i in library.search("naive Bayes for short texts", "text", 5)]
    assert library.search("character n-gram language models", "text", 1)[0].name == "text-language-models"
    assert {i.recipe for i in library.search("classify documents", "table", 99)} >= {"text-quick", "text-logistic"}
    assert len(library.search("text", "text", 4)) == 4
    assert not library.search("text", "stack", 4)  # blends are no models


def test_an_idea_brings_its_code_and_cost() -> None:
    idea = Library().search("complement naive bayes", "text", 1)[0]
    assert idea.recipe == "text-complement-bayes"
    assert "# %% model\n" in idea.code
    assert "ComplementNB" in idea.code
    assert 0 < idea.cost < 1


def test_the_users_recipe_is_found(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    assert Library([tmp_path]).search("woodland", "table", 5)[0].name == "my-forest"


LIBRARY = Library()


@given(st.text())
def test_any_query_is_only_words(query: str) -> None:
    assert len(LIBRARY.search(query, "table", 3)) <= 3


def test_every_shipped_recipe_reads_and_reading_them_is_cheap() -> None:
    took = []
    for _ in range(3):
        began = time.process_time()
        library = Library()
        assert len(library.recipes()) == len([p for p in shipped().rglob("*.md") if p.name != "README.md"])
        library.search("gradient boosting", "table", 5)
        took.append(time.process_time() - began)
    assert min(took) < 0.6  # 0.15 s on a quiet machine


def test_nothing_heavy_is_imported() -> None:
    code = "import sys, mlestar.search.library; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "pandas", "scipy", "sklearn", "pydantic"} & set(loaded)
