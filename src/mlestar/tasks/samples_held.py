"""What the score of a recipe on a built-in task is held against, and what a blend is tried on."""

from __future__ import annotations

from collections import Counter

import numpy as np

from mlestar.errors import TaskError
from mlestar.ports import Array
from mlestar.tasks import pixelwise
from mlestar.tasks.prepared import Prepared
from mlestar.tasks.sides import truth


def constant(task: Prepared, view: str) -> float | None:
    """The metric of the best constant prediction: one class, equal odds or the train rows' class shares; their mean or
    median. None where the metric is undefined for these rows.
    """
    rows = task.rows(view)
    known = (pixelwise.truth if task.source.pixels else truth)(task.source, task.side(view).train)
    if task.source.classes:
        shares = np.bincount(known, minlength=len(task.source.classes)) / len(known)
        odds = [shares, np.full(len(shares), 1 / len(shares)), *np.eye(len(shares))]
        guesses = odds if _a_column_per_class(task) else [shares[1:] for shares in odds]
    elif task.profile.predicts == "text":
        guesses = [np.array([Counter(column).most_common(1)[0][0] for column in known.T], dtype=object)]
    else:
        guesses = [known.mean(axis=0), np.median(known, axis=0)]
    try:
        found = [task.score(view, np.tile(guess, (rows, 1))) for guess in guesses]
    except TaskError:
        return None
    return max(found) if task.profile.direction == "max" else min(found)


def _a_column_per_class(task: Prepared) -> bool:
    profile = task.profile
    return profile.predicts != "probability" or len(profile.prediction_columns) == len(profile.classes)


def guesses(task: Prepared, views: tuple[str, ...]) -> dict[str, dict[str, Array]]:
    """Made predictions of four members, by name and view: they see the truth through noise of different size."""
    found: dict[str, dict[str, Array]] = {}
    for number, noise in enumerate((0.5, 0.8, 1.2, 2.0)):
        rng = np.random.default_rng([7, number])
        found[f"branch-1/init/{number}::model"] = {view: _guess(task, view, noise, rng) for view in views}
    return found


def _guess(task: Prepared, view: str, noise: float, rng: np.random.Generator) -> Array:
    known = task.side(view).truth
    assert known is not None
    if not task.source.classes:
        spread = noise * 0.5 * known.std(axis=0)
        near: Array = np.clip(known + rng.normal(size=known.shape) * spread, known.min(axis=0), known.max(axis=0))
        return near
    scores = np.eye(len(task.source.classes))[known] + rng.normal(size=(len(known), len(task.source.classes))) * noise
    chance = np.exp(2 * scores)
    chance /= chance.sum(axis=1, keepdims=True)
    return np.asarray(chance if _a_column_per_class(task) else chance[:, 1:])
