"""Windows of a forecast: fold k ends at origin k and predicts one window as long as the test (DESIGN.md §3, §4).

Fold 0 is the latest window before the sealed one, for runs that evaluate on few folds. Where all series end together
windows are of the calendar; else each series has its own, counted from its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlestar.errors import TaskError
from mlestar.ports import Rows
from mlestar.tasks.infer_columns import cells
from mlestar.tasks.infer_series import names
from mlestar.tasks.source import Source
from mlestar.tasks.tables import texts
from mlestar.tasks.times import moments

FEWEST_SERIES = 10  # with fewer, stretches of a window are what is resampled
_ENOUGH = 0.5  # of the series must be long enough for windows of the test's length


@dataclass(frozen=True, eq=False)
class Windows:
    """`window[i]` is 0 for the last window of row i's series, 1 for the one before; -1 where none holds the row."""

    window: Rows
    owners: Rows
    why: str


def windows(source: Source, count: int) -> Windows:
    """The last `count` windows of every series; raises TaskError where the series are too short for any."""
    if not source.time:
        raise TaskError(
            "split 'horizon' cannot be cut: no column of both tables is the time of series that the test continues; "
            "name it with `time =`, and with `series =` the columns that name a series, in task.toml."
        )
    series, when, theirs, later = _aligned(source)
    together = _together(series, when, theirs, later)
    if together:
        _, step = np.unique(when, return_inverse=True)
        age = step.max() - step
        length = np.full(series.max() + 1, len(np.unique(later)))
        known = np.full(series.max() + 1, step.max() + 1)
    else:
        age = _age(series, when)
        length = np.bincount(theirs[theirs >= 0], minlength=series.max() + 1)[: series.max() + 1]
        known = np.bincount(series, minlength=series.max() + 1)
    asked = length > 0
    full = known >= (count + 1) * length
    if full[asked].mean() < _ENOUGH:  # shorter windows, for all that hold them
        length = np.minimum(length, known // (count + 1))
    number = age // np.maximum(length, 1)[series]
    fits = (length > 0)[series] & (number < count) & (known[series] - (number + 1) * length[series] >= length[series])
    window = np.where(fits, number, -1)
    held = np.bincount(window[fits], minlength=count)
    if not held.all():
        raise TaskError(
            f"the series of {source.train.name} are too short for {count} windows and a history before them."
        )
    ends = "where all series end" if together else "where each series ends"
    why = f"windows of {int(np.median(length[asked]))} steps by {source.time!r}, counted back from {ends}"
    return Windows(window, _owners(series, age, length), why)


def _aligned(source: Source) -> tuple[Rows, NDArray[np.float64], Rows, NDArray[np.float64]]:
    """Series number and moment of training rows, then of test rows; -1 for a series that training lacks."""
    train, test = source.train.frame, source.test.frame
    known, places = np.unique(names(train, source.series).astype(str), return_inverse=True)
    other = names(test, source.series).astype(str)
    found = np.searchsorted(known, other).clip(max=len(known) - 1)
    theirs = np.where(known[found] == other, found, -1)
    both = [cells(source.train, source.time), cells(source.test, source.time)]
    when = moments(pd.concat(both, ignore_index=True))
    return places.reshape(-1), when[: len(train)], theirs, when[len(train) :]


def _together(series: Rows, when: NDArray[Any], theirs: Rows, later: NDArray[Any]) -> bool:
    """Whether the test begins at one time for nearly all its series, after everything that is known."""
    known = theirs >= 0
    first = pd.Series(later[known]).groupby(theirs[known]).min()
    return bool((first == first.mode().iloc[0]).mean() > 0.9 and first.median() > when.max())


def _age(series: Rows, when: NDArray[Any]) -> Rows:
    """How many later rows of its series there are for each row."""
    order = np.lexsort((-when, series))
    starts = np.flatnonzero(np.diff(series[order], prepend=-1))
    rank = np.arange(len(series)) - np.repeat(starts, np.diff(starts, append=len(series)))
    age = np.empty(len(series), np.intp)
    age[order] = rank
    return age


def _owners(series: Rows, age: Rows, length: Rows) -> Rows:
    """Series are what is resampled; of few series, stretches of each window."""
    count = int(series.max()) + 1
    if count >= FEWEST_SERIES:
        return series.astype(np.intp)
    pieces = -(-FEWEST_SERIES // count)
    part = (age % np.maximum(length, 1)[series]) * pieces // np.maximum(length, 1)[series]
    window = age // np.maximum(length, 1)[series]
    return (
        np.unique(np.column_stack([series, window, part]), axis=0, return_inverse=True)[1].reshape(-1).astype(np.intp)
    )


def in_order(source: Source) -> NDArray[np.float64] | None:
    """Places that sort training rows by series and time, where the test is sorted so; else None."""
    series, when, theirs, later = _aligned(source)
    if np.any((np.diff(later) <= 0) & (np.diff(theirs) == 0)):
        return None
    place = np.empty(len(series))
    place[np.lexsort((when, series))] = np.arange(len(series))
    return place


def counted(source: Source, column: str) -> int | None:
    """The first number of a test column that counts the steps of each series, 0 or 1; None where it counts nothing."""
    if not source.time:
        return None
    later = _aligned(source)[3]
    values = pd.to_numeric(texts(source.test.frame[column]), errors="coerce").to_numpy(float)
    steps = pd.Series(later).groupby(names(source.test.frame, source.series)).rank(method="first").to_numpy()
    return next((first for first in (0, 1) if np.array_equal(values, steps - 1 + first)), None)


def counts(source: Source, rows: Rows, first: int) -> list[str]:
    """The steps of held training rows, counted from `first` within each series."""
    series, when, _, _ = _aligned(source)
    ranks = pd.Series(when[rows]).groupby(series[rows]).rank(method="first")
    return [str(int(rank) - 1 + first) for rank in ranks]
