"""Scripts side by side predict what they predict alone, whatever their cells call things."""

import pytest

from mlestar import composing, naming, scripts
from mlestar.composing import PLAIN_MEAN, Part, compose

USUAL = {
    "setup": "import numpy as np",
    "load": "def load():\n    return 1, 2, {}",
    "model": "def fit_predict(x, seed):\n    return np.full((2, 1), float(x))",
    "predict": "def predict(train, test, files, seed):\n    return {'model': fit_predict(train, seed)}",
    "blend": "def blend(parts):\n    return parts['model']",
    "post": "def post(prediction):\n    return prediction",
    "submit": "if __name__ == '__main__':\n    submitted = post(blend(predict(*load(), SEEDS[0])))",
}
FIT = "\n\n\ndef fit_predict(x, seed):\n    return np.full((2, 1), float({}))"


def script(**cells):
    """A script whose cells are the usual ones but for these; SEEDS stand in the setup."""
    every = {**USUAL, **cells}
    every["setup"] += "\nSEEDS = [0]"
    order = [*dict.fromkeys(("setup", "load", *cells, "model", "predict", "blend", "post", "submit"))]
    return composing.head(["numpy"], "Part.") + "".join(f"\n\n# %% {name}\n{every[name]}" for name in order) + "\n"


def run(text):
    space = {"__name__": "__main__"}
    exec(compile(text, "solution.py", "exec", dont_inherit=True), space)
    return float(space["submitted"][0, 0])


def joined(one, other):
    parts = [Part("a", one, {"model": "a"}), Part("b", other, {"model": "b"})]
    text = compose(parts, {"blend": PLAIN_MEAN}, "Two.")
    assert scripts.problems(text) == []
    return text


CELLS = {
    "a method called as the entry": (
        "class Model:\n    def predict(self):\n        return @@" + FIT.format("Model().predict()")
    ),
    "a counter": "N = 0\n\n\ndef more():\n    global N\n    N += @@\n    return N" + FIT.format("more()"),
    "annotations": "class Own:\n    k = @@\n\n\ndef own(x: Own) -> Own:\n    return x" + FIT.format("own(Own()).k"),
    "a default of a lambda": "K = @@\nf = lambda x=K: x" + FIT.format("f()"),
    "a condition": "if True:\n    K = @@" + FIT.format("K"),
    "an attempt": "try:\n    from nowhere import K\nexcept ImportError:\n    K = @@" + FIT.format("K"),
    "a local of an inner function": (
        "K = @@\n\n\ndef fit_predict(x, seed):\n    def inner():\n        K = 9\n        return K\n\n"
        "    return np.full((2, 1), float(K + 0 * inner()))"
    ),
    "a parameter of an inner function": "K = @@" + FIT.format("K + (lambda K: K)(0)"),
    "a comprehension": "K = @@" + FIT.format("K + 0 * sum(K for K in range(3))"),
    "an import in a function": (
        "def sqrt(x):\n    return @@\n\n\ndef fit_predict(x, seed):\n    from math import sqrt\n\n"
        "    return np.full((2, 1), sqrt(@@ ** 2))"
    ),
    "an exception's name": (
        "e = @@\n\n\ndef fit_predict(x, seed):\n    try:\n        raise ValueError('@@')\n"
        "    except ValueError as e:\n        return np.full((2, 1), float(str(e)))"
    ),
    "a capture": (
        "v = 5\n\n\ndef fit_predict(x, seed):\n    match @@:\n        case v:\n"
        "            return np.full((2, 1), float(v))"
    ),
    "two blanks": "def  k():\n    return @@" + FIT.format("k()"),
}


@pytest.mark.parametrize("source", CELLS.values(), ids=CELLS)
def test_cells_keep_their_own_names(source):
    text = joined(script(model=source.replace("@@", "1")), script(model=source.replace("@@", "3")))
    assert run(text) == 2.0


