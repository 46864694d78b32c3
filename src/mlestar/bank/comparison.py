"""Scores with their noise: joining folds, and how likely one solution is better than another."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlestar.records import Direction, Judged, Score

Folds = Sequence[tuple[int, Judged]]
ONE_FOLD = 0.75  # p of a lone difference whose noise is unknown: it may be accepted, never dropped


def better(a: float, b: float, direction: Direction) -> bool:
    """Whether score `a` beats score `b`; NaN beats nothing, everything else beats NaN."""
    if math.isnan(a) or math.isnan(b):
        return math.isnan(b) and not math.isnan(a)
    return a > b if direction == "max" else a < b


def optimism(search: float, rehearsal: float, direction: Direction) -> float:
    """By how much the search promised more than the rehearsal kept: positive = over-optimistic."""
    return search - rehearsal if direction == "max" else rehearsal - search


def join(results: Folds, direction: Direction) -> Score:
    """The metric within each fold, weighted by the folds' rows.

    The standard error is the spread of the same mean over the bootstrap replicates; None when a fold
    has fewer than two. Raises ValueError when there is no fold, or one of them is not valid.
    """
    folds = sorted(results, key=lambda result: result[0])
    values = [_value(judged) for _, judged in folds]
    if not values:
        raise ValueError("no folds to join")
    weights = _weights([judged for _, judged in folds])
    replicates = _mean_replicates([judged for _, judged in folds], weights)
    return Score(
        value=float(weights @ np.array(values)),
        stderr=None if replicates is None else _spread(replicates),
        direction=direction,
        folds=tuple(fold for fold, _ in folds),
        values=tuple(values),
        groups=tuple(group for _, judged in folds for group in judged.groups),
    )


def probability_better(challenger: Folds, incumbent: Folds, direction: Direction) -> float:
    """The chance that `challenger` beats `incumbent`, judged on the folds that both have.

    A paired bootstrap: replicate i of a fold used the same resample for both, so the share of
    replicates in which the challenger's mean is better is the answer (ties count half). A ranking
    device, not a significance claim.

    Where a fold has no replicates (fewer than 10 owners): Student's t of the folds' differences, and
    for a single fold `ONE_FOLD` if it is better, 1 - `ONE_FOLD` if worse. No common fold: 0.5.
    """
    ours, theirs = dict(challenger), dict(incumbent)
    pairs = [(ours[fold], theirs[fold]) for fold in sorted(ours.keys() & theirs.keys())]
    sign = 1.0 if direction == "max" else -1.0
    if not pairs:
        return 0.5
    weights = _weights([a for a, _ in pairs])
    first = _mean_replicates([a for a, _ in pairs], weights)
    second = _mean_replicates([b for _, b in pairs], weights)
    if first is not None and second is not None and len(first) == len(second):
        found = chance(sign * (first - second))
        if found is not None:
            return found[0]
    return _student(sign * np.array([_value(a) - _value(b) for a, b in pairs]))


def outlook(challenger: Sequence[Judged], incumbent: Sequence[Judged], direction: Direction, more: float) -> float:
    """How likely the challenger is ahead on all rows, by what both did on two growing parts of them.

    Learning curves are nearly straight in the logarithm of the rows (Viering and Loog 2022), so their difference is
    extended so: `more` is the way from the second part to all rows in units of that from the first to the second.
    0.5 where there are no replicates.
    """
    each = [_mean_replicates([judged], np.ones(1)) for judged in (*challenger, *incumbent)]
    known = [found for found in each if found is not None]
    if len(known) < len(each) or len({len(found) for found in known}) > 1:
        return 0.5
    first, second = known[0] - known[2], known[1] - known[3]
    found = chance((1.0 if direction == "max" else -1.0) * (second + more * (second - first)))
    return found[0] if found else 0.5


def chance(differences: NDArray[np.float64]) -> tuple[float, float | None] | None:
    """How likely a difference is above zero (a tie counts half), by its bootstrap replicates, and its standard error.

    A resample on which it is undefined (NaN) does not count; None where there is no other.
    """
    known = differences[~np.isnan(differences)]
    return (float(np.mean((known > 0) + 0.5 * (known == 0))), _spread(known)) if len(known) else None


def _value(judged: Judged) -> float:
    if judged.value is None:
        raise ValueError(f"a fold without a score cannot be compared: {judged.reason}")
    return judged.value


def _weights(folds: Sequence[Judged]) -> NDArray[np.float64]:
    rows = np.array([max(judged.rows, 1) for judged in folds], dtype=np.float64)
    return np.asarray(rows / rows.sum(), dtype=np.float64)


def _mean_replicates(folds: Sequence[Judged], weights: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """The weighted mean of the folds' i-th replicates, for every i that all folds have."""
    count = min(len(judged.replicates) for judged in folds)
    if count < 2:
        return None
    table = np.array([judged.replicates[:count] for judged in folds], dtype=np.float64)
    return np.asarray(weights @ table, dtype=np.float64)


def _spread(replicates: NDArray[np.float64]) -> float | None:
    """The standard deviation; a resample on which the metric is undefined (NaN) does not count."""
    defined = replicates[~np.isnan(replicates)]
    return float(defined.std(ddof=1)) if len(defined) > 1 else None


def _student(gains: NDArray[np.float64]) -> float:
    """P(T <= t) of the mean gain, with n - 1 degrees of freedom."""
    mean = float(gains.mean())
    if mean == 0:
        return 0.5
    if len(gains) == 1:
        return ONE_FOLD if mean > 0 else 1 - ONE_FOLD
    error = float(gains.std(ddof=1)) / math.sqrt(len(gains))
    return student_cdf(mean / error, len(gains) - 1) if error > 0 else float(mean > 0)


def student_cdf(t: float, degrees: int) -> float:
    """Student's distribution function for whole degrees of freedom (Abramowitz & Stegun 26.7.3-4)."""
    angle = math.atan(t / math.sqrt(degrees))
    cosine = math.cos(angle)
    if degrees % 2:
        term = total = cosine if degrees > 1 else 0.0
        for j in range(3, degrees - 1, 2):
            term *= cosine * cosine * (j - 1) / j
            total += term
        return 0.5 + (angle + math.sin(angle) * total) / math.pi
    term = total = 1.0
    for j in range(2, degrees - 1, 2):
        term *= cosine * cosine * (j - 1) / j
        total += term
    return 0.5 + math.sin(angle) * total / 2
