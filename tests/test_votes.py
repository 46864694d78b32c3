"""Texts as predictions: kept as bytes, joined by vote, and chosen among by the bank."""

from __future__ import annotations

import numpy as np

from mlestar import votes
from mlestar.bank import PredictionBank
from mlestar.records import FoldResult, Judged, Member, Outcome, Score, Scored, Solution

TRUTH = np.array([["a"], ["b\n,"], [""], ["ß\"'"], ["e"], ["f"]], dtype=object)


def wrong(*rows: int) -> np.ndarray:
    texts = TRUTH.copy()
    for row in rows:
        texts[row, 0] = f"wrong {row % 2}"
    return texts


def test_texts_and_numbers_survive_packing():
    assert (votes.unpacked(votes.packed(TRUTH)) == TRUTH).all()
    two = np.array([["", "a"], ["b", ""]], dtype=object)
    assert votes.unpacked(votes.packed(two)).tolist() == two.tolist()
    assert votes.unpacked(votes.packed(np.eye(2))).dtype == np.float32


def test_most_of_the_weight_decides_and_then_the_order():
    a, b, c = (np.array([[text]], dtype=object) for text in "abc")
    assert votes.elected([a, b, b], [1.0, 1.0, 1.0]) == [["b"]]
    assert votes.elected([a, b, b], [3.0, 1.0, 1.0]) == [["a"]]
    assert votes.elected([c, a, b], [1.0, 1.0, 1.0]) == [["c"]]


def test_ballots_count_as_a_vote_does():
    parts = {"x": wrong(0, 1), "y": wrong(2), "z": wrong(4)}
    ballots = votes.Ballots(parts)
    assert all((ballots.counted(ballots.arrays[key]) == part).all() for key, part in parts.items())
    assert (ballots.counted(np.mean(list(ballots.arrays.values()), axis=0)) == TRUTH).all()
    tied = ballots.counted(ballots.arrays["y"] + ballots.arrays["z"])
    assert (tied == votes.elected([parts["y"], parts["z"]], [1.0, 1.0])).all()


def test_of_very_many_texts_the_rarest_are_no_candidates():
    parts = {str(i): np.array([[f"text {i}"]], dtype=object) for i in range(30)}
    assert next(iter(votes.Ballots(parts).arrays.values())).shape == (1, votes.MOST)


def test_the_bank_selects_members_that_vote_the_truth():
    kept: dict[str, bytes] = {}
    bank = PredictionBank("max", kept.__getitem__)
    for name, part in {"s": wrong(0, 1), "t": wrong(2, 3), "u": wrong(4, 5)}.items():
        folds = []
        for fold in (0, 1):
            kept[f"{name}{fold}"] = votes.packed(part)
            judged = Judged(None, 4 / 6, 6, members=(Member("submission", 4 / 6, f"{name}{fold}"),))
            folds.append(FoldResult(fold, Outcome("ok", 1.0), judged))
        bank.add(Scored(Solution(name, "", ""), name, Score(4 / 6, None, "max", (0, 1), ()), None, tuple(folds)))

    def measure(view, texts, rows):
        right = (texts == TRUTH)[:, 0]
        return float(right.mean() if rows is None else right[rows].mean())

    found = bank.select(measure, [("fold-0", None), ("fold-1", None)], 12, None)
    assert sorted(found.weights) == ["s::submission", "t::submission", "u::submission"], found.weights
    assert all((array == TRUTH).all() for array in found.predictions)
    blocks = {view: [np.array([i]) for i in range(6)] for view in ("fold-0", "fold-1")}
    assert bank.bias(measure, blocks, 0) >= 0
