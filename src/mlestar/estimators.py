"""scikit-learn's interface: `MLEStarClassifier` and `MLEStarRegressor`, each fit of which is a whole run."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted, column_or_1d, validate_data

from mlestar import api, config, given
from mlestar.errors import TaskError
from mlestar.tasks import frames, metrics

Array = NDArray[Any]
_FEWEST_ROWS = 10
_LISTED = 100  # rows that the task lists as its test part: a script needs some, and none of them is judged


class _Solved(BaseEstimator):  # type: ignore[misc]
    """What both have in common."""

    def __init__(
        self,
        *,
        brain: str | None = None,
        budget: str | float | None = None,
        seed: int = 0,
        jobs: int | None = None,
        metric: str | None = None,
        out: str | Path | None = None,
        settings: dict[str, Any] | None = None,
    ) -> None:
        self.brain = brain
        self.budget = budget
        self.seed = seed
        self.jobs = jobs
        self.metric = metric
        self.out = out
        self.settings = settings

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    @property
    def score_(self) -> api.Figure | None:
        """What the run says to expect, by its own metric."""
        check_is_fitted(self, "run_")
        return self.run_.score

    def _solve(self, frame: pd.DataFrame, target: pd.Series[Any], metric: str, split: str, labels: list[str]) -> None:
        """Make the task, and its run; one of the same content that has ended is taken as it is."""
        name = _free(frame, "target")
        train = frame.assign(**{name: target.to_numpy()})
        said = {"brain": self.brain, "budget": self.budget, "seed": self.seed, "jobs": self.jobs}
        made = config.load(None, **given.nested({**said, **(self.settings or {})}))
        content = [frames.digest(train), metric, split, *labels, made.model_dump_json(exclude={"jobs"})]
        key = hashlib.sha256("\0".join(content).encode()).hexdigest()[:16]
        run = api.Run(Path("runs" if self.out is None else self.out) / f"fit-{key}")
        if not (run.folder / "journal.db").exists():
            place = run.folder.with_name(f"{run.folder.name}-task") / type(self).__name__
            if not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                told = "the first training rows again, to have some to predict"
                test = frame.head(_LISTED).reset_index(drop=True)
                frames.lay(train, test, name, place, metric, split, told, tuple(labels))
            api.begin(run, place, made)
        elif run.state in ("interrupted", "paused", "stopped", "failed"):
            run.resume(progress=False)
        self.run_ = run.finish(progress=False) if run.state == "open" else run
        self._known: dict[str, pd.DataFrame] = {}

    def _checked(self, X: Any, reset: bool) -> pd.DataFrame:
        """X as a frame with named columns; a frame keeps its texts and categories. Raises ValueError as usual."""
        if isinstance(X, pd.DataFrame):
            validate_data(self, X, reset=reset, skip_check_array=True)
            named = X.set_axis(X.columns.map(str), axis=1).reset_index(drop=True)
            if min(named.shape) == 0 or (reset and len(named) < _FEWEST_ROWS):
                raise ValueError(
                    f"Found a frame with {len(X)} sample(s) and {X.shape[1]} feature(s) while at least 1 feature, and "
                    f"to fit {_FEWEST_ROWS} samples, are required"
                )
            return named
        least = _FEWEST_ROWS if reset else 1
        values = validate_data(
            self, X, reset=reset, dtype=None, ensure_all_finite="allow-nan", ensure_min_samples=least
        )
        if values.dtype == object:  # numbers in it become some, or say why not
            values = check_array(_plain(values), dtype=None, ensure_all_finite=False)
        return pd.DataFrame(values, columns=[f"x{i}" for i in range(values.shape[1])])

    def _answers(self, X: Any) -> pd.DataFrame:
        """The run's predictions for rows; those of the last rows are kept: two questions about them cost one."""
        check_is_fitted(self, "run_")
        frame = self._checked(X, reset=False)
        key = frames.digest(frame)
        if key not in self._known:
            self._known.clear()
            self._known[key] = self.run_.predict(frame)
        return self._known[key]


def expected_failed_checks(estimator: BaseEstimator) -> dict[str, str]:
    """Which of scikit-learn's checks an estimator may fail, and why: `check_estimator` takes it so.

    None with `brain="none"`: what is ours passes all. A solution that is searched for may do what these two forbid.
    """
    if getattr(estimator, "brain", None) == "none":
        return {}
    why = "a solution may look at all rows that it predicts at once, so a row's prediction can depend on the others"
    return dict.fromkeys(["check_methods_subset_invariance", "check_methods_sample_order_invariance"], why)


