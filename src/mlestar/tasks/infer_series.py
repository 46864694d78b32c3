"""Series that the test continues: which columns name a series, which one is its time, and how forecasts are scaled.

A task is a forecast where every test row comes after all training rows of its own series. Series may be named by
several columns together (shop and item), or by none: then the whole table is one series.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlestar.errors import TaskError
from mlestar.tasks.infer_columns import Columns, cells
from mlestar.tasks.infer_files import Findings, heads
from mlestar.tasks.infer_split import is_dates, time_named, times_of
from mlestar.tasks.manifest import TaskEntry
from mlestar.tasks.source import Table
from mlestar.tasks.tables import texts

_MOST_KEYS = 3  # columns that together name a series
_MOST_CANDIDATES = 8
_FEWEST_STEPS = 5
_HOUR, _DAY = 3600.0, 86400.0
# A season's steps by the usual time between two steps, in seconds.
_SEASONS = ((_HOUR, 24), (_DAY, 7), (7 * _DAY, 52), (30.5 * _DAY, 12), (91.5 * _DAY, 4))


@dataclass(frozen=True)
class Series:
    """What makes a table a set of series. `keys` is empty where there is one series."""

    keys: tuple[str, ...]
    time: str


def series(train: Table, test: Table, columns: Columns, entry: TaskEntry) -> Series | None:
    """The series that the test continues, as task.toml says or as the tables tell; None where there are none."""
    named = [column for column in (*(entry.series or ()), entry.time) if column]
    if lost := [column for column in named if column not in train.frame or column not in test.frame]:
        raise TaskError(f"task.toml: {lost[0]!r} names series or their time, but is no column of both tables")
    if entry.time and entry.series is not None:
        return Series(entry.series, entry.time)
    shared = [c for c in heads(train) if c in test.frame and c not in columns.target]
    times = [entry.time] if entry.time else [c for c in shared if time_named(c) or is_dates(train, c)]
    for time in times:
        moments = _moments(train, test, time)
        if moments is None:
            continue
        others = [c for c in shared if c != time and c not in columns.id]
        for keys in [entry.series] if entry.series is not None else _candidates(train, test, others, moments):
            if _continues(train, test, keys, *moments):
                return Series(keys, time)
    return None


def _moments(train: Table, test: Table, time: str) -> tuple[pd.Series[Any], pd.Series[Any]] | None:
    now, later = times_of(cells(train, time)), times_of(cells(test, time))
    if now is None or later is None or len(now) < len(train.frame) or len(later) < len(test.frame):
        return None  # no times, or gaps in them
    return now, later


def _candidates(
    train: Table, test: Table, columns: Sequence[str], moments: tuple[pd.Series[Any], pd.Series[Any]]
) -> Iterator[tuple[str, ...]]:
    """Sets of columns that could name a series, the smallest first: values that recur, hardly any new in the test.

    What all of them together do not tell apart, or do not put in order, no fewer of them can.
    """
    yield ()
    known = {}
    for column in columns:
        values = cells(train, column)
        distinct = set(values.unique())
        if 2 <= len(distinct) <= len(values) / 3 and len(set(cells(test, column).unique()) - distinct) <= len(distinct):
            known[column] = len(distinct)
    likely = sorted(sorted(known, key=lambda c: -known[c])[:_MOST_CANDIDATES], key=columns.index)
    if likely and _ordered(names(train.frame, likely), names(test.frame, likely), *moments) is not None:
        for count in range(1, _MOST_KEYS + 1):
            yield from combinations(likely, count)


def _ordered(
    mine: NDArray[Any], other: NDArray[Any], now: pd.Series[Any], later: pd.Series[Any]
) -> tuple[int, int] | None:
    """How many series the test has, and how many of them train has too; None where a time comes twice or too early."""
    for owner, when in ((mine, now), (other, later)):
        if pd.DataFrame({"s": owner, "t": when.to_numpy()}).duplicated().any():
            return None
    first, last = later.groupby(other).min(), now.groupby(mine).max()
    shared = first.index.intersection(last.index)
    return (len(first), len(shared)) if (first[shared] > last[shared]).all() else None


def _continues(train: Table, test: Table, keys: Sequence[str], now: pd.Series[Any], later: pd.Series[Any]) -> bool:
    """Whether the test goes on, in several steps, where nearly all of its series end; and they are long enough."""
    mine, other = names(train.frame, keys), names(test.frame, keys)
    found = _ordered(mine, other, now, later)
    if found is None or found[1] < 0.8 * found[0] or (not keys and not _even(now)):
        return False
    return int(pd.Series(mine).value_counts().median()) >= _FEWEST_STEPS and len(later) >= 2 * found[0]


def _even(when: pd.Series[Any]) -> bool:
    """Whether one series goes on in mostly even steps: times of what happened at random are no series."""
    gaps = np.diff(np.sort(when.to_numpy(float)))
    usual = float(np.median(gaps)) if len(gaps) else 0.0
    return usual > 0 and float(np.mean(np.abs(gaps / usual - 1) < 0.15)) > 0.5


def names(frame: pd.DataFrame, keys: Sequence[str]) -> NDArray[Any]:
    """One text per row that names its series."""
    if not keys:
        return np.full(len(frame), "", dtype=object)
    joined = texts(frame[keys[0]])
    for key in keys[1:]:
        joined = joined + "\x1f" + texts(frame[key])
    return joined.to_numpy(object)


@dataclass(frozen=True)
class Scale:
    """How MASE and OWA scale: `season` is the lag of the naive step, `reference` sMAPE and MASE of OWA's reference."""

    season: int = 0
    reference: tuple[float, float] | None = None


def scale(found: Series, train: Table, metric: str, description: str, entry: TaskEntry, say: Findings) -> Scale:
    """The season and the reference scores that task.toml or the description tell; else the calendar's season."""
    if metric not in ("mase", "owa"):
        return Scale(entry.season or 0)
    text = re.sub(r"[*_`{}\\$]|frac", " ", description)
    told = re.search(r"(?:\blags?|\bm ?=|seasonal lag|\bperiod|seasonality|season length)\D{0,20}?(\d{1,4})\b", text)
    number = r"\s*/?\s*(\d+(?:\.\d+)?)"
    scores = re.search(rf"s ?MAPE{number}\s*\+\s*MASE{number}", text, re.IGNORECASE)
    reference = (float(scores[1]), float(scores[2])) if metric == "owa" and scores else None
    season, why = (int(told[1]), "the description says") if told else (_usual(found, train), "is usual for such steps")
    if entry.season:
        season, why = entry.season, "task.toml says"
    say.evidence.append(f"metric: errors are scaled by the naive step at lag {season} of the train part, as {why}")
    if metric == "owa":
        how = f"the constants {reference[0]:g} and {reference[1]:g}" if reference else "Naive2 on the same rows"
        say.evidence.append(f"metric: the reference scores of OWA (sMAPE and MASE) are {how}")
    return Scale(season, reference)


def _usual(found: Series, train: Table) -> int:
    """The season of the calendar for the usual step of dates: 24 hours, 7 days, 12 months; 1 for mere numbers."""
    if not is_dates(train, found.time):
        return 1
    when = times_of(cells(train, found.time))
    gaps = np.diff(np.unique(when.to_numpy(float))) if when is not None else np.empty(0)
    usual = float(np.median(gaps)) if len(gaps) else 0.0
    return next((season for length, season in _SEASONS if 0.9 * length <= usual <= 1.1 * length), 1)
