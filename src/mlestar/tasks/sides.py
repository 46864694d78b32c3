"""The test side of a view as the judge knows it: truth, owners, ids, and the metric bound to them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mlestar.errors import TaskError
from mlestar.ports import Array, Rows, Serve
from mlestar.tasks import metrics
from mlestar.tasks.judge import Form
from mlestar.tasks.numerals import pointed
from mlestar.tasks.scaling import METRICS
from mlestar.tasks.source import Source
from mlestar.tasks.tables import texts

_BOOLEANS = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0}


@dataclass(frozen=True, eq=False)
class Side:
    """One view's test rows, in the order of its test table. `truth` is None for the real view.

    `scale` and `reference` are what MASE and OWA need (`metrics.Context`).
    """

    truth: Array | None
    owners: Rows
    strata: Rows
    keys: pd.DataFrame
    sample: pd.DataFrame
    train: Rows
    scale: Array | None = None
    reference: tuple[float, float] | None = None

    def take(self, rows: Rows) -> Side:
        """The side with only some of its rows."""
        keys, sample = (frame.iloc[rows].reset_index(drop=True) for frame in (self.keys, self.sample))
        truth = None if self.truth is None else self.truth[rows]
        scale = None if self.scale is None else self.scale[rows]
        return Side(truth, self.owners[rows], self.strata[rows], keys, sample, self.train, scale, self.reference)


def joined(sides: list[Side]) -> Side:
    """Sides below each other; the train part is the first one's."""
    if len(sides) == 1:
        return sides[0]
    known = [side.truth for side in sides if side.truth is not None]
    scales = [side.scale for side in sides if side.scale is not None]
    references = [side.reference for side in sides if side.reference is not None]
    return Side(
        np.concatenate(known) if len(known) == len(sides) else None,
        np.concatenate([side.owners for side in sides]),
        np.concatenate([side.strata for side in sides]),
        pd.concat([side.keys for side in sides], ignore_index=True),
        pd.concat([side.sample for side in sides], ignore_index=True),
        sides[0].train,
        np.concatenate(scales) if len(scales) == len(sides) else None,
        (float(np.mean([r[0] for r in references])), float(np.mean([r[1] for r in references])))
        if references
        else None,
    )


def truth(source: Source, rows: Rows) -> Array:
    """True answers of training rows: class numbers (n,) int, else floats (n, k), or texts (n, k) as objects."""
    frame = source.train.frame.iloc[rows]
    if source.predicts == "text":
        return np.column_stack([texts(frame[column]).to_numpy(object) for column in source.target])
    if not source.classes:
        return np.column_stack([_numbers(source, frame[column]) for column in source.target])
    place = {label: number for number, label in enumerate(source.classes)}
    numbers = texts(frame[source.target[0]]).map(place)
    if numbers.isna().any():
        row = int(np.flatnonzero(numbers.isna())[0])
        label = texts(frame[source.target[0]]).iloc[row]
        raise TaskError(f"{source.train.name}: the label {label!r} of row {int(rows[row]) + 1} is none of the classes.")
    return numbers.to_numpy(np.intp)


def form(source: Source, side: Side) -> Form:
    """What a submission for the side must look like."""
    return Form(
        columns=tuple(str(column) for column in source.sample.frame.columns),
        rows=len(side.owners),
        output_columns=source.prediction_columns,
        predicts=source.predicts,
        classes=source.classes,
        id_columns=tuple(side.keys.columns),
        ids=tuple(tuple(side.keys[column]) for column in side.keys),
        echo_columns=source.echo_columns,
        day_first=source.train.day_first,
    )


def found_metric(source: Source, serve: Serve | None) -> metrics.Metric:
    """The task's metric, by its name, or the user's own, which needs `serve` to run in."""
    if ".py:" not in source.metric:
        return metrics.get(source.metric)
    if serve is None:
        raise TaskError(f"metric {source.metric!r} is a program of the user's: there is nothing to run it in")
    return metrics.load_custom(source.folder, source.metric, source.direction, serve)


def metric(found: metrics.Metric, source: Source, side: Side) -> metrics.Metric:
    """The task's metric, bound to the side where it is the user's own, MASE or OWA."""
    if side.truth is None and source.metric in METRICS:
        return found  # nothing is scored
    custom = ".py:" in source.metric
    context = metrics.Context(
        scale=side.scale,
        reference=side.reference,
        columns=source.prediction_columns,
        classes=source.classes,
        predicts=source.predicts,
        keys=side.keys if source.id else None,
        train=source.train.frame.iloc[side.train].reset_index(drop=True) if custom else None,
        part=hashlib.sha256(side.train.tobytes()).hexdigest() if custom else "",
    )
    return metrics.in_context(found, context)


def _numbers(source: Source, values: pd.Series[Any]) -> Array:
    words = pointed(texts(values), source.commas)
    numbers = pd.to_numeric(words, errors="coerce").fillna(words.str.strip().str.lower().map(_BOOLEANS).astype(float))
    if numbers.isna().any():
        row = int(np.flatnonzero(numbers.isna())[0])
        line = int(values.index[row]) + 1
        raise TaskError(
            f"{source.train.name}: target {values.name!r} is {words.iloc[row]!r} in row {line}, not a number."
        )
    return numbers.to_numpy(float)
