import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from mlestar.bank.comparison import ONE_FOLD, better, join, optimism, outlook, probability_better, student_cdf
from mlestar.records import Judged


def judged(value, rows=100, replicates=()):
    return Judged(None, value, rows, tuple(replicates))


def folds(seed, lift=0.0, count=3, noise=0.02, own=0.0):
    """Folds whose replicates share their noise with every other solution, plus a little of their own."""
    shared, private = np.random.default_rng(1), np.random.default_rng(seed)
    return [
        (k, judged(0.7 + lift, 100 + k, 0.7 + lift + noise * shared.normal(size=200) + own * private.normal(size=200)))
        for k in range(count)
    ]


def test_join_weights_by_rows_and_sorts_folds():
    score = join([(3, judged(1.0, 10)), (1, judged(0.0, 30))], "max")
    assert (score.value, score.folds, score.values, score.stderr) == (0.25, (1, 3), (0.0, 1.0), None)


def test_join_has_the_standard_error_of_the_weighted_mean():
    score = join(folds(0, count=4), "max")
    assert score.stderr == pytest.approx(0.02 / math.sqrt(4), rel=0.15)
    assert join([*folds(0), (9, judged(0.7))], "max").stderr is None


def test_join_refuses_what_has_no_score():
    with pytest.raises(ValueError, match="wrong ids"):
        join([(0, Judged("wrong ids"))], "max")
    with pytest.raises(ValueError, match="no folds"):
        join([], "max")


def test_pairing_sees_what_errors_alone_would_hide():
    base, lifted = folds(0, own=0.0005), folds(1, lift=0.004, own=0.0005)
    assert join(base, "max").stderr > 0.004
    assert probability_better(lifted, base, "max") > 0.99
    assert probability_better(lifted, base, "min") < 0.01


@given(st.integers(0, 1000), st.integers(0, 1000), st.sampled_from(["max", "min"]))
def test_probabilities_of_both_ways_sum_to_one(a, b, direction):
    first, second = folds(a, own=0.01), folds(b, own=0.01)
    assert probability_better(first, second, direction) + probability_better(second, first, direction) == pytest.approx(
        1
    )
    assert probability_better(first, first, direction) == 0.5


def test_resamples_without_a_defined_metric_do_not_count():
    nan = float("nan")
    base = [(0, judged(0.5, replicates=[0.4, nan, 0.6, 0.5]))]
    lifted = [(0, judged(0.6, replicates=[0.5, nan, 0.7, nan]))]
    assert probability_better(lifted, base, "max") == 1.0
    assert join(base, "max").stderr == pytest.approx(0.1)
    assert join([(0, judged(0.5, replicates=[nan, nan]))], "max").stderr is None


@pytest.mark.parametrize(
    ("first", "second", "ahead"),
    [
        (-0.02, -0.02, False),
        (-0.04, -0.03, False),
        (-0.04, -0.01, True),
        (0.02, 0.01, False),
        (0.03, 0.02, None),
        (0.0, 0.01, True),
    ],
)
def test_learning_curves_are_extended_to_all_rows(first, second, ahead):
    """Two doublings of the rows are left, so a gap is expected to go on for twice what the last doubling did to it."""
    base = [folds(0)[0][1]] * 2
    mine = [folds(1, lift=lift, own=0.001)[0][1] for lift in (first, second)]
    p = outlook(mine, base, "max", 2.0)
    assert p == pytest.approx(1 - outlook(mine, base, "min", 2.0))
    assert (0.05 < p < 0.95) if ahead is None else (p > 0.95 if ahead else p < 0.05)


def test_without_replicates_a_learning_curve_tells_nothing():
    assert outlook([judged(0.5)] * 2, [judged(0.9)] * 2, "max", 2.0) == 0.5


def test_only_common_folds_count():
    assert probability_better([(0, judged(1.0)), (1, judged(0.0))], [(1, judged(0.5)), (2, judged(9.0))], "max") == (
        1 - ONE_FOLD
    )
    assert probability_better([(0, judged(1.0))], [(1, judged(0.5))], "max") == 0.5


def test_without_replicates_students_t_decides():
    base = [(k, judged(0.5)) for k in range(5)]
    steady = [(k, judged(0.5 + 0.01 + 0.001 * k)) for k in range(5)]
    shaky = [(k, judged(0.5 + gain)) for k, gain in enumerate([0.1, -0.09, 0.05, -0.04, 0.01])]
    assert probability_better(steady, base, "max") > 0.99
    assert 0.5 < probability_better(shaky, base, "max") < 0.75
    assert probability_better(base, base, "max") == 0.5
    assert probability_better([(0, judged(0.6))], base, "max") == ONE_FOLD


@given(st.floats(-30, 30), st.integers(1, 9))
def test_students_distribution(t, degrees):
    assert student_cdf(t, degrees) == pytest.approx(student.cdf(t, degrees), abs=1e-9)


def test_better_and_optimism_know_the_direction():
    nan = float("nan")
    assert better(2, 1, "max")
    assert better(1, 2, "min")
    assert not better(1, 1, "min")
    assert better(1, nan, "max")
    assert not better(nan, 1, "min")
    assert optimism(0.9, 0.8, "max") == pytest.approx(0.1)
    assert optimism(0.1, 0.3, "min") == pytest.approx(0.2)
