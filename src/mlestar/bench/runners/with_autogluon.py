"""AutoGluon, `best_quality`, on what it is handed."""

import handed
from autogluon.tabular import TabularPredictor

NAMES = {
    "accuracy": "accuracy", "exact_match": "accuracy", "balanced_accuracy": "balanced_accuracy", "f1": "f1",
    "f1_macro": "f1_macro", "f1_micro": "f1_micro", "f1_weighted": "f1_weighted", "mcc": "mcc",
    "quadratic_weighted_kappa": "quadratic_kappa", "roc_auc": "roc_auc", "roc_auc_ovr_macro": "roc_auc_ovr_macro",
    "mean_columnwise_roc_auc": "roc_auc", "average_precision": "average_precision", "log_loss": "log_loss",
    "mean_columnwise_log_loss": "log_loss", "brier": "log_loss", "mae": "mean_absolute_error",
    "mean_columnwise_mae": "mean_absolute_error", "mape": "mean_absolute_percentage_error",
    "smape": "symmetric_mean_absolute_percentage_error", "r2": "r2", "pearson": "pearsonr", "spearman": "spearmanr",
    "owa": "mean_absolute_error", "mase": "mean_absolute_error",
}  # fmt: skip
BINARY = ("f1", "roc_auc", "average_precision")


def fit(train, test, spec, kind):
    """Class probabilities or values for the rows of `test`."""
    classes = train[handed.TARGET].nunique()
    problem = "regression" if kind == "values" else "binary" if classes == 2 else "multiclass"
    metric = NAMES.get(spec["metric"], "log_loss" if kind == "classes" else "root_mean_squared_error")
    if metric == "quadratic_kappa" and kind == "values":
        metric = "root_mean_squared_error"
    if problem == "multiclass" and metric in BINARY:
        metric = "log_loss"
    predictor = TabularPredictor(handed.TARGET, problem_type=problem, eval_metric=metric, path="models", verbosity=2)
    predictor.fit(
        train, presets="best_quality", time_limit=spec["seconds"], num_cpus=spec["cores"], num_gpus=0,
        ag_args_ensemble={"model_random_seed": spec["seed"]},
    )  # fmt: skip
    if kind == "values":
        return predictor.predict(test)
    odds = predictor.predict_proba(test)
    return handed.spread(odds, odds.columns, len(spec["classes"]))


if __name__ == "__main__":
    handed.main(fit)
