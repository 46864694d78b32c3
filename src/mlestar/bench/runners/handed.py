"""What the runner scripts share: reading what they were handed, one model per target, writing the submission.

Runs in a competitor's own environment, so it uses pandas and numpy alone. The spec is explained in bench/handing.py.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

Spec = dict[str, Any]
# (features and TARGET, features of the test, spec, classes or values) -> probabilities (rows, classes), or values
Fit = Callable[[pd.DataFrame, pd.DataFrame, Spec, str], Any]
TARGET = "__target__"
LOG1P = ("rmsle", "mean_columnwise_rmsle")
YES = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}


def main(fit: Fit) -> None:
    """Read the spec, fit and predict with `fit`, write submission.csv."""
    spec: Spec = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    train, test = pd.read_csv(spec["train"]), pd.read_csv(spec["test"])
    words = pd.read_csv(spec["train"], usecols=spec["target"], dtype=str, keep_default_na=False)
    found = pd.DataFrame(index=test.index)
    if spec["id"]:
        found = pd.read_csv(spec["test"], usecols=spec["id"], dtype=str, keep_default_na=False)[spec["id"]]
    features = [plain(table[spec["features"]], spec["text"]) for table in (train, test)]
    for name, column in predicted(fit, features[0], features[1], words, spec).items():
        found[name] = column
    found.to_csv("submission.csv", index=False)


def plain(table: pd.DataFrame, texts: list[str]) -> pd.DataFrame:
    """Texts without gaps, and columns that both numbers and words stand in as words."""
    table = table.copy()
    for name in table.columns:
        if name in texts:
            table[name] = table[name].fillna("").astype(str)
        elif table[name].dtype == object:
            table[name] = table[name].map(lambda cell: cell if isinstance(cell, str) or cell != cell else str(cell))
    return table


def predicted(fit: Fit, train: pd.DataFrame, test: pd.DataFrame, words: pd.DataFrame, spec: Spec) -> dict[str, Any]:
    """The columns of the submission by name."""
    if not spec["classes"]:
        return several(fit, train, test, words, spec)
    place = {label: number for number, label in enumerate(spec["classes"])}
    labels = words[spec["target"][0]].map(place)
    odds = np.asarray(fit(train.assign(**{TARGET: labels}), test, spec, "classes"))
    if spec["predicts"] == "label":
        return {spec["outputs"][0]: np.array(spec["classes"], dtype=object)[odds.argmax(1)]}
    if spec["predicts"] == "ranking":
        order = np.argsort(-odds, axis=1)[:, : spec["places"]]
        between = "," if any(" " in label for label in spec["classes"]) else " "
        return {spec["outputs"][0]: [between.join(spec["classes"][place] for place in row) for row in order]}
    if len(spec["outputs"]) == 1:
        return {spec["outputs"][0]: odds[:, -1]}
    odds = odds.clip(0, None)
    return dict(zip(spec["outputs"], (odds / odds.sum(1, keepdims=True)).T, strict=True))


def several(fit: Fit, train: pd.DataFrame, test: pd.DataFrame, words: pd.DataFrame, spec: Spec) -> dict[str, Any]:
    """Numbers, or yes and no, one model per target, with equal shares of the time."""
    spec = {**spec, "seconds": spec["seconds"] / len(spec["target"])}
    columns = {}
    for target, output in zip(spec["target"], spec["outputs"], strict=True):
        truth = pd.to_numeric(words[target], errors="coerce").fillna(words[target].str.strip().str.lower().map(YES))
        if spec["predicts"] == "probability" and set(truth) <= {0.0, 1.0}:
            data = train.assign(**{TARGET: truth.astype(int)})
            columns[output] = np.asarray(fit(data, test, {**spec, "classes": ["0", "1"]}, "classes"))[:, -1]
            continue
        there, back = scales(spec["metric"])
        columns[output] = back(np.asarray(fit(train.assign(**{TARGET: there(truth)}), test, spec, "values"), float))
    return columns


def scales(metric: str) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Errors of logarithms are squared errors on the logarithms; there and back."""
    if metric in LOG1P:
        return np.log1p, lambda values: np.expm1(values).clip(0)
    if metric == "rmse_log":
        return np.log, np.exp
    return (lambda values: values), (lambda values: values)


def spread(odds: Any, seen: Any, classes: int) -> Any:
    """Probabilities of the classes that a model has `seen`, among all classes."""
    whole = np.zeros((len(odds), classes))
    whole[:, np.asarray(seen, dtype=int)] = np.asarray(odds)
    return whole
