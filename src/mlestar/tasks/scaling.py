"""What MASE and OWA need of the train part: the naive step of each series, and the scores of OWA's reference."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlestar.ports import Array, Rows
from mlestar.tasks.infer_columns import cells
from mlestar.tasks.infer_series import names
from mlestar.tasks.numerals import pointed
from mlestar.tasks.source import Source
from mlestar.tasks.tables import texts
from mlestar.tasks.times import moments

METRICS = ("mase", "owa")
_CERTAIN = 1.645  # a season is one where the autocorrelation at its lag leaves this interval (Makridakis et al. 2020)
Floats = NDArray[np.float64]


def context(source: Source, train: Rows, held: Rows) -> tuple[Array | None, tuple[float, float] | None]:
    """Scale (rows, targets) of held training rows and OWA's reference scores; nothing where no metric asks for them."""
    if source.metric not in METRICS or not source.time or not len(held):
        return None, None
    series = pd.factorize(names(source.train.frame, source.series))[0]
    when = moments(cells(source.train, source.time))
    past, future = (rows[np.lexsort((when[rows], series[rows]))] for rows in (train, held))
    told = [pointed(texts(source.train.frame[c]), source.commas) for c in source.target]
    values = np.column_stack([pd.to_numeric(words).to_numpy(float) for words in told])
    season = max(source.season, 1)
    steps = np.column_stack([_steps(series[past], column, season, int(series.max()) + 1) for column in values[past].T])
    reference = source.reference
    if source.metric == "owa" and reference is None:
        reference = _naive2(series[past], values[past], series[future], values[future], season, steps)
    return steps[series[held]], reference


def _steps(series: Rows, values: Floats, season: int, count: int) -> Floats:
    """The mean absolute naive step of each series at the season's lag, where that is 0 at lag 1.

    A series that is constant, or not known, counts by the mean step of the others.
    """
    found = np.zeros(count)
    for lag in (season, 1):
        same = np.flatnonzero(series[lag:] == series[:-lag]) if len(series) > lag else np.empty(0, np.intp)
        sums = np.bincount(series[same], np.abs(values[same + lag] - values[same]), count)
        means = sums / np.maximum(np.bincount(series[same], minlength=count), 1)
        found = np.where(found > 0, found, means)
    others = float(found[found > 0].mean()) if (found > 0).any() else 1.0
    return np.where(found > 0, found, others)


def _naive2(
    series: Rows, values: Floats, asked: Rows, truth: Floats, season: int, steps: Floats
) -> tuple[float, float]:
    """sMAPE (per cent) and MASE of the last value of each seasonally adjusted series, its season put on again."""
    relative, scaled = [], []
    for number in np.unique(asked):
        past, future = values[series == number], truth[asked == number]
        if not len(past):
            continue
        factors = np.column_stack([_factors(column, season) for column in past.T])
        place = len(past) + np.arange(len(future))
        forecast = past[-1] / factors[(len(past) - 1) % season] * factors[place % season]
        size = np.abs(forecast) + np.abs(future)
        error = np.abs(forecast - future)
        relative.append(np.divide(200 * error, size, out=np.zeros_like(error), where=size > 0).ravel())
        scaled.append((error / steps[number]).ravel())
    found = [float(np.concatenate(part).mean()) if part else 1.0 for part in (relative, scaled)]
    return found[0] or 1.0, found[1] or 1.0


def _factors(values: Floats, season: int) -> Floats:
    """Multiplicative seasonal factors by classical decomposition; ones without a sure season or positive values."""
    if season < 2 or len(values) < 3 * season or (values <= 0).any():
        return np.ones(season)
    centred = values - values.mean()
    spread = float(centred @ centred)
    waves = [float(centred[lag:] @ centred[:-lag]) / max(spread, 1e-300) for lag in range(1, season + 1)]
    limit = _CERTAIN * np.sqrt((1 + 2 * np.sum(np.square(waves[:-1]))) / len(values))
    if abs(waves[-1]) <= limit:
        return np.ones(season)
    weights = np.ones(season) if season % 2 else np.r_[0.5, np.ones(season - 1), 0.5]
    trend = np.convolve(values, weights / weights.sum(), "valid")
    first = (len(weights) - 1) // 2
    ratio = values[first : first + len(trend)] / trend
    place = (first + np.arange(len(trend))) % season
    factors = np.array([ratio[place == k].mean() for k in range(season)])
    return np.asarray(factors * season / factors.sum())
