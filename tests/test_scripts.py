"""Cells in, cells out: parsing, replacing and renaming never lose or break a line."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlestar import naming, scripts
from mlestar.scripts import Cell, Notebook

SCRIPT = '''# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy", "pandas"]
# ///
"""A title."""

# %% setup
import numpy as np

SEEDS = [0]

# %% load
def load():
    return None, None, {}

# %% predict
def predict(train, test, files, seed):
    return {"one": np.zeros((1, 1))}

# %% blend
def blend(parts):
    return parts["one"]

# %% post
def post(prediction):
    return prediction

# %% submit
if __name__ == "__main__":
    print(post(blend(predict(*load(), SEEDS[0]))))
'''

names = st.from_regex(r"[a-z][a-z_]{0,8}(: [a-z]{1,5})?", fullmatch=True)
sources = st.lists(st.sampled_from(["x = 1", "# note", "def f():", "    return 2"]), min_size=1, max_size=4)


@given(st.lists(st.tuples(names, sources), min_size=1, max_size=6))
def test_parse_is_the_inverse_of_text(cells):
    book = Notebook("# head", tuple(Cell(name, "\n".join(lines)) for name, lines in cells))
    assert scripts.parse(book.text()) == book


def test_a_script_without_marks_is_one_cell():
    assert scripts.parse("print(1)\n").names == ("script",)


def test_replace_changes_one_cell_only():
    text = scripts.replace(SCRIPT, {"post": "def post(prediction):\n    return prediction.clip(0)"})
    before, after = scripts.parse(SCRIPT), scripts.parse(text)
    assert before.names == after.names
    assert {c.name for c, d in zip(before.cells, after.cells, strict=True) if c != d} == {"post"}


def test_a_new_cell_stands_before_predict_and_an_empty_one_goes():
    text = scripts.replace(SCRIPT, {"dates": "def dates():\n    pass"})
    assert scripts.parse(text).names.index("dates") == scripts.parse(text).names.index("predict") - 1
    assert "dates" not in scripts.parse(scripts.replace(text, {"dates": ""}))


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (SCRIPT.replace("# %% post", "# %% past"), "`post` is missing"),
        (SCRIPT.replace("    return prediction\n", "    return prediction)\n"), "line 2"),
        (SCRIPT.replace("SEEDS = [0]", "for i in range(3):\n    pass"), "does work at import"),
        (SCRIPT + "\n# %% load\nx = 1\n", "more than once"),
    ],
)
def test_problems_are_named(broken, said):
    assert any(said in problem for problem in scripts.problems(broken))


def test_a_composable_script_has_no_problems():
    assert scripts.problems(SCRIPT) == []


def test_rename_knows_scopes():
    source = '''def groups(x):
    """About groups."""
    return x


def f(train, groups_=1):
    found = [groups(t) for t in train]
    return f"{groups(found)} {LIMIT!r} groups", train.groups, dict(groups=groups)


def g(groups):
    return groups


LIMIT = 3
'''
    renamed = naming.rename(source, {"groups": "groups_a", "LIMIT": "LIMIT_a", "f": "f_a"})
    assert 'f"{groups_a(found)} {LIMIT_a!r} groups", train.groups, dict(groups=groups_a)' in renamed
    assert "def g(groups):\n    return groups\n" in renamed
    assert "def f_a(train, groups_=1)" in renamed
    assert '"""About groups."""' in renamed


def test_renaming_back_gives_the_source_back():
    source = scripts.parse(SCRIPT)["predict"]
    there = naming.rename(source, {"predict": "predict_a"})
    assert naming.rename(there, {"predict_a": "predict"}) == source


def test_merge_setup_joins_imports_and_keeps_other_statements_once():
    merged = scripts.merge_setup(
        [
            "import json\nimport numpy as np\nfrom a import b\n\nX = [1,\n     2]",
            "from a import c\nimport numpy as np\nX = [1,\n     2]\nY = 3",
        ]
    )
    assert merged.count("import numpy as np") == 1
    assert "from a import b, c" in merged
    assert merged.count("X = [1,") == 1
    ast.parse(merged)


def test_the_cell_of_a_line():
    line = next(i for i, text in enumerate(SCRIPT.splitlines(), 1) if "parts[" in text)
    assert scripts.cell_of_line(SCRIPT, line) == "blend"


def test_seeds_and_dependencies():
    assert "SEEDS = [0, 1, 2]" in scripts.parse(scripts.with_seeds(SCRIPT, 3))["setup"]
    assert scripts.dependencies(scripts.parse(SCRIPT).head) == ("numpy", "pandas")


def test_python_stumbling_over_two_threads_trees_is_no_error_of_ours(monkeypatch):
    real, stumbles = ast.parse, iter([True, True, False])

    def parse(source, **more):
        if next(stumbles):
            raise SystemError("AST constructor recursion depth mismatch (before=66, after=59)")
        return real(source, **more)

    monkeypatch.setattr(ast, "parse", parse)
    assert scripts.defined("x = 1") == {"x"}
