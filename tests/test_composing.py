"""Composed scripts run, and predict what their parts predict."""

import ast

import numpy as np
import pytest

from mlestar import composing, scripts
from mlestar.composing import PLAIN_MEAN, WEIGHTED_MEAN, Part, compose, weights_cell


def script(scale: int, helper: str = "return x + 1") -> str:
    """A composable script that predicts `scale` × 2 for two rows."""
    return f'''# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy"]
# ///
"""Part."""

# %% setup
import numpy as np

SEEDS = [0]

# %% load
def load():
    return 1, 2, {{}}

# %% shared
def shared(x):
    {helper}

# %% model
SCALE = {scale}


def fit_predict(x, seed):
    return np.full((2, 1), SCALE * shared(x))

# %% predict
def predict(train, test, files, seed):
    return {{"model": fit_predict(train, seed), "other": fit_predict(test, seed)}}

# %% blend
def blend(parts):
    return parts["model"]

# %% post
def post(prediction):
    return prediction

# %% submit
if __name__ == "__main__":
    submitted = post(blend(predict(*load(), SEEDS[0])))
'''


def run(text: str) -> np.ndarray:
    space = {"__name__": "__main__"}
    exec(compile(text, "solution.py", "exec"), space)
    return space["submitted"]


def test_a_mean_of_two_parts():
    parts = [Part("a", script(1), {"model": "a"}), Part("b", script(3), {"model": "b"})]
    text = compose(parts, {"blend": PLAIN_MEAN}, "Two.")
    assert scripts.problems(text) == []
    assert run(text).tolist() == [[4.0], [4.0]]
    assert scripts.parse(text).names.count("shared") == 1, "an equal cell stands once"


def test_weights_and_several_members_of_one_part():
    parts = [Part("a b", script(1), {"model": "a b/model", "other": "a b/other"}), Part("c", script(3), {"model": "c"})]
    cells = {"weights": weights_cell({"a b/model": 0.5, "a b/other": 0.25, "c": 0.25}), "blend": WEIGHTED_MEAN}
    text = compose(parts, cells, "Weighted.")
    assert run(text)[0, 0] == 0.5 * 2 + 0.25 * 3 + 0.25 * 6


def test_a_shared_cell_that_differs_is_private_and_so_is_what_rests_on_it():
    parts = [Part("a", script(1), {"model": "a"}), Part("b", script(1, "return x + 9"), {"model": "b"})]
    text = compose(parts, {"blend": PLAIN_MEAN}, "Two.")
    assert run(text)[0, 0] == (2 + 10) / 2
    assert "shared: b" in scripts.parse(text).names


def test_composed_scripts_compose_again():
    inner = compose(
        [Part("a", script(1), {"model": "a"}), Part("b", script(3), {"model": "b"})], {"blend": PLAIN_MEAN}, "I."
    )
    parts = [Part("ab", inner, {"a": "ab/a", "b": "ab/b"}), Part("c", script(5), {"model": "c"})]
    text = compose(parts, {"blend": PLAIN_MEAN}, "Outer.")
    assert scripts.problems(text) == []
    assert run(text)[0, 0] == (2 + 6 + 10) / 3


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("label", ["a", "b", "a #2"])
def test_a_part_may_be_called_as_a_part_of_another_is(label, first):
    inner = compose(
        [Part("a", script(1), {"model": "a"}), Part("b", script(3), {"model": "b"})], {"blend": PLAIN_MEAN}, "I."
    )
    other = "b" if label == "a" else "a"
    parts = [Part(label, inner, {"a": "x/a", "b": "x/b"}), Part(other, script(5), {"model": "y"})]
    text = compose(parts if first else parts[::-1], {"blend": PLAIN_MEAN}, "Outer.")
    assert scripts.problems(text) == []
    assert run(text)[0, 0] == (2 + 6 + 10) / 3


def test_the_head_follows_what_the_cells_import_and_keeps_what_only_the_author_knows():
    old = composing.head(["catboost", "numpy", "opencv-python"], "With catboost.")
    text = old + "\n\n# %% setup\nimport lightgbm as lgb\nimport numpy as np\nfrom sklearn.svm import SVC\n"
    new = composing.headed(text, "With lightgbm.")
    assert composing.dependencies(new) == ("lightgbm", "numpy", "opencv-python", "scikit-learn")
    assert '"""With lightgbm."""' in new
    assert new.endswith("from sklearn.svm import SVC\n")


def test_names_with_commas_are_never_broken() -> None:
    """Members' names may hold what looks like a place to break a long line."""
    names = {f"model {i}, of many sorts": f"a, b/model {i}, of many sorts" for i in range(9)}
    source = composing._joint_predict([(composing.Part("a, b", "", names), "predict_a")])
    found = ast.literal_eval(next(n.iter for n in ast.walk(ast.parse(source)) if isinstance(n, ast.For)))
    assert found == tuple(names)
    assert max(map(len, source.splitlines())) <= 120
