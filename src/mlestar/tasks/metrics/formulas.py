"""What the metrics compute. Row losses are arrays of shape (rows, k); everything else is scikit-learn's or scipy's.

Truths are class numbers (rows,), values or 0/1 columns (rows, k), or texts (object). In a prediction of
classes a row of zeros means that the script chose none of them: it is wrong whatever the truth.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn import metrics as sk

Array = NDArray[Any]

# --- labels ----------------------------------------------------------------------------------------


def chosen(prediction: Array) -> Array:
    """The class numbers that a prediction chooses; one past the last class where it chooses none.

    A single column is the probability of class 1.
    """
    if prediction.shape[1] == 1:
        return (prediction[:, 0] > 0.5).astype(np.intp)
    return np.asarray(np.where(prediction.any(axis=1), prediction.argmax(axis=1), prediction.shape[1]))


def labels(truth: Array, prediction: Array) -> tuple[Array, Array]:
    """True and chosen class numbers; numeric columns (rows, 1) are rounded to whole numbers."""
    if truth.ndim == 1:
        return truth.astype(np.intp), chosen(prediction)
    return np.rint(truth[:, 0]).astype(np.intp), np.rint(prediction[:, 0]).astype(np.intp)


def hits(truth: Array, prediction: Array) -> Array:
    """1 where the label, or the whole text, is right."""
    if truth.dtype == object:
        right = (truth.reshape(len(truth), -1) == prediction.reshape(len(prediction), -1)).all(axis=1)
    else:
        true, choice = labels(truth, prediction)
        right = true == choice
    return np.asarray(right, dtype=np.float64)[:, None]


def balanced_accuracy(truth: Array, choice: Array, weight: Array) -> float:
    # Recall averaged over the true classes: scikit-learn's own function warns about chosen classes
    # that are never true, which is ordinary in small folds.
    return float(sk.recall_score(truth, choice, labels=np.unique(truth), average="macro", sample_weight=weight))


def f1(average: str) -> Any:
    """`binary` looks at class 1 only; elsewhere classes that neither occur nor are chosen do not count."""

    def formula(truth: Array, choice: Array, weight: Array) -> float:
        classes = [1] if average == "binary" else None
        how = "macro" if average == "binary" else average
        return float(sk.f1_score(truth, choice, labels=classes, average=how, sample_weight=weight, zero_division=1.0))

    return formula


def mcc(truth: Array, choice: Array, weight: Array) -> float:
    if np.array_equal(truth, choice):
        return 1.0  # scikit-learn says 0 when there is only one class
    return float(sk.matthews_corrcoef(truth, choice, sample_weight=weight))


def kappa(truth: Array, choice: Array, weight: Array) -> float:
    if np.array_equal(truth, choice):
        return 1.0  # 0/0 when there is only one class
    grades = np.arange(min(truth.min(), choice.min()), max(truth.max(), choice.max()) + 1)
    return float(sk.cohen_kappa_score(truth, choice, labels=grades, weights="quadratic", sample_weight=weight))


def average_places(k: int) -> Any:
    """MAP@k with one right class per row: 1 / place of the right class, 0 beyond place k or when unlisted."""

    def losses(truth: Array, prediction: Array) -> Array:
        mine = np.take_along_axis(prediction, truth[:, None].astype(np.intp), axis=1)
        earlier = np.arange(prediction.shape[1]) < truth[:, None]
        place = 1 + ((prediction > mine) | ((prediction == mine) & earlier)).sum(axis=1)
        return np.where((place <= k) & (mine[:, 0] != 0), 1.0 / place, 0.0)[:, None]

    return losses


# --- probabilities ---------------------------------------------------------------------------------


def columns_of_classes(truth: Array, prediction: Array) -> tuple[Array, Array]:
    """0/1 truths and scores, a column each: one per class, or the positive one where there are two."""
    if truth.ndim == 2:
        return truth, prediction
    if prediction.shape[1] <= 2:
        return (truth == 1).astype(np.float64)[:, None], prediction[:, -1:]
    return np.eye(prediction.shape[1])[truth], prediction


def roc_area(truth: Array, scores: Array) -> float:
    return float(sk.roc_auc_score(truth, scores))


def average_precision(truth: Array, prediction: Array) -> float:
    """Mean over columns; columns without a positive row are left out."""
    hits_, scores = columns_of_classes(truth, prediction)
    known = [c for c in range(hits_.shape[1]) if hits_[:, c].any()]
    areas = [sk.average_precision_score(hits_[:, c], scores[:, c]) for c in known]
    return float(np.mean(areas)) if areas else float("nan")


def log_losses(truth: Array, prediction: Array) -> Array:
    """Logarithmic losses; class probabilities are scaled to sum to one, then clipped at machine precision."""
    tiny = np.finfo(np.float64).eps
    if truth.ndim == 1 and prediction.shape[1] > 1:
        positive = np.clip(prediction, tiny, None)
        shares = positive / positive.sum(axis=1, keepdims=True)
        return np.asarray(-np.log(np.clip(shares[np.arange(len(truth)), truth], tiny, 1.0)))[:, None]
    yes = truth.reshape(len(truth), -1)
    chance = np.clip(prediction, tiny, 1 - tiny)
    return np.asarray(-(yes * np.log(chance) + (1 - yes) * np.log1p(-chance)))


def brier(truth: Array, prediction: Array) -> Array:
    """Squared distance from the truth: of the positive class for two classes, summed over three or more."""
    yes, chance = columns_of_classes(truth, prediction)
    losses = squared(yes, chance)
    return np.asarray(losses.sum(axis=1, keepdims=True)) if truth.ndim == 1 else losses


# --- values ----------------------------------------------------------------------------------------


def squared(truth: Array, prediction: Array) -> Array:
    return np.asarray((truth - prediction) ** 2)


def absolute(truth: Array, prediction: Array) -> Array:
    return np.asarray(np.abs(truth - prediction))


def relative(truth: Array, prediction: Array) -> Array:
    """As scikit-learn has it: a fraction, not per cent; a true zero counts as machine precision."""
    return np.asarray(absolute(truth, prediction) / np.maximum(np.abs(truth), np.finfo(np.float64).eps))


def symmetric(truth: Array, prediction: Array) -> Array:
    """200 |p − t| / (|p| + |t|), in per cent (0 to 200), 0 where both are 0."""
    size = np.abs(truth) + np.abs(prediction)
    return np.asarray(200 * np.divide(absolute(truth, prediction), size, out=np.zeros_like(size), where=size > 0))


def squared_log1p(truth: Array, prediction: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return squared(np.log1p(truth), np.log1p(np.maximum(prediction, 0)))


def squared_log(truth: Array, prediction: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return squared(np.log(truth), np.log(np.maximum(prediction, np.finfo(np.float64).tiny)))


def r2(truth: Array, prediction: Array) -> float:
    return float(sk.r2_score(truth, prediction)) if len(truth) > 1 else float("nan")


def correlation(kind: str) -> Any:
    """Mean correlation over columns; 0 for a constant prediction, nan where the truth is constant."""
    measure: Any = stats.pearsonr if kind == "pearson" else stats.spearmanr

    def formula(truth: Array, prediction: Array) -> float:
        found = []
        for true, mine in zip(truth.T, prediction.T, strict=True):
            if len(true) < 2 or np.ptp(true) == 0:
                return float("nan")
            found.append(0.0 if np.ptp(mine) == 0 else float(measure(true, mine)[0]))
        return float(np.mean(found))

    return formula


# --- texts -----------------------------------------------------------------------------------------


def word_jaccard(truth: Array, prediction: Array) -> Array:
    """Shared words / all words, lower case, per row and column; 1 where both are empty."""
    pairs = zip(truth.reshape(-1), prediction.reshape(-1), strict=True)
    return np.array([_shared(set(str(a).lower().split()), set(str(b).lower().split())) for a, b in pairs]).reshape(
        len(truth), -1
    )


def _shared(first: set[str], second: set[str]) -> float:
    return len(first & second) / len(first | second) if first | second else 1.0
