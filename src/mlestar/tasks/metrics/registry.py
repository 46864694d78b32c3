"""The field's standard metrics under their standard names."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlestar.errors import TaskError
from mlestar.records import Predicts
from mlestar.tasks.metrics import formulas as f
from mlestar.tasks.metrics.custom import UserFrames
from mlestar.tasks.metrics.record import Context, Metric, Needs
from mlestar.tasks.metrics.ways import Confusion, Curves, RowMean, Way, Whole, only, root

Array = NDArray[Any]
MANY = float("inf")


def _label(name: str, way: Way, forms: tuple[Predicts, ...] = ("label",), most: float = MANY) -> Metric:
    return Metric(name, "max", forms, 1.0, way, classes=(2, most), targets=(1, 1))


def _confusion(name: str, formula: Any, forms: tuple[Predicts, ...] = ("label",), most: float = MANY) -> Metric:
    return _label(name, Confusion(f.labels, formula), forms, most)


def _error(name: str, losses: Any, finish: Callable[[Array], Array] = only, needs: Needs = "") -> Metric:
    return Metric(name, "min", ("value",), 0.0, RowMean(losses, finish), needs)


def _ranked(name: str, classes: tuple[int, float], targets: tuple[int, float]) -> Metric:
    way: Way = Curves(f.columns_of_classes, f.roc_area)
    return Metric(name, "max", ("probability",), 1.0, way, classes=classes, targets=targets)


def _without_train_part(truth: Array, prediction: Array) -> Array:
    raise ValueError("MASE and OWA need the train part: see in_context()")


_PROBABILITY: tuple[Predicts, ...] = ("probability",)
_ENTRIES = (
    _label("accuracy", RowMean(f.hits)),
    _confusion("balanced_accuracy", f.balanced_accuracy),
    _confusion("f1", f.f1("binary"), most=2),
    _confusion("f1_macro", f.f1("macro")),
    _confusion("f1_micro", f.f1("micro")),
    _confusion("f1_weighted", f.f1("weighted")),
    _confusion("mcc", f.mcc),
    _confusion("quadratic_weighted_kappa", f.kappa, ("label", "value")),
    _ranked("roc_auc", (0, 2), (1, 1)),
    _ranked("roc_auc_ovr_macro", (3, MANY), (1, 1)),
    _ranked("mean_columnwise_roc_auc", (0, MANY), (1, MANY)),
    Metric("average_precision", "max", _PROBABILITY, 1.0, Whole(f.average_precision)),
    Metric("log_loss", "min", _PROBABILITY, 0.0, RowMean(f.log_losses), "in [0, 1]", targets=(1, 1)),
    Metric("mean_columnwise_log_loss", "min", _PROBABILITY, 0.0, RowMean(f.log_losses), "in [0, 1]"),
    Metric("brier", "min", _PROBABILITY, 0.0, RowMean(f.brier), "in [0, 1]"),
    _error("rmse", f.squared, root),
    _error("mae", f.absolute),
    _error("mape", f.relative),
    _error("smape", f.symmetric),
    _error("rmsle", f.squared_log1p, root, "non-negative"),
    _error("rmse_log", f.squared_log, root, "positive"),
    _error("mean_columnwise_rmse", f.squared, root),
    _error("mean_columnwise_rmsle", f.squared_log1p, root, "non-negative"),
    _error("mean_columnwise_mae", f.absolute),
    Metric("r2", "max", ("value",), 1.0, Whole(f.r2)),
    Metric("pearson", "max", ("value",), 1.0, Whole(f.correlation("pearson"))),
    Metric("spearman", "max", ("value",), 1.0, Whole(f.correlation("spearman"))),
    Metric("word_jaccard", "max", ("text",), 1.0, RowMean(f.word_jaccard)),
    Metric("exact_match", "max", ("text", "label"), 1.0, RowMean(f.hits)),
    _error("mase", _without_train_part),
    _error("owa", _without_train_part),
)
METRICS = {metric.name: metric for metric in _ENTRIES}
_SPOKEN: dict[Predicts, str] = {
    "label": "class labels",
    "ranking": "ranked labels",
    "probability": "probabilities",
    "value": "numbers",
    "text": "free text",
}
_PLACES = re.compile(r"map@([1-9]\d{0,3})")


def get(name: str) -> Metric:
    """The metric of that name, `map@<k>` included; raises TaskError with the nearest names."""
    places = _PLACES.fullmatch(name)
    if places:
        way = RowMean(f.average_places(int(places[1])))
        return Metric(name, "max", ("ranking", "label"), 1.0, way, classes=(2, MANY), targets=(1, 1))
    if name in METRICS:
        return METRICS[name]
    near = get_close_matches(name.lower(), [*METRICS, "map@3", "map@5"], n=3, cutoff=0.4)
    offer = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(METRICS)} and map@<k>."
    raise TaskError(
        f"unknown metric {name!r}: {offer} A metric of your own is `metric.py:score` with `direction` in task.toml."
    )


def fits(metric: Metric, predicts: Predicts, n_targets: int, n_classes: int) -> str | None:
    """Why the metric does not fit the task, or None. `n_classes` is 0 where targets are numbers or several yes/no."""
    if predicts not in metric.forms:
        wanted = " or ".join(_SPOKEN[form] for form in metric.forms)
        return f"the metric {metric.name} is for {wanted}, but the sample asks for {_SPOKEN[predicts]}"
    if not metric.targets[0] <= n_targets <= metric.targets[1]:
        return f"the metric {metric.name} is for {_span(metric.targets)} target, but there are {n_targets}"
    counts_classes = predicts in ("label", "ranking") or n_classes > 0 or (n_targets == 1 and predicts == "probability")
    if counts_classes and not metric.classes[0] <= (n_classes or 2) <= metric.classes[1]:
        return f"the metric {metric.name} is for {_span(metric.classes)} classes, but there are {n_classes or 2}"
    return None


def _span(limits: tuple[int, float]) -> str:
    low, high = limits
    if high == MANY:
        return f"{low} or more"
    return f"{low:g}" if low == high else f"{low:g} to {high:g}" if low else f"at most {high:g}"


def in_context(metric: Metric, context: Context) -> Metric:
    """The metric bound to one view: MASE, OWA and a user's own read `context`, all others return unchanged."""
    if isinstance(metric.way, UserFrames):
        return replace(metric, way=replace(metric.way, context=context))
    if metric.name not in ("mase", "owa"):
        return metric
    if context.scale is None or (metric.name == "owa" and context.reference is None):
        raise TaskError(f"the metric {metric.name} needs the train part of every series; it fits forecasts only")
    scale = np.asarray(context.scale, dtype=np.float64)
    scale = scale.reshape(len(scale), -1)
    if not (scale > 0).all():
        raise TaskError(f"the metric {metric.name} is undefined: a series is constant in the train part")
    if metric.name == "mase":
        return replace(metric, way=RowMean(lambda truth, prediction: f.absolute(truth, prediction) / scale))
    return replace(metric, way=_owa(scale, np.array(context.reference)))


def _owa(scale: Array, reference: Array) -> RowMean:
    def losses(truth: Array, prediction: Array) -> Array:
        return np.column_stack([f.symmetric(truth, prediction), f.absolute(truth, prediction) / scale])

    def finish(means: Array) -> Array:
        return np.asarray((means / np.repeat(reference, means.shape[-1] // 2)).mean(axis=-1))

    return RowMean(losses, finish)
