import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlestar.bank.correction import bias_corrected
from mlestar.bank.crossfit import blend, crossfit
from mlestar.bank.greedy import Part, Rules, greedy
from mlestar.bank.predictions import script_of


def world(members, rows=300, folds=3, seed=0, noise=1.0, scripts=None):
    """Numeric targets, and members that are the truth plus noise of their own. -> truth, members, rmse."""
    random = np.random.default_rng(seed)
    truth = {f"fold-{k}": random.normal(size=(rows, 1)) for k in range(folds)}
    bank = {
        f"s{i if scripts is None else i % scripts}::m{i}": {
            view: (y + (noise + 0.02 * i) * random.normal(size=y.shape)).astype(np.float32) for view, y in truth.items()
        }
        for i in range(members)
    }

    def rmse(view, prediction, rows):
        error = prediction - truth[view]
        return float(np.sqrt(np.mean((error if rows is None else error[rows]) ** 2)))

    return truth, bank, rmse


def mean_score(score, predictions):
    return float(np.mean([score(view, prediction, None) for view, prediction in predictions.items()]))


def test_a_blend_of_independent_members_beats_the_best_of_them():
    truth, bank, rmse = world(12)
    weights = greedy(bank, rmse, [Part(view) for view in truth], Rules("min"))
    assert sum(weights.values()) == pytest.approx(1)
    assert len(weights) >= 6
    best = min(mean_score(rmse, member) for member in bank.values())
    assert mean_score(rmse, {view: blend(bank, weights, view) for view in truth}) < 0.6 * best


def test_the_blend_does_not_depend_on_the_order_of_members():
    truth, bank, rmse = world(10)
    parts = [Part(view) for view in truth]
    turned = dict(reversed(bank.items()))
    assert greedy(bank, rmse, parts, Rules("min")) == greedy(turned, rmse, parts, Rules("min"))


def test_it_is_never_worse_than_the_best_member_and_maximises_too():
    truth, bank, rmse = world(6, noise=0.1)
    bank["s9::perfect"] = {view: y.astype(np.float32) for view, y in truth.items()}
    parts = [Part(view) for view in truth]
    assert greedy(bank, rmse, parts, Rules("min")) == {"s9::perfect": 1.0}
    assert greedy(bank, lambda *a: -rmse(*a), parts, Rules("max")) == {"s9::perfect": 1.0}


@settings(max_examples=15)
@given(st.integers(1, 6), st.floats(1, 9), st.integers(0, 99))
def test_caps_hold(most, budget, seed):
    truth, bank, rmse = world(14, rows=60, folds=2, seed=seed, scripts=7)
    cost = {f"s{i}": float(1 + i % 3) for i in range(7)}
    weights = greedy(bank, rmse, [Part(view) for view in truth], Rules("min", most=most, cost=cost, budget=budget))
    assert 1 <= len(weights) <= most
    assert sum(cost[script] for script in {script_of(key) for key in weights}) <= budget
    assert all(weight > 0 for weight in weights.values())


def test_members_of_one_script_are_paid_once():
    truth, bank, rmse = world(6, scripts=1)
    weights = greedy(bank, rmse, [Part(view) for view in truth], Rules("min", cost={"s0": 5.0}, budget=5.0))
    assert len(weights) > 1
    assert greedy(bank, rmse, [Part(view) for view in truth], Rules("min", cost={"s0": 5.0}, budget=4.9)) == {}
    assert crossfit(bank, rmse, list(truth), Rules("min", cost={"s0": 5.0}, budget=4.9)) is None
    assert greedy({}, rmse, [Part("fold-0")], Rules("min")) == {}


def test_twins_are_not_both_taken():
    truth, bank, rmse = world(2)
    for i in range(5):
        bank[f"t{i}::twin"] = {view: array + 1e-6 * i for view, array in bank["s0::m0"].items()}
    weights = greedy(bank, rmse, [Part(view) for view in truth], Rules("min"))
    assert len(weights) == 2


