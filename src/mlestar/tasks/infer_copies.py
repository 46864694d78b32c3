"""Files that hold the answers of training rows again: no view may have them, as held rows cannot be left out."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from mlestar.tasks.infer_columns import Columns, cells, numbers, plain
from mlestar.tasks.infer_files import Files, Findings, heads, readable, tables_in
from mlestar.tasks.source import Table
from mlestar.tasks.tables import stem

_MOST_BYTES, _MOST_TIMES, _MOST_TABLES = 2**28, 2, 20  # what is looked into: bytes, times those of the train table
_DISTINCT = 0.5  # of the answers that must differ, so that the same ones elsewhere are no chance
_UNREAD = {
    ".xlsx", ".xls", ".ods", ".feather", ".arrow", ".pkl", ".pickle", ".npy", ".npz", ".h5", ".hdf5", ".sav", ".dta",
    ".rds", ".rda", ".rdata", ".db", ".sqlite",
}  # fmt: skip


def copies(folder: Path, files: Files, columns: Columns, test: Table, say: Findings) -> tuple[str, ...]:
    """Names of such files, which are told: tables, and what is called like the train table but cannot be read."""
    known = {files.train.name, test.name, files.sample.name, *files.parts}
    paths = tables_in(folder)
    tables = [path for part in ("train", "test", "other") for path in paths[part]]
    others = [path for path in tables if path.relative_to(folder).as_posix() not in known]
    mine = sum(path.stat().st_size for path in tables if path not in others)
    most = min(_MOST_BYTES, _MOST_TIMES * mine)
    small = [path for path in others if path.stat().st_size <= most][:_MOST_TABLES]
    rows = len(files.train.frame) + len(test.frame)
    found = [t.name for t in readable(folder, small) if len(t.frame) <= 2 * rows and _holds(t, files.train, columns)]
    stems = {stem(PurePosixPath(name).name) for name in (files.train.name, *files.parts)}
    found += sorted(p.name for p in folder.iterdir() if p.suffix.lower() in _UNREAD and p.stem in stems and p.is_file())
    if found:
        say.warnings.append(f"no script sees {', '.join(found)}: the answers of training rows seem to stand there "
                            "again, with no id by which those of held rows could be left out")  # fmt: skip
    return tuple(found)


def _holds(table: Table, train: Table, columns: Columns) -> bool:
    """Whether a column holds a target again, row by row or in another order, in a table that no id divides."""
    if columns.id and {*columns.id} <= {*table.frame} and {*columns.id} <= {*train.frame}:
        mine, theirs = (set(zip(*(cells(t, c) for c in columns.id), strict=True)) for t in (train, table))
        if mine & theirs:
            return False
    targets = [_plain(cells(train, column)) for column in columns.target]
    return any(_again(target, _plain(cells(table, column))) for column in heads(table) for target in targets)


def _again(target: pd.Series[Any], values: pd.Series[Any]) -> bool:
    if len(values) == len(target) and values.tolist() == target.tolist():
        return True
    asked = target.value_counts()
    return len(asked) > _DISTINCT * len(target) and bool((asked <= values.value_counts().reindex(asked.index)).all())


def _plain(values: pd.Series[Any]) -> pd.Series[Any]:
    """Cells to compare: as numbers where they are such."""
    found = numbers(values)
    return found if found.notna().all() else pd.Series(plain(values.tolist()), dtype="str")
