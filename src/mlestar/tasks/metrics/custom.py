"""A user's own metric: `score(truth, prediction, train) -> float` in a file of the task folder.

`truth` and `prediction` are DataFrames with the same rows and columns: the id columns, then the predicted
columns as a submission has them (label texts, texts, numbers; the columns of class probabilities are 0 and 1
in `truth`; a ranking is a space-separated text). `train` is the train part, or None where there is none.
"""

from __future__ import annotations

import importlib.util
import numbers
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlestar.errors import TaskError
from mlestar.records import Direction
from mlestar.tasks.metrics.formulas import chosen
from mlestar.tasks.metrics.record import Context, Metric
from mlestar.tasks.metrics.ways import Floats, Resamples, affordable

Array = NDArray[Any]
Function = Callable[[pd.DataFrame, pd.DataFrame, "pd.DataFrame | None"], Any]
LISTED = 20  # places of a ranking that a user's metric is shown


def load_custom(folder: Path, reference: str, direction: Direction) -> Metric:
    """The metric that `reference` names, such as `metric.py:score`, in the task folder.

    Runs the user's file. Raises TaskError when the file or the function is missing or the file fails.
    """
    file, _, name = reference.partition(":")
    path = folder / file
    if not file.endswith(".py") or not name:
        raise TaskError(f"metric {reference!r}: write `file.py:function`, such as `metric.py:score`")
    if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
        raise TaskError(f"metric {reference!r}: there is no file {file} in {folder}")
    function = getattr(_module(path), name, None)
    if not callable(function):
        raise TaskError(f"metric {reference!r}: {path} has no function {name}(truth, prediction, train)")
    forms: Any = ("label", "ranking", "probability", "value", "text")
    return Metric(reference, direction, forms, None, UserFrames(function, reference))


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("mlestar_task_metric", path)
    if spec is None or spec.loader is None:
        raise TaskError(f"{path} cannot be read as Python")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise TaskError(f"{path} fails when it is loaded: {type(error).__name__}: {error}") from error
    return module


def call(
    function: Function, reference: str, truth: pd.DataFrame, prediction: pd.DataFrame, train: pd.DataFrame | None
) -> float:
    """Call the user's function on copies; the one place where their code runs on labels.

    Raises TaskError when it fails or returns anything but a finite number.
    """
    try:
        value = function(truth.copy(), prediction.copy(), None if train is None else train.copy())
    except Exception as error:
        raise TaskError(f"metric {reference!r} failed: {type(error).__name__}: {error}") from error
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not np.isfinite(float(value)):
        raise TaskError(f"metric {reference!r} returned {value!r}, not a finite number")
    return float(value)


@dataclass(frozen=True)
class UserFrames:
    """The way of a user's metric: arrays are dressed as submissions and handed over."""

    function: Function
    reference: str
    context: Context = field(default_factory=Context)

    def score(self, truth: Array, prediction: Array) -> float:
        true, mine = self._frames(truth, prediction)
        return call(self.function, self.reference, true, mine, self.context.train)

    def replicates(self, truth: Array, prediction: Array, draws: Resamples) -> Floats:
        true, mine = self._frames(truth, prediction)
        scores = []
        for counts in draws.counts[: affordable(len(draws.counts), 0.005 + 2e-6 * prediction.size)]:
            rows = np.repeat(np.arange(len(truth)), counts[draws.owner].astype(np.intp))
            again = (true.iloc[rows].reset_index(drop=True), mine.iloc[rows].reset_index(drop=True))
            scores.append(call(self.function, self.reference, *again, self.context.train))
        return np.asarray(scores, dtype=np.float64)

    def _frames(self, truth: Array, prediction: Array) -> tuple[pd.DataFrame, pd.DataFrame]:
        context = self.context
        classes = np.array([*context.classes, ""], dtype=object)
        if context.predicts in ("label", "ranking"):
            true = classes[truth][:, None]
            mine = classes[chosen(prediction)][:, None] if context.predicts == "label" else _lists(prediction, classes)
        elif truth.ndim == 1 and truth.dtype != object:
            true = np.eye(max(2, prediction.shape[1]))[truth][:, -prediction.shape[1] :]
            mine = prediction
        else:
            true, mine = truth.reshape(len(truth), -1), prediction
        return self._dressed(true), self._dressed(mine)

    def _dressed(self, values: Array) -> pd.DataFrame:
        columns = self.context.columns or tuple(str(number) for number in range(values.shape[1]))
        frame = pd.DataFrame(values, columns=list(columns))
        keys = self.context.keys
        return frame if keys is None else pd.concat([keys.reset_index(drop=True), frame], axis=1)


def _lists(prediction: Array, classes: Array) -> Array:
    order = np.argsort(-prediction, axis=1, kind="stable")[:, :LISTED]
    listed = [
        " ".join(classes[c] for c in places if row[c] != 0) for places, row in zip(order, prediction, strict=True)
    ]
    return np.array(listed, dtype=object)[:, None]
