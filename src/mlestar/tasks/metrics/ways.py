"""The ways a metric is computed, on all rows and on bootstrap resamples of the owners.

A resample is a row of *counts*: how often each owner was drawn. Owners beyond `BUCKETS` are joined at
random into that many buckets, which keeps the variance and bounds the memory (16 MB per count matrix).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float64]

BUCKETS = 10_000
FEWEST_OWNERS = 10
FEWEST_REPLICATES = 20
LOOP_SECONDS = 0.25  # what a metric that must loop may cost, by rough prices (see `affordable`)
BLOCK = 2_000_000  # row weights held at once


@dataclass(frozen=True)
class Resamples:
    """`counts` (replicates, owners): how often each was drawn; `owner` (rows,): each row's owner number."""

    counts: Floats
    owner: NDArray[np.intp]

    def means(self, losses: Array) -> Floats:
        """Means of row losses (rows, k) within each resample: (replicates, k)."""
        sums = np.column_stack([self._sums(losses[:, column]) for column in range(losses.shape[1])])
        return np.asarray((self.counts @ sums) / (self.counts @ self._sums(np.ones(len(losses))))[:, None])

    def _sums(self, values: Array) -> Floats:
        return np.bincount(self.owner, weights=values, minlength=self.counts.shape[1]).astype(np.float64)


def resamples(owners: Array, count: int, seed: int) -> Resamples | None:
    """The same for every script given the same owners, count and seed; None under ten owners."""
    _, owner = np.unique(np.asarray(owners), return_inverse=True)
    owner = owner.reshape(-1).astype(np.intp)
    known = int(owner.max()) + 1 if len(owner) else 0
    if known < FEWEST_OWNERS:
        return None
    if known > BUCKETS:
        owner = np.random.default_rng(seed).permutation(known)[owner] % BUCKETS
    return Resamples(_counts(min(known, BUCKETS), count, seed), owner)


@lru_cache(maxsize=8)
def _counts(owners: int, count: int, seed: int) -> Floats:
    draws = np.random.default_rng(seed).integers(0, owners, size=(count, owners))
    counts = np.stack([np.bincount(draw, minlength=owners) for draw in draws]).astype(np.float64)
    counts.setflags(write=False)
    return counts


def affordable(count: int, seconds: float) -> int:
    """How many of `count` replicates a looping metric computes when one costs roughly `seconds`, at least 20.

    The price is reckoned from sizes, never measured, so that replays agree.
    """
    return int(np.clip(LOOP_SECONDS / seconds, FEWEST_REPLICATES, count))


class Way(Protocol):
    """How a metric is computed."""

    def score(self, truth: Array, prediction: Array) -> float:
        """The metric on all rows; nan where it is undefined."""
        ...

    def replicates(self, truth: Array, prediction: Array, draws: Resamples) -> Floats:
        """The metric on each resample, or on the first of them; nan where it is undefined."""
        ...


def only(means: Array) -> Array:
    """The mean over columns of column means: the usual way to finish."""
    return np.asarray(means.mean(axis=-1))


def root(means: Array) -> Array:
    """The mean over columns of the roots of column means."""
    return np.asarray(np.sqrt(means).mean(axis=-1))


@dataclass(frozen=True)
class RowMean:
    """A metric that follows from means of row losses; `losses` gives (rows, k), `finish` takes (…, k)."""

    losses: Callable[[Array, Array], Array]
    finish: Callable[[Array], Array] = only

    def score(self, truth: Array, prediction: Array) -> float:
        return float(self.finish(self.losses(truth, prediction).mean(axis=0)))

    def replicates(self, truth: Array, prediction: Array, draws: Resamples) -> Floats:
        return np.asarray(self.finish(draws.means(self.losses(truth, prediction))))


