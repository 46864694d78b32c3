"""Which rows of a single table become the test: the rows to come relate to the known ones as the split says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlestar.errors import TaskError
from mlestar.tasks.infer_columns import cells, id_named, numbers
from mlestar.tasks.infer_files import heads
from mlestar.tasks.infer_split import is_dates, time_named, times_of
from mlestar.tasks.source import Table

SHARE = 0.2  # of the rows
_MOST = 0.5
_STRETCHES, _FEWEST_STRETCHES = 10, 6  # of blocks: one more than there are folds
Mask = NDArray[np.bool_]


def held(table: Table, target: str, split: str | None, seed: int) -> tuple[Mask, str]:
    """True for the rows of the test, about a fifth; and in words which they are.

    Raises TaskError naming the split, where a column cannot tell such rows.
    """
    kind, _, column = (split or "").partition(":")
    if column and (column not in table.frame or column == target):
        why = "is to be predicted" if column == target else f"is not a column of {table.name}"
        raise TaskError(f"--split {split}: {column!r} {why}")
    rng = np.random.default_rng(seed)
    if kind == "group" and column:
        return _groups(cells(table, column), rng, f"--split {split}")
    if (kind in ("time", "blocks") and column) or kind == "horizon":
        column = column or _only_time(table, target)
        when = _times(table, column, f"--split {split}")
        return _ends(when, column) if kind == "blocks" else _latest(when, cells(table, column), column)
    mask = np.zeros(len(table.frame), dtype=bool)
    mask[rng.permutation(len(mask))[: max(1, round(SHARE * len(mask)))]] = True
    return mask, "a random fifth of the table"


def row_number(table: Table, apart: tuple[str, ...]) -> tuple[str, str] | None:
    """A column that counts the rows, or that is called an id and rises; and why. None where there is none."""
    for column in (c for c in heads(table) if c not in apart and not time_named(c)):
        if not cells(table, column).str.fullmatch(r"\d{1,15}").all():
            continue
        steps = np.diff(numbers(cells(table, column)).to_numpy())
        shown = ", ".join(cells(table, column).head(3))
        if len(steps) and (steps == 1).all():
            return column, f"{column!r} counts the rows ({shown}, …)"
        if len(steps) and (steps > 0).all() and id_named(column):
            return column, f"{column!r} is called so, and rises from row to row ({shown}, …)"
    return None


def _times(table: Table, column: str, what: str) -> NDArray[np.float64]:
    found = times_of(cells(table, column))
    if found is None or len(found) < len(table.frame):
        raise TaskError(f"{what}: not all cells of {column!r} are dates or numbers, such as {_odd(table, column)!r}; "
                        "mend them, or choose another split")  # fmt: skip
    return found.to_numpy(float)


def _odd(table: Table, column: str) -> str:
    """A cell by which the column is no time, if one is."""
    values = cells(table, column)
    alone = (cell for cell in values.unique() if times_of(pd.Series([cell], dtype="str")) is None)
    return next(alone, str(values.iloc[0]))


def _only_time(table: Table, target: str) -> str:
    """The one column of times; raises TaskError where there is none, or more."""
    likely = [c for c in heads(table) if c != target and (time_named(c) or is_dates(table, c))]
    found = [c for c in likely if times_of(cells(table, c)) is not None]
    if len(found) != 1:
        what = f"{', '.join(map(repr, found))} all look" if found else "no column looks"
        raise TaskError(f"--split horizon: {what} like the time of a series; name it with --split time:COLUMN")
    return found[0]


def _latest(when: NDArray[np.float64], written: pd.Series[Any], column: str) -> tuple[Mask, str]:
    """The latest times, as many as come nearest to the share."""
    times, counts = np.unique(when, return_counts=True)
    after = np.cumsum(counts[::-1])[::-1] / len(when)  # the share of rows from each time on
    place = int(np.abs(after - SHARE).argmin())
    if after[place] > _MOST:
        raise TaskError(
            f"--split: {after[place]:.0%} of all rows have the latest time in {column!r}: no test can be held"
        )
    mask = when >= times[place]
    first = written.iloc[int(np.flatnonzero(when == times[place])[0])]
    return mask, f"the latest by `{column}`, from {first} on"


def _ends(when: NDArray[np.float64], column: str) -> tuple[Mask, str]:
    """The end of each of some stretches of time."""
    times = np.unique(when)
    count = min(_STRETCHES, int(len(times) * SHARE))
    if count < _FEWEST_STRETCHES:
        raise TaskError(f"--split blocks:{column}: it has {len(times)} distinct times; "
                        f"{round(_FEWEST_STRETCHES / SHARE)} are needed")  # fmt: skip
    ends = [part[-max(1, round(SHARE * len(part))) :] for part in np.array_split(times, count)]
    return np.isin(when, np.concatenate(ends)), f"the last fifth of each of {count} stretches along `{column}`"


def _groups(values: pd.Series[Any], rng: np.random.Generator, what: str) -> tuple[Mask, str]:
    """Whole groups, drawn at random, as many as do not pass the share by much; two at least are left."""
    groups, sizes = np.unique(values.to_numpy(str), return_counts=True)
    if len(groups) < 3:
        raise TaskError(f"{what}: {values.name!r} has {len(groups)} groups; 3 are needed, one of them for the test")
    most, chosen, rows = 1.25 * SHARE * len(values), list[str](), 0
    for place in rng.permutation(len(groups)):
        if rows + sizes[place] <= most and len(chosen) < len(groups) - 2:
            chosen.append(groups[place])
            rows += int(sizes[place])
    chosen = chosen or [groups[int(sizes.argmin())]]
    told = f"{len(chosen)} of the {len(groups)} groups of `{values.name}`, none of which is in train"
    return values.isin(chosen).to_numpy(), told
