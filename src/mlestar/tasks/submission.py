"""Reading what a job left in its folder, and writing the user's submission from it.

Whatever is wrong with a job's files is a reason (`str`), never an exception.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from mlestar.plain import word
from mlestar.records import Predicts
from mlestar.tasks.days import year_first
from mlestar.tasks.matching import match
from mlestar.tasks.untrusted import CELL_BYTES, as_texts, csv, exists, parquet, plain

Array = NDArray[Any]

SUBMISSIONS = ("submission.csv", "submission.csv.gz", "submission.parquet")
MEMBERS = "members.parquet"
SUBMISSION = "submission"
MOST_BYTES = 2 * 10**9
MOST_MEMBERS = 1000
_NAME = re.compile(r"[^\"'\\{}]{1,80}")  # it comes to stand in the text of a script
_BETWEEN = "\x1f"  # joins the parts of an id of several columns


@dataclass(frozen=True)
class Form:
    """What a submission must look like for one view.

    `columns` are the sample's, in order: id columns, `output_columns` (the script fills them) and
    `echo_columns`. `ids` has one tuple of texts per id column, in the row order of the view's test table
    (`rows` rows); () = rows are aligned by order. `classes` are the label texts in the order of a
    prediction's columns, for label, ranking and class probabilities. Ids that are dates with the day first may
    come back with the year first, as scripts read them.
    """

    columns: tuple[str, ...]
    rows: int
    output_columns: tuple[str, ...]
    predicts: Predicts
    classes: tuple[str, ...] = ()
    id_columns: tuple[str, ...] = ()
    ids: tuple[tuple[str, ...], ...] = field(default=(), repr=False)
    echo_columns: tuple[str, ...] = ()
    day_first: tuple[str, ...] = ()

    @property
    def prediction_columns(self) -> tuple[str, ...]:
        """What the columns of a prediction are called: classes, or the output columns."""
        return self.classes if self.predicts in ("label", "ranking") else self.output_columns

    @property
    def keys(self) -> list[str]:
        """One text per row that names it, or [] where rows are aligned by order."""
        return [_BETWEEN.join(parts) for parts in zip(*self.ids, strict=True)]


@dataclass(frozen=True)
class Members:
    """The predictions of `members.parquet`, and why others were skipped."""

    arrays: dict[str, Array]
    skipped: tuple[str, ...] = ()


# --- predictions -----------------------------------------------------------------------------------


def read_submission(folder: Path, form: Form) -> Array | str:
    """The submitted prediction, in the row order of the view's test table, or what is wrong with it.

    Labels become one-hot rows; a label that is none of the classes becomes a row of zeros, which is
    wrong whatever the truth. A ranking becomes 1, 1/2, 1/3 … in the order listed, up to the first
    label that is none of the classes. Texts are an object array (rows, k).
    """
    frame = read_rows(folder, form)
    if isinstance(frame, str):
        return frame
    outputs = frame[list(form.output_columns)]
    if form.predicts == "text":
        return outputs.to_numpy(dtype=object)
    if form.predicts == "label":
        return _one_hot(outputs.iloc[:, 0].tolist(), form)
    if form.predicts == "ranking":
        return _ranked(outputs.iloc[:, 0].tolist(), form)
    return _numbers(outputs)


def read_rows(folder: Path, form: Form) -> pd.DataFrame | str:
    """The submission's cells as texts, in the row order of the view's test table, or what is wrong with them."""
    frame = _table(folder, form)
    if isinstance(frame, str):
        return frame
    complaint = columns_wrong(frame, form)
    if complaint:
        return complaint
    order = _order(frame, form)
    return order if isinstance(order, str) else frame.iloc[order].reset_index(drop=True)


def columns_wrong(frame: pd.DataFrame, form: Form) -> str | None:
    found = [str(column) for column in frame.columns]
    # Echo columns are the harness's to write: a script may leave them out.
    needed = [*form.id_columns, *form.output_columns]
    missing = [column for column in needed if column not in found]
    unknown = [column for column in found if column not in form.columns]
    twice = sorted({column for column in found if found.count(column) > 1})
    for what, columns in (("lacks", missing), ("has the unknown", unknown), ("has twice the", twice)):
        if columns:
            return f"the submission {what} column {_some(columns)}; the sample has {_some(form.columns)}"
    return None


def _order(frame: pd.DataFrame, form: Form) -> Array | str:
    """Where each row of the view stands in the submission, or why that cannot be said."""
    if not form.id_columns:
        if len(frame) != form.rows:
            return f"the submission has {len(frame)} rows, but {form.rows} are asked for"
        return np.arange(form.rows)
    asked = [_year_first(form, column, cells) for column, cells in zip(form.id_columns, form.ids, strict=True)]
    given = [_year_first(form, column, frame[column].tolist()) for column in form.id_columns]
    given = _brought(given, asked)
    wanted, got = ([_BETWEEN.join(row) for row in zip(*parts, strict=True)] for parts in (asked, given))
    if len(set(wanted)) < len(wanted):
        same = got == wanted
        return (
            np.arange(form.rows) if same else "ids repeat in the test table, so the submission must keep its row order"
        )
    place = match(got, wanted)
    unknown = [got[row] for row in np.flatnonzero(place < 0)]
    order = np.full(form.rows, -1)
    order[place[place >= 0]] = np.flatnonzero(place >= 0)
    times = np.bincount(place[place >= 0], minlength=form.rows)
    repeated, missing = np.flatnonzero(times > 1), np.flatnonzero(times == 0)
    for what, ids in (
        ("unknown ids", unknown),
        ("ids more than once", [wanted[row] for row in repeated]),
        ("no row for ids", [wanted[row] for row in missing]),
    ):
        if ids:
            return f"the submission has {what}: {_some([text.replace(_BETWEEN, ' + ') for text in ids])}"
    return order


def _year_first(form: Form, column: str, cells: Sequence[str]) -> list[str]:
    return [year_first(cell) if column in form.day_first else cell for cell in cells]


def _brought(cells: list[list[str]], ids: list[list[str]]) -> list[list[str]]:
    """The id cells by column; with several id columns each is brought to the text that the test has."""
    if len(cells) == 1:
        return cells
    brought = []
    for texts, wanted in zip(cells, ids, strict=True):
        known = list(dict.fromkeys(wanted))
        places = match(texts, known)
        brought.append([text if place < 0 else known[place] for text, place in zip(texts, places, strict=True)])
    return brought


def _one_hot(texts: list[str], form: Form) -> Array | str:
    place = match(texts, form.classes)
    empty = [row for row in np.flatnonzero(place < 0) if texts[row] == ""]
    if empty:
        return f"the submission has no label in {len(empty)} rows, first {_row(int(empty[0]), form)}"
    if (place < 0).all():
        return f"no label of the submission ({_some(texts)}) is one of the classes ({_some(form.classes)})"
    return np.vstack([np.eye(len(form.classes)), np.zeros(len(form.classes))])[place]


def _ranked(texts: list[str], form: Form) -> Array | str:
    spaced = any(" " in text for text in form.classes)
    prediction = np.zeros((len(texts), len(form.classes)))
    for row, text in enumerate(texts):
        listed = [part.strip() for part in text.split("," if spaced else None)]
        for place, found in enumerate(match(listed, form.classes)):
            if found < 0:
                break
            prediction[row, found] = max(prediction[row, found], 1 / (place + 1))
    if not prediction.any():
        return f"no label of the submission ({_some(texts)}) is one of the classes ({_some(form.classes)})"
    return prediction


def _numbers(outputs: pd.DataFrame) -> Array | str:
    columns = []
    for name in outputs.columns:
        texts = outputs[name].replace({"True": "1", "False": "0", "true": "1", "false": "0"})
        values = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=np.float64)
        bad = np.flatnonzero(~finite(values))
        if len(bad):
            examples = _some([repr(text[:80]) for text in outputs[name].iloc[bad[:5]]])
            return f"column {name!r} of the submission has {len(bad)} values that are no finite number: {examples}"
        columns.append(values)
    return np.column_stack(columns)


def finite(values: Array) -> Array:
    """Predictions are kept as float32: a value beyond its range is not finite."""
    return np.asarray(np.abs(values) <= np.finfo(np.float32).max)


def _table(folder: Path, form: Form) -> pd.DataFrame | str:
    name = next((name for name in SUBMISSIONS if exists(folder / name)), None)
    if name is None:
        return "the script wrote no submission.csv"
    cells = (form.rows + 1) * len(form.columns)
    most = min(MOST_BYTES, 2**20 + cells * CELL_BYTES)
    if name.endswith(".parquet"):
        table = parquet(folder / name, form.rows, len(form.columns) + 1, most)
        return table if isinstance(table, str) else as_texts(table)
    data = plain(folder / name, most)
    return data if isinstance(data, str) else csv(data, name, len(form.columns))


# --- members ---------------------------------------------------------------------------------------


def read_members(folder: Path, form: Form) -> Members:
    """The named predictions that the script wrote beside its submission, in the view's row order.

    A member that is incomplete, of another type or not finite is skipped with a reason; so is the whole
    file where it cannot be read or has another number of rows.
    """
    if not exists(folder / MEMBERS):
        return Members({})
    columns = min(MOST_MEMBERS * len(form.prediction_columns), 100_000)
    cell = CELL_BYTES if form.predicts == "text" else 8
    table = parquet(folder / MEMBERS, form.rows, columns, min(MOST_BYTES, form.rows * columns * cell + 2**20))
    if isinstance(table, str):
        return Members({}, (table,))
    names = list(dict.fromkeys(name.partition("::")[0] for name in table.column_names))
    times = Counter(table.column_names)
    places = {name: place for place, name in enumerate(table.column_names) if times[name] == 1}
    arrays: dict[str, Array] = {}
    skipped: list[str] = []
    for name in names:
        array = _member(table, places, name, form)
        if isinstance(array, str):
            skipped.append(array)
        else:
            arrays[name] = array
    return Members(arrays, tuple(skipped))


def _member(table: pa.Table, places: Mapping[str, int], name: str, form: Form) -> Array | str:
    wanted = [f"{name}::{column}" for column in form.prediction_columns]
    if not _NAME.fullmatch(name) or word(name) != name:
        return f"member {word(name, 80)!r}: a name has at most 80 printable characters, no quotes and no backslash"
    if any(column not in places for column in wanted):
        return f"member {name!r}: not one column each for {_some(form.prediction_columns)}"
    columns = [table.column(places[column]) for column in wanted]
    if form.predicts == "text":
        return _texts(columns) if all(map(_is_texts, columns)) else f"member {name!r}: its columns are not texts"
    if not all(_is_number(column.type) for column in columns):
        return f"member {name!r}: its columns are not numbers"
    array = np.column_stack([column.cast(pa.float64(), safe=False).to_numpy() for column in columns])
    return array if finite(array).all() else f"member {name!r}: it has values that are not finite"


def _texts(columns: list[pa.ChunkedArray]) -> Array:
    cells = [["" if cell is None else cell for cell in column.to_pylist()] for column in columns]
    return np.array(cells, dtype=object).T


def _is_texts(column: pa.ChunkedArray) -> bool:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _some(items: Any) -> str:
    shown = [word(item, 80) for item in items[:5]]
    return ", ".join(shown) + (f" … ({len(items)} in all)" if len(items) > 5 else "")


def _row(row: int, form: Form) -> str:
    return f"id {form.keys[row].replace(_BETWEEN, ' + ')}" if form.id_columns else f"row {row + 1}"
