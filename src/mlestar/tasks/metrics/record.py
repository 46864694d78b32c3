"""What a metric is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlestar.errors import TaskError
from mlestar.records import Direction, Predicts
from mlestar.tasks.metrics.ways import Resamples, Way, resamples

Array = NDArray[Any]
Needs = Literal["", "in [0, 1]", "non-negative", "positive"]
ROUNDING = 1e-6  # how far a probability may leave [0, 1] by rounding


@dataclass(frozen=True)
class Metric:
    """One metric under its standard name.

    `forms` are the kinds of prediction it fits; `best` its value for a perfect prediction (None for a
    user's own); `needs` what predictions must be; `classes` and `targets` the (fewest, most) it is for.
    """

    name: str
    direction: Direction
    forms: tuple[Predicts, ...]
    best: float | None
    way: Way
    needs: Needs = ""
    classes: tuple[int, float] = (0, float("inf"))
    targets: tuple[int, float] = (1, float("inf"))

    def complaint(self, prediction: Array) -> str | None:
        """What is wrong with the values of a prediction for this metric, or None."""
        if self.needs == "" or prediction.size == 0:
            return None
        low, high = float(prediction.min()), float(prediction.max())
        outside = {
            "in [0, 1]": low < -ROUNDING or high > 1 + ROUNDING,
            "non-negative": low < 0,
            "positive": low <= 0,
        }[self.needs]
        if not outside:
            return None
        return f"the metric {self.name} needs values {self.needs}, but they reach from {low:g} to {high:g}"


@dataclass(frozen=True)
class Context:
    """What a few metrics need beside truth and prediction; a field's rows are the view's test rows.

    MASE, OWA: `scale` (rows,) or (rows, columns) is the mean absolute (seasonal) naive step of each row's series in the
    train part; OWA's `reference` are sMAPE (per cent) and MASE of the reference forecast.
    A user's own metric: `columns` are the submission's predicted columns, `classes` the label texts,
    `keys` (a row per test row) the id columns, `train` the train part, `part` a name for just these rows of it.
    """

    scale: Array | None = None
    reference: tuple[float, float] | None = None
    columns: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    predicts: Predicts = "value"
    keys: pd.DataFrame | None = None
    train: pd.DataFrame | None = None
    part: str = ""


def score(metric: Metric, truth: Array, prediction: Array) -> float:
    """The metric of `prediction` (rows, columns; see `mlestar.records`) against `truth`.

    `truth` is class numbers (rows,) for labels, rankings and class probabilities; floats (rows, k) for
    values and for several yes/no targets; texts (rows,) or (rows, k) as objects.
    Raises TaskError where the metric is undefined on these rows, ValueError on arrays that do not fit.
    """
    truth, prediction = _shaped(metric, truth, prediction)
    value = metric.way.score(truth, prediction)
    if not np.isfinite(value):
        raise TaskError(
            f"the metric {metric.name} is undefined on these {len(truth)} rows: only one class occurs in them, or the "
            "true values are constant or outside the range that the metric needs. Set another `metric` or `split` "
            "in task.toml"
        )
    return value


def replicates(
    metric: Metric, truth: Array, prediction: Array, owners: Array, count: int = 200, seed: int = 0
) -> Array:
    """The metric on bootstrap resamples of the owners (rows,): a float array; empty under ten owners.

    The resamples depend on owners, count and seed alone. Metrics that must loop return the first few
    of them (at least 20), as many as their size affords. A resample on which the metric is undefined
    counts as the score itself.
    """
    truth, prediction = _shaped(metric, truth, prediction)
    draws: Resamples | None = resamples(owners, count, seed)
    if draws is None:
        return np.empty(0)
    values = metric.way.replicates(truth, prediction, draws)
    broken = ~np.isfinite(values)
    return np.where(broken, score(metric, truth, prediction), values) if broken.any() else values


def _shaped(metric: Metric, truth: Array, prediction: Array) -> tuple[Array, Array]:
    truth, prediction = (
        np.asarray(a, dtype=object if np.asarray(a).dtype.kind in "UT" else None) for a in (truth, prediction)
    )
    prediction = prediction.reshape(len(prediction), -1)
    if len(truth) != len(prediction) or len(truth) == 0:
        raise ValueError(f"{len(truth)} true rows and {len(prediction)} predicted ones")
    if truth.ndim == 2 and truth.shape[1] != prediction.shape[1]:
        raise ValueError(f"{truth.shape[1]} true columns and {prediction.shape[1]} predicted ones")
    if prediction.dtype != object:
        prediction = prediction.astype(np.float64)
    if truth.ndim == 1 and (metric.forms == ("value",) or truth.dtype.kind == "f"):
        truth = truth[:, None]
    return truth, prediction
