"""Everything in a task folder that is neither one of its three tables nor a declared row file.

Side tables (tables with the id column) and files named by a training row's id follow the rows:
what test rows have no counterpart of is removed for held rows. Sealed and real test rows appear in
no fold view. All other files are the same in every view.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from mlestar.errors import TaskError
from mlestar.ports import Rows
from mlestar.tasks import tables
from mlestar.tasks.infer_files import description_file
from mlestar.tasks.names import placeholders
from mlestar.tasks.rowfiles import Filler, copy, paths, settle
from mlestar.tasks.source import Source, Table

PROGRAMS = ("task.py", "metric.py")
PROPOSED = ".proposed"  # what a brain wrote, until the user accepts it
_MINE = ("task.toml", *PROGRAMS)
OURS = {*_MINE, *(f"{name}{PROPOSED}" for name in _MINE)}  # for mle-star, not for scripts


def files(folder: Path) -> list[str]:
    """All files below a task folder that scripts may see, as sorted relative paths."""
    return [name for name in everything(folder) if name not in OURS]


def everything(folder: Path) -> list[str]:
    """All files below a task folder but hidden ones, as sorted relative paths; linked folders are not entered."""
    found, left = [], [""]
    while left:
        below = left.pop()
        with contextlib.suppress(PermissionError), os.scandir(f"{folder}/{below}") as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    left.append(f"{below}{entry.name}/")
                elif entry.is_file():
                    found.append(below + entry.name)
    return sorted(found)


def others(source: Source) -> list[str]:
    """All files that scripts may see beside tables and row files; where tables were made only those that were named."""
    if not source.made:
        return [name for name in files(source.folder) if name not in source.parts]
    return sorted({*source.other_files, *filter(None, [description_file(source.folder)])})


class Others:
    """Sorts the other files of `source` once; `lay` puts them into a view. Copies are kept in `root`."""

    def __init__(self, source: Source, root: Path) -> None:
        self.source, self.root = source, root
        keyed = bool(source.id) and all(column in source.train.frame.columns for column in source.id)
        self.train_keys = keys(source.train.frame, source.id) if keyed else []
        self._mine = set(self.train_keys)
        self.test_keys = set(keys(source.test.frame, source.id)) if keyed else set()
        self.sides: dict[str, Table] = {}
        self.row_files: dict[str, str] = {}
        self.shared: list[str] = []
        known = {source.train.name, source.test.name, source.sample.name}
        for asset in source.assets:
            known.update(paths(asset.train, source.train.frame), paths(asset.test, source.test.frame))
        told = description_file(source.folder)
        patterns = [_regex(pattern) for asset in source.assets for pattern in (asset.train, asset.test)]
        for name in others(source):
            named = name == told or (source.made and name in source.other_files)
            if name not in known and (named or not any(pattern.fullmatch(name) for pattern in patterns)):
                self._sort(name)

    def lay(self, view: Path, train: Rows, held: Rows, test: pd.DataFrame) -> None:
        """Write what training rows `train` and the held rows (named as in `test`) may have into `view`."""
        keyed = bool(self.train_keys) and bool(self.sides or self.row_files)
        mine = {self.train_keys[row] for row in train.tolist()} if keyed else set()
        new = {self.train_keys[row]: place for place, row in enumerate(held.tolist())} if keyed else {}
        filler = Filler(view)
        for name in [*self.shared, *(name for name, key in self.row_files.items() if key in mine)]:
            filler.link(self.own(name), name)
        for name, table in self.sides.items():
            tables.write(table, self._side(name, mine, new, test), view / name)
            settle([view / name])

    def own(self, name: str) -> Path:
        """The run-owned copy of a file; made whole or not at all."""
        kept = self.root / name
        if not kept.exists():
            half = kept.with_name(f".{kept.name}.building")
            kept.parent.mkdir(parents=True, exist_ok=True)
            half.unlink(missing_ok=True)
            copy(self.source.folder / name, half)
            half.rename(kept)
        return kept

    def _sort(self, name: str) -> None:
        table = self._table(name)
        if self.train_keys and table is not None and set(self.source.id) <= set(table.frame.columns):
            self.sides[name] = table
            return
        parts = PurePosixPath(name).parts
        named = {*parts[:-1], parts[-1], parts[-1].split(".")[0]}
        mine, real = named & self._mine, named & self.test_keys
        if not (mine or real):
            self.shared.append(name)
        elif mine and "test" not in parts[0].lower():
            self.row_files[name] = min(mine)

    def _table(self, name: str) -> Table | None:
        path = self.source.folder / name
        try:
            return tables.read(path, self.source.folder) if tables.format_of(path) else None
        except TaskError:
            return None

    def _side(self, name: str, mine: set[str], new: dict[str, int], test: pd.DataFrame) -> pd.DataFrame:
        """The rows of a side table that a view has; held ones last, in the test's order, under their new ids."""
        frame = self.sides[name].frame
        origin = _counterpart(name, "test", "train", self.sides)
        if origin is not None:
            return self._held(self.sides[origin].frame, new, test).reindex(columns=frame.columns, fill_value="")
        own = pd.Series(keys(frame, self.source.id), index=frame.index)
        stay = own.isin(mine) | ~(own.isin(self._mine) | own.isin(self.test_keys))
        parts = [frame[stay.to_numpy(bool)]]
        unsure = bool(self._mine & self.test_keys)  # the test numbers its own rows: these ids are train's
        covers = not unsure and bool(own.isin(self.test_keys).any())
        if covers and not set(self.source.target) & set(frame.columns):
            parts.append(self._held(frame, {key: place for key, place in new.items() if key not in mine}, test))
        return pd.concat(parts, ignore_index=True)

    def _held(self, frame: pd.DataFrame, new: dict[str, int], test: pd.DataFrame) -> pd.DataFrame:
        own = keys(frame, self.source.id)
        rows = [row for row, key in enumerate(own) if key in new]
        places = np.array([new[own[row]] for row in rows], np.intp)
        order = np.argsort(places, kind="stable")
        result = frame.iloc[np.array(rows, np.intp)[order]].reset_index(drop=True)
        for column in self.source.id:
            result[column] = test[column].iloc[places[order]].to_numpy()
        return result


def keys(frame: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """One text per row from its id columns."""
    cells = [tables.texts(frame[column]).tolist() for column in columns]
    return cells[0] if len(cells) == 1 else ["\x1f".join(row) for row in zip(*cells, strict=True)]


def _regex(pattern: str) -> re.Pattern[str]:
    escaped = re.escape(pattern)
    for column in placeholders(pattern):
        escaped = escaped.replace(re.escape("{" + column + "}"), "[^/]+")
    return re.compile(escaped)


def _counterpart(name: str, old: str, new: str, among: dict[str, Table]) -> str | None:
    for a, b in ((old, new), (old.title(), new.title())):
        if a in name and name.replace(a, b) in among:
            return name.replace(a, b)
    return None