SETUPS = {
    "constants": ("K = 1", "K = 3", "K"),
    "constants of one name in another cell": ("K = 1", "", "K"),
    "what rests on them": ("K = 1\ndef k():\n    return K", "K = 3\ndef k():\n    return K", "k()"),
    "decorated": (
        "from functools import lru_cache\n@lru_cache\ndef k():\n    return 1",
        "from functools import lru_cache\n@lru_cache\ndef k():\n    return 3",
        "k.__wrapped__()",
    ),
    "imports": ("from math import floor as f", "from math import ceil as f", "f(x + 0.5) * 2 - 1"),
    "several in one line": ("K = 1; J = 2", "K = 3; J = 2", "K * J / 2"),
    "the future": ("from __future__ import annotations\nimport json\nK = 1", "import json\nK = 3", "K"),
}


@pytest.mark.parametrize(("one", "other", "value"), SETUPS.values(), ids=SETUPS)
def test_setups_may_mean_different_things(one, other, value):
    model = FIT.format(value).strip()
    pair = [
        script(setup=f"{line}\nimport numpy as np" if "future" in line else f"import numpy as np\n{line}", model=model)
        for line in (one, other or "")
    ]
    if not other:
        pair[1] = script(other="K = 3", model=model)
    assert run(pair[0]) == 1.0
    assert run(joined(*pair)) == run(joined(*pair[::-1])) == 2.0


def test_a_module_and_a_class_of_it_of_one_name():
    pairs = (("import datetime", "datetime.datetime(1, 1, 1)"), ("from datetime import datetime", "datetime(3, 1, 1)"))
    years = [
        script(setup=f"import numpy as np\n{line}", model=FIT.format(f"{day}.year").strip()) for line, day in pairs
    ]
    assert run(joined(*years)) == 2.0


def test_what_is_the_same_in_all_stays_in_the_setup():
    setup = "import numpy as np\nfrom math import pi\n# of the task\nID = ['a']"
    book = scripts.parse(joined(script(setup=setup), script(setup=setup, model=FIT.format("3 * len(ID)").strip())))
    assert "settings" not in " ".join(book.names)
    assert book["setup"].count("# of the task\nID = ['a']") == book["setup"].count("import pi") == 1


def test_a_star_stands_alone():
    pair = [script(setup=f"import numpy as np\nfrom math import {name}") for name in ("*", "pi")]
    assert run(joined(*pair)) == 1.0
    tried = "try:\n    from math import *\nexcept ImportError:\n    K = @@" + FIT.format(1)
    assert run(joined(script(model=tried.replace("@@", "1")), script(model=tried.replace("@@", "3")))) == 1.0


def test_the_tasks_cells_of_the_first_script_find_what_they_read():
    post = "def post(prediction):\n    return restore(prediction)"
    source = "def restore(x):\n    return x + 10\n\n\nK = {}" + FIT.format("K")
    pair = [script(model=source.format(k), post=post) for k in (1, 3)]
    assert run(joined(*pair)) == 12.0


@pytest.mark.parametrize("cell", ["load", "post", "blend"])
def test_a_script_that_reads_its_own_cell_of_the_task_keeps_it(cell):
    helper = script(**{cell: f"def three():\n    return 3\n\n\n{USUAL[cell]}"}, model=FIT.format("three()").strip())
    assert run(joined(script(), helper)) == run(joined(helper, script())) == 2.0


def test_a_script_that_loads_otherwise_is_given_what_it_loads():
    text = joined(script(), script(load="def load():\n    return 3, 2, {}"))
    assert run(text) == 2.0
    assert scripts.parse(text).names.count("load") == 1


def test_composed_scripts_with_settings_compose_again():
    inner = joined(script(setup="import numpy as np\nK = 1", model=FIT.format("K").strip()), script(
        setup="import numpy as np\nK = 3", model=FIT.format("K").strip()))  # fmt: skip
    third = script(setup="import numpy as np\nK = 8", model=FIT.format("K").strip())
    parts = [Part("ab", inner, {"a": "ab/a", "b": "ab/b"}), Part("c", third, {"model": "c"})]
    assert run(compose(parts, {"blend": PLAIN_MEAN}, "Outer.")) == (1 + 3 + 8) / 3


def test_a_name_that_is_no_use_of_it_is_left():
    source = "class A:\n    def k(self):\n        return k()\n\n\ndef k():\n    return A().k, dict(k=1), f'{k} k'"
    assert naming.rename(source, {"k": "k_b"}) == (
        "class A:\n    def k(self):\n        return k_b()\n\n\ndef k_b():\n    return A().k, dict(k=1), f'{k_b} k'"
    )
