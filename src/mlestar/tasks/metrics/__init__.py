"""Metrics: the registry, scores and their bootstrap replicates, and finding a metric in a description."""

from mlestar.tasks.metrics.custom import load_custom
from mlestar.tasks.metrics.naming import named_in
from mlestar.tasks.metrics.record import Context, Metric, replicates, score
from mlestar.tasks.metrics.registry import METRICS, fits, get, in_context

__all__ = [
    "METRICS",
    "Context",
    "Metric",
    "fits",
    "get",
    "in_context",
    "load_custom",
    "named_in",
    "replicates",
    "score",
]
