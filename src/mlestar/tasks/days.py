"""Dates written with the day or the month first, such as `31/01/2024`: which columns have the day first.

Where all cells of a column leave it open (`01/02/2024`), the other columns of the table decide; else the
day is first where points stand between, the month elsewhere. What was concluded so is told. Two digits at the end are
a year where they cannot be days, or vary less than the days.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

import pandas as pd

from mlestar.tasks.numerals import MISSING
from mlestar.tasks.source import Table
from mlestar.tasks.tables import texts

_LOOK = 200  # cells that tell most columns that are no dates
_START = re.compile(r"\s*(\d{1,2})([-/.])(\d{1,2})[-/.]([12]\d{3}|\d{2})(?![-/.]?\d)")
_YEAR_FIRST = re.compile(r"[12]\d{3}-\d{1,2}-\d{1,2}(?!\d)")
_TURN = 69  # years of two digits from here on are of the last century


def year_first(text: str) -> str:
    """`31.01.2024 9:00` as `2024-01-31 9:00`, and `31.01.24` as `2024-01-31`."""
    found = _START.match(text)
    if not found:
        return text
    day, _, month, year = found.groups()
    century = "" if len(year) > 2 else "20" if int(year) < _TURN else "19"
    return f"{century}{year}-{month}-{day}{text[found.end() :]}"


def dated(values: pd.Series[Any], days: Collection[str]) -> pd.Series[Any]:
    """The texts of a column, with the year first where its name is among those of columns with the day first."""
    return values.map(year_first).astype("str") if values.name in days else values


def day_first(tables: Sequence[Table], apart: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Columns of csv and tsv tables whose dates have the day first, and what to warn of; `apart` are left out."""
    found = {str(c): _order(tables, str(c)) for c in tables[0].frame if c not in apart}
    sure = {order for order, _ in found.values() if order in ("day", "month")}
    days, warnings = [], []
    for column, (order, shown) in found.items():
        if order in ("points", "open"):
            first = next(iter(sure)) if len(sure) == 1 else "day" if order == "points" else "month"
            warnings.append(f"dates of {column!r}, such as {shown!r}, leave open whether the day or the month comes "
                            f"first: the {first} is taken; write them as 2024-01-31 if that is wrong")  # fmt: skip
            order = first
        days += [column] if order == "day" else []
    return tuple(days), tuple(warnings)


def _order(tables: Sequence[Table], column: str) -> tuple[str, str]:
    """`day` or `month` first, `points` or `open` where the cells leave it open; empty for no such dates. And a cell."""
    first = tables[0].frame[column]
    if tables[0].format not in ("csv", "tsv") or pd.api.types.is_numeric_dtype(first.dtype):
        return "", ""
    look = _open(texts(first.head(_LOOK)))
    if not look or not all(map(_START.match, look)):
        return "", ""
    cells = pd.concat([texts(table.frame[column]) for table in tables if column in table.frame])
    parts = [_START.match(cell) for cell in _open(cells)]
    known = [part for part in parts if part is not None]
    ones, twos = {int(part[1]) for part in known}, {int(part[3]) for part in known}
    both = ones | twos
    if len(known) < len(parts) or min(both) < 1 or max(both) > 31 or (max(ones) > 12 and max(twos) > 12):
        return "", ""
    short = {int(part[4]) for part in known if len(part[4]) == 2}
    if short and min(short) >= 1 and max(short) <= 31 and len(short) >= len(ones if max(ones) > 12 else twos):
        return "", ""  # perhaps the year is first
    if max(ones) > 12 or max(twos) > 12:
        return "day" if max(ones) > 12 else "month", look[0]
    return "points" if all(part[2] == "." for part in known) else "open", look[0]


def _open(cells: pd.Series[Any]) -> list[str]:
    """The distinct cells that are not missing, and no dates with the year first: some programs mix both."""
    return [cell for cell in cells.str.strip().unique() if cell not in MISSING and not _YEAR_FIRST.match(cell)]