@dataclass(frozen=True)
class Confusion:
    """A metric of true and chosen labels: `formula(truth, chosen, sample_weight)` is scikit-learn's.

    A resample only changes how often each pair (true, chosen) occurs, so the formula is given the
    distinct pairs with their weights instead of all rows.
    """

    labels: Callable[[Array, Array], tuple[Array, Array]]
    formula: Callable[[Array, Array, Array], float]

    def score(self, truth: Array, prediction: Array) -> float:
        true, chosen = self.labels(truth, prediction)
        return float(self.formula(true, chosen, np.ones(len(true))))

    def replicates(self, truth: Array, prediction: Array, draws: Resamples) -> Floats:
        pairs, pair = np.unique(np.column_stack(self.labels(truth, prediction)), axis=0, return_inverse=True)
        pair = pair.reshape(-1)
        scores = []
        for counts in draws.counts[: affordable(len(draws.counts), 0.002 + 2e-8 * len(pair))]:
            weights = np.bincount(pair, weights=counts[draws.owner], minlength=len(pairs))
            seen = weights > 0
            scores.append(self.formula(pairs[seen, 0], pairs[seen, 1], weights[seen]))
        return np.asarray(scores, dtype=np.float64)


@dataclass(frozen=True)
class Whole:
    """Any other metric: a resample repeats rows; looped over as many resamples as are affordable."""

    formula: Callable[[Array, Array], float]

    def score(self, truth: Array, prediction: Array) -> float:
        return float(self.formula(truth, prediction))

    def replicates(self, truth: Array, prediction: Array, draws: Resamples) -> Floats:
        wanted = affordable(len(draws.counts), 0.001 + 2.5e-7 * prediction.size)
        scores = []
        for counts in draws.counts[:wanted]:
            rows = np.repeat(np.arange(len(truth)), counts[draws.owner].astype(np.intp))
            scores.append(self.formula(truth[rows], prediction[rows]))
        return np.asarray(scores, dtype=np.float64)


@dataclass(frozen=True)
class Curves:
    """The mean over columns of the area under the ROC curve; `columns` gives 0/1 truths and scores (rows, k).

    Columns where only one class occurs have no area and are left out of the mean.
    """

    columns: Callable[[Array, Array], tuple[Array, Array]]
    area: Callable[[Array, Array], float]

    def score(self, truth: Array, prediction: Array) -> float:
        hits, scores = self.columns(truth, prediction)
        mixed = [column for column in range(hits.shape[1]) if 0 < hits[:, column].mean() < 1]
        return float(np.mean([self.area(hits[:, c], scores[:, c]) for c in mixed])) if mixed else float("nan")

    def replicates(self, truth: Array, prediction: Array, draws: Resamples) -> Floats:
        hits, scores = self.columns(truth, prediction)
        wanted = affordable(len(draws.counts), 3.5e-8 * hits.size)
        blocks = np.array_split(draws.counts[:wanted], 1 + wanted * len(hits) // BLOCK)
        return np.concatenate([_mean_areas(hits, scores, block[:, draws.owner]) for block in blocks])


def _mean_areas(hits: Array, scores: Array, drawn: Floats) -> Floats:
    areas = np.stack([_areas(hits[:, c], scores[:, c], drawn) for c in range(hits.shape[1])])
    known = np.isfinite(areas)
    total = np.where(known, areas, 0.0).sum(axis=0)
    return np.asarray(np.divide(total, known.sum(axis=0), out=np.full(len(drawn), np.nan), where=known.any(axis=0)))


def _areas(hits: Array, scores: Array, drawn: Floats) -> Floats:
    """Areas for row weights `drawn` (replicates, rows): P(hit above miss) + P(tie) / 2; nan without both."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.concatenate([[True], np.diff(scores[order]) > 0]))
    weights = drawn[:, order]
    hit = np.add.reduceat(weights * hits[order], starts, axis=1)
    miss = np.add.reduceat(weights, starts, axis=1) - hit
    below = np.cumsum(miss, axis=1) - miss / 2
    pairs = hit.sum(axis=1) * miss.sum(axis=1)
    return np.asarray(np.divide((hit * below).sum(axis=1), pairs, out=np.full(len(drawn), np.nan), where=pairs > 0))
