"""Blends whose score may be believed: every row is predicted with weights chosen without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlestar.bank.greedy import Members, Part, Rules, ScoreOf, Trials, select
from mlestar.ports import Array, Rows


@dataclass(frozen=True)
class Crossfit:
    """`weights` from everything, for use; `predictions` and `scores` per view, for judging them.

    `without[k]` are the weights chosen without view (or block) k, which made that part of `predictions`.
    """

    weights: dict[str, float]
    predictions: dict[str, Array]
    scores: dict[str, float]
    without: tuple[dict[str, float], ...]


def blend(members: Members, weights: Mapping[str, float], view: str) -> Array:
    """The weighted sum of members on a view, as float64."""
    return np.asarray(sum(weight * np.asarray(members[key][view], np.float64) for key, weight in weights.items()))


def crossfit(
    members: Members, score: ScoreOf, views: Sequence[str], rules: Rules, blocks: Sequence[Rows] = ()
) -> Crossfit | None:
    """Greedy weights, and what they are worth: members and weights for a view come from the other views.

    With one view its `blocks` (disjoint, together all rows; at least two) play the part of views.
    None when no member keeps to the caps of `rules`.
    """
    trials = Trials(members, score)
    whole = [Part(view) for view in views]
    weights = select(trials, whole, rules)
    if not weights:
        return None
    if len(views) > 1:
        without = [select(trials, [part for part in whole if part is not left], rules) for left in whole]
        predictions = {view: blend(members, fold, view) for view, fold in zip(views, without, strict=True)}
    else:
        without = [select(trials, [Part(views[0], rows)], rules) for rows in _complements(blocks)]
        predictions = {views[0]: _patch(members, views[0], blocks, without)}
    scores = {view: float(score(view, prediction, None)) for view, prediction in predictions.items()}
    return Crossfit(weights, predictions, scores, tuple(without))


def _complements(blocks: Sequence[Rows]) -> list[Rows]:
    if len(blocks) < 2:
        raise ValueError("with a single view, at least two blocks of its rows are needed")
    return [np.sort(np.concatenate([other for j, other in enumerate(blocks) if j != k])) for k in range(len(blocks))]


def _patch(members: Members, view: str, blocks: Sequence[Rows], without: Sequence[Mapping[str, float]]) -> Array:
    patched = np.empty(next(iter(members.values()))[view].shape)
    for rows, weights in zip(blocks, without, strict=True):
        patched[rows] = blend(members, weights, view)[rows]
    return patched
