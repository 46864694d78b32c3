"""Metrics against scikit-learn and scipy, their replicates, and finding them in descriptions."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from mlestar import ranges
from mlestar.errors import TaskError
from mlestar.executors.service import Service
from mlestar.ports import Answer
from mlestar.tasks.metrics import METRICS, Context, fits, get, in_context, load_custom, named_in, replicates, score
from mlestar.tasks.metrics.ways import RowMean

CONTEXT = Context(scale=np.linspace(1, 3, 60), reference=(18.4, 2.4))
NAMES = [*METRICS, "map@3"]


def bound(name: str, rows: int = 60):
    context = Context(scale=np.linspace(1, 3, rows), reference=(18.4, 2.4))
    return in_context(get(name), context)


def data(name: str, rows: int = 60, seed: int = 0):
    """A truth, a perfect prediction and a noisy one, in the first form that the metric fits."""
    metric, rng = get(name), np.random.default_rng(seed)
    form = metric.forms[0]
    if form == "text":
        words = np.array(["a b", "b c", "", "c"], dtype=object)
        return words[rng.integers(0, 4, rows)], *(2 * [words[rng.integers(0, 4, rows)][:, None]])
    if form == "value" or (metric.targets[1] > 1 and metric.classes[0] == 0 and name.startswith("mean")):
        columns = 1 if name in ("mase", "owa") else 2
        truth = rng.gamma(2, 3, (rows, columns)) + 0.1
        if form == "probability":
            truth = (truth > np.median(truth, axis=0)).astype(float)
            return truth, truth, 0.3 * truth + 0.7 * rng.random(truth.shape)
        return truth, truth, truth * np.exp(rng.normal(0, 0.3, truth.shape))
    classes = int(min(4, metric.classes[1]))
    truth = rng.permutation(np.arange(rows) % classes)
    perfect = np.eye(classes)[truth]
    noisy = 0.5 * perfect + rng.random(perfect.shape)
    return truth, perfect, noisy / noisy.sum(axis=1, keepdims=True)


# --- against scikit-learn --------------------------------------------------------------------------

TRUE, SOFT = data("accuracy")[0], data("accuracy")[2]
HARD = SOFT.argmax(axis=1)
TWO, TWO_SOFT = data("f1")[0], data("f1")[2]
TWO_HARD = TWO_SOFT.argmax(axis=1)
Y, P = data("rmse")[0], data("rmse")[2]
YES, CHANCE = data("mean_columnwise_roc_auc")[0], data("mean_columnwise_roc_auc")[2]
KNOWN = {
    "accuracy": (TRUE, SOFT, sk.accuracy_score(TRUE, HARD)),
    "balanced_accuracy": (TRUE, SOFT, sk.balanced_accuracy_score(TRUE, HARD)),
    "f1": (TWO, TWO_SOFT, sk.f1_score(TWO, TWO_HARD)),
    "f1_macro": (TRUE, SOFT, sk.f1_score(TRUE, HARD, average="macro")),
    "f1_micro": (TRUE, SOFT, sk.f1_score(TRUE, HARD, average="micro")),
    "f1_weighted": (TRUE, SOFT, sk.f1_score(TRUE, HARD, average="weighted")),
    "mcc": (TRUE, SOFT, sk.matthews_corrcoef(TRUE, HARD)),
    "quadratic_weighted_kappa": (TRUE, SOFT, sk.cohen_kappa_score(TRUE, HARD, weights="quadratic")),
    "roc_auc": (TWO, TWO_SOFT, sk.roc_auc_score(TWO, TWO_SOFT[:, 1])),
    "roc_auc_ovr_macro": (TRUE, SOFT, sk.roc_auc_score(TRUE, SOFT, multi_class="ovr", average="macro")),
    "mean_columnwise_roc_auc": (YES, CHANCE, sk.roc_auc_score(YES, CHANCE, average="macro")),
    "average_precision": (TWO, TWO_SOFT, sk.average_precision_score(TWO, TWO_SOFT[:, 1])),
    "log_loss": (TRUE, SOFT, sk.log_loss(TRUE, SOFT)),
    "mean_columnwise_log_loss": (YES, CHANCE, np.mean([sk.log_loss(YES[:, c], CHANCE[:, c]) for c in (0, 1)])),
    "brier": (TRUE, SOFT, sk.brier_score_loss(TRUE, SOFT)),
    "rmse": (Y, P, sk.root_mean_squared_error(Y, P)),
    "mae": (Y, P, sk.mean_absolute_error(Y, P)),
    "mape": (Y, P, sk.mean_absolute_percentage_error(Y, P)),
    "smape": (Y, P, np.mean(200 * np.abs(Y - P) / (np.abs(Y) + np.abs(P)))),
    "rmsle": (Y[:, :1], P[:, :1], sk.root_mean_squared_log_error(Y[:, 0], P[:, 0])),
    "rmse_log": (Y, P, sk.root_mean_squared_error(np.log(Y), np.log(P))),
    "mean_columnwise_rmse": (Y, P, sk.root_mean_squared_error(Y, P, multioutput="raw_values").mean()),
    "mean_columnwise_rmsle": (Y, P, np.mean([sk.root_mean_squared_log_error(Y[:, c], P[:, c]) for c in (0, 1)])),
    "mean_columnwise_mae": (Y, P, sk.mean_absolute_error(Y, P)),
    "r2": (Y, P, sk.r2_score(Y, P)),
    "pearson": (Y[:, :1], P[:, :1], stats.pearsonr(Y[:, 0], P[:, 0])[0]),
    "spearman": (Y[:, :1], P[:, :1], stats.spearmanr(Y[:, 0], P[:, 0])[0]),
    "map@1": (TRUE, SOFT, sk.accuracy_score(TRUE, HARD)),
    "map@4": (TRUE, SOFT, sk.label_ranking_average_precision_score(np.eye(4)[TRUE], SOFT)),
    "exact_match": (TRUE, SOFT, sk.accuracy_score(TRUE, HARD)),
}


@pytest.mark.parametrize("name", KNOWN)
def test_it_is_what_the_library_says(name):
    truth, prediction, expected = KNOWN[name]
    assert score(get(name), truth, prediction) == pytest.approx(expected, abs=1e-12)


def test_word_jaccard_and_exact_match_on_texts():
    truth = np.array(["a b c", "x", ""], dtype=object)
    prediction = np.array([["a b"], ["y"], [""]], dtype=object)
    assert score(get("word_jaccard"), truth, prediction) == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert score(get("exact_match"), truth, prediction) == pytest.approx(1 / 3)


def test_mase_and_owa_need_the_train_part():
    truth, prediction = np.array([[1.0], [2.0]]), np.array([[2.0], [4.0]])
    context = Context(scale=np.array([1.0, 4.0]), reference=(20.0, 2.0))
    assert score(in_context(get("mase"), context), truth, prediction) == pytest.approx((1 + 0.5) / 2)
    smape = (200 / 3 + 400 / 6) / 2
    assert score(in_context(get("owa"), context), truth, prediction) == pytest.approx((smape / 20 + 0.75 / 2) / 2)
    with pytest.raises(TaskError, match="train part"):
        in_context(get("mase"), Context())


def test_one_probability_column_is_the_positive_class():
    for name in ("roc_auc", "log_loss", "brier", "average_precision"):
        one, two = score(get(name), TWO, TWO_SOFT[:, 1:]), score(get(name), TWO, TWO_SOFT)
        assert one == pytest.approx(two)
    assert score(get("brier"), TWO, TWO_SOFT[:, 1:]) == pytest.approx(sk.brier_score_loss(TWO, TWO_SOFT[:, 1]))


def test_probabilities_are_scaled_to_sum_to_one():
    assert score(get("log_loss"), TRUE, 0.2 * SOFT) == pytest.approx(sk.log_loss(TRUE, SOFT))


# --- properties ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**31), rows=st.integers(4, 40))
def test_a_perfect_prediction_gets_the_best_score(name, seed, rows):
    metric = bound(name, rows)
    truth, perfect, _ = data(name, rows, seed)
    if metric.forms[0] == "text":
        perfect = truth[:, None]
    assert metric.best == pytest.approx(score(metric, truth, perfect), abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_scores_stay_in_the_range_that_is_shown(name):
    metric = bound(name)
    truth, _, noisy = data(name)
    low, high = ranges.span(name)
    assert metric.best == (high if metric.direction == "max" else low)
    shuffled = np.random.default_rng(1).permutation(noisy)
    assert all(low <= score(metric, truth, one) <= high for one in (noisy, shuffled))
    assert ranges.span("metric.py:score") == (-np.inf, np.inf)


@pytest.mark.parametrize("name", NAMES)
def test_replicates_scatter_around_the_score(name):
    metric = bound(name)
    truth, _, noisy = data(name)
    value, found = score(metric, truth, noisy), replicates(metric, truth, noisy, np.arange(60), seed=3)
    if isinstance(metric.way, RowMean):
        assert len(found) == 200
    assert len(found) >= 20
    assert found.std() > 0
    assert abs(found.mean() - value) < 0.6 * found.std()


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("mase", "owa")])  # their scale is per row
def test_a_replicate_is_the_metric_on_repeated_rows(name):
    metric = bound(name)
    truth, _, noisy = data(name)
    owners = np.arange(60) // 3
    draw = np.random.default_rng(5).integers(0, 20, size=(200, 20))[0]
    rows = np.concatenate([np.flatnonzero(owners == owner) for owner in draw])
    found = replicates(metric, truth, noisy, owners, seed=5)[0]
    assert found == pytest.approx(score(metric, truth[rows], noisy[rows]), abs=1e-9)


def test_few_owners_have_no_replicates_and_many_are_bounded():
    truth, _, noisy = data("rmse")
    assert len(replicates(get("rmse"), truth, noisy, np.arange(60) % 9)) == 0
    many = np.random.default_rng(0).normal(size=(50_000, 1))
    found = replicates(get("mae"), many, np.zeros_like(many), np.arange(50_000), seed=1)
    assert found.std() == pytest.approx(np.abs(many).std() / np.sqrt(50_000), rel=0.2)


def test_replicates_are_the_same_for_owners_named_by_text():
    truth, _, noisy = data("accuracy")
    owners = np.arange(60) // 2
    named = np.array([f"{owner:03d}" for owner in owners], dtype=object)
    first, second = (replicates(get("accuracy"), truth, noisy, who, seed=2) for who in (owners, named))
    assert (first == second).all()


def test_two_hundred_replicates_are_quick():
    rng = np.random.default_rng(0)
    truth, prediction = rng.integers(0, 20, 6000), rng.random((6000, 20))
    for name, limit in (("log_loss", 0.06), ("accuracy", 0.06), ("f1_macro", 1.8), ("roc_auc_ovr_macro", 1.8)):
        took = []
        for _ in range(5):  # the quickest: others may need the machine, and all threads of this process count
            start = time.process_time()
            replicates(get(name), truth, prediction, np.arange(6000))
            took.append(time.process_time() - start)
        assert min(took) < limit, name


def test_a_row_of_zeros_is_wrong_for_every_class():
    truth = np.array([0, 1, 0, 1])
    prediction = np.array([[1.0, 0], [0, 1], [0, 0], [0, 0]])
    assert score(get("accuracy"), truth, prediction) == 0.5
    assert score(get("balanced_accuracy"), truth, prediction) == 0.5
    assert score(get("map@2"), truth, prediction) == 0.5
    assert score(get("f1"), truth, prediction) == pytest.approx(2 / 3)
    assert score(get("f1_macro"), truth, prediction) < 1
    assert score(get("mcc"), truth, prediction) < 1


def test_an_undefined_score_is_a_clear_error():
    with pytest.raises(TaskError, match="roc_auc is undefined"):
        score(get("roc_auc"), np.zeros(5, dtype=int), np.random.default_rng(0).random((5, 2)))


# --- the registry ----------------------------------------------------------------------------------


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(TaskError, match=r"did you mean .*roc_auc"):
        get("rocauc")
    with pytest.raises(TaskError, match=r"metric\.py:score"):
        get("zzzzzz")


@pytest.mark.parametrize(
    ("name", "predicts", "targets", "classes", "why"),
    [
        ("accuracy", "label", 1, 3, None),
        ("accuracy", "value", 1, 0, "class labels"),
        ("rmse", "label", 1, 3, "numbers"),
        ("rmse", "value", 2, 0, None),
        ("roc_auc", "probability", 1, 2, None),
        ("roc_auc", "probability", 1, 3, "at most 2 classes"),
        ("roc_auc", "probability", 3, 0, "1 target"),
        ("mean_columnwise_roc_auc", "probability", 3, 0, None),
        ("roc_auc_ovr_macro", "probability", 1, 3, None),
        ("roc_auc_ovr_macro", "probability", 1, 2, "3 or more classes"),
        ("f1", "label", 1, 3, "2 classes"),
        ("log_loss", "probability", 1, 3, None),
        ("log_loss", "label", 1, 3, "probabilities"),
        ("map@3", "ranking", 1, 10, None),
        ("word_jaccard", "text", 1, 0, None),
        ("exact_match", "text", 1, 0, None),
    ],
)
def test_fits_says_why_not(name, predicts, targets, classes, why):
    reason = fits(get(name), predicts, targets, classes)
    assert reason is None if why is None else why in reason


def test_needs():
    assert "from -1 to 2" in get("rmsle").complaint(np.array([[-1.0], [2.0]]))
    assert get("rmsle").complaint(np.array([[0.0]])) is None
    assert get("rmse_log").complaint(np.array([[0.0]]))
    assert get("log_loss").complaint(np.array([[1.2]]))
    assert get("log_loss").complaint(np.array([[1 + 1e-9]])) is None
    assert get("roc_auc").complaint(np.array([[7.0]])) is None


# --- a user's own metric ---------------------------------------------------------------------------


def served(program: str, files: Mapping[str, bytes]) -> Answer:
    return Service(program, files).ask


OWN = "def score(truth, prediction, train):\n    return (truth['y'] == prediction['y']).mean() + 0 * len(train)\n"


def test_a_users_metric_sees_submissions(tmp_path: Path):
    (tmp_path / "metric.py").write_text(OWN)
    context = Context(
        columns=("y",), classes=("no", "yes"), predicts="label", train=pd.DataFrame({"y": ["no"]}),
        keys=pd.DataFrame({"id": range(4)}),
    )  # fmt: skip
    metric = in_context(load_custom(tmp_path, "metric.py:score", "max", served), context)
    truth, prediction = np.array([0, 1, 1, 0]), np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0, 0]])
    assert score(metric, truth, prediction) == 0.5
    assert replicates(metric, np.tile(truth, 5), np.tile(prediction, (5, 1)), np.arange(20)).mean() == pytest.approx(
        0.5, abs=0.1
    )


@pytest.mark.parametrize(
    ("code", "reference", "message"),
    [
        (None, "metric.py:score", "no file"),
        (OWN, "metric.py", "file.py:function"),
        (OWN, "../metric.py:score", "no file"),
        (OWN, "metric.py:points", "no function points"),
        ("raise OSError('no')", "metric.py:score", "fails when it is loaded: OSError"),
        ("def score(truth, prediction, train): return 'good'", "metric.py:score", "not a finite number"),
        ("def score(truth, prediction, train): return 1 / 0", "metric.py:score", "ZeroDivisionError"),
        ("import os\ndef score(*a): os._exit(3)", "metric.py:score", "it ended without an answer"),
        ("import os, sys\ndef score(*a): os.write(int(sys.argv[1]), b'x' * 99)", "metric.py:score", "bytes long"),
        ("raise ValueError('\\x1b[2J<b>')", "metric.py:score", r"ValueError: <b>"),
        ("open('/etc/passwd')", "metric.py:score", "No such file|Permission denied"),
        ("import os; os.mkdir('input/x')", "metric.py:score", "Read-only file system|Permission denied"),
    ],
)
def test_a_broken_metric_is_named(tmp_path: Path, code, reference, message):
    if code is not None:
        (tmp_path / "metric.py").write_text(code)
    with pytest.raises(TaskError, match=message):
        score(load_custom(tmp_path, reference, "max", served), np.array([[1.0]]), np.array([[1.0]]))


# --- names in descriptions -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sentence", "name"),
    [
        ("Classification accuracy, higher is better.", "accuracy"),
        ("Submissions are evaluated on the percentage of images correctly classified.", "accuracy"),
        ("Your score is the percentage of passengers you correctly predict. This is known as accuracy.", "accuracy"),
        ("The metric is accuracy.", "accuracy"),
        ("Evaluated on balanced accuracy.", "balanced_accuracy"),
        ("Submissions are evaluated using the F1 score.", "f1"),
        ("Macro F1, higher is better.", "f1_macro"),
        ("The macro-averaged F1-score is used.", "f1_macro"),
        ("Evaluated by F1 score (macro).", "f1_macro"),
        ("Evaluated with the F1 score averaged over all classes.", "f1_macro"),
        ("Submissions are scored by micro-averaged F1.", "f1_micro"),
        ("We use the weighted F1-score.", "f1_weighted"),
        ("Submissions are evaluated using the Matthews correlation coefficient (MCC).", "mcc"),
        ("Scored based on the quadratic weighted kappa, which measures agreement.", "quadratic_weighted_kappa"),
        ("Evaluated on area under the ROC curve between the predicted probability and the target.", "roc_auc"),
        ("Area Under the Receiver Operating Characteristic curve (ROC AUC)", "roc_auc"),
        ("Submissions are evaluated on AUC.", "roc_auc"),
        ("Evaluated on the mean column-wise ROC AUC: the average of the individual AUCs.", "mean_columnwise_roc_auc"),
        ("mean column wise AUC", "mean_columnwise_roc_auc"),
        ("The score is the ROC AUC of each target, averaged.", "mean_columnwise_roc_auc"),
        ("One-vs-rest macro-averaged ROC AUC", "roc_auc_ovr_macro"),
        ("Average precision, higher is better.", "average_precision"),
        ("multi-class logarithmic loss", "log_loss"),
        ("Evaluated using log loss between predictions and the truth.", "log_loss"),
        ("Cross-entropy, lower is better", "log_loss"),
        ("mean column-wise log loss", "mean_columnwise_log_loss"),
        ("The Brier score of the probabilities.", "brier"),
        ("Root Mean Squared Error (RMSE)", "rmse"),
        ("RMSE of the logarithm of the price", "rmse_log"),
        ("Root-Mean-Squared-Error (RMSE) between the logarithm of the predicted value and of the price.", "rmse_log"),
        ("root mean squared error between the natural logarithm of predicted and true", "rmse_log"),
        ("Root Mean Squared Logarithmic Error", "rmsle"),
        ("Submissions are evaluated with the RMSLE.", "rmsle"),
        ("RMSLE of each target, averaged", "mean_columnwise_rmsle"),
        ("column-wise root mean squared logarithmic error, that is mean column-wise RMSLE", "mean_columnwise_rmsle"),
        ("MCRMSE, the mean columnwise root mean squared error", "mean_columnwise_rmse"),
        ("Mean absolute error, lower is better.", "mae"),
        ("Submissions are evaluated on MAE.", "mae"),
        ("Mean Absolute Percentage Error", "mape"),
        ("Symmetric mean absolute percentage error (sMAPE)", "smape"),
        ("The coefficient of determination (R2)", "r2"),
        ("Evaluated on the Pearson correlation coefficient", "pearson"),
        ("Spearman's rank correlation", "spearman"),
        ("Mean Average Precision @ 3 (MAP@3)", "map@3"),
        ("evaluated according to the mean average precision at 5", "map@5"),
        ("word-level Jaccard score", "word_jaccard"),
        ("Exact-match accuracy, higher is better.", "exact_match"),
        ("Mean absolute scaled error (MASE)", "mase"),
        ("Overall weighted average (OWA): 0.5 * (sMAPE / 18 + MASE / 2); sMAPE is a mean, MASE is one too.", "owa"),
        ("Not plain accuracy but the F1 score, macro averaged.", "f1_macro"),
    ],
)
def test_a_description_names_its_metric(sentence, name):
    text = f"# A task\n\nPredict things with little error.\n\n## Metric\n{sentence}\n\n## Submission\nA csv file.\n"
    assert named_in(text)[0] == (name, sentence)


def test_a_metric_section_weighs_more_than_prose():
    text = "# Loan\nOthers had log loss and RMSE.\n\n## Evaluation\nBalanced accuracy.\n\n## Data\nAn MAE is nice.\n"
    assert [name for name, _ in named_in(text)] == ["balanced_accuracy", "log_loss", "rmse"]


def test_everyday_words_in_prose_name_nothing():
    text = "# Sensors\nA loss of signal, an error of the accuracy of the gauge, f1 drivers on a map of R2.\n"
    assert named_in(text) == []


def test_a_phrase_may_run_over_two_lines():
    assert named_in("## Metric\nThe root mean\nsquared error.")[0][0] == "rmse"
