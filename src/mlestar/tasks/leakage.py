"""Is something too good to be true? Checks of the data itself, before any model (DESIGN.md §5).

A suspicion is a warning to people and to the leakage checker; it removes nothing by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from mlestar.ports import Array, Rows
from mlestar.records import Profile
from mlestar.tasks.infer_columns import numbers
from mlestar.tasks.numerals import pointed
from mlestar.tasks.source import Source
from mlestar.tasks.tables import texts

MOST_ROWS = 20_000
NEARLY = 0.998  # |2·AUC - 1| or |rank correlation| of one column by itself
ORDER = 0.35  # the same for the order of rows, or an id, which should tell nothing


def suspicions(source: Source, profile: Profile, rows: Rows) -> tuple[str, ...]:
    """What looks like a leak in the search rows, in words that begin with `leakage: `."""
    step = max(1, len(rows) // MOST_ROWS)
    some = np.sort(rows)[::step]
    frame = source.train.frame.iloc[some]
    goals = _goals(source, frame)
    found = []
    for column in profile.columns:
        strength = 0.0
        if column.name == source.time:
            continue  # a trend is no leak
        if column.kind == "number":
            strength = _strength(numbers(pointed(texts(frame[column.name]), source.commas)), goals)
        elif column.kind in ("category", "boolean"):
            strength = _purity(texts(frame[column.name]), goals)
        if strength >= NEARLY:
            found.append(f"{column.name!r} alone nearly gives the target")
    if not source.split.startswith(("time", "blocks", "horizon")) and _strength(pd.Series(some), goals) >= ORDER:
        found.append("the order of the training rows tells the target")
    for name in source.id:
        if name in frame and name != source.time and _strength(numbers(texts(frame[name])), goals) >= ORDER:
            found.append(f"the id {name!r} tells the target")
    return tuple(f"leakage: {text}" for text in found)


def _goals(source: Source, frame: pd.DataFrame) -> list[Array]:
    """The targets as numbers: one indicator per frequent class, or the values themselves; none for texts."""
    if source.classes:
        labels = texts(frame[source.target[0]])
        frequent = labels.value_counts()
        return [(labels == name).to_numpy(float) for name in frequent.index[:5] if frequent[name] >= 10]
    if source.predicts == "text":
        return []
    return [numbers(pointed(texts(frame[name]), source.commas)).to_numpy(float) for name in source.target]


def _strength(values: pd.Series[Any], goals: list[Array]) -> float:
    """The largest |rank correlation| with a goal; for an indicator it is |2·AUC - 1|, the rank-biserial one."""
    known = values.notna().to_numpy()
    best = 0.0
    for goal in goals:
        here = known & np.isfinite(goal)
        x, y = rankdata(values.to_numpy(float)[here]), goal[here]
        if len(y) < 30 or np.ptp(x) == 0 or np.ptp(y) == 0:
            continue
        if set(np.unique(y)) == {0.0, 1.0}:
            best = max(best, abs(2 * float(x[y == 1].mean() - x[y == 0].mean()) / len(y)))
        else:
            best = max(best, abs(float(np.corrcoef(x, rankdata(y))[0, 1])))
    return best


def _purity(values: pd.Series[Any], goals: list[Array]) -> float:
    """How much of an indicator's variance the groups of a column explain, where groups are not tiny."""
    if values.nunique() > len(values) / 10:
        return 0.0
    shares = []
    for goal in goals:
        means = pd.Series(goal).groupby(values.to_numpy()).transform("mean")
        spread = float(np.nanvar(goal))
        shares.append(float(np.nanvar(means)) / spread if spread > 0 else 0.0)
    return max(shares, default=0.0)
