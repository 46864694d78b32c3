"""FLAML on what it is handed. It knows numbers and categories: texts come to it as latent topics of their words."""

import handed
import numpy as np
import pandas as pd
from flaml import AutoML
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

NAMES = {
    "accuracy": "accuracy", "exact_match": "accuracy", "f1": "f1", "f1_macro": "macro_f1", "f1_micro": "micro_f1",
    "f1_weighted": "macro_f1", "balanced_accuracy": "macro_f1", "roc_auc": "roc_auc",
    "roc_auc_ovr_macro": "roc_auc_ovr", "mean_columnwise_roc_auc": "roc_auc", "average_precision": "ap",
    "log_loss": "log_loss", "mean_columnwise_log_loss": "log_loss", "brier": "log_loss", "mae": "mae",
    "mean_columnwise_mae": "mae", "mape": "mape", "r2": "r2", "owa": "mae", "mase": "mae",
}  # fmt: skip
BINARY = ("f1", "roc_auc", "ap")
TOPICS, WORDS = 100, 20_000


def fit(train, test, spec, kind):
    """Class probabilities or values for the rows of `test`."""
    target = train[handed.TARGET]
    rows, wanted = numbers(train.drop(columns=handed.TARGET), test, spec)
    metric = NAMES.get(spec["metric"], "log_loss" if kind == "classes" else "rmse")
    if metric in BINARY and target.nunique() > 2:
        metric = "log_loss"
    model = AutoML()
    model.fit(
        rows, target, task="classification" if kind == "classes" else "regression", metric=metric,
        time_budget=spec["seconds"], n_jobs=spec["cores"], seed=spec["seed"], verbose=1, early_stop=False,
    )  # fmt: skip
    if kind == "values":
        return model.predict(wanted)
    return handed.spread(model.predict_proba(wanted), model.classes_, len(spec["classes"]))


def numbers(train, test, spec):
    """The tables without texts, which become topics (tf-idf and a truncated SVD, fitted on both tables)."""
    kept = [name for name in spec["features"] if name not in spec["text"]]
    parts = [pd.concat([train[kept], test[kept]], ignore_index=True)]
    for number, name in enumerate(spec["text"]):
        cells = pd.concat([train[name], test[name]], ignore_index=True)
        words = TfidfVectorizer(sublinear_tf=True, max_features=WORDS).fit_transform(cells)
        size = min(TOPICS, words.shape[1] - 1)
        topics = TruncatedSVD(size, random_state=spec["seed"]).fit_transform(words)
        parts.append(pd.DataFrame(topics, columns=[f"text{number}_{place}" for place in range(size)]))
    both = pd.concat(parts, axis=1)
    both.columns = [f"f{place}" for place in range(both.shape[1])]  # some learners refuse signs in names
    for name in both.columns:
        if not pd.api.types.is_numeric_dtype(both[name]):
            both[name] = both[name].astype("category")
    return both[: len(train)], both[len(train) :].reset_index(drop=True)


if __name__ == "__main__":
    np.random.seed(0)
    handed.main(fit)