def test_a_fold_is_predicted_without_its_own_labels():
    truth, bank, rmse = world(8)
    views = list(truth)
    before = crossfit(bank, rmse, views, Rules("min"))
    truth["fold-1"][:] = bank["s5::m5"]["fold-1"]
    after = crossfit(bank, rmse, views, Rules("min"))
    assert np.array_equal(before.predictions["fold-1"], after.predictions["fold-1"])
    assert before.without[1] == after.without[1]
    assert before.weights != after.weights
    assert not np.array_equal(before.predictions["fold-0"], after.predictions["fold-0"])


def test_with_one_view_a_block_is_predicted_without_its_own_labels():
    truth, bank, rmse = world(8, folds=1)
    blocks = np.array_split(np.random.default_rng(0).permutation(300), 4)
    before = crossfit(bank, rmse, ["fold-0"], Rules("min"), blocks)
    truth["fold-0"][blocks[2]] = bank["s5::m5"]["fold-0"][blocks[2]]
    after = crossfit(bank, rmse, ["fold-0"], Rules("min"), blocks)
    assert np.array_equal(before.predictions["fold-0"][blocks[2]], after.predictions["fold-0"][blocks[2]])
    assert before.without[2] == after.without[2]
    assert before.weights != after.weights
    assert after.scores["fold-0"] == rmse("fold-0", after.predictions["fold-0"], None)
    with pytest.raises(ValueError, match="two blocks"):
        crossfit(bank, rmse, ["fold-0"], Rules("min"))


def test_crossfitted_scores_of_useless_members_are_not_flattered():
    """Members that are pure noise: choosing the best of many looks good only on the rows it was chosen on."""
    random = np.random.default_rng(0)
    labels = {f"fold-{k}": random.integers(0, 2, 60) for k in range(4)}
    bank = {f"s{i}::m": {view: random.normal(size=(60, 1)) for view in labels} for i in range(40)}

    def accuracy(view, prediction, rows):
        hits = (prediction[:, 0] > 0) == labels[view]
        return float(np.mean(hits if rows is None else hits[rows]))

    views = list(labels)
    fit = crossfit(bank, accuracy, views, Rules("max"))
    flattered = mean_score(accuracy, {view: blend(bank, fit.weights, view) for view in views})
    honest = float(np.mean(list(fit.scores.values())))
    assert flattered > 0.58
    assert abs(honest - 0.5) < 0.06
    blocks = {view: np.array_split(np.arange(60), 20) for view in views}
    best = max(mean_score(accuracy, member) for member in bank.values())
    corrected, error = bias_corrected(bank, accuracy, blocks, "max", seed=0)
    assert best > 0.55
    assert abs(corrected - 0.5) < abs(best - 0.5)
    assert 0 < error < 0.1
    assert bias_corrected(bank, accuracy, blocks, "max", seed=0) == (corrected, error)


def test_the_correction_leaves_a_clear_winner_alone():
    truth, bank, rmse = world(5, noise=1.0)
    bank["s9::good"] = {view: (y + 0.1).astype(np.float32) for view, y in truth.items()}
    corrected, _ = bias_corrected(
        bank, rmse, {view: np.array_split(np.arange(300), 20) for view in truth}, "min", seed=1
    )
    assert corrected == pytest.approx(0.1, abs=1e-6)
    with pytest.raises(ValueError, match="two blocks"):
        bias_corrected(bank, rmse, {"fold-0": [np.arange(300)]}, "min", seed=1)


def test_forty_members_five_folds_are_blended_in_seconds():
    random = np.random.default_rng(0)
    labels = {f"fold-{k}": random.integers(0, 3, 5000) for k in range(5)}
    bank = {}
    for i in range(40):
        raw = {v: np.exp(2 * np.eye(3)[y] + (1 + 0.02 * i) * random.normal(size=(5000, 3))) for v, y in labels.items()}
        bank[f"s{i}::m"] = {v: (p / p.sum(axis=1, keepdims=True)).astype(np.float32) for v, p in raw.items()}

    def log_loss(view, prediction, rows):
        p, y = (prediction, labels[view]) if rows is None else (prediction[rows], labels[view][rows])
        return float(-np.log(np.clip(p[np.arange(len(y)), y] / p.sum(axis=1), 1e-15, 1)).mean())

    started = time.process_time()
    fit = crossfit(bank, log_loss, list(labels), Rules("min"))
    assert time.process_time() - started < 10
    assert np.mean(list(fit.scores.values())) < min(mean_score(log_loss, member) for member in bank.values())
