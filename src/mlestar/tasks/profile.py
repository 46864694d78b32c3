"""The profile: what a brain may know of a task, from search rows and the test table only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from mlestar.ports import Rows
from mlestar.records import Asset, Column, Profile
from mlestar.tasks.days import dated
from mlestar.tasks.infer_columns import numbers
from mlestar.tasks.infer_files import heads
from mlestar.tasks.infer_series import names
from mlestar.tasks.molten import sizes
from mlestar.tasks.numerals import MISSING, pointed
from mlestar.tasks.profile_kinds import blank, kind_of
from mlestar.tasks.rowfiles import paths
from mlestar.tasks.source import Source
from mlestar.tasks.tables import texts

_EXAMPLES = 3
_LOOK = 2000  # rows that tell whether targets are pieces of a column
_NATIVE = 1000  # native cells of each table that are looked at for being lists
_EXAMPLE_LENGTH = 120
_FILES, _BEGINNING = 20, 1200  # rows whose files are looked for, bytes of the one that is shown
_BINARY = {chr(i) for i in range(32)} - set("\t\n\r\f")


def profile(source: Source, rows: Rows) -> Profile:
    """Describe `source` as seen from the training rows at positions `rows` and the test table.

    No statistic, example or class share comes from any other training row. `classes` are the task's:
    the labels that a submission may hold.
    """
    train, test = source.train.frame, source.test.frame
    seen = train.iloc[rows]
    minimum, maximum, skew, integer = _target_statistics(source, seen)
    return Profile(
        name=source.folder.resolve().name,
        kind="table" if source.kind == "custom" else source.kind,  # what scripts see of it are tables
        description=source.description,
        train=source.train.name,
        test=source.test.name,
        sample=source.sample.name,
        id=source.pixels.id if source.pixels else source.id,
        target=source.target,
        predicts=source.predicts,
        prediction_columns=source.prediction_columns,
        classes=source.classes,
        metric=source.metric,
        direction=source.direction,
        split=source.split,
        rows=len(seen),
        test_rows=len(test),
        columns=() if source.pixels else _columns(source, seen),
        assets=tuple(replace(asset, example=_beginning(source, asset, seen)) for asset in source.assets),
        train_only=source.train_only,
        other_files=source.other_files,
        target_minimum=minimum,
        target_maximum=maximum,
        target_skew=skew,
        class_shares=_class_shares(source, seen),
        integer_target=integer,
        warnings=source.warnings,
        series=source.series,
        time=source.time,
        **_lengths(source, seen),
        target_within=_within(source, seen),
        pixels=source.pixels,
        dialects=_dialects(source),
        commas=source.commas,
        day_first=source.train.day_first,
        pixel_count=sum(rows * columns for rows, columns in sizes(seen)) if source.pixels else 0,
    )


def _dialects(source: Source) -> tuple[tuple[str, str, str], ...]:
    """Of the tables; () where train and test are as their names promise, numbers have points and dates no day first."""
    found = [table for table in (source.train, source.test, source.sample) if table.format in ("csv", "tsv")]
    usual = all(t.separator == t.plain().separator and t.encoding.startswith("utf-8") for t in found[:2])
    shown = dict.fromkeys((t.name, t.separator, t.encoding) for t in found)
    return () if usual and not source.commas and not source.train.day_first else tuple(shown)


def _lengths(source: Source, seen: pd.DataFrame) -> dict[str, int]:
    """How many series there are, and the median rows of one in these rows and in the test."""
    if not source.time:
        return {}
    past, future = (pd.Series(names(side, source.series)).value_counts() for side in (seen, source.test.frame))
    return {"series_count": len(past), "history": int(past.median()), "horizon": int(future.median())}


def _beginning(source: Source, asset: Asset, seen: pd.DataFrame) -> str:
    """How the file of the first of these rows that has one begins, if it is text."""
    for path in paths(asset.train, seen.head(_FILES)):
        if (source.folder / path).is_file():
            with (source.folder / path).open("rb") as file:
                head = file.read(_BEGINNING)
            try:
                text = head.decode("utf-8", "strict" if len(head) < _BEGINNING else "ignore")
            except UnicodeDecodeError:
                return ""
            return "" if set(text) & _BINARY else text
    return ""


def _columns(source: Source, seen: pd.DataFrame) -> tuple[Column, ...]:
    """Columns that train and test share; of id columns dates, codes with parts that recur, and what recurs itself."""
    test = source.test.frame
    together = len(source.id) > 1 and source.kind != "forecast"  # a store and a week name a row, and tell of it too
    found = []
    for name in heads(source.train):
        if name not in test.columns or name in source.target:
            continue
        values = pd.concat([texts(seen[name]), texts(test[name])], ignore_index=True)
        raw = pd.concat([seen[name].head(_NATIVE).astype(object), test[name].head(_NATIVE).astype(object)])
        column = describe(name, raw, dated(pointed(values, source.commas), source.train.day_first))
        told = column.kind == "date" or (column.kind == "code" and _tells(seen[name], test[name]))
        if name not in source.id or told or (together and not texts(seen[name]).is_unique):
            found.append(column)
    return tuple(found)


def _tells(mine: pd.Series[Any], other: pd.Series[Any]) -> bool:
    """Does some part of these ids recur on both sides, as in `0013_01`; nothing recurs in a running number."""
    sides = [texts(side).str.split(r"[\W_]+", regex=True, expand=True) for side in (mine, other)]
    return any(
        all(2 <= side[place].nunique() <= len(side) / 2 for side in sides)
        for place in range(min(side.shape[1] for side in sides))
    )


def describe(name: str, raw: pd.Series[Any], values: pd.Series[Any]) -> Column:
    """One column from its cells as text; `raw` are some of them as they are."""
    kind = kind_of(raw, values)
    distinct = pd.Series(values.unique(), dtype="str")
    empty = blank(distinct, MISSING if kind in ("number", "boolean", "date") else {""})
    known = distinct[~empty]
    examples = tuple(text[:_EXAMPLE_LENGTH] for text in known[:_EXAMPLES])
    low = high = None
    if kind == "number":
        parsed = numbers(known)
        low, high = float(parsed.min()), float(parsed.max())
    missing = float(values.isin(distinct[empty]).mean()) if empty.any() else 0.0
    return Column(name, kind, round(missing, 6), len(known), examples, low, high)


def _target_statistics(source: Source, seen: pd.DataFrame) -> tuple[float | None, float | None, float | None, bool]:
    """Least, greatest, largest skew of the targets, and whether all are whole; nothing for classes and text."""
    if source.classes or source.predicts == "text" or not len(seen) or not source.target:
        return None, None, None, False
    values = np.column_stack([numbers(pointed(texts(seen[c]), source.commas)).to_numpy() for c in source.target])
    centred = values - values.mean(axis=0)
    spread = values.std(axis=0)
    moments = (centred**3).mean(axis=0)[spread > 0] / spread[spread > 0] ** 3
    skew = float(moments[np.abs(moments).argmax()]) if len(moments) else 0.0
    return float(values.min()), float(values.max()), skew, bool((values % 1 == 0).all())


def _within(source: Source, seen: pd.DataFrame) -> str:
    """The column of which text targets are pieces in nine of ten rows, and less than the whole in many."""
    if source.predicts != "text" or len(source.target) > 1:
        return ""
    look = seen.sample(min(_LOOK, len(seen)), random_state=0)
    aims = texts(look[source.target[0]]).str.strip()
    for name in heads(source.train):
        if name in source.test.frame and name not in (*source.id, *source.target):
            pairs = list(zip(texts(look[name]), aims, strict=True))
            inside = sum(aim in cell for cell, aim in pairs)
            if inside >= 0.9 * len(pairs) > 0 and sum(aim == cell.strip() for cell, aim in pairs) <= 0.8 * inside:
                return name
    return ""


def _class_shares(source: Source, seen: pd.DataFrame) -> tuple[float, ...]:
    if not source.classes or not len(seen):
        return ()
    counts = texts(seen[source.target[0]]).value_counts(normalize=True)
    return tuple(float(counts.get(label, 0.0)) for label in source.classes)
