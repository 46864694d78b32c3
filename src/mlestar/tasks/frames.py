"""Tables that a program holds in memory, as task folders: what the Python API hands over."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlestar.errors import TaskError
from mlestar.plain import word
from mlestar.tasks import tables
from mlestar.tasks.new import FEWEST_ROWS, Parts, make, new
from mlestar.tasks.source import Table
from mlestar.tasks.tables import read, texts, write

_SHOWN = 8  # names in a message


def folder(
    frame: pd.DataFrame, target: str, out: Path, test: pd.DataFrame | None = None,
    metric: str | None = None, seed: int = 0,
) -> Path:  # fmt: skip
    """A task folder `out` of a frame. Without `test` a random fifth of its rows is the test; the index is no column.

    Raises TaskError naming the column or the setting.
    """
    check(frame, "the frame")
    if target not in frame:
        raise TaskError(f"target={target!r} is not a column of the frame; it has {_some(list(frame.columns))}")
    if len(frame) < FEWEST_ROWS:
        raise TaskError(f"the frame has {len(frame)} rows; at least {FEWEST_ROWS} are needed")
    if test is None:
        return _alone(frame, target, out, metric, seed)
    check(test, "the test frame")
    features = [column for column in frame if column != target]
    missing = [column for column in features if column not in test]
    if missing:
        raise TaskError(f"the test frame lacks {_some(missing)}: it needs all columns of the frame but {target!r}")
    told = f"{len(test)} rows, without `{target}`"
    return lay(frame, test[features], target, out, metric, None, told)


def lay(
    train: pd.DataFrame, test: pd.DataFrame, target: str, out: Path, metric: str | None, split: str | None,
    told: str, classes: tuple[str, ...] = (),
) -> Path:  # fmt: skip
    """A task folder of two frames that fit each other; `classes` are the sample's columns, one for each label."""
    table = Table(f"{out.name}.csv", train, "csv")
    return make(out, Parts(table, train, test, target, None, told, classes), metric, split)


def _alone(frame: pd.DataFrame, target: str, out: Path, metric: str | None, seed: int) -> Path:
    file = out.with_name(f"{out.name}.csv")
    save(frame, file)
    try:
        return new(file, target, out, metric, id="", seed=seed)
    finally:
        file.unlink()


def save(frame: pd.DataFrame, path: Path) -> None:
    """A frame as a csv file: missing cells are empty, all else is what `str` makes of it."""
    write(Table(path.name, frame, "csv"), frame, path)


def digest(frame: pd.DataFrame) -> str:
    """Of what would be written: names and cells, in their order."""
    told = hashlib.sha256()
    for lines in tables.delimited(Table("frame.csv", frame, "csv"), frame):
        told.update(lines)
    return told.hexdigest()


def load(path: Path) -> pd.DataFrame:
    """The rows of a table file, as they are written; raises TaskError."""
    if not path.is_file():
        raise TaskError(f"{path}: there is no such file")
    return read(path, path.parent).frame


def check(frame: pd.DataFrame, what: str) -> None:
    """Raise TaskError where a frame is no table of named columns."""
    names: Sequence[Any] = list(frame.columns)
    odd = [name for name in names if not isinstance(name, str)]
    if odd:
        raise TaskError(f"{what} has column names that are no text, such as {odd[0]!r}: "
                        "frame.columns = frame.columns.map(str) mends it")  # fmt: skip
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise TaskError(f"{what} has the column {word(twice[0])!r} twice: rename one, or keep the first with "
                        "frame.loc[:, ~frame.columns.duplicated()]")  # fmt: skip
    if "" in names:
        raise TaskError(f"{what} has a column whose name is empty: name it")
    if frame.empty:
        raise TaskError(f"{what} has no {'columns' if len(frame.columns) == 0 else 'rows'}: nothing to learn from")


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Texts as the numbers or booleans that they write, a column at a time; `007` stays a text."""
    return frame.apply(_typed)


def _typed(column: pd.Series[Any]) -> pd.Series[Any]:
    cells = texts(column)
    if cells.str.fullmatch(r"-?(0|[1-9]\d{0,17})").all():
        return cells.astype(np.int64)
    if cells.str.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?").all():
        return cells.astype(np.float64)
    if cells.isin(["True", "False"]).all():
        return cells == "True"
    return cells


def _some(names: Sequence[Any]) -> str:
    shown = ", ".join(repr(word(name, 80)) for name in names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
