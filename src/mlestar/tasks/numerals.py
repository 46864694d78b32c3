"""Numbers written with a decimal comma, such as `3,5` or `1.234,5`: which columns hold them, and what they say.

A single comma before three digits may also stand between thousands (`1,234`). Then other cells of the column decide,
else the other columns of its table do, which is told; else nobody does, and the column stays text, which is told too.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, Literal

import pandas as pd

from mlestar.errors import TaskError
from mlestar.tasks.source import Table
from mlestar.tasks.tables import texts

MISSING = {"", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "none", "?", "<NA>"}
Reading = Literal["comma", "point", "either", "thousands", "dotted", "other"]
_LOOK = 200  # cells that tell most columns of words
_EXPONENT = r"([eE][+-]?\d+)?"
_COMMA = re.compile(r"[+-]?(?=[\d,])(\d{1,3}([.\s]\d{3})+|\d*)(,\d+)?" + _EXPONENT)
_POINT = re.compile(r"[+-]?(?=[\d.])([1-9]\d{0,2}(,\d{3})+|\d*)(\.\d*)?" + _EXPONENT)
_DOTTED = re.compile(r"[+-]?([1-9]\d{0,2}(\.\d{3})+|\d+)")  # perhaps points between thousands
_BETWEEN = re.compile(r"(?<=\d)[.\s](?=\d{3}(?!\d))")


def point(text: str) -> str:
    """`1.234,5` and `1 234,5` as `1234.5`: the mark between thousands goes, the comma becomes a point."""
    return _BETWEEN.sub("", text).replace(",", ".")


def pointed(values: pd.Series[Any], commas: Collection[str]) -> pd.Series[Any]:
    """The texts of a column, with decimal points where its name is among those of columns with decimal commas."""
    return values.map(point).astype("str") if values.name in commas else values


def as_in_task(table: Table, commas: Collection[str]) -> tuple[Table, tuple[str, ...]]:
    """New rows with decimal commas where the task has them, and what to say of points that were not taken for such."""
    frame, notes = table.frame.copy(), []
    for column in (c for c in commas if c in frame):
        native = not isinstance(frame[column].dtype, pd.StringDtype) and table.format not in ("csv", "tsv")
        reading = "point" if native else _reading([table], column)
        if reading == "point":
            frame[column] = texts(frame[column]).str.replace(".", ",", regex=False)
        elif reading == "dotted":
            notes.append(f"the points in {column!r}, such as {_shown([table], column)!r}, are read as standing between "
                         "thousands: the task's table has decimal commas")  # fmt: skip
    return replace(table, frame=frame), tuple(notes)


def decimal_commas(tables: Sequence[Table], apart: Collection[str], target: Collection[str]) -> tuple[
    tuple[str, ...], tuple[str, ...]
]:  # fmt: skip
    """Columns of csv and tsv tables whose numbers have decimal commas, and what to warn of; `apart` are left out.

    Raises TaskError where it cannot be said of a target.
    """
    kinds = {str(c): _reading(tables, str(c)) for c in tables[0].frame if c not in apart}
    named = {
        kind: [c for c, found in kinds.items() if found == kind] for kind in ("comma", "either", "dotted", "point")
    }
    commas, warnings = list(named["comma"]), []
    why = f"as those of {commas[0]!r} have" if commas else ""
    if not commas and named["either"] and tables[0].separator == ";" and not named["point"]:
        why = "as is usual where ; stands between cells"
    if why:
        commas += named["either"]
        warnings += [f"the commas in {c!r}, such as {_shown(tables, c)!r}, are read as decimal commas, {why}; write "
                     "numbers without marks between thousands if they are none" for c in named["either"]]  # fmt: skip
    if named["point"] and tables[0].separator == ",":
        warnings += [f"the commas in {c!r}, such as {_shown(tables, c)!r}, are read as decimal commas, though "
                     f"{named['point'][0]!r} has decimal points; write other marks between the parts of a list"
                     for c in named["comma"]]  # fmt: skip
    if named["comma"]:
        commas += named["dotted"]
        warnings += [f"the points in {c!r}, such as {_shown(tables, c)!r}, are read as standing between thousands, as "
                     f"{named['comma'][0]!r} has decimal commas; write a comma if they are decimal points"
                     for c in named["dotted"]]  # fmt: skip
    for column in (c for c, kind in kinds.items() if kind in ("either", "thousands") and c not in commas):
        told = _undecided(tables, column, kinds[column])
        if column in target:
            raise TaskError(f"{tables[0].name}: the target {told}")
        warnings.append(f"{told}; until then it is no number")
    return tuple(c for c in kinds if c in commas), tuple(warnings)


def _undecided(tables: Sequence[Table], column: str, kind: Reading) -> str:
    shown = _shown(tables, column)
    if kind == "thousands":
        return f"{column!r} has commas between thousands, such as {shown!r}: write its numbers without them"
    return (f"{column!r} has numbers such as {shown!r}, whose comma may be a decimal comma or stand between thousands: "
            f"write {shown.replace(',', '.')} or {shown.replace(',', '')}, and all of its numbers so")  # fmt: skip


def _shown(tables: Sequence[Table], column: str) -> str:
    """A cell that has a mark in it."""
    return next(cell for cell in _cells(tables, column) if "," in cell or "." in cell)


def _cells(tables: Sequence[Table], column: str) -> list[str]:
    """The distinct cells of a column in all tables that have it, those that are missing left out."""
    found = [texts(table.frame[column]).drop_duplicates() for table in tables if column in table.frame]
    return [cell for cell in pd.concat(found).str.strip().unique() if cell not in MISSING]


def _reading(tables: Sequence[Table], column: str) -> Reading:
    """How the numbers of a column are written; `other` where they have no mark, or are none."""
    first = tables[0].frame[column]
    if tables[0].format not in ("csv", "tsv") or pd.api.types.is_numeric_dtype(first.dtype):
        return "other"
    look = [cell for cell in texts(first.head(_LOOK)).str.strip() if cell not in MISSING]
    if not all(_COMMA.fullmatch(cell) or _POINT.fullmatch(cell) for cell in look):
        return "other"
    cells = _cells(tables, column)
    comma, english = all(map(_COMMA.fullmatch, cells)), all(map(_POINT.fullmatch, cells))
    with_comma = any("," in cell for cell in cells)
    if with_comma and (comma or english):
        return "either" if comma and english else "comma" if comma else "thousands"
    if not with_comma and any("." in cell for cell in cells):
        return "dotted" if all(map(_DOTTED.fullmatch, cells)) else "point" if english else "other"
    return "other"
