"""What the best of many is really worth, when nothing was sealed.

The best score of many candidates is too good: it was chosen for being the best. The bootstrap bias
correction of Tsamardinos, Greasidou and Borboudakis (2018, "Bootstrapping the out-of-sample predictions
for efficient and accurate cross-validation") repeats the choice on resampled rows and scores what was
chosen on the rows left out. It needs only banked predictions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mlestar.bank.comparison import better
from mlestar.bank.greedy import Members, ScoreOf
from mlestar.ports import Array, Rows
from mlestar.records import Direction


def bias_corrected(
    candidates: Members,
    score: ScoreOf,
    blocks: Mapping[str, Sequence[Rows]],
    direction: Direction,
    seed: int,
    rounds: int = 50,
) -> tuple[float, float]:
    """The corrected score of "the best candidate", and its standard error over the resamples.

    `candidates[name][view]` are out-of-fold predictions of all that was chosen between; `blocks[view]`
    cut each view's rows into pieces that keep owners together (20 or more, for a fair choice). A round
    draws blocks of every view with replacement, chooses the best there, and scores it on the blocks not
    drawn: rounds × (candidates + 1) × views calls of `score`, whose `rows` may repeat.
    Raises ValueError without candidates, or when a view has fewer than two blocks.
    """
    if not candidates or any(len(pieces) < 2 for pieces in blocks.values()):
        raise ValueError("the correction needs a candidate, and two blocks in every view")
    random = np.random.default_rng(seed)
    outside = []
    for _ in range(rounds):
        drawn = {view: _draw(pieces, random) for view, pieces in blocks.items()}
        best, best_value = "", float("nan")
        for name in sorted(candidates):
            value = _mean(candidates[name], score, {view: rows for view, (rows, _) in drawn.items()})
            if not best or better(value, best_value, direction):
                best, best_value = name, value
        outside.append(_mean(candidates[best], score, {view: rows for view, (_, rows) in drawn.items()}))
    return float(np.mean(outside)), float(np.std(outside, ddof=1))


def _draw(pieces: Sequence[Rows], random: np.random.Generator) -> tuple[Rows, Rows]:
    """Rows of as many blocks drawn with replacement, and rows of the blocks not drawn (never none)."""
    while True:
        drawn = random.integers(len(pieces), size=len(pieces))
        left = sorted(set(range(len(pieces))) - set(drawn.tolist()))
        if left:
            return np.concatenate([pieces[i] for i in drawn]), np.concatenate([pieces[i] for i in left])


def _mean(predictions: Mapping[str, Array], score: ScoreOf, rows: Mapping[str, Rows]) -> float:
    values = [score(view, predictions[view], some) for view, some in rows.items()]
    return float(np.average(values, weights=[len(some) for some in rows.values()]))
