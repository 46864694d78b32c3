"""How the test relates to train, so that the split can imitate it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from mlestar.errors import TaskError
from mlestar.records import Predicts
from mlestar.tasks.infer_columns import Columns, cells, numbers
from mlestar.tasks.infer_files import Findings, heads, words
from mlestar.tasks.manifest import TaskEntry
from mlestar.tasks.source import Table

_TIMES = {
    "date",
    "time",
    "datetime",
    "timestamp",
    "year",
    "month",
    "week",
    "day",
    "hour",
    "period",
    "season",
    "t",
    "step",
}
_NEW = r"(?:new|unseen|unknown|held[- ]out|other|different)"
_NOT = (
    r"(?:are|is|were|do|does|have|has|did)(?: not|n't|n’t|\s+never)(?: been)? "
    r"(?:in|part|seen|present|appear|occur|contained|included)"
)


def split(
    train: Table,
    test: Table,
    columns: Columns,
    predicts: Predicts,
    classed: bool,
    description: str,
    entry: TaskEntry,
    say: Findings,
    told: str = "",
) -> str:
    """The kind of split, as DESIGN.md §3 writes it; several that fit are told, and the strictest is taken.

    `told` says which series the test continues, if it continues any.
    """
    if entry.split:
        column = entry.split.partition(":")[2]
        if column and column not in train.frame:
            raise TaskError(f"task.toml: split = {entry.split!r}, but {train.name} has no column {column!r}")
        say.evidence.append(f"split: {entry.split}, as task.toml says")
        return entry.split
    found = [
        *_told(train, test, columns, description),
        *([("horizon", told)] if told else _times(train, test, columns)),
        *_groups(train, test, columns),
    ]
    for kind, why in found:
        say.evidence.append(f"split: {kind}, because {why}")
    kinds = list(dict.fromkeys(kind for kind, _ in found))
    if len(kinds) > 1:
        say.warnings.append(f"several splits fit ({', '.join(kinds)}); {kinds[0]} is taken as the strictest")
    if kinds:
        return kinds[0]
    plain = "stratified" if classed and predicts in ("label", "ranking", "probability") else "random"
    say.evidence.append(f"split: {plain}, because no column tells test rows from training rows")
    return plain


def _features(train: Table, test: Table, columns: Columns) -> list[str]:
    return [c for c in heads(train) if c in test.frame and c not in columns.id and c not in columns.target]


def _told(train: Table, test: Table, columns: Columns, description: str) -> list[tuple[str, str]]:
    """Groups that the description calls new or unseen in the test."""
    found = []
    for column in heads(train):
        if column in (*columns.target, *columns.id):
            continue
        name = "[ _]".join(map(re.escape, words(column)))
        if len(name) < 3:
            continue
        many = rf"\b{name}(?:s|es)?\b"
        said = re.search(rf"\b{_NEW} `?{many}|{many}`?(?: that| who| which)? {_NOT}", description, re.I)
        values = cells(train, column)
        if not said or not 2 <= values.nunique() <= len(values) / 2:
            continue
        if column in test.frame and set(values) & set(cells(test, column)):
            continue  # the data say otherwise
        sentence = _sentence(description, *said.span())
        found.append((f"group:{column}", f"the description says {sentence[:160]!r}"))
    return found


def _sentence(text: str, start: int, end: int) -> str:
    """What stands around a place, up to the nearest full stops or ends of lines."""
    before = max(text.rfind(mark, 0, start) for mark in ".\n")
    after = min(at for at in (text.find(".", end), text.find("\n", end), len(text)) if at >= 0)
    return text[before + 1 : after].strip()


def _times(train: Table, test: Table, columns: Columns) -> list[tuple[str, str]]:
    """Time and block splits; an id counts only where it is a date, since numbers of rows grow with anything."""
    found = []
    ids = [c for c in columns.id if c in train.frame and c in test.frame and is_dates(train, c)]
    for column in (*ids, *_features(train, test, columns)):
        if not (time_named(column) or is_dates(train, column)):
            continue
        now, later = times_of(cells(train, column)), times_of(cells(test, column))
        if now is None or later is None or now.nunique() < 3:
            continue
        if later.min() > now.max():
            found.append((f"time:{column}", f"all test rows have {column!r} after the last training row"))
        elif _runs(now, later):
            found.append((f"blocks:{column}", f"by {column!r} the test is runs between runs of training rows"))
    return found


def _runs(now: pd.Series[Any], later: pd.Series[Any]) -> bool:
    """Far fewer runs along time than chance makes (Wald and Wolfowitz), with no time in both tables."""
    mine, other = np.unique(now.to_numpy()), np.unique(later.to_numpy())
    if len(other) < 4 or len(np.intersect1d(mine, other)):
        return False
    side = np.concatenate([np.zeros(len(mine)), np.ones(len(other))])[np.argsort(np.concatenate([mine, other]))]
    runs = 1 + int((np.diff(side) != 0).sum())
    return 4 <= runs < 0.5 * (1 + 2 * len(mine) * len(other) / len(side))


def _groups(train: Table, test: Table, columns: Columns) -> list[tuple[str, str]]:
    """Columns with values repeated in both tables and shared by none; the coarsest first."""
    found = []
    for column in _features(train, test, columns):
        mine, other = cells(train, column), cells(test, column)
        few, there = mine.nunique(), other.nunique()
        if not (2 <= few <= len(mine) / 2 and there <= len(other) / 2) or set(mine.unique()) & set(other.unique()):
            continue
        values = numbers(mine)
        if values.notna().mean() > 0.9 and (values.dropna() % 1 != 0).any():
            continue  # measurements are no names
        if few >= 5 or there >= 2:
            found.append(
                (few, f"group:{column}", f"{few} values of {column!r} in train and {there} in test share none")
            )
    return [(kind, why) for _, kind, why in sorted(found)]


def time_named(column: str) -> bool:
    """Whether a column's name says that it is a time."""
    return any(word in _TIMES or word.endswith(("date", "time")) for word in words(column))


def is_dates(table: Table, column: str) -> bool:
    """Texts that are dates, by the first of them: plain numbers are times only where their name says so."""
    values = cells(table, column)
    return dates(values[values.str.strip() != ""].head(200)) is not None


def times_of(values: pd.Series[Any]) -> pd.Series[Any] | None:
    """A column as numbers that grow with time; None when it is no time."""
    parsed = dates(values)
    if parsed is not None:
        return parsed
    as_number = numbers(values)
    return as_number if as_number.notna().all() else None


def dates(values: pd.Series[Any]) -> pd.Series[Any] | None:
    """Seconds since 1970 of texts such as `2014-03-01 12:00`; None unless all non-empty ones are dates."""
    filled = values[values.str.strip() != ""]
    looks = filled.head(50).str.contains(
        r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\d{1,2}:\d{2}|\d{4}-\d{2}$|[A-Za-z]{3,9} \d{1,2},? \d{4}"
        r"|\d{1,2}[- .][A-Za-z]{3,9}[- .,]+\d{2,4}"
    )
    if not len(filled) or not looks.all() or numbers(filled.head(50)).notna().any():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            parsed = pd.to_datetime(filled, errors="coerce", utc=True)
        except (ValueError, TypeError, OverflowError):
            return None
    if parsed.isna().any():
        return None
    return (parsed - pd.Timestamp("1970-01-01", tz="UTC")).dt.total_seconds()


def strictest(kinds: Sequence[str]) -> str:
    """The first of several that fit: said by the description, then by time, then by group."""
    return kinds[0]
