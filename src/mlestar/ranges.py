"""The values that a metric can have, by its name in the registry: what is shown of a score does not leave them.

Standard library only, for `show` reads it; the registry's tests hold each entry against it.
"""

from __future__ import annotations

from math import inf

from mlestar.records import Score

_SPANS = {
    (0.0, 1.0): (
        "accuracy", "balanced_accuracy", "f1", "f1_macro", "f1_micro", "f1_weighted", "roc_auc", "roc_auc_ovr_macro",
        "mean_columnwise_roc_auc", "average_precision", "word_jaccard", "exact_match",
    ),
    (-1.0, 1.0): ("mcc", "quadratic_weighted_kappa", "pearson", "spearman"),
    (-inf, 1.0): ("r2",),
    (0.0, 200.0): ("smape",),
    (0.0, inf): (
        "log_loss", "mean_columnwise_log_loss", "brier", "rmse", "mae", "mape", "rmsle", "rmse_log",
        "mean_columnwise_rmse", "mean_columnwise_rmsle", "mean_columnwise_mae", "mase", "owa",
    ),
}  # fmt: skip
_BY_NAME = {name: span for span, names in _SPANS.items() for name in names}


def span(metric: str) -> tuple[float, float]:
    """The least and the greatest value; a user's own metric may have any."""
    return (0.0, 1.0) if metric.startswith("map@") else _BY_NAME.get(metric, (-inf, inf))


def clip(metric: str, value: float) -> float:
    """The value that the metric can have which is nearest to this one."""
    low, high = span(metric)
    return min(max(value, low), high)


def likely(metric: str, score: Score, errors: float = 2.0) -> tuple[float, float]:
    """Where the value is likely to lie: so many standard errors to both sides."""
    room = errors * (score.stderr or 0.0)
    return clip(metric, score.value - room), clip(metric, score.value + room)
