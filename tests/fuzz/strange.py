"""A brain of good replies but one, and what that one may be."""

from __future__ import annotations

from effort import HOSTILE, texts
from hypothesis import strategies as st

from mlestar import roles
from mlestar.brains.scripted import Scripted
from mlestar.casting import ALONE
from mlestar.records import Idea, Plan, Target

SCRIPT = '''# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy", "pandas"]
# ///
"""A constant."""

# %% setup
import pandas as pd

SEEDS = [0]

# %% load
def load():
    return pd.read_csv("input/train.csv"), pd.read_csv("input/test.csv"), {}

# %% features
def features(table):
    return table["spent"].fillna(0).to_numpy()[:, None]

# %% model
def fit_predict(X, y, X_test, seed):
    return (X_test[:, 0] > 0.4).astype(float)

# %% predict
def predict(train, test, files, seed):
    return {"one": fit_predict(features(train), train["buys"], features(test), seed)}

# %% blend
def blend(parts):
    return sum(parts.values()) / len(parts)

# %% post
def post(prediction):
    return prediction

# %% submit
if __name__ == "__main__":
    train, test, files = load()
    found = post(blend(predict(train, test, files, SEEDS[0])))
    sample = pd.read_csv("input/sample_submission.csv")
    sample["buys"] = ["yes" if value > 0.5 else "no" for value in found]
    sample.to_csv("submission.csv", index=False)
    pd.DataFrame({"submission::no": 1 - found, "submission::yes": found}).to_parquet("members.parquet")
'''

DEEP = [
    "(" * 300 + ")" * 300,
    "[" * 5000,
    "-" * 5000 + "1",
    "x" + ".a" * 5000,
    "x = " + "1 + " * 3000 + "1",
    "f(" * 90 + ")" * 90,
    "if x:\n" + "".join(" " * n + "if x:\n" for n in range(1, 99)),
    "lambda: " * 3000 + "1",
    "not " * 3000 + "x",
    "x" + "[0]" * 3000,
    "x = 1 if y else " * 2000 + "2",
    "a" * 100_000,
    "def f(:",
    "\x00",
    "x = '\ud800'",
    "\x0cdef f():\n    return 'a\x0cb'",
    "%" * 50,
    "x = '\u2028'\ndef f():\r\n\treturn x\r",
    "'''",
    "# %% load\n# %% load",
    "raise SystemExit",
    "import os; os._exit(0)",
    "",
]
programs = st.one_of(
    st.sampled_from([SCRIPT, *DEEP, *HOSTILE]),
    st.text(max_size=60),
    texts.map(lambda text: SCRIPT.replace("fit_predict", text)),
)
sources = st.one_of(st.sampled_from(["def f():\n    return 1", "X = 1", "WEIGHTS = {}", *DEEP]), texts)
names = st.one_of(
    st.sampled_from(["setup", "load", "features", "model", "predict", "blend", "learn", "post", "submit"]), texts
)
cells = st.lists(st.tuples(names, sources), max_size=4).map(tuple)
IDEAS = st.lists(st.builds(Idea, texts, texts, texts, texts, programs, st.floats()), max_size=5).map(tuple)
REPLIES = {
    "retriever": st.builds(roles.Ideas, IDEAS),
    "candidate writer": st.builds(roles.WrittenScript, texts, programs, st.floats()),
    "data-usage checker": st.builds(roles.CheckedScript, texts, st.none() | programs),
    "leakage checker": st.builds(roles.CheckedScript, texts, st.none() | programs),
    "ablation": st.builds(roles.NeutralForms, cells),
    "target chooser": st.builds(Target, names, texts),
    "analyst": st.builds(roles.Analysis, texts, st.none() | programs),
    "planner": st.builds(Plan, texts, names, texts, st.floats()),
    "coder": st.builds(roles.RewrittenCells, cells, texts, st.floats()),
    "debugger": st.builds(roles.RewrittenCells, cells, texts, st.floats()),
    "ensemble planner": st.builds(roles.BlendPlan, texts, texts),
    "ensembler": st.builds(roles.RewrittenCells, cells, texts, st.floats()),
    "finaliser": st.builds(roles.CheckedScript, texts, st.none() | programs),
}
GOOD = {
    "retriever": roles.Ideas((Idea("one", "", "one"), Idea("two", "", "two"))),
    "candidate writer": roles.WrittenScript("constant", SCRIPT),
    "data-usage checker": roles.CheckedScript("fine"),
    "leakage checker": roles.CheckedScript("fine"),
    "ablation": roles.NeutralForms(
        (("features", "def features(table):\n    return table['visits'].to_numpy()[:, None] * 0.0"),)
    ),
    "target chooser": Target("model", ""),
    "analyst": roles.Analysis("", None),
    "planner": Plan("try", "model"),
    "coder": roles.RewrittenCells(
        (("model", "def fit_predict(X, y, X_test, seed):\n    return (X_test[:, 0] > 0.2) * 1.0"),), "two"
    ),
    "debugger": roles.RewrittenCells(()),
    "ensemble planner": roles.BlendPlan(""),
    "ensembler": roles.RewrittenCells(()),
    "finaliser": roles.CheckedScript("fine"),
}


class Strange(Scripted):
    """Good replies in all roles but one."""

    replies: dict[str, object] = GOOD

    def __init__(self, recipes: object, installed: object) -> None:
        super().__init__({role: [reply] for role, reply in self.replies.items()})


ALONE["strange"] = Strange
