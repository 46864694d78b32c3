"""The estimators: what they are for, and scikit-learn's own checks of them, with the first solution alone.

Few of the checks run by default: most fit again and again, and each fit is a run. With `MLESTAR_ESTIMATOR_CHECKS=1`
all do.
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from mlestar.estimators import MLEStarClassifier, MLEStarRegressor, expected_failed_checks

QUICK = {"brain": "none", "jobs": 1, "settings": {"judging.folds": 1, "bag": 1}}
ALL = os.environ.get("MLESTAR_ESTIMATOR_CHECKS") == "1"
WITHOUT_A_FIT = {
    "check_do_not_raise_errors_in_init_or_set_params", "check_estimator_cloneable", "check_estimator_repr",
    "check_estimator_tags_renamed", "check_estimators_empty_data_messages", "check_estimators_unfitted",
    "check_fit1d", "check_fit2d_1sample", "check_get_params_invariance", "check_mixin_order",
    "check_no_attributes_set_in_init", "check_parameters_default_constructible", "check_requires_y_none",
    "check_set_params", "check_supervised_y_no_nan", "check_valid_tag_types",
}  # fmt: skip
WITH_ONE_FIT = {"check_dict_unchanged"}


@pytest.fixture(autouse=True, scope="module")
def runs(tmp_path_factory) -> None:
    """Where the estimators keep their runs: checks with the same data share them."""
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("estimators"))
    yield
    os.chdir(before)


@parametrize_with_checks(
    [MLEStarClassifier(**QUICK), MLEStarRegressor(**QUICK)], expected_failed_checks=expected_failed_checks
)
def test_scikit_learns_checks(estimator, check) -> None:
    if not ALL and check.func.__name__ not in WITHOUT_A_FIT | WITH_ONE_FIT:
        pytest.skip("it fits more than once: MLESTAR_ESTIMATOR_CHECKS=1 runs it")
    check(estimator)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Numbers, texts, categories, and missing cells."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"size": rng.normal(size=90), "kind": rng.choice(["plum", "pear"], 90)})
    frame["shop"] = pd.Categorical(rng.choice(["a", "b", "c"], 90))
    frame.loc[::9, "size"] = np.nan
    return frame.set_axis(range(500, 590))


def test_a_classifier_keeps_its_labels_and_gives_their_chances(table) -> None:
    y = np.where((table["size"].fillna(0) + (table["kind"] == "plum")) > 0.5, "007", "no, never")
    model = MLEStarClassifier(**QUICK).fit(table[:70], y[:70])
    assert list(model.classes_) == ["007", "no, never"]
    chances = model.predict_proba(table[70:])
    assert chances.shape == (20, 2)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    assert (model.predict(table[70:]) == model.classes_[chances.argmax(axis=1)]).all()
    assert model.score(table[70:], y[70:]) > 0.7
    assert model.score_.metric == "log_loss"


def test_a_regressor_predicts_numbers_and_takes_up_the_run_of_the_same_content(table) -> None:
    y = 3 * table["size"].fillna(0) + (table["kind"] == "plum")
    model = MLEStarRegressor(**QUICK).fit(table[:70], y[:70])
    assert model.score(table[70:], y[70:]) > 0.5
    jobs = model.run_.summary.jobs
    same = clone(model)
    with pytest.raises(NotFittedError):
        same.predict(table)
    assert same.fit(table[:70], y[:70]).run_.folder == model.run_.folder
    assert same.run_.summary.jobs == jobs


def test_wrong_values_are_named(table) -> None:
    with pytest.raises(ValueError, match="10 samples"):
        MLEStarRegressor(**QUICK).fit(table[:9], np.arange(9))
    with pytest.raises(ValueError, match="acuracy"):
        MLEStarClassifier(**QUICK, metric="acuracy").fit(table, np.arange(90) % 2)
    with pytest.raises(ValueError, match="one class"):
        MLEStarClassifier(**QUICK).fit(table, np.zeros(90))


def test_what_may_fail_is_declared_with_a_reason() -> None:
    assert expected_failed_checks(MLEStarClassifier(brain="none")) == {}
    declared = expected_failed_checks(MLEStarRegressor())
    assert set(declared) == {"check_methods_subset_invariance", "check_methods_sample_order_invariance"}
    assert all(len(reason.split()) > 5 for reason in declared.values())
