"""Whether a task that was programmed judges what it should: its score tells a perfect submission from a poor one.

Tried on one fold, on the way that every job's submission takes: written to a file, read, aligned, scored.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlestar.errors import TaskError
from mlestar.tasks.judge import read_submission
from mlestar.tasks.matching import match
from mlestar.tasks.sides import Side, form
from mlestar.tasks.source import Source

SHUFFLES = 10  # tried until one is worse: few rows, or few kinds of answers, may be shuffled into what they were
_ROUNDING = 1e-9
Array = NDArray[Any]
Score = Callable[[Array], float]


def is_programmed(source: Source) -> bool:
    """Whether what is asked, or how it is scored, is somebody's program."""
    return source.kind == "custom" or ".py:" in source.metric


def self_check(source: Source, fold: Side, real: Side, score: Score, seed: int) -> str:
    """Evidence in one line: what a perfect submission, the sample and shuffled answers score on the fold.

    Raises TaskError when the sample is not a valid submission, or the perfect one is not the best of them.
    """
    _read(source, real, _filled(source, source.sample.frame.astype(str)), f"the sample, {source.sample.name},")
    right = _right(source, fold)
    perfect = _scored(source, fold, right, score, "a perfect submission")
    sample = _scored(source, fold, _filled(source, fold.sample.astype(str)), score, "the sample")
    sign = 1 if source.direction == "max" else -1
    way = "higher" if source.direction == "max" else "lower"
    said = f"by {source.metric} ({way} is better) a perfect submission scores {perfect:.6g}, the sample {sample:.6g}"
    slack = _ROUNDING * max(1.0, abs(perfect))
    if sign * (sample - perfect) > slack:
        raise TaskError(f"self-check: {said}: the perfect one should be the best. {_mend(source)}")
    shuffled = None
    for answers in _shuffled(source, right, seed):
        shuffled = _scored(source, fold, answers, score, "a shuffled submission")
        if sign * (shuffled - perfect) > slack:
            raise TaskError(f"self-check: {said}, a shuffled one {shuffled:.6g}: it should be worse. {_mend(source)}")
        if sign * (perfect - shuffled) > slack:
            return f"self-check: {said}, a shuffled one {shuffled:.6g}"
    if shuffled is None:
        raise TaskError(f"self-check: all answers of a fold are the same, {right.iloc[0].tolist()}: nothing to predict")
    raise TaskError(f"self-check: {said}, and shuffled ones the same: the score tells nothing. {_mend(source)}")


def _right(source: Source, side: Side) -> pd.DataFrame:
    """A submission that is right in every row, as texts."""
    truth, columns = side.truth, list(source.prediction_columns)
    if truth is None:
        raise ValueError("this side has no labels")
    if source.predicts in ("label", "ranking"):
        values: Array = np.array(source.classes, dtype=object)[truth][:, None]
    elif truth.ndim == 1 and truth.dtype != object:  # probabilities of classes
        values = np.eye(max(2, len(columns)))[truth][:, -len(columns) :]
    else:
        values = truth.reshape(len(truth), -1)
    frame = side.sample.astype(str)
    for place, column in enumerate(columns):
        frame[column] = [str(value) for value in values[:, place].tolist()]
    return frame


def _shuffled(source: Source, right: pd.DataFrame, seed: int) -> Iterator[pd.DataFrame]:
    """The right answers in wrong rows; what is the same all the same is left out."""
    columns = list(source.prediction_columns)
    for number in range(SHUFFLES):
        frame = right.copy()
        order = np.random.default_rng([seed, 5, number]).permutation(len(right))
        frame[columns] = right[columns].iloc[order].to_numpy()
        if not frame.equals(right):
            yield frame


def _filled(source: Source, sample: pd.DataFrame) -> pd.DataFrame:
    """A sample whose answers mean nothing (empty, or a label that is none) with an answer that means something."""
    frame = sample.copy()
    for column in source.prediction_columns:
        known = frame[column] != ""
        if source.predicts in ("label", "ranking"):
            known &= match(frame[column].tolist(), source.classes) >= 0
            frame[column] = frame[column].where(known, source.classes[0])
        elif source.predicts != "text":
            frame[column] = frame[column].where(known, "0.5")
    return frame


def _scored(source: Source, side: Side, frame: pd.DataFrame, score: Score, what: str) -> float:
    prediction = _read(source, side, frame, what)
    try:
        return score(prediction)
    except TaskError as error:
        raise TaskError(f"self-check: {what} cannot be scored: {error}") from None


def _read(source: Source, side: Side, frame: pd.DataFrame, what: str) -> Array:
    with tempfile.TemporaryDirectory(prefix="mle-star-") as scratch:
        frame.to_csv(Path(scratch) / "submission.csv", index=False)
        found = read_submission(Path(scratch), form(source, side))
    if isinstance(found, str):
        raise TaskError(f"self-check: {what} is not valid: {found}")
    return found


def _mend(source: Source) -> str:
    file, _, name = source.metric.partition(":")
    if name:
        return f"Mend {name}(truth, prediction, train) in {file}, or `direction` in task.toml"
    return "Mend the targets that tables(folder) in task.py gives, or `metric` in task.toml"