class MLEStarClassifier(ClassifierMixin, _Solved):  # type: ignore[misc]
    """A classifier that is a run: models are searched, refined and joined; `run_` tells all about it.

    `metric` is what the run goes by, log_loss unless set. With one for probabilities there is `predict_proba`, and
    `predict` is the likeliest class; with one for labels, such as accuracy, there is `predict` only. The other
    parameters are those of `mlestar.solve`; `settings` is a dictionary of all others. `brain="none"` fits the quick
    first solution and nothing more. Runs are kept in `out` (default `runs`), under a digest of data and settings: a fit
    to the same content takes up the run that is there.

    `predict` runs the best solution, which is fitted anew on all training rows: seconds, not microseconds. A solution
    may look at all rows that it predicts at once (to count categories, say), so a row's prediction can depend on
    the others.
    """

    def fit(self, X: Any, y: Any) -> MLEStarClassifier:
        """Solve: a whole run. X is an array or a frame, in which texts, categories and missing cells may be."""
        frame = self._checked(X, reset=True)
        labels = _column(self, frame, y)
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("Classifier can't train when only one class is present: y has one class")
        words = [f"{_free(frame, 'class')}_{i}" for i in range(len(self.classes_))]
        target, name = pd.Series([words[code] for code in codes], dtype="str"), self.metric or "log_loss"
        _raising(lambda: self._solve(frame, target, name, "stratified", words if _of_chances(name) else []))
        return self

    def predict(self, X: Any) -> Array:
        """The likeliest class of each row."""
        found = self._answers(X)
        if len(found.columns) == 1:
            return np.asarray(self.classes_[[int(text.rpartition("_")[2]) for text in found.iloc[:, 0]]])
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])

    @available_if(lambda self: _of_chances(self.metric or "log_loss"))  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Array:
        """The chance of each class, in the order of `classes_`; each row adds up to 1."""
        chances = self._answers(X).to_numpy(dtype=float).clip(0.0)
        sums = chances.sum(axis=1, keepdims=True)
        return np.where(sums > 0, chances / np.where(sums > 0, sums, 1.0), 1.0 / chances.shape[1])


class MLEStarRegressor(RegressorMixin, _Solved):  # type: ignore[misc]
    """A regressor that is a run: models are searched, refined and joined; `run_` tells all about it.

    `metric` is what the run goes by, rmse unless set. All else is as with `MLEStarClassifier`.
    """

    def fit(self, X: Any, y: Any) -> MLEStarRegressor:
        """Solve: a whole run. X is an array or a frame, in which texts, categories and missing cells may be."""
        frame = self._checked(X, reset=True)
        values = _column(self, frame, y).astype(float)
        _raising(lambda: self._solve(frame, pd.Series(values), self.metric or "rmse", "random", []))
        return self

    def predict(self, X: Any) -> Array:
        """A number for each row."""
        return self._answers(X).iloc[:, 0].to_numpy(dtype=float)


def _of_chances(metric: str) -> bool:
    """Whether a metric is for probabilities; an unknown name is for nothing, and `fit` says so."""
    try:
        return "probability" in metrics.get(metric).forms
    except TaskError:
        return False


def _column(estimator: BaseEstimator, frame: pd.DataFrame, y: Any) -> Array:
    """y in one dimension, as long as X, with nothing missing."""
    if y is None:
        raise ValueError(f"This {type(estimator).__name__} estimator requires y to be passed, but the target y is None")
    values = np.asarray(column_or_1d(y, warn=True))
    check_consistent_length(frame, values)
    if pd.isna(values).any() or (values.dtype.kind == "f" and not np.isfinite(values).all()):
        raise ValueError("Input y contains NaN, infinity or None: leave these rows out")
    return values


def _plain(values: Array) -> Array:
    """Numbers where all cells are numbers, else what they are; raises TypeError for cells that are neither."""
    odd = next((v for v in values.ravel() if not isinstance(v, str | int | float | bool | np.generic | None)), None)
    if odd is not None:
        raise TypeError(f"argument must be a string or a number, not {type(odd).__name__!r}")
    try:
        return values.astype(float)
    except (ValueError, TypeError):
        return values


def _free(frame: pd.DataFrame, name: str) -> str:
    """A name with which no column begins."""
    while any(column.startswith(name) for column in frame.columns):
        name = f"_{name}"
    return name


def _raising(work: Any) -> None:
    """A broken task is a wrong X or y here, which is a ValueError to scikit-learn."""
    try:
        work()
    except TaskError as error:
        raise ValueError(str(error)) from error
