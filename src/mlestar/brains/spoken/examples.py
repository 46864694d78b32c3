"""Answers as examples of their form, for the profile at hand; a test reads each of them back."""

from __future__ import annotations

from mlestar.brains.playbook import spots
from mlestar.brains.playbook.shelf import form
from mlestar.brains.spoken.framing import Ground
from mlestar.brains.spoken.quoting import fenced
from mlestar.scripts import parse

_FEATURE = '''# %% gaps
def gaps(train, test, files):
    """Per row: how many cells are empty, and how many are no number."""
    columns = [c for c in test if c not in ID]
    return tuple(counted(table[columns].astype(str)) for table in (train, test))


def counted(cells):
    """Counts over the cells of each row."""
    text = cells.apply(lambda column: pd.to_numeric(column, errors="coerce").isna())
    return pd.DataFrame({"empty": (cells == "").sum(axis=1), "text": text.sum(axis=1)})'''

_SETUP = """# %% setup
from sklearn.ensemble import ExtraTrees{side}
from sklearn.impute import SimpleImputer
from sklearn.linear_model import {linear}
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler"""

_CLASSES = '''# %% model
def fit_predict(X, y, X_test, seed):
    """Two unlike members: extremely random trees, and a penalised linear model."""
    fill = SimpleImputer(strategy="median", keep_empty_features=True)
    models = {
        "trees": ExtraTreesClassifier(500, min_samples_leaf=2, n_jobs=THREADS, random_state=seed),
        "linear": make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=2000)),
    }
    known, new = fill.fit_transform(X), fill.transform(X_test)
    return {name: by_class(m.fit(known, y).classes_, m.predict_proba(new)) for name, m in models.items()}'''

_VALUES = '''# %% model
def fit_predict(X, y, X_test, seed):
    """Two unlike members: extremely random trees, and a penalised linear model."""
    fill = SimpleImputer(strategy="median", keep_empty_features=True)
    models = {
        "trees": ExtraTreesRegressor(500, min_samples_leaf=2, n_jobs=THREADS, random_state=seed),
        "linear": make_pipeline(StandardScaler(), Ridge(10.0)),
    }
    known, new = fill.fit_transform(X), fill.transform(X_test)
    return {name: model.fit(known, y).predict(new) for name, model in models.items()}'''

_WHOLE = '''# %% load
def load():
    """The tables as text, and no files."""
    read = lambda name: pd.read_csv(INPUT / name, dtype=str, keep_default_na=False)
    return read(TRAIN), read(SAMPLE), {{}}

# %% predict
def predict(train, test, files, seed):
    """The commonest answer for every row."""
    commonest = [train[column].mode()[0] for column in TARGET]
    return {{"commonest": np.tile(np.array(commonest, dtype={kind}), (len(test), 1))}}

# %% blend
def blend(parts):
    """The only member."""
    return parts["commonest"]

# %% post
def post(prediction):
    """Nothing to mend."""
    return prediction

# %% submit
if __name__ == "__main__":
    train, test, files = load()
    runs = [predict(train, test, files, seed) for seed in SEEDS]
    test[OUTPUT] = post(blend(runs[0]))
    test.to_csv("submission.csv", index=False)'''

_LEARN = '''# %% learn
def learn(known, y, seed):
    """Weights by the inverse of each member's squared error."""
    error = {name: float(np.mean((part - truth(y, part)) ** 2)) for name, part in known.items()}
    total = sum(1 / (e + 1e-9) for e in error.values())
    return {name: 1 / (e + 1e-9) / total for name, e in error.items()}


def truth(y, part):
    """The truth in a member's shape."""
    if y.ndim == 1 and part.shape[1] > 1:
        return np.eye(part.shape[1])[y]
    return y.reshape(len(y), -1)

# %% blend
def blend(parts):
    """The weighted mean of the members."""
    return sum(WEIGHTS[name] * part for name, part in parts.items())'''


def candidate(ground: Ground) -> str:
    """A whole answer of the candidate writer."""
    return _answer('{"name": "trees and ridge", "cost": 2}', candidate_code(ground))


def candidate_code(ground: Ground) -> str:
    """The cells of such an answer."""
    profile = ground.profile
    if ground.frame is None:
        return _WHOLE.format(kind="object" if profile.predicts == "text" else "float")
    classes = form(profile) == "classes"
    side, linear = ("Classifier", "LogisticRegression") if classes else ("Regressor", "Ridge")
    return "\n\n".join([_SETUP.format(side=side, linear=linear), _FEATURE, _CLASSES if classes else _VALUES])


def change(ground: Ground, script: str, fields: str) -> str:
    """An answer that adds a feature cell; where that cannot be, one that rewrites `post`."""
    names = parse(script).names
    joined = sum(spots.base(n) == "features" for n in names) == 1
    if ground.frame is not None and joined and "gaps" not in names:
        return _answer(fields, _FEATURE)
    return rewrite("post", fields)


def rewrite(cell: str, fields: str) -> str:
    """An answer that rewrites one cell; its code is left to the imagination."""
    return _answer(fields, f"# %% {cell}\n…the whole cell, as it shall be from now on…")


def blend(fields: str = "") -> str:
    """An answer with a blend."""
    return _answer(fields, _LEARN)


def _answer(fields: str, code: str) -> str:
    """Blocks of an answer, within a fence that is longer than theirs."""
    blocks = [f"```json\n{fields}\n```"] if fields else []
    return fenced("\n\n".join([*blocks, f"```python\n{code}\n```"]), "", 10_000)
