"""New rows for a finished solution: a view whose training side is the whole task, and whose test side they are."""

from __future__ import annotations

import contextlib
import difflib
import filecmp
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlestar.errors import TaskError
from mlestar.plain import word
from mlestar.tasks import judge, tables
from mlestar.tasks.infer_files import heads, part_of
from mlestar.tasks.judge import Form
from mlestar.tasks.names import derived, placeholders
from mlestar.tasks.numerals import as_in_task
from mlestar.tasks.others import files
from mlestar.tasks.prepared import Prepared
from mlestar.tasks.rowfiles import copy, paths, settle
from mlestar.tasks.sides import Side, form
from mlestar.tasks.source import Source, Table
from mlestar.tasks.views import stamp

_SHOWN = 8  # names in a message


@dataclass(frozen=True)
class NewRows:
    """A laid view's test side. `notes` say what was ignored or made up."""

    form: Form
    sample: Table
    notes: tuple[str, ...]

    def deliver(self, folder: Path) -> bytes:
        """The predictions that a job left, in the sample's columns and the order of the new rows, as csv.

        Raises ValueError where it left no valid ones.
        """
        return judge.deliver(folder, self.form, self.sample)


def lay(task: Prepared, new: Path, view: Path) -> NewRows:
    """Fill the empty folder `view`: all training rows with their files, and the rows of `new` as the test.

    `new` is a table, or a folder with the files of its rows. Raises TaskError naming what it lacks.
    """
    source = task.source
    refuse(source)
    table, home = _table(source, new)
    frame, notes = _columns(source, table, str(new))
    sample = replace(source.sample, frame=_sample(source, frame))
    task.views.lay(view, frame, sample.frame)
    if home is not None:
        _sides(task, home, view)
    _row_files(source, frame, home, new, view)
    stamp(view)
    count = len(frame)
    keys = pd.DataFrame({column: tables.texts(frame[column]) for column in source.id}, index=frame.index)
    nothing = np.zeros(count, np.intp)
    side = Side(None, np.arange(count), nothing, keys, sample.frame, np.arange(len(source.train.frame)))
    return NewRows(form(source, side), sample, notes)


def training_files(task: Prepared) -> Iterator[tuple[Path, str]]:
    """Every file that scripts may read but those of the test side: where it lies, and its name."""
    source, real = task.source, task.view("real")
    mine = {name for asset in source.assets for name in paths(asset.train, source.train.frame)}
    theirs = {name for asset in source.assets for name in paths(asset.test, source.test.frame)} - mine
    for name in files(real):
        if name not in theirs and name not in (source.test.name, source.sample.name):
            yield real / name, name


def refuse(source: Source) -> None:
    """Raise TaskError where a task has no rows that could be predicted one by one."""
    if source.pixels:
        raise TaskError("this task is images in, images out: new images are no rows of a table. Put them in place of "
                        "the task's test images, and run best/solution.py on that folder")  # fmt: skip
    if source.kind == "forecast" or source.split == "horizon":
        raise TaskError("this task is a forecast: what comes next depends on the rows just before it, which new "
                        "rows alone do not have. Add them to the training table of a new task, and run it")  # fmt: skip


def _table(source: Source, new: Path) -> tuple[Table, Path | None]:
    """The new rows, and the folder of their files, where one was given."""
    if not new.exists():
        raise TaskError(f"{new}: there is no such file or folder")
    if not new.is_dir():
        return tables.read(new, new.parent), None
    found = [name for name in files(new) if tables.format_of(new / name)]
    exact = [name for name in found if name == source.test.name]
    likely = [name for name in found if "/" not in name and part_of(name) == "test"]
    alone = [name for name in found if "/" not in name]
    for some in (exact, likely, alone):
        if len(some) == 1:
            return tables.read(new / some[0], new), new
    if not found and len(source.test.frame.columns) == 1 and source.assets:
        return _named_by_files(source, new), new
    raise TaskError(f"{new}: which table holds the new rows? Name it {source.test.name}, as in the task")


def _named_by_files(source: Source, new: Path) -> Table:
    """Rows that are files and nothing more: a row for each, in the order of their names."""
    (column,) = heads(source.test)
    before, _, after = source.assets[0].test.partition(f"{{{column}}}")
    named = [name for name in files(new) if name.startswith(before) and name.endswith(after)]
    ids = [name[len(before) : len(name) - len(after)] for name in named]
    if not ids:
        raise TaskError(f"{new}: there is no file like {source.assets[0].test}")
    return Table(source.test.name, pd.DataFrame({column: ids}, dtype="str"), "csv")


