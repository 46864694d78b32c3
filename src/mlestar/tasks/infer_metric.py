"""What is to be predicted, in which form, and which metric judges it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mlestar.errors import TaskError
from mlestar.records import Direction, Predicts
from mlestar.tasks import metrics
from mlestar.tasks.infer_columns import Columns, cells, numbers
from mlestar.tasks.infer_files import Files, Findings
from mlestar.tasks.manifest import TaskEntry
from mlestar.tasks.numerals import pointed
from mlestar.tasks.source import Table

_MANY = 20  # so many distinct whole numbers, and labels are no longer the first guess
_DEFAULTS: dict[Predicts, str] = {
    "label": "accuracy",
    "probability": "log_loss",
    "value": "rmse",
    "ranking": "map@3",
    "text": "exact_match",
}
_KIN = {  # what a description means by the short name when there are several columns
    "log_loss": ("mean_columnwise_log_loss",),
    "roc_auc": ("roc_auc_ovr_macro", "mean_columnwise_roc_auc"),
    "f1": ("f1_macro",),
}


@dataclass(frozen=True)
class Form:
    """What a script predicts and how it is judged."""

    predicts: Predicts
    classes: tuple[str, ...]
    metric: str
    direction: Direction


def form(
    files: Files, columns: Columns, description: str, entry: TaskEntry, say: Findings, commas: Collection[str] = ()
) -> Form:
    """Decide the form by metric, target and sample together; raises TaskError when they do not fit.

    `commas` are columns with decimal commas.
    """
    truths = [_truth(files, column, commas) for column in columns.target]
    values = [pointed(truth, commas) for truth in truths]
    choice = _Choice(columns, truths, _possible(values, columns, _fractions(files, columns)))
    if entry.metric and ":" in entry.metric:
        name, direction, predicts = entry.metric, _own_direction(entry), choice.possible[0]
    else:
        name = _said(entry, choice) if entry.metric else _described(description, choice, say)
        direction, predicts = metrics.get(name).direction, choice.fit(name) or choice.possible[0]
    if entry.metric:
        say.evidence.append(f"metric: {name}, as task.toml says")
    _told_direction(description, name, direction, say)
    classes = choice.classes(predicts)
    if predicts in ("value", "probability") and not classes:
        _check_numbers(files, columns, values, name)
    _warn_labels(columns, truths, classes, say)
    say.evidence.append(f"form: {predicts}" + (f" over {len(classes)} classes" if classes else ""))
    return Form(predicts, classes, name, direction)


@dataclass(frozen=True)
class _Choice:
    """The forms that targets and sample allow, the likeliest first."""

    columns: Columns
    truths: list[pd.Series[Any]]
    possible: list[Predicts]

    def classes(self, predicts: Predicts) -> tuple[str, ...]:
        """The labels that this form predicts over; () for numbers and texts."""
        if self.columns.classes or len(self.truths) > 1:
            return self.columns.classes
        binary = predicts == "probability" and self.truths[0].nunique() == 2
        return _ordered(self.truths[0]) if binary or predicts in ("label", "ranking") else ()

    def fit(self, name: str) -> Predicts | None:
        """The first form that the metric fits; one for rankings is for rankings."""
        known, count = metrics.get(name), len(self.columns.target)
        forms = sorted(self.possible, key=lambda f: (f == "ranking") != ("ranking" in known.forms))
        return next((f for f in forms if not metrics.fits(known, f, count, len(self.classes(f)))), None)

    def refusal(self, name: str, source: str) -> TaskError:
        """Why the metric fits none of them."""
        kinds = f"{self.truths[0].nunique()} distinct values such as {self.truths[0].iloc[0]!r}"
        what = (
            f"{self.columns.target[0]!r} with {kinds}" if len(self.truths) == 1 else f"the {len(self.truths)} targets"
        )
        return TaskError(
            f"{source} the metric is {name}, which does not fit {what} and {len(self.columns.prediction)} column(s) to "
            f"fill (they allow {', '.join(self.possible)}); set `metric =` or `target =` below [task] in task.toml"
        )


def _truth(files: Files, column: str, commas: Collection[str]) -> pd.Series[Any]:
    values = answers(files.train, column, commas)
    if values.nunique() < 2:
        raise TaskError(f"{files.train.name}: the target {column!r} is constant ({values.iloc[0]!r}); nothing to learn")
    return values


def answers(table: Table, column: str, commas: Collection[str] = ()) -> pd.Series[Any]:
    """The cells of a target, as text. Raises TaskError where some are missing."""
    raw, values = table.frame[column], cells(table, column)
    missing = raw.isna()
    filled = values[values.str.strip() != ""]
    if len(filled) < len(values) and (numbers(pointed(filled, commas)).notna().all() or missing.any()):
        missing |= values.str.strip() == ""
    if missing.any():
        row = int(missing.to_numpy().argmax())
        raise TaskError(
            f"{table.name}: the target {column!r} is missing in {int(missing.sum())} rows, first in data row "
            f"{row + 1}; remove these rows"
        )
    return values


def _fractions(files: Files, columns: Columns) -> bool:
    """Does the sample show fractions, as for probabilities?"""
    shown = pd.concat([numbers(cells(files.sample, c)) for c in columns.prediction if c in files.sample.frame])
    return bool(shown.notna().all() and (shown % 1 != 0).any())


def _possible(truths: Sequence[pd.Series[Any]], columns: Columns, fractions: bool) -> list[Predicts]:
    """The forms that these targets allow, the likeliest first."""
    if columns.classes:
        return ["probability"]
    values = [numbers(truth) for truth in truths]
    numeric = all(bool(v.notna().all()) for v in values)
    share = numeric and all(bool(v.between(0, 1).all()) for v in values)
    if len(truths) > 1:
        return ["probability", "value"] if share else ["value"] if numeric else ["text"]
    distinct, whole = int(truths[0].nunique()), numeric and bool((values[0] % 1 == 0).all())
    if not numeric:
        if distinct > max(_MANY, len(truths[0]) // 2):
            return ["text", "label"]
        return (
            ["probability", "label"]
            if distinct == 2 and fractions
            else (["label", "probability", "ranking", "text"] if distinct == 2 else ["label", "ranking", "text"])
        )
    if not whole:
        return ["value", "probability"] if share else ["value"]
    if distinct == 2:
        return ["probability", "value", "label"] if fractions else ["label", "probability", "value"]
    if distinct > _MANY or fractions:
        return ["value", "label", "ranking"] if distinct <= len(truths[0]) // 2 else ["value"]
    return ["label", "value", "ranking"]


def _own_direction(entry: TaskEntry) -> Direction:
    if not re.fullmatch(r"[^:]+\.py:\w+", entry.metric or ""):
        raise TaskError(f"task.toml: metric = {entry.metric!r}: write a known name, or metric.py:score for your own")
    if entry.direction is None:
        raise TaskError(
            f'task.toml: metric = "{entry.metric}" needs `direction = "min"` or `direction = "max"` beside it'
        )
    return entry.direction


def _said(entry: TaskEntry, choice: _Choice) -> str:
    known = metrics.get(entry.metric or "")
    if entry.direction not in (None, known.direction):
        raise TaskError(f"task.toml: direction = {entry.direction!r}, but for {known.name} it is {known.direction!r}")
    if choice.fit(known.name) is None:
        raise choice.refusal(known.name, "task.toml says")
    return known.name


def _described(description: str, choice: _Choice, say: Findings) -> str:
    """The metric that the description names, or its form for several columns; else the usual one."""
    named = metrics.named_in(description)
    for name, line in [(kin, line) for first, line in named for kin in (first, *_KIN.get(first, ()))]:
        if choice.fit(name):
            say.evidence.append(f"metric: {name}, from the description: {line.strip()[:160]!r}")
            return name
    if named:
        raise choice.refusal(named[0][0], "the description says")
    likely = choice.possible[0]
    name = "roc_auc" if likely == "probability" and not choice.columns.classes else _DEFAULTS[likely]
    name = name if choice.fit(name) else _KIN[name][-1]
    say.evidence.append(f"metric: {name}, the usual one for this form")
    say.warnings.append(f"the description names no known metric: {name} is assumed; set `metric =` in task.toml")
    return name


def _check_numbers(files: Files, columns: Columns, truths: Sequence[pd.Series[Any]], name: str) -> None:
    for column, truth in zip(columns.target, truths, strict=True):
        bad = ~numbers(truth).abs().lt(float("inf"))
        if bad.any():
            row = int(bad.to_numpy().argmax())
            raise TaskError(
                f"{files.train.name}: the target {column!r} must be a number for {name}, but row {row + 1} of the data "
                f"holds {truth.iloc[row]!r} ({int(bad.sum())} such rows)"
            )


def _ordered(truth: pd.Series[Any]) -> tuple[str, ...]:
    """Labels in order: as numbers where all are, so that the larger is the positive one of two."""
    labels = sorted(truth.unique())
    values = numbers(pd.Series(labels, dtype="str"))
    if values.notna().all():
        labels = [label for _, label in sorted(zip(values.tolist(), labels, strict=True))]
    return tuple(labels)


def _warn_labels(columns: Columns, truths: Sequence[pd.Series[Any]], classes: tuple[str, ...], say: Findings) -> None:
    if not classes:
        return
    counts = truths[0].value_counts()
    single = sorted(str(label) for label in counts[counts == 1].index)
    if single:
        say.warnings.append(
            f"classes with a single training row: {', '.join(map(repr, single[:8]))} ({len(single)} of them)"
        )
    if "" in classes:
        say.warnings.append(f"the empty text is a label of {columns.target[0]!r} ({counts['']} rows)")
    absent = [label for label in classes if label not in counts.index]
    if absent:
        say.warnings.append(f"classes that no training row has: {', '.join(map(repr, absent[:8]))}")


def _section(description: str) -> str:
    """The text under headings that speak of the metric."""
    kept, inside = [], False
    for line in description.splitlines():
        if re.match(r"\s*(#+|\*\*)", line):
            inside = bool(re.search(r"metric|evaluat|scor", line, re.IGNORECASE))
        if inside:
            kept.append(line)
    return "\n".join(kept)


def _told_direction(description: str, name: str, direction: Direction, say: Findings) -> None:
    told = re.search(
        r"\b(lower|smaller|higher|larger|greater)\b[^.\n]{0,20}\bbetter\b", _section(description), re.IGNORECASE
    )
    if told and ("min" if told[1].lower() in ("lower", "smaller") else "max") != direction:
        say.warnings.append(f"the description says {told[0]!r}, but for {name} the direction is {direction!r}")