def _columns(source: Source, table: Table, name: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The test table's columns in its order and its kinds of cells; and what was done about others."""
    table, read = as_in_task(table, source.commas)
    given, wanted, notes = heads(table), heads(source.test), list(read)
    missing = [column for column in wanted if column not in given]
    named = {column for asset in source.assets for column in placeholders(asset.test)}
    made = {column: _made(source, column, len(table.frame)) for column in missing if column not in named}
    lost = [column for column in missing if made.get(column) is None]
    if lost:
        raise TaskError(f"{name} lacks {_columns_told(lost)}: the solution needs what the test had. "
                        f"{_near(lost, given)}It has {_some(given)}")  # fmt: skip
    for column in missing:
        rows = "the rows are numbered" if column in source.id else "it is filled as in the test"
        notes.append(f"there is no column {word(column)!r}: {rows}")
    targets = [column for column in given if column in source.target and column not in wanted]
    others = [column for column in given if column not in (*wanted, *targets)]
    if targets:
        notes.append(f"{_columns_told(targets)} ignored: that is what is to be predicted")
    if others:
        notes.append(f"{_columns_told(others)} ignored: the test had no such column")
    cells = {c: made[c] if c in missing else _alike(table, table.frame[c], source.test, c, name) for c in wanted}
    return pd.DataFrame(cells, columns=wanted).reset_index(drop=True), tuple(notes)


def _made(source: Source, column: str, count: int) -> list[Any] | None:
    """The cells of a column that is not there: a number for each row, or what all test rows had; None: nobody knows."""
    real = source.test.frame[column]
    numbered = [str(number) for number in range(1, count + 1)]
    if column in source.target:
        return [real.iloc[0]] * count
    if column in source.id:
        return _whole(numbered) if all(isinstance(value, int | np.integer) for value in real) else numbered
    return None


def _whole(texts: Sequence[str]) -> list[Any]:
    return [int(text) for text in texts]


def _alike(table: Table, given: pd.Series[Any], test: Table, column: str, name: str) -> pd.Series[Any]:
    """Cells as the task's files have them: text in csv, numbers and lists where json or parquet has them."""
    real = test.frame[column]
    if test.format in ("csv", "tsv") or isinstance(real.dtype, pd.StringDtype):
        return tables.texts(given)
    try:
        if test.format == "parquet" and real.dtype != object:
            if given.dtype == object or isinstance(given.dtype, pd.StringDtype):
                words = tables.texts(given)
                given = words if real.dtype.kind in "MmO" else pd.to_numeric(words)
            return given.astype(real.dtype)
        return _native(given, real) if table.format in ("csv", "tsv") else given.astype(object)
    except (ValueError, TypeError) as error:
        raise TaskError(f"{name}, column {word(column)!r}: not like the test's, which is {real.dtype} ({word(error)})"
                        ) from None  # fmt: skip


def _native(given: pd.Series[Any], real: pd.Series[Any]) -> pd.Series[Any]:
    """Texts as the values that they write, where the test's cells are such; an empty one is missing."""
    if any(isinstance(value, str) for value in real):
        return given
    return pd.Series([json.loads(text) if text else None for text in given], index=given.index, dtype=object)


def _sample(source: Source, test: pd.DataFrame) -> pd.DataFrame:
    """A sample submission for the new rows: their ids, echo columns, and the task's constant to be filled."""
    real, columns = source.sample.frame, {}
    for column in real.columns:
        if column in source.prediction_columns:
            columns[column] = [real[column].iloc[0]] * len(test)
        elif column in test.columns:
            columns[column] = test[column].tolist()
        else:
            columns[column] = derived(column, real[column], len(test), source.sample.name)
    return pd.DataFrame(columns, columns=real.columns)


def _sides(task: Prepared, home: Path, view: Path) -> None:
    """Add what `home` has of the side tables: tables of more rows per id."""
    for name, table in task.views.sides.items():
        if (home / name).is_file():
            more = tables.read(home / name, home).frame.reindex(columns=table.frame.columns)
            known = table.frame.iloc[:0]
            with contextlib.suppress(TaskError):  # it may have been all about test rows
                known = tables.read(view / name, view).frame
            (view / name).unlink()
            tables.write(table, pd.concat([known, more], ignore_index=True), view / name)
            settle([view / name])


def _row_files(source: Source, test: pd.DataFrame, home: Path | None, new: Path, view: Path) -> None:
    """The files of the new rows, under the names that the test side has."""
    if source.assets and home is None:
        raise TaskError(f"this task has a file for each row ({source.assets[0].test}): give a folder that holds the "
                        f"table and these files, not {new} alone")  # fmt: skip
    for asset in source.assets:
        for name in dict.fromkeys(paths(asset.test, test)):
            origin, target = Path(f"{home}/{name}"), view / name
            if not origin.is_file():
                continue  # as in the task itself: not every row need have each of its files
            if target.exists():
                if not filecmp.cmp(origin, target, shallow=False):
                    raise TaskError(
                        f"{origin} is called like the file of a training row, and is another: rename the row"
                    )
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            copy(origin, target)
        if not any((view / name).is_file() for name in paths(asset.test, test)):
            raise TaskError(f"{home}: none of the new rows has its file; they are looked for as {asset.test}")


def _near(lost: Sequence[str], given: Sequence[str]) -> str:
    """A hint at columns that are spelt otherwise."""
    plain = {column.strip().lower(): column for column in given}
    found = [(c, difflib.get_close_matches(c.lower(), plain, 1, 0.8)) for c in lost]
    pairs = [f"{word(plain[near[0]])!r} for {word(c)!r}" for c, near in found if near]
    return f"Did you mean {', '.join(pairs[:_SHOWN])}? " if pairs else ""


def _columns_told(names: Sequence[str]) -> str:
    return f"the column{'s' * (len(names) > 1)} {_some(names)}"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(repr(word(name, 80)) for name in names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
